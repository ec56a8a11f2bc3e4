//! Every hand-written gradient against central differences, in f64, with frozen noise and a
//! non-unit gradient arriving from above.
//!
//! `cargo test --test gradients` prints a table: for every parameter tensor and every input, the
//! largest relative error that was found, in brackets, and whether it is within [`TOLERANCE`].

mod models;

use elbo::{
    distributions::{
        Likelihood, any::LikelihoodKind, bernoulli::Bernoulli, fixed_variance::FixedVariance,
        gaussian, mixture::Mixture,
    },
    gradcheck::{self, Check, Elements, Report, TOLERANCE, Verdict},
    layers::{Activation, Dense, Gated, Init, Masked, Mlp, Network},
    models::{Decoder, MlpVae, Model},
    objectives::{
        AnyObjective, EachElbo, Elbo, Iwae, Objective, SampledElbo, WarmUp, WeightedElbo,
    },
    parameters::Parameters,
    random::{self, Purpose},
    uses::probe::linear,
};
use libtest_mimic::{Arguments, Failed, Trial};
use ndarray::{Array1, Array2};

const ACTIVATIONS: [Activation; 4] =
    [Activation::Relu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus];

fn main() {
    let mut trials = vec![];
    dense(&mut trials);
    activations(&mut trials);
    masked(&mut trials);
    mlp(&mut trials);
    networks(&mut trials);
    decoder(&mut trials);
    mixture(&mut trials);
    gaussian_sample(&mut trials);
    gaussian_kl(&mut trials);
    gaussian_log_density(&mut trials);
    bernoulli(&mut trials);
    fixed_variance(&mut trials);
    objectives(&mut trials);
    samples(&mut trials);
    missing_pixels(&mut trials);
    models::all(&mut trials);
    likelihoods(&mut trials);
    vae(&mut trials);
    linear_probe(&mut trials);
    planted_faults(&mut trials);
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A row of the table: passes if the gradient is right.
fn row(trials: &mut Vec<Trial>, title: &str, check: Check) {
    let shape: Vec<String> = check.shape.iter().map(ToString::to_string).collect();
    let name = format!("{title}: d_{} ({})", check.tensor, shape.join("x"));
    let kind = format!("{:.0e}", check.max_relative_error);
    // A kink would be right as well, but nothing here is to be at one.
    let verdict = move || match check.verdict {
        Verdict::Right => Ok(()),
        _ => Err(Failed::from(check.to_string())),
    };
    trials.push(Trial::test(name, verdict).with_kind(kind));
}

/// Standard normal numbers that depend on `index` alone.
fn normal(rows: usize, columns: usize, index: usize) -> Array2<f64> {
    let mut values = Array2::zeros((1, rows * columns));
    random::fill_normal(&mut values, 2013, Purpose::Prior, 0, [index]);
    values.into_shape_with_order((rows, columns)).unwrap()
}

/// The loss of everything below: Σ r·y with a fixed random r, so that r is the gradient that
/// arrives at y.
fn dot(r: &Array2<f64>, y: &Array2<f64>) -> f64 {
    (r * y).sum()
}

fn rows(trials: &mut Vec<Trial>, title: &str, report: Report) {
    report.checks.into_iter().for_each(|check| row(trials, title, check));
}

fn dense(trials: &mut Vec<Trial>) {
    for (inputs, outputs, batch) in [(5, 4, 3), (1, 7, 1), (9, 1, 5)] {
        let rng = &mut random::rng(1, Purpose::Init, 0, 0);
        let dense = Dense::new(inputs, outputs, Init::Pytorch, rng);
        rows(trials, &format!("dense, batch {batch}"), gradcheck::layer(&dense, batch));
    }
}

fn masked(trials: &mut Vec<Trial>) {
    let rng = &mut random::rng(1, Purpose::Init, 0, 0);
    let mut masked = Masked::new(5, 4, |i, j| i > j, Init::Pytorch, rng);
    rows(trials, "masked, batch 3", gradcheck::layer(&masked, 3));
    // A weight that is cut counts for nothing, whatever a file says it is.
    masked.dense.weight.fill(0.7);
    rows(trials, "masked, cut weights not 0", gradcheck::layer(&masked, 3));
}

fn activations(trials: &mut Vec<Trial>) {
    for activation in ACTIVATIONS {
        let (mut x, r) = (normal(5, 7, 3), normal(5, 7, 4));
        x *= 3.0;
        let (mut y, mut d_x) = (x.clone(), r.clone());
        activation.forward(&mut y);
        activation.backward(&y, &mut d_x);
        let check = gradcheck::input("x", &x, &d_x, |x| {
            y.assign(x);
            activation.forward(&mut y);
            dot(&r, &y)
        });
        row(trials, &format!("activation {activation:?}"), check);
    }
}

fn mlp(trials: &mut Vec<Trial>) {
    for activation in ACTIVATIONS {
        for (widths, batch) in [(&[][..], 3), (&[6], 1), (&[6, 5], 7), (&[4, 5, 3], 3)] {
            let rng = &mut random::rng(2, Purpose::Init, 0, 0);
            let mlp = Mlp::new(5, widths, activation, Init::Pytorch, rng);
            let title = format!("mlp 5-{widths:?} {activation:?}, batch {batch}");
            rows(trials, &title, gradcheck::layer(&mlp, batch));
        }
    }
}

fn networks(trials: &mut Vec<Trial>) {
    let rng = &mut random::rng(2, Purpose::Init, 0, 0);
    rows(trials, "gated, batch 3", gradcheck::layer(&Gated::new(5, 4, Init::Pytorch, rng), 3));
    for widths in [&[][..], &[6], &[6, 5, 3]] {
        let network = Network::gated(5, widths, Init::Pytorch, rng);
        rows(trials, &format!("gated 5-{widths:?}"), gradcheck::layer(&network, 4));
    }
    let network = Network::mlp(5, &[6, 3], Activation::Tanh, Init::Pytorch, rng);
    rows(trials, "a network that is an mlp", gradcheck::layer(&network, 4));
}

/// log p(z) of a mixture at z, μ and log σ², one of which is beyond its bound.
fn mixture(trials: &mut Vec<Trial>) {
    let (mu, z, weights) = (normal(4, 3, 20), normal(5, 3, 21), normal(1, 5, 22).row(0).to_owned());
    let mut log_var = normal(4, 3, 23);
    log_var[[1, 2]] = gaussian::LOG_VAR_BOUND + 1.5;
    let (beta, mut mixture) = (0.7, Mixture::new(4, 5, 3));
    mixture.log_prob(&mu, &log_var, &z, &mut Array1::zeros(5));
    // What stood at μ and log σ² must not matter; what stood at z is added to.
    let nan = Array2::from_elem((4, 3), f64::NAN);
    let (mut d_z, mut d_mu, mut d_log_var) = (Array2::zeros((5, 3)), nan.clone(), nan);
    mixture.backward((beta, &weights), &log_var, &z, &mut d_z, &mut d_mu, &mut d_log_var);
    let mut loss = |mu: &Array2<f64>, log_var: &Array2<f64>, z: &Array2<f64>| {
        let mut log_prob = Array1::zeros(5);
        mixture.log_prob(mu, log_var, z, &mut log_prob);
        -beta * (&weights * &log_prob).sum()
    };
    row(trials, "mixture", gradcheck::input("mu", &mu, &d_mu, |mu| loss(mu, &log_var, &z)));
    row(trials, "mixture", gradcheck::input("log_var", &log_var, &d_log_var, |v| loss(&mu, v, &z)));
    row(trials, "mixture", gradcheck::input("z", &z, &d_z, |z| loss(&mu, &log_var, z)));
}

fn decoder(trials: &mut Vec<Trial>) {
    let rng = &mut random::rng(3, Purpose::Init, 0, 0);
    let hidden = Mlp::new(2, &[5], Activation::Softplus, Init::Glorot, rng);
    let decoder = Decoder::new(hidden, 6, Init::Glorot, rng);
    rows(trials, "decoder 2-5-6, batch 3", gradcheck::layer(&decoder, 3));
}

/// log σ² inside the bound, and outside it in two elements.
fn log_var_around_the_bound() -> Array2<f64> {
    let mut log_var = normal(3, 4, 5);
    log_var[[0, 1]] = gaussian::LOG_VAR_BOUND + 1.5;
    log_var[[2, 3]] = -gaussian::LOG_VAR_BOUND - 2.5;
    log_var
}

fn gaussian_sample(trials: &mut Vec<Trial>) {
    let (mu, log_var, eps, r) =
        (normal(3, 4, 6), log_var_around_the_bound(), normal(3, 4, 7), normal(3, 4, 8));
    let loss = |mu: &Array2<f64>, log_var: &Array2<f64>| {
        let (mut sigma, mut z) = (mu.clone(), mu.clone());
        gaussian::sample(mu, log_var, &eps, &mut sigma, &mut z);
        (dot(&r, &z), sigma)
    };
    let (_, sigma) = loss(&mu, &log_var);
    let (mut d_mu, mut d_log_var) = (Array2::zeros((3, 4)), Array2::zeros((3, 4)));
    gaussian::sample_backward(&log_var, &eps, &sigma, &r, &mut d_mu, &mut d_log_var);
    assert_eq!((d_log_var[[0, 1]], d_log_var[[2, 3]]), (0.0, 0.0), "outside the bound");

    let title = "gaussian sample";
    row(trials, title, gradcheck::input("mu", &mu, &d_mu, |mu| loss(mu, &log_var).0));
    row(trials, title, gradcheck::input("log_var", &log_var, &d_log_var, |v| loss(&mu, v).0));
}

fn gaussian_kl(trials: &mut Vec<Trial>) {
    for (title, log_var) in
        [("gaussian kl", normal(3, 4, 5)), ("gaussian kl, bound", log_var_around_the_bound())]
    {
        let (mu, d_kl) = (normal(3, 4, 9), 0.37);
        let mut base = mu.clone();
        gaussian::kl(&mu, &log_var, &mut base);
        // Less a constant: beyond the bound KL is about e²⁰, whose rounding would drown the rest.
        let loss = |mu: &Array2<f64>, log_var: &Array2<f64>| {
            let mut kl = mu.clone();
            gaussian::kl(mu, log_var, &mut kl);
            d_kl * (kl - &base).sum()
        };
        // Earlier values of the gradients must not matter.
        let (mut d_mu, mut d_log_var) = (normal(3, 4, 10), normal(3, 4, 11));
        gaussian::kl_backward(&mu, &log_var, d_kl, &mut d_mu, &mut d_log_var);

        row(trials, title, gradcheck::input("log_var", &log_var, &d_log_var, |v| loss(&mu, v)));
        // For μ the element beyond the bound keeps its rounding, which μ²/2 cannot be told from.
        if log_var.iter().all(|v| v.abs() < gaussian::LOG_VAR_BOUND) {
            row(trials, title, gradcheck::input("mu", &mu, &d_mu, |mu| loss(mu, &log_var)));
        }
    }
}

/// log N(z; μ, σ²) at z, μ and log σ², each row with its own weight.
fn gaussian_log_density(trials: &mut Vec<Trial>) {
    let (mu, z, weights) = (normal(3, 4, 24), normal(3, 4, 25), normal(1, 3, 26).row(0).to_owned());
    let mut log_var = normal(3, 4, 5);
    log_var[[0, 1]] = gaussian::LOG_VAR_BOUND + 1.5;
    let (beta, mut precision) = (0.7, mu.clone());
    gaussian::log_density(&mu, &log_var, &z, &mut precision, &mut Array1::zeros(3));
    // What stood at μ and log σ² must not matter; what stood at z is added to.
    let nan = Array2::from_elem((3, 4), f64::NAN);
    let (mut d_z, mut d_mu, mut d_log_var) = (Array2::zeros((3, 4)), nan.clone(), nan);
    gaussian::log_density_backward(
        (beta, &weights),
        (&mu, &log_var),
        &z,
        &precision,
        &mut d_z,
        (&mut d_mu, &mut d_log_var),
    );
    let mut loss = |mu: &Array2<f64>, log_var: &Array2<f64>, z: &Array2<f64>| {
        let mut log_p = Array1::zeros(3);
        gaussian::log_density(mu, log_var, z, &mut precision, &mut log_p);
        -beta * (&weights * &log_p).sum()
    };
    let title = "gaussian log density";
    row(trials, title, gradcheck::input("mu", &mu, &d_mu, |mu| loss(mu, &log_var, &z)));
    row(trials, title, gradcheck::input("log_var", &log_var, &d_log_var, |v| loss(&mu, v, &z)));
    row(trials, title, gradcheck::input("z", &z, &d_z, |z| loss(&mu, &log_var, z)));
}

fn bernoulli(trials: &mut Vec<Trial>) {
    for (name, scale) in [("small", 1.0), ("large", 40.0)] {
        let logits = normal(3, 5, 12) * scale;
        // Black, white and grey pixels.
        let x = normal(3, 5, 13).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
        let d_loss = 0.7;
        let (mut log_prob, mut d_logits) = (Array1::zeros(3), Array2::zeros((3, 5)));
        let mut loss = |logits: &Array2<f64>, d_logits: &mut Array2<f64>| {
            Bernoulli.log_prob(&x, logits, d_loss, &mut log_prob, d_logits);
            -d_loss * log_prob.sum()
        };
        loss(&logits, &mut d_logits);
        let mut scratch = d_logits.clone();
        let check = gradcheck::input("logits", &logits, &d_logits, |l| loss(l, &mut scratch));
        row(trials, &format!("bernoulli, {name} logits"), check);
    }
}

fn fixed_variance(trials: &mut Vec<Trial>) {
    for variance in [0.01, 1.0, 7.0] {
        let report = gradcheck::objective(&Elbo, &FixedVariance::new(variance));
        rows(trials, &format!("elbo of a fixed variance {variance}"), report);
    }
}

/// Every objective with every sort of weight, on two samples of each image.
fn objectives(trials: &mut Vec<Trial>) {
    rows(trials, "elbo", gradcheck::objective(&Elbo, &Bernoulli));
    let warm = |warm_up, epochs| {
        let mut objective = WeightedElbo::new(3.0, warm_up, 0.0);
        Objective::<f64>::advance(&mut objective, epochs);
        objective
    };
    // On these signals the dimensions cost 0.4, 0.9 and 1.2 nats.
    let weighted = [
        ("beta 0.3", WeightedElbo::new(0.3, WarmUp::None, 0.0)),
        ("beta 3, a quarter warmed up", warm(WarmUp::Linear { epochs: 8 }, 2.0)),
        ("one dimension free", WeightedElbo::new(1.0, WarmUp::None, 0.8)),
        ("all dimensions free", WeightedElbo::new(2.0, WarmUp::None, 5.0)),
    ];
    for (name, objective) in weighted {
        rows(
            trials,
            &format!("weighted elbo, {name}"),
            gradcheck::objective(&objective, &Bernoulli),
        );
    }
    let sampled = SampledElbo::new(0.7, WarmUp::None);
    rows(trials, "sampled elbo, beta 0.7", gradcheck::objective(&sampled, &Bernoulli));
    let weights = ndarray::arr1(&[0.3, 0.0, 0.6, 1.1]);
    let each = EachElbo { weights: &weights };
    rows(trials, "elbo of each image, weighted", gradcheck::objective(&each, &Bernoulli));
    rows(trials, "iwae", gradcheck::objective(&Iwae::default(), &Bernoulli));
    rows(
        trials,
        "iwae, gaussian",
        gradcheck::objective(&Iwae::default(), &FixedVariance::new(0.3)),
    );
}

/// Whole models with several samples of each image.
fn samples(trials: &mut Vec<Trial>) {
    let rng = &mut random::rng(5, Purpose::Init, 0, 0);
    let vae = MlpVae::mlp(9, &[6], 2, Activation::Tanh, Init::Pytorch, rng);
    let x = normal(3, 9, 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
    for k in [1, 2, 5] {
        let eps = normal(3 * k, 2, 15);
        let mut model = |name: &str, objective: AnyObjective| {
            let report = gradcheck::model(&vae, &objective, &x, &eps, Elements::All);
            rows(trials, &format!("vae, {k} samples, {name}"), report);
        };
        model("elbo", AnyObjective::Elbo(Elbo));
        let weighted = WeightedElbo::new(2.0, WarmUp::None, 0.3);
        model("weighted elbo", AnyObjective::Weighted(weighted));
        model("sampled elbo", AnyObjective::Sampled(SampledElbo::new(0.7, WarmUp::None)));
        model("iwae", AnyObjective::Iwae(Iwae::default()));
    }
}

/// Whole models of images with missing pixels, in whose places anything may stand: every likelihood that
/// factorises, its own parameters included, with one sample of each image and with three.
fn missing_pixels(trials: &mut Vec<Trial>) {
    let objectives = [
        ("elbo", AnyObjective::Elbo(Elbo), 1),
        ("weighted elbo", AnyObjective::Weighted(WeightedElbo::new(2.0, WarmUp::None, 0.3)), 1),
        ("sampled elbo", AnyObjective::Sampled(SampledElbo::new(0.7, WarmUp::None)), 2),
        ("iwae", AnyObjective::Iwae(Iwae::default()), 3),
    ];
    for kind in LikelihoodKind::ALL.into_iter().filter(|kind| kind.factorises()) {
        let rng = &mut random::rng(5, Purpose::Init, 0, 0);
        let (likelihood, tanh, init) = (kind.build::<f64>(0.3), Activation::Tanh, Init::Pytorch);
        let model = MlpVae::mlp_with(likelihood, 9, &[6], 2, tanh, init, rng);
        let seen = normal(3, 9, 27).mapv(|v| f64::from(u8::from(v > 0.0)));
        let x = normal(3, 9, 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0)) * &seen;
        for (name, objective, k) in &objectives {
            let mut w = model.workspace_for(3, *k);
            w.signals.expect_missing_pixels();
            w.signals.observed.iter_mut().for_each(|observed| observed.seen.assign(&seen));
            w.signals.x.assign(&x);
            w.signals.eps = normal(3 * k, 2, 15);
            let mut d = model.zeros_like();
            d.tensors_mut().for_each(|mut t| t.fill(f64::NAN));
            model.gradient(objective, &mut w, &mut d);
            let report = gradcheck::parameters(&model, &d, Elements::All, |model| {
                -model.evaluate(objective, &mut w).objective
            });
            rows(trials, &format!("missing pixels, {kind:?}, {name}"), report);
        }
    }
}

/// Every likelihood with one and with three latent samples of each image: at the logits, all rows
/// counting alike, and at the likelihood's own parameters, each row with its own weight.
fn likelihoods(trials: &mut Vec<Trial>) {
    let (images, pixels, d_loss) = (3, 5, 0.7);
    let x = normal(images, pixels, 13).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
    for (kind, samples) in LikelihoodKind::ALL.into_iter().flat_map(|kind| [(kind, 1), (kind, 3)]) {
        let likelihood = kind.build::<f64>(0.3);
        let count = samples * images;
        let logits = normal(count, likelihood.outputs(pixels), 16);
        let weights = normal(1, count, 17).row(0).mapv(f64::abs);
        let (mut log_prob, mut d_logits) = (Array1::zeros(count), logits.clone());
        let title = format!("{kind:?}, {samples} samples");

        let (scratch, log_probs) = (&mut d_logits.clone(), &mut log_prob);
        likelihood.log_prob(&x, &logits, d_loss, log_probs, &mut d_logits);
        let check = gradcheck::input("logits", &logits, &d_logits, |logits| {
            likelihood.log_prob(&x, logits, d_loss, log_probs, scratch);
            -d_loss * log_probs.sum()
        });
        row(trials, &title, check);

        let mut d = likelihood.zeros_like();
        likelihood.backward_parameters(&x, &logits, &weights, &mut d);
        let report = gradcheck::parameters(&likelihood, &d, Elements::All, |likelihood| {
            likelihood.log_prob(&x, &logits, d_loss, log_probs, scratch);
            -(&weights * &*log_probs).sum()
        });
        rows(trials, &title, report);
    }
}

/// The loss of a linear probe, with its penalty and without, at small and at large logits.
fn linear_probe(trials: &mut Vec<Trial>) {
    let (x, labels) = (normal(7, 3, 26), [0, 2, 1, 1, 3, 0, 2]);
    for (penalty, scale) in [(0.0, 1.0), (2.5, 1.0), (2.5, 30.0)] {
        let (weight, bias) = (normal(3, 4, 24) * scale, normal(1, 4, 25).row(0).to_owned());
        let dense = Dense { weight, bias };
        let (mut s, mut d) = (linear::Scratch::new(7, 4), dense.zeros_like());
        linear::loss(&dense, &x, &labels, penalty, &mut s, &mut d);
        let mut scratch = d.clone();
        let report = gradcheck::parameters(&dense, &d, Elements::All, |dense| {
            linear::loss(dense, &x, &labels, penalty, &mut s, &mut scratch)
        });
        rows(trials, &format!("linear probe, penalty {penalty}, weights times {scale}"), report);
    }
}

/// A VAE, its gradient on a fixed batch with frozen noise, and the loss that belongs to it.
fn vae_case(
    pixels: usize,
    hidden: &[usize],
    latent: usize,
    activation: Activation,
    batch: usize,
) -> (MlpVae<f64>, MlpVae<f64>, impl FnMut(&MlpVae<f64>) -> f64) {
    let rng = &mut random::rng(4, Purpose::Init, 0, 0);
    let vae = MlpVae::mlp(pixels, hidden, latent, activation, Init::Pytorch, rng);
    let mut w = vae.workspace(batch);
    w.signals.x = normal(batch, pixels, 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
    w.signals.eps = normal(batch, latent, 15);
    let mut d = vae.zeros_like();
    vae.gradient(&Elbo, &mut w, &mut d);
    (vae, d, move |vae| -vae.evaluate(&Elbo, &mut w).objective)
}

fn vae(trials: &mut Vec<Trial>) {
    let cases: [(&[usize], usize, usize); 5] =
        [(&[], 1, 3), (&[6], 2, 1), (&[6], 3, 5), (&[7, 5], 2, 3), (&[6, 5, 4], 4, 7)];
    for (hidden, latent, batch) in cases {
        for activation in ACTIVATIONS {
            let (vae, d, loss) = vae_case(9, hidden, latent, activation, batch);
            let title = format!("vae 9-{hidden:?}-{latent} {activation:?}, batch {batch}");
            rows(trials, &title, gradcheck::parameters(&vae, &d, Elements::All, loss));
        }
    }
}

/// A fault: from an element's place and right value to a wrong one.
type Spoil = fn(usize, f64) -> f64;

/// Whether a verdict is the right one about a fault.
type Told = fn(&Verdict) -> bool;

/// The check itself, checked: one wrong element or one wrong sign in any tensor must be found.
fn planted_faults(trials: &mut Vec<Trial>) {
    let (vae, right, mut loss) = vae_case(9, &[6], 2, Activation::Tanh, 3);
    for (tensor, name) in vae.names().into_iter().enumerate() {
        let faults: [(&str, Spoil, Told); 4] = [
            (
                "one element off by a thousandth",
                |i, v| if i == 0 { v * 1.001 } else { v },
                |v| matches!(v, Verdict::Wrong { wrong: 1 }),
            ),
            ("a wrong sign", |_, v| -v, |v| matches!(v, Verdict::WrongSign { .. })),
            (
                "a forgotten factor of 1/2",
                |_, v| 2.0 * v,
                |v| matches!(v, Verdict::WrongScale { factor, .. } if (factor - 2.0).abs() < 1e-6),
            ),
            ("a forgotten term", |_, _| 0.0, |v| matches!(v, Verdict::Missing { .. })),
        ];
        for (fault, spoil, is_told) in faults {
            let mut wrong = right.clone();
            if let Some(mut t) = wrong.tensors_mut().nth(tensor) {
                t.iter_mut().enumerate().for_each(|(i, v)| *v = spoil(i, *v));
            }
            let Report { checks } = gradcheck::parameters(&vae, &wrong, Elements::All, &mut loss);
            let found = checks[tensor].max_relative_error;
            let told = is_told(&checks[tensor].verdict);
            let others_pass =
                checks.iter().enumerate().all(|(i, check)| i == tensor || check.is_right());
            let verdict = move || match found > 100.0 * TOLERANCE && told && others_pass {
                true => Ok(()),
                false => Err(Failed::from(format!("found {found:.1e}"))),
            };
            let name = format!("planted in d_{name}, found: {fault}");
            trials.push(Trial::test(name, verdict).with_kind(format!("{found:.0e}")));
        }
    }
}
