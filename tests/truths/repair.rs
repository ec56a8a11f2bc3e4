//! Missing pixels: what is found for them against quadrature over a one-dimensional latent space, and against a
//! closed form where everything is linear and Gaussian.

use elbo::{
    data::{Hidden, Images, Part, Pixels, View},
    distributions::{Likelihood, any::AnyLikelihood, bernoulli::Bernoulli},
    evaluation::{Evaluator, log_likelihood},
    layers::{Activation, Init},
    models::{MlpVae, Model, Vamp},
    objectives::Elbo,
    parameters::Parameters,
    random::{self, Purpose},
    uses::repair::{Method, Noise, Proposal, Repaired, Settings, denoise, log_likelihoods, repair},
};
use ndarray::{Array2, Axis};

use super::{mean_and_error, two_layer};

const BYTES: [u8; 6] = [0, 255, 255, 0, 0, 255];
const HIDDEN: [bool; 6] = [false, true, false, true, true, false];

/// As many copies of one image as chains, each with draws of its own.
fn copies(bytes: &[u8], count: usize) -> Images {
    Images::new(1, bytes.len(), Pixels::Bytes(bytes.repeat(count))).unwrap()
}

fn view<'a>(images: &'a Images, hidden: &'a [bool]) -> View<'a> {
    View::new(images, Part::Test).hiding(Some(Hidden::Pixels(hidden)))
}

/// A small VAE whose posterior is far from the true one.
fn vae() -> MlpVae<f64> {
    let rng = &mut random::rng(9, Purpose::Init, 0, 0);
    let mut vae = MlpVae::mlp(6, &[5], 1, Activation::Tanh, Init::Pytorch, rng);
    vae.tensors_mut().for_each(|mut t| t *= 2.0);
    vae.encoder.mu.bias += 0.4;
    vae
}

/// What quadrature finds.
struct Truth {
    /// log p(x°) and log p(x).
    log_p_seen: f64,
    log_p: f64,
    /// E_q[log p(x°|z) + log p(z) - log q(z|x̃)] of the image with zeros in the places of missing pixels.
    elbo_seen: f64,
    /// E[xᵐ|x°] at the hidden pixels.
    means: Vec<f64>,
}

fn log_normal(z: f64, mean: f64, variance: f64) -> f64 {
    -0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + (z - mean).powi(2) / variance)
}

/// By the trapezoidal rule over z.
fn truth(vae: &MlpVae<f64>) -> Truth {
    const POINTS: usize = 4001;
    let (edge, images) = (9.0, copies(&BYTES, POINTS));
    let spacing = 2.0 * edge / (POINTS - 1) as f64;
    let mut w = vae.workspace(POINTS);
    let indices: Vec<usize> = (0..POINTS).collect();
    w.signals.read(&view(&images, &HIDDEN), 0, &indices, 0);
    vae.encode(&mut w);
    w.signals.z = Array2::from_shape_fn((POINTS, 1), |(n, _)| spacing * n as f64 - edge);
    vae.decode(&mut w);
    let s = &w.signals;
    let (mut seen, mut all, mut elbo) = (0.0, 0.0, 0.0);
    let mut means = vec![0.0; 3];
    for (n, logits) in s.logits.rows().into_iter().enumerate() {
        let log_p =
            |j: usize| -(if BYTES[j] == 255 { -logits[j] } else { logits[j] }).exp().ln_1p();
        let sum = |hidden: bool| (0..6).filter(|&j| HIDDEN[j] == hidden).map(log_p).sum::<f64>();
        let z = s.z[[n, 0]];
        let log_p_seen = sum(false) + log_normal(z, 0.0, 1.0);
        let log_q = log_normal(z, s.mu[[n, 0]], s.log_var[[n, 0]].exp());
        seen += spacing * log_p_seen.exp();
        all += spacing * (log_p_seen + sum(true)).exp();
        elbo += spacing * log_q.exp() * (log_p_seen - log_q);
        for (mean, j) in means.iter_mut().zip((0..6).filter(|&j| HIDDEN[j])) {
            *mean += spacing * log_p_seen.exp() / (1.0 + (-logits[j]).exp());
        }
    }
    means.iter_mut().for_each(|mean| *mean /= seen);
    Truth { log_p_seen: seen.ln(), log_p: all.ln(), elbo_seen: elbo, means }
}

/// The mean over the chains, and its standard error, of each hidden pixel.
fn of_hidden(found: &Array2<f32>, hidden: &[bool]) -> Vec<(f64, f64)> {
    let columns = found.axis_iter(Axis(1)).zip(hidden).filter(|(_, hidden)| **hidden);
    columns.map(|(column, _)| mean_and_error(column.iter().map(|&v| f64::from(v)))).collect()
}

fn repaired<M: Model<f64>>(
    model: &M,
    likelihood: &impl Likelihood<f64>,
    bytes: &[u8],
    hidden: &[bool],
    (chains, method, burn_in, steps): (usize, Method, usize, usize),
) -> Repaired {
    let images = copies(bytes, chains);
    let settings = Settings { method, burn_in, steps, seed: 3 };
    repair(model, likelihood, view(&images, hidden), settings, |_| ()).unwrap()
}

