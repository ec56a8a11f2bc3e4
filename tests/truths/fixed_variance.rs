//! The Gaussian likelihood of pixels.

use elbo::distributions::{Likelihood, fixed_variance::FixedVariance};
use ndarray::{Array1, Array2, arr2};

use super::assert_close;

/// log p of one image of one pixel.
fn log_prob(x: f64, l: f64, variance: f64) -> f64 {
    let (mut log_prob, mut d) = (Array1::zeros(1), Array2::zeros((1, 1)));
    let (x, l) = (arr2(&[[x]]), arr2(&[[l]]));
    FixedVariance::new(variance).log_prob(&x, &l, 1.0, &mut log_prob, &mut d);
    log_prob[0]
}

#[test]
fn its_density_integrates_to_one() {
    for (l, variance) in [(0.3, 0.01), (-2.0, 1.0), (5.0, 30.0f64)] {
        let (points, edge) = (4001, 12.0 * variance.sqrt());
        let spacing = 2.0 * edge / f64::from(points - 1);
        let x = (0..points).map(|i| l - edge + spacing * f64::from(i));
        let total: f64 = x.map(|x| spacing * log_prob(x, l, variance).exp()).sum();
        assert_close(total, 1.0, 1e-12);
    }
}

#[test]
fn at_the_mean_only_the_constant_is_left_and_pixels_add_up() {
    assert_close(log_prob(0.4, 0.4, 0.25), -0.5 * (std::f64::consts::PI / 2.0).ln(), 1e-14);
    let (x, l) =
        (arr2(&[[0.1, 0.9, 0.5], [1.0, 0.0, 0.2]]), arr2(&[[0.3, 0.2, -1.0], [4.0, 0.0, 0.1]]));
    let (mut sums, mut d) = (Array1::zeros(2), l.clone());
    FixedVariance::new(0.5).log_prob(&x, &l, 1.0, &mut sums, &mut d);
    for n in 0..2 {
        let pixels: f64 = (0..3).map(|j| log_prob(x[[n, j]], l[[n, j]], 0.5)).sum();
        assert_close(sums[n], pixels, 1e-14);
    }
    let mut mean = x.clone();
    FixedVariance::new(0.5).mean(&l, &mut mean);
    assert_eq!(mean, l);
}
