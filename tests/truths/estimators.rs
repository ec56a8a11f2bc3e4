//! The estimators of the importance-weighted bound's gradient: which have the same mean, by quadrature
//! over the noise, and which have no variance where the posterior is exact.

use elbo::{
    distributions::fixed_variance::FixedVariance,
    layers::{Activation, Init},
    models::{MlpVae, Model},
    objectives::{Estimator, Iwae},
    parameters::Parameters,
    random::{self, Purpose},
};
use ndarray::{Array1, Array2, array};

use super::normal;

const X: [f64; 5] = [0.0, 1.0, 0.4, 1.0, 0.0];
const POINTS: usize = 81;
const EDGE: f64 = 7.5;

fn vae() -> MlpVae<f64> {
    let rng = &mut random::rng(6, Purpose::Init, 0, 0);
    MlpVae::mlp(5, &[4], 1, Activation::Tanh, Init::Pytorch, rng)
}

/// The mean over the noise of the gradient with `samples` latent samples of one dimension, by the
/// trapezoidal rule.
fn mean_gradient(vae: &MlpVae<f64>, estimator: Estimator, samples: usize) -> MlpVae<f64> {
    let spacing = 2.0 * EDGE / (POINTS - 1) as f64;
    let mut w = vae.workspace_for(1, samples);
    let (mut d, mut mean) = (vae.zeros_like(), vae.zeros_like());
    w.signals.x.row_mut(0).assign(&Array1::from(X.to_vec()));
    for point in 0..POINTS.pow(samples as u32) {
        let mut density = 1.0;
        for k in 0..samples {
            let eps = spacing * (point / POINTS.pow(k as u32) % POINTS) as f64 - EDGE;
            w.signals.eps[[k, 0]] = eps;
            density *= spacing * (-0.5 * eps * eps).exp() / (2.0 * std::f64::consts::PI).sqrt();
        }
        vae.gradient(&Iwae { estimator }, &mut w, &mut d);
        mean.tensors_mut().zip(d.tensors()).for_each(|(mut m, d)| m.scaled_add(density, &d));
    }
    mean
}

/// The largest difference of two gradients, in the encoder and in the decoder, relative to the largest
/// element.
fn differences(a: &MlpVae<f64>, b: &MlpVae<f64>) -> [f64; 2] {
    let part = |name: &'static str| {
        let tensors = a.names().into_iter().zip(a.tensors().zip(b.tensors()));
        let tensors = tensors.filter(move |(n, _)| n.starts_with(name)).map(|(_, pair)| pair);
        let (mut difference, mut largest) = (0.0f64, 0.0f64);
        for (a, b) in tensors {
            for (a, b) in a.iter().zip(&b) {
                difference = difference.max((a - b).abs());
                largest = largest.max(a.abs());
            }
        }
        difference / largest
    };
    [part("encoder"), part("decoder")]
}

#[test]
fn with_one_sample_all_estimators_have_the_elbo_s_gradient_as_their_mean() {
    let vae = vae();
    let total = mean_gradient(&vae, Estimator::Total, 1);
    for estimator in [Estimator::Stl, Estimator::Dreg] {
        let [encoder, decoder] = differences(&total, &mean_gradient(&vae, estimator, 1));
        assert!(encoder < 1e-10 && decoder < 1e-10, "{estimator:?}: {encoder:e} {decoder:e}");
    }
}

#[test]
fn with_two_samples_dreg_is_unbiased_and_stl_is_not() {
    let vae = vae();
    let total = mean_gradient(&vae, Estimator::Total, 2);
    let [encoder, decoder] = differences(&total, &mean_gradient(&vae, Estimator::Dreg, 2));
    assert!(encoder < 1e-10 && decoder < 1e-10, "dreg: {encoder:e} {decoder:e}");
    let [encoder, decoder] = differences(&total, &mean_gradient(&vae, Estimator::Stl, 2));
    assert!(encoder > 1e-3 && decoder < 1e-10, "stl: {encoder:e} {decoder:e}");
}

/// A linear decoder of one latent dimension with Gaussian pixels, x = z·w + b + noise of variance σ²,
/// and the encoder that puts out its exact posterior: N(w·(x-b)/m, σ²/m) with m = |w|² + σ².
fn linear_gaussian() -> MlpVae<f64, FixedVariance> {
    let variance = 0.3;
    let rng = &mut random::rng(6, Purpose::Init, 0, 0);
    let likelihood = FixedVariance::new(variance);
    let (activation, init) = (Activation::Relu, Init::Glorot);
    let mut vae = MlpVae::mlp_with(likelihood, 3, &[], 1, activation, init, rng);
    let (weight, bias) = (array![[0.7, -1.2, 0.4]], array![0.1, 0.3, -0.2]);
    let m = weight.mapv(|w: f64| w * w).sum() + variance;
    vae.encoder.mu.weight = weight.t().mapv(|w| w / m);
    vae.encoder.mu.bias = -weight.dot(&bias) / m;
    vae.encoder.log_var.weight.fill(0.0);
    vae.encoder.log_var.bias.fill((variance / m).ln());
    (vae.decoder.output.weight, vae.decoder.output.bias) = (weight, bias);
    vae
}

#[test]
fn along_the_path_every_single_gradient_of_an_exact_posterior_is_zero() {
    let vae = linear_gaussian();
    for samples in [1, 3] {
        let (mut w, mut d) = (vae.workspace_for(4, samples), vae.zeros_like());
        w.signals.x = normal(12, 1).into_shape_with_order((4, 3)).unwrap();
        w.signals.eps = normal(4 * samples, 2).into_shape_with_order((4 * samples, 1)).unwrap();
        let mut largest = |estimator| {
            vae.gradient(&Iwae { estimator }, &mut w, &mut d);
            let encoder: Vec<Array2<f64>> =
                vec![d.encoder.mu.weight.clone(), d.encoder.log_var.weight.clone()];
            encoder.iter().flatten().fold(0.0, |largest: f64, v| largest.max(v.abs()))
        };
        assert!(largest(Estimator::Total) > 0.01);
        assert!(largest(Estimator::Stl) < 1e-14);
        assert!(largest(Estimator::Dreg) < 1e-14);
    }
}

#[test]
fn the_bound_of_equal_samples_is_that_of_one() {
    let vae = vae();
    let bound = |samples: usize| {
        let mut w = vae.workspace_for(1, samples);
        w.signals.x.row_mut(0).assign(&Array1::from(X.to_vec()));
        w.signals.eps.fill(0.3);
        vae.evaluate(&Iwae::default(), &mut w).objective
    };
    assert!((bound(7) - bound(1)).abs() < 1e-14);
}