#[track_caller]
fn assert_found(found: &[(f64, f64)], truth: &[f64], largest_error: f64) {
    for (&(mean, error), truth) in found.iter().zip(truth) {
        assert!(error < largest_error, "too coarse: {found:?}");
        assert!((mean - truth).abs() <= 4.0 * error, "{found:?}, not {truth}");
    }
}

#[test]
fn metropolis_within_gibbs_finds_the_means_and_the_draws_that_quadrature_does() {
    let vae = vae();
    let how = (400, Method::Metropolis, 20, 1000);
    let found = repaired(&vae, &Bernoulli, &BYTES, &HIDDEN, how);
    let acceptance = found.acceptance.unwrap();
    assert!(0.1 < acceptance && acceptance < 0.95, "{acceptance}");
    let truth = truth(&vae);
    assert_found(&of_hidden(&found.mean, &HIDDEN), &truth.means, 0.003);
    let many = (8000, Method::Metropolis, 20, 300);
    let found = repaired(&vae, &Bernoulli, &BYTES, &HIDDEN, many);
    assert_found(&of_hidden(&found.draw, &HIDDEN), &truth.means, 0.006);
}

#[test]
fn pseudo_gibbs_is_off_by_what_its_posterior_is() {
    let vae = vae();
    let found = repaired(&vae, &Bernoulli, &BYTES, &HIDDEN, (400, Method::Gibbs, 20, 1000));
    let found = of_hidden(&found.mean, &HIDDEN);
    let truth = truth(&vae).means;
    let off = |(&(mean, error), truth): (&(f64, f64), &f64)| (mean - truth).abs() > 10.0 * error;
    assert!(found.iter().zip(&truth).any(off), "{found:?} {truth:?}");
}

#[test]
fn importance_samples_of_either_proposal_find_the_means_and_log_p_of_what_was_seen() {
    let vae = vae();
    let truth = truth(&vae);
    for proposal in [Proposal::Zeros, Proposal::Chain] {
        // The quotient's bias is of the order of one over the samples, the error of their root.
        let how = (200, Method::Importance(proposal), 5, 2000);
        let found = repaired(&vae, &Bernoulli, &BYTES, &HIDDEN, how);
        assert_found(&of_hidden(&found.mean, &HIDDEN), &truth.means, 0.003);
        let size = found.effective_sample_size.unwrap();
        assert!(10.0 < size && size < 1999.0, "{size}");
        let log_p = found.log_likelihood.unwrap();
        let (mean, error) = mean_and_error(log_p.into_iter());
        // To first order the bias is minus half the variance.
        let bias = error.powi(2) * 200.0 / 2.0;
        assert!((mean + bias - truth.log_p_seen).abs() <= 4.0 * error, "{mean} ± {error}");
    }
    let draws = (4000, Method::Importance(Proposal::Zeros), 0, 1000);
    let found = repaired(&vae, &Bernoulli, &BYTES, &HIDDEN, draws);
    assert_found(&of_hidden(&found.draw, &HIDDEN), &truth.means, 0.009);
}

#[test]
fn the_likelihood_of_the_missing_pixels_is_that_of_quadrature() {
    let (vae, images) = (vae(), copies(&BYTES, 500));
    let truth = truth(&vae);
    let method = Method::Importance(Proposal::Chain);
    let settings = Settings { method, burn_in: 5, steps: 3000, seed: 4 };
    let view = view(&images, &HIDDEN);
    let (found, _) = log_likelihoods(&vae, &Bernoulli, view, settings, |_| ()).unwrap();
    let (mean, error) = mean_and_error(found.into_iter());
    assert!(error < 0.005, "too coarse: {error}");
    let expected = truth.log_p - truth.log_p_seen;
    assert!((mean - expected).abs() <= 4.0 * error + 1e-3, "{mean} ± {error}, not {expected}");
}

/// E[x|y] by the trapezoidal rule over z, from ln p(y|x) of each pixel for x = 0 and x = 1.
fn denoised(vae: &MlpVae<f64>, log_p: &[[f64; 2]]) -> Vec<f64> {
    const POINTS: usize = 4001;
    let spacing = 18.0 / (POINTS - 1) as f64;
    let mut w = vae.workspace(POINTS);
    w.signals.z = Array2::from_shape_fn((POINTS, 1), |(n, _)| spacing * n as f64 - 9.0);
    vae.decode(&mut w);
    let (mut sum, mut means) = (0.0, vec![0.0; log_p.len()]);
    for (&z, logits) in w.signals.z.iter().zip(w.signals.logits.rows()) {
        // p(x, y|z) of each pixel.
        let joint = |(l, [black, white]): (&f64, &[f64; 2])| {
            [black.exp() / (1.0 + l.exp()), white.exp() / (1.0 + (-l).exp())]
        };
        let pixels: Vec<[f64; 2]> = logits.iter().zip(log_p).map(joint).collect();
        let p_y: f64 = pixels.iter().map(|[black, white]| black + white).product();
        let p = log_normal(z, 0.0, 1.0).exp() * p_y;
        sum += p;
        for (mean, [black, white]) in means.iter_mut().zip(&pixels) {
            *mean += p * white / (black + white);
        }
    }
    means.iter().map(|mean| mean / sum).collect()
}

