//! The Bernoulli likelihood from logits.

use elbo::{
    distributions::{Likelihood, bernoulli::Bernoulli},
    real::Real,
};
use ndarray::{Array1, Array2, arr2};
use proptest::prelude::*;

use super::assert_close;

/// log p(x|l) of each row, and the gradient of `d_loss` times its negative.
fn log_prob<T: Real>(x: &Array2<T>, logits: &Array2<T>, d_loss: T) -> (Array1<T>, Array2<T>) {
    let nan = T::from_f64(f64::NAN);
    let (mut log_prob, mut d) = (Array1::from_elem(x.nrows(), nan), x.mapv(|_| nan));
    Bernoulli.log_prob(x, logits, d_loss, &mut log_prob, &mut d);
    (log_prob, d)
}

/// One pixel: (log p(x|l), σ(l) - x).
fn pixel<T: Real>(x: f64, logit: f64) -> (f64, f64) {
    let (x, logit) = (T::from_f64(x), T::from_f64(logit));
    let (log_prob, d) = log_prob(&arr2(&[[x]]), &arr2(&[[logit]]), T::ONE);
    (log_prob[0].to_f64(), d[[0, 0]].to_f64())
}

fn at_any_logit<T: Real>(epsilon: f64) {
    for size in [1.0, 30.0, 100.0, 1e4, 1e30] {
        // What T holds of it.
        let size = T::from_f64(size).to_f64();
        let rest = (-size).exp().ln_1p();
        for (x, logit, truth) in [
            (1.0, size, -rest),
            (1.0, -size, -size - rest),
            (0.0, size, -size - rest),
            (0.0, -size, -rest),
            (0.5, size, -size / 2.0 - rest),
            (0.5, -size, -size / 2.0 - rest),
        ] {
            let (log_prob, d) = pixel::<T>(x, logit);
            // Beyond e⁻⁸⁷ the smallest normal f32 is left behind, and 0 is as good.
            let off = (log_prob - truth).abs();
            assert!(off <= 4.0 * epsilon * truth.abs() + 1e-37, "x {x}, l {logit}: {log_prob}");
            let sigma = 1.0 / (1.0 + (-logit).exp());
            assert!((d - (sigma - x)).abs() <= 4.0 * epsilon, "x {x}, l {logit}: gradient {d}");
        }
    }
}

#[test]
fn logits_of_any_size_give_the_exact_logarithm_and_gradient() {
    at_any_logit::<f32>(f32::EPSILON.into());
    at_any_logit::<f64>(f64::EPSILON);
}

#[test]
fn the_mean_of_a_pixel_is_its_probability_to_be_white() {
    let logits = arr2(&[[0.0, 3f64.ln(), -(3f64.ln())], [-30.0, 30.0, -2.5]]);
    let mut mean = logits.mapv(|_| f64::NAN);
    Bernoulli.mean(&logits, &mut mean);
    for (truth, mean) in [0.5, 0.75, 0.25].into_iter().zip(&mean) {
        assert_close(*mean, truth, 1e-15);
    }
    for (&logit, &mean) in logits.iter().zip(&mean) {
        assert_close(mean, pixel::<f64>(1.0, logit).0.exp(), 1e-14);
    }
}

proptest! {
    #[test]
    fn the_probabilities_of_all_binary_images_sum_to_one(
        logits in prop::collection::vec(-30.0..30.0, 1..8usize),
    ) {
        let (pixels, images) = (logits.len(), 1 << logits.len());
        let x = Array2::from_shape_fn((images, pixels), |(n, j)| f64::from((n >> j & 1) as u32));
        let l = Array2::from_shape_fn((images, pixels), |(_, j)| logits[j]);
        let total: f64 = log_prob(&x, &l, 1.0).0.mapv(f64::exp).sum();
        prop_assert!((total - 1.0).abs() < 1e-13, "{}", total);
    }

    #[test]
    fn the_best_logit_for_a_grey_pixel_is_that_of_its_value(
        x in 0.001..0.999f64,
        away in prop_oneof![-9.0..-0.01, 0.01..9.0],
    ) {
        let best = (x / (1.0 - x)).ln();
        let (highest, d) = pixel::<f64>(x, best);
        let entropy = -x * x.ln() - (1.0 - x) * (1.0 - x).ln();
        prop_assert!((highest + entropy).abs() < 1e-14);
        prop_assert!(d.abs() < 1e-15);
        prop_assert!(pixel::<f64>(x, best + away).0 < highest);
    }
}

#[test]
fn the_gradient_carries_what_arrives_and_rows_are_summed_apart() {
    let (x, logits) = (arr2(&[[1.0, 0.0], [0.25, 1.0]]), arr2(&[[0.0, 0.0], [0.0, 0.0]]));
    let (log_prob, d) = log_prob(&x, &logits, 0.5);
    let two_coins = -2.0 * 2f64.ln();
    log_prob.iter().for_each(|&v| assert_close(v, two_coins, 1e-15));
    assert_eq!(d, arr2(&[[-0.25, 0.25], [0.125, -0.25]]));
}

#[test]
fn a_logit_that_is_no_number_makes_the_image_s_logarithm_none() {
    for x in [0.0, 0.5, 1.0] {
        let (log_prob, d) = pixel::<f32>(x, f64::NAN);
        assert!(log_prob.is_nan() && d.is_nan());
    }
}
