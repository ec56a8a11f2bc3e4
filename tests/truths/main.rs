//! Numbers against truths that do not come from this crate: closed forms, enumeration, quadrature,
//! Monte Carlo with its error, and published figures.

mod adam;
mod bernoulli;
mod completion;
mod estimators;
mod evaluation;
mod expected_gradient;
mod fixed_variance;
mod flow;
mod gaussian;
mod marginal;
mod mixture;
mod probabilistic_pca;
mod repair;
mod two_layer;

use elbo::{
    data::{Images, Pixels},
    random::{self, Purpose},
};
use ndarray::Array2;

/// A row of standard normal numbers that depend on `index` alone.
fn normal(count: usize, index: usize) -> Array2<f64> {
    let mut values = Array2::zeros((1, count));
    random::fill_normal(&mut values, 2014, Purpose::Prior, 0, [index]);
    values
}

/// The mean of some values, and its standard error.
fn mean_and_error(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares: f64 = values.map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

/// Random bytes as images.
fn images(count: usize, height: usize, width: usize) -> Images {
    use rand::RngCore;
    let mut bytes = vec![0; count * height * width];
    random::rng(8, Purpose::Prior, 0, 0).fill_bytes(&mut bytes);
    Images::new(height, width, Pixels::Bytes(bytes)).unwrap()
}

#[track_caller]
fn assert_close(ours: f64, truth: f64, relative: f64) {
    let error = (ours - truth).abs() / truth.abs().max(f64::MIN_POSITIVE);
    assert!(ours == truth || error <= relative, "{ours} for {truth}: off by {error:.1e}");
}
