//! The bounds against log p(x) itself, which quadrature gives where the latent space is small.

use elbo::{
    data::{Images, Pixels},
    evaluation::{Evaluator, log_likelihood},
    layers::{Activation, Init},
    models::MlpVae,
    objectives::Elbo,
    parameters::Parameters,
    random::{self, Purpose},
};
use ndarray::Array2;

const BYTES: [u8; 6] = [0, 255, 255, 0, 0, 255];
const COPIES: usize = 2000;

/// Many copies of one binary image: as many independent draws of noise in one evaluation, whose
/// standard error over the images is then the Monte Carlo error.
fn copies() -> Images {
    Images::new(2, 3, Pixels::Bytes(BYTES.repeat(COPIES))).unwrap()
}

/// A small VAE whose posterior is far from the true one.
fn vae(latent: usize) -> MlpVae<f64> {
    let rng = &mut random::rng(9, Purpose::Init, 0, 0);
    let mut vae = MlpVae::mlp(6, &[5], latent, Activation::Tanh, Init::Pytorch, rng);
    vae.tensors_mut().for_each(|mut t| t *= 2.0);
    vae.encoder.mu.bias += 0.7;
    vae
}

/// What quadrature finds for the image.
struct Truth {
    log_p: f64,
    elbo: f64,
}

/// ln (1/√(2π v)) e^(-(z-m)²/2v)
fn log_normal(z: f64, mean: f64, variance: f64) -> f64 {
    -0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + (z - mean).powi(2) / variance)
}

/// p(x) = ∫ p(x|z) p(z) dz and E_q[log p(x|z) + log p(z) - log q(z)], by the trapezoidal rule over a
/// grid so wide that the integrands vanish at its edge. For such integrands its error falls faster
/// than any power of the spacing.
fn truth(vae: &MlpVae<f64>) -> Truth {
    let (latent, edge) = (vae.latent(), 9.0);
    let points: usize = if latent == 1 { 4001 } else { 241 };
    let spacing = 2.0 * edge / (points - 1) as f64;
    let z = Array2::from_shape_fn((points.pow(latent as u32), latent), |(n, j)| {
        spacing * (n / points.pow(j as u32) % points) as f64 - edge
    });
    let mut w = vae.workspace(z.nrows());
    copies().gather(&vec![0; z.nrows()], &mut w.signals.x);
    w.signals.z = z;
    vae.encode(&mut w);
    vae.decode(&mut w);

    let s = &w.signals;
    let (mut p, mut elbo) = (0.0, 0.0);
    for (n, z) in s.z.rows().into_iter().enumerate() {
        let pixels = s.logits.row(n).into_iter().zip(BYTES);
        let log_p_x: f64 =
            pixels.map(|(l, x)| if x == 255 { -l } else { *l }).map(log_sigmoid).sum();
        let log_p_z: f64 = z.iter().map(|&z| log_normal(z, 0.0, 1.0)).sum();
        let posterior = s.mu.row(n).into_iter().zip(s.log_var.row(n)).zip(z);
        let log_q: f64 = posterior.map(|((&mu, v), &z)| log_normal(z, mu, v.exp())).sum();
        let cell = spacing.powi(latent as i32);
        p += cell * (log_p_x + log_p_z).exp();
        elbo += cell * log_q.exp() * (log_p_x + log_p_z - log_q);
    }
    Truth { log_p: p.ln(), elbo }
}

/// ln σ(-l).
fn log_sigmoid(l: f64) -> f64 {
    -l.exp().ln_1p()
}

#[test]
fn the_mean_elbo_is_what_quadrature_gives_and_below_log_p() {
    for latent in [1, 2] {
        let (vae, images) = (vae(latent), copies());
        let truth = truth(&vae);
        let ours = Evaluator::new(&vae, &images).evaluate(&vae, &Elbo, 1, 0);
        let (elbo, error) = (ours.elbo, ours.elbo_standard_error);
        assert!(error > 0.0 && error < 0.05, "{error}");
        assert!((elbo - truth.elbo).abs() <= 4.0 * error, "{elbo} ± {error}, not {}", truth.elbo);
        assert!(truth.elbo + 4.0 * error < truth.log_p, "{} {}", truth.elbo, truth.log_p);
    }
}

#[test]
fn importance_samples_climb_from_the_elbo_to_log_p() {
    for latent in [1, 2] {
        let (vae, images) = (vae(latent), copies());
        let truth = truth(&vae);
        let bounds = [1, 2, 5, 10, 30, 100, 1000].map(|k| {
            let estimate = log_likelihood(&vae, &images, k, 2, |_| ());
            (estimate.log_likelihood, estimate.log_likelihood_standard_error)
        });
        let [one, .., thousand] = bounds;
        assert!((one.0 - truth.elbo).abs() <= 4.0 * one.1, "{one:?}, not {}", truth.elbo);
        assert!(bounds.is_sorted_by(|a, b| a.0 < b.0), "{bounds:?}");
        assert!(one.0 + 4.0 * (one.1 + bounds[3].1) < bounds[3].0, "{bounds:?}");
        // The variance of ln ŵ over draws is Var(w)/kp² to first order, the bias minus half of it.
        let bias = thousand.1.powi(2) * COPIES as f64 / 2.0;
        let off = (thousand.0 + bias - truth.log_p).abs();
        assert!(off <= 4.0 * thousand.1, "{thousand:?}, not {}", truth.log_p);
        assert!(4.0 * thousand.1 < 0.02 * (truth.log_p - truth.elbo), "too coarse: {thousand:?}");
    }
}