#[test]
fn a_walk_that_knows_of_the_noise_finds_the_means_that_quadrature_does() {
    const CHAINS: usize = 400;
    type LogP = fn(f64, f64) -> f64;
    let flip: LogP = |y, x| f64::ln(if y == x { 0.8 } else { 0.2 });
    let gaussian: LogP = |y, x| log_normal(y, x, 0.36);
    let (vae, images) = (vae(), copies(&BYTES, CHAINS));
    for (noise, y, log_p) in [
        (Noise::Flip(0.2), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0], flip),
        (Noise::Gaussian(0.6), [0.25, 0.75, 1.5, -0.5, 0.5, 1.0], gaussian),
    ] {
        let noisy = Array2::from_shape_fn((CHAINS, 6), |(_, j)| y[j] as f32);
        let spoilt = (View::new(&images, Part::Test), &noisy, noise);
        let how = (Method::Metropolis, 1500, 3);
        let likelihood = AnyLikelihood::Bernoulli(Bernoulli);
        let found = denoise(&vae, &likelihood, spoilt, how, |_| ()).unwrap();
        let truth = denoised(&vae, &y.map(|y| [log_p(y, 0.0), log_p(y, 1.0)]));
        assert_found(&of_hidden(&found.walk, &[true; 6]), &truth, 0.003);
    }
}

#[test]
fn the_bounds_of_what_was_seen_lie_below_its_log_p_and_climb_to_it() {
    let (vae, images) = (vae(), copies(&BYTES, 2000));
    let (truth, view) = (truth(&vae), view(&images, &HIDDEN));
    let ours = Evaluator::new(&vae, view).evaluate(&vae, &Elbo, 1, 0);
    let (elbo, error) = (ours.elbo, ours.elbo_standard_error);
    assert!(error > 0.0 && error < 0.05, "{error}");
    assert!((elbo - truth.elbo_seen).abs() <= 4.0 * error, "{elbo}, not {}", truth.elbo_seen);
    assert!(truth.elbo_seen + 4.0 * error < truth.log_p_seen);
    let bounds = [1, 3, 10, 30, 100, 1000].map(|k| {
        let estimate = log_likelihood(&vae, view, k, 2, |_| ());
        (estimate.log_likelihood, estimate.log_likelihood_standard_error)
    });
    assert!(bounds.is_sorted_by(|a, b| a.0 < b.0), "{bounds:?}");
    let [.., (bound, error)] = bounds;
    let bias = error.powi(2) * 2000.0 / 2.0;
    assert!((bound + bias - truth.log_p_seen).abs() <= 4.0 * error, "{bounds:?}");
}

/// Of two layers, the noise of the second is kept when that of the first is found again.
#[test]
fn with_exact_posteriors_every_proposal_is_accepted_and_the_means_have_a_closed_form() {
    let linear = two_layer::linear();
    let hidden = [false, true, false];
    let (mut precision, mut mean) = (1.0 / linear.tau2, linear.b2 / linear.tau2);
    for j in [0, 2] {
        let x = f64::from(two_layer::BYTES[j]) / 255.0;
        precision += linear.w[j].powi(2) / two_layer::VARIANCE;
        mean += linear.w[j] * (x - linear.b[j]) / two_layer::VARIANCE;
    }
    let truth = [linear.w[1] * mean / precision + linear.b[1]];
    let likelihood = &linear.model.vae.likelihood;
    for method in [Method::Gibbs, Method::Metropolis] {
        let how = (400, method, 20, 500);
        let found = repaired(&linear.model, likelihood, &two_layer::BYTES, &hidden, how);
        assert!(found.acceptance.is_none_or(|share| share > 0.999), "{:?}", found.acceptance);
        assert_found(&of_hidden(&found.mean, &hidden), &truth, 0.01);
    }
}

#[test]
fn with_a_prior_that_is_a_mixture_both_exact_methods_agree() {
    let rng = &mut random::rng(5, Purpose::Init, 0, 0);
    let mut vamp = Vamp::new(vae(), 4, rng);
    vamp.pseudo_inputs
        .indexed_iter_mut()
        .for_each(|((c, j), t)| *t = ((c + j) % 3) as f64 * 4.0 - 4.0);
    let [metropolis, importance] =
        [Method::Metropolis, Method::Importance(Proposal::Zeros)].map(|method| {
            let how = (400, method, 20, 1000);
            of_hidden(&repaired(&vamp, &Bernoulli, &BYTES, &HIDDEN, how).mean, &HIDDEN)
        });
    for ((a, a_error), (b, b_error)) in metropolis.iter().zip(&importance) {
        let error = a_error.hypot(*b_error);
        assert!(error < 0.005 && (a - b).abs() <= 4.0 * error, "{metropolis:?} {importance:?}");
    }
}
