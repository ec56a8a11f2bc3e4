//! The mean of the sampled ELBO's gradient is the gradient of its mean: for every parameter, against
//! an integral over z that knows neither the reparameterisation nor the divergence in closed form.

use elbo::{
    gradcheck::{self, Elements},
    layers::{Activation, Init},
    models::MlpVae,
    objectives::Elbo,
    parameters::Parameters,
    random::{self, Purpose},
};
use ndarray::{Array1, Array2};

const X: [f64; 5] = [0.0, 1.0, 0.4, 1.0, 0.0];

fn vae(latent: usize) -> MlpVae<f64> {
    let rng = &mut random::rng(6, Purpose::Init, 0, 0);
    MlpVae::mlp(5, &[4], latent, Activation::Tanh, Init::Pytorch, rng)
}

/// ln N(z; mean, e^log_var).
fn log_normal(z: f64, mean: f64, log_var: f64) -> f64 {
    -0.5 * ((2.0 * std::f64::consts::PI).ln() + log_var + (z - mean).powi(2) / log_var.exp())
}

/// Points of a grid over `latent` dimensions from -edge to edge, and the size of its cells.
fn grid(latent: usize, points: usize, edge: f64) -> (Array2<f64>, f64) {
    let spacing = 2.0 * edge / (points - 1) as f64;
    let z = Array2::from_shape_fn((points.pow(latent as u32), latent), |(n, j)| {
        spacing * (n / points.pow(j as u32) % points) as f64 - edge
    });
    (z, spacing.powi(latent as i32))
}

fn points(latent: usize) -> usize {
    if latent == 1 { 161 } else { 61 }
}

/// -E_q[log p(x|z) + log p(z) - log q(z)] by the trapezoidal rule over z, as a function of the model.
fn expected_loss(latent: usize) -> impl FnMut(&MlpVae<f64>) -> f64 {
    let (z, cell) = grid(latent, points(latent), 8.0);
    let mut w = vae(latent).workspace(z.nrows());
    w.signals.x.rows_mut().into_iter().for_each(|mut x| x.assign(&Array1::from(X.to_vec())));
    move |vae| {
        w.signals.z.assign(&z);
        vae.encode(&mut w);
        vae.decode(&mut w);
        let s = &w.signals;
        let elbo = |n: usize| {
            let log_p: f64 =
                s.logits.row(n).iter().zip(X).map(|(&l, x)| x * l - l.exp().ln_1p()).sum();
            let q = s.mu.row(n).into_iter().zip(s.log_var.row(n));
            let terms =
                z.row(n).into_iter().zip(q).map(|(&z, (&mu, &log_var))| {
                    (log_normal(z, 0.0, 0.0), log_normal(z, mu, log_var))
                });
            let (prior, log_q) = terms.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            cell * log_q.exp() * (log_p + prior - log_q)
        };
        -(0..z.nrows()).map(elbo).sum::<f64>()
    }
}

/// ∫ φ(ε) ∂L(ε)/∂θ dε with the gradient that training uses.
fn expected_gradient(vae: &MlpVae<f64>) -> MlpVae<f64> {
    let (eps, cell) = grid(vae.latent(), points(vae.latent()), 8.0);
    let (mut w, mut d, mut mean) = (vae.workspace(1), vae.zeros_like(), vae.zeros_like());
    w.signals.x.row_mut(0).assign(&Array1::from(X.to_vec()));
    for eps in eps.rows() {
        w.signals.eps.row_mut(0).assign(&eps);
        vae.gradient(&Elbo, &mut w, &mut d);
        let density: f64 = eps.iter().map(|&eps| log_normal(eps, 0.0, 0.0)).sum::<f64>().exp();
        mean.tensors_mut().zip(d.tensors()).for_each(|(mut m, d)| m.scaled_add(cell * density, &d));
    }
    mean
}

#[test]
fn the_expected_gradient_is_the_gradient_of_the_expectation() {
    for latent in [1, 2] {
        let vae = vae(latent);
        let mean = expected_gradient(&vae);
        let report = gradcheck::parameters(&vae, &mean, Elements::All, expected_loss(latent));
        report.assert_right();
    }
}

#[test]
fn sampled_gradients_scatter_about_it_by_their_standard_error() {
    const RUNS: usize = 400;
    const BATCH: usize = 50;
    let vae = vae(2);
    let truth = expected_gradient(&vae);
    let (mut w, mut d) = (vae.workspace(BATCH), vae.zeros_like());
    w.signals.x.rows_mut().into_iter().for_each(|mut x| x.assign(&Array1::from(X.to_vec())));
    let (mut mean, mut squares) = (vae.zeros_like(), vae.zeros_like());
    for run in 0..RUNS {
        let images = run * BATCH..(run + 1) * BATCH;
        random::fill_normal(&mut w.signals.eps, 3, Purpose::TrainNoise, 1, images);
        vae.gradient(&Elbo, &mut w, &mut d);
        let sums = mean.tensors_mut().zip(squares.tensors_mut()).zip(d.tensors());
        for ((mut mean, mut squares), d) in sums {
            mean.scaled_add(1.0 / RUNS as f64, &d);
            squares.zip_mut_with(&d, |s, d| *s += d * d / RUNS as f64);
        }
    }
    let elements = mean.tensors().zip(squares.tensors()).zip(truth.tensors());
    let (mut count, mut beyond_two, mut largest) = (0, 0, 0.0f64);
    for ((mean, squares), truth) in elements {
        for ((mean, squares), truth) in mean.iter().zip(&squares).zip(&truth) {
            let error = ((squares - mean * mean) / (RUNS - 1) as f64).sqrt();
            assert!((mean - truth).abs() <= 4.5 * error + 1e-15, "{mean} ± {error}, not {truth}");
            beyond_two += usize::from((mean - truth).abs() > 2.0 * error + 1e-15);
            largest = largest.max(error);
            count += 1;
        }
    }
    // Were the errors too wide, hardly any element would be beyond two of them; 4.6 % should be.
    assert!(count > 60 && beyond_two * 5 < count, "{beyond_two} of {count}");
    assert!(largest < 0.02, "{largest}");
}
