//! The Gaussian posterior and its divergence.

use elbo::{distributions::gaussian, real::Real};
use ndarray::{Array2, arr2};
use proptest::prelude::*;

use super::{assert_close, mean_and_error, normal};

fn kl<T: Real>(mu: T, log_var: T) -> T {
    let mut kl = arr2(&[[T::from_f64(-7.0)]]);
    gaussian::kl(&arr2(&[[mu]]), &arr2(&[[log_var]]), &mut kl);
    kl[[0, 0]]
}

/// (σ, z) for given noise.
fn sample<T: Real>(mu: T, log_var: T, eps: &Array2<T>) -> (T, Array2<T>) {
    let filled = |v| Array2::from_elem(eps.dim(), v);
    let (mut sigma, mut z) = (filled(T::ZERO), filled(T::ZERO));
    gaussian::sample(&filled(mu), &filled(log_var), eps, &mut sigma, &mut z);
    (sigma[[0, 0]], z)
}

const POINTS: [(f64, f64); 7] =
    [(0.0, 0.0), (1.0, 0.0), (-2.0, 1.0), (0.5, -3.0), (3.0, 2.0), (0.0, -6.0), (0.01, 0.01)];

#[test]
fn the_divergence_is_its_closed_form() {
    for (mu, log_var) in POINTS {
        assert_close(kl(mu, log_var), 0.5 * (mu * mu + log_var.exp() - 1.0 - log_var), 1e-11);
    }
    assert_eq!((kl(0.0, 0.0), kl(1.0, 0.0), kl(-3.0, 0.0)), (0.0, 0.5, 4.5));
    // ½ (4 - 1 - ln 4) and ½ (¼ - 1 + ln 4).
    assert_close(kl(0.0, 4f64.ln()), 0.806_852_819_440_054_7, 1e-14);
    assert_close(kl(0.0, -(4f64.ln())), 0.318_147_180_559_945_3, 1e-14);
}

#[test]
fn the_divergence_is_the_mean_of_log_q_minus_log_p_over_samples() {
    for (i, (mu, log_var)) in POINTS.into_iter().enumerate() {
        let (_, z) = sample(mu, log_var, &normal(200_000, i));
        let log_ratio = z.iter().map(|z| {
            let log_q = -0.5 * (log_var + (z - mu).powi(2) / log_var.exp());
            log_q + 0.5 * z * z
        });
        let (mean, error) = mean_and_error(log_ratio);
        // At the prior itself the ratio is 1 up to rounding, and so is the error.
        let off = (mean - kl(mu, log_var)).abs();
        assert!(off <= 4.0 * error + 1e-15, "μ {mu}, log σ² {log_var}: {mean} ± {error}");
    }
}

#[test]
fn samples_have_the_mean_and_the_variance_of_the_posterior() {
    let (mu, log_var) = (-1.5, 0.8f64);
    let (sigma, z) = sample(mu, log_var, &normal(200_000, 20));
    assert_close(sigma, (log_var / 2.0).exp(), 1e-15);
    let (mean, error) = mean_and_error(z.iter().copied());
    assert!((mean - mu).abs() <= 4.0 * error);
    let (variance, error) = mean_and_error(z.iter().map(|z| (z - mu).powi(2)));
    assert!((variance - log_var.exp()).abs() <= 4.0 * error);
}

/// E_q[z² + cos z] = μ² + σ² + e^(-σ²/2) cos μ, whose slopes are known.
#[test]
fn both_estimators_of_a_gradient_have_the_mean_that_calculus_gives() {
    let (mu, log_var) = (0.7, -0.4f64);
    let eps = normal(400_000, 21);
    let (sigma, z) = sample(mu, log_var, &eps);
    let filled = |v| Array2::from_elem(z.dim(), v);
    let (log_vars, sigmas) = (filled(log_var), filled(sigma));
    let variance = sigma * sigma;
    let damped = (-variance / 2.0).exp();
    let at_mu = 2.0 * mu - damped * mu.sin();
    // ∂/∂log σ² = σ² ∂/∂σ².
    let at_log_var = variance * (1.0 - 0.5 * damped * mu.cos());

    let (mut d_mu, mut d_log_var) = (filled(0.0), filled(0.0));
    let d_z = z.mapv(|z| 2.0 * z - z.sin());
    gaussian::sample_backward(&log_vars, &eps, &sigmas, &d_z, &mut d_mu, &mut d_log_var);
    let paths = [d_mu, d_log_var];

    // One image a row here, where each has a value of its own.
    let column = |a: &Array2<f64>| a.t().as_standard_layout().to_owned();
    let f = z.row(0).mapv(|z| z * z + z.cos());
    let (mut d_mu, mut d_log_var) = (column(&eps), column(&eps));
    let [log_vars, eps, sigmas] = [&log_vars, &eps, &sigmas].map(column);
    gaussian::score_function(&f, &log_vars, &eps, &sigmas, &mut d_mu, &mut d_log_var);

    for estimates in [paths, [d_mu, d_log_var]] {
        for (d, truth) in estimates.iter().zip([at_mu, at_log_var]) {
            let (mean, error) = mean_and_error(d.iter().copied());
            assert!(
                error < 0.01 && (mean - truth).abs() <= 4.0 * error,
                "{mean} ± {error}, {truth}"
            );
        }
    }
    let outside = arr2(&[[gaussian::LOG_VAR_BOUND + 1.0]]);
    let (one, mut d_mu, mut d_log_var) = (arr2(&[[1.0]]), arr2(&[[9.0]]), arr2(&[[9.0]]));
    let f = ndarray::arr1(&[2.0]);
    gaussian::score_function(&f, &outside, &one, &one, &mut d_mu, &mut d_log_var);
    assert_eq!((d_mu[[0, 0]], d_log_var[[0, 0]]), (2.0, 0.0));
}

proptest! {
    /// From magnitudes where 1 + log σ² rounds to 1 to magnitudes beyond the bound.
    #[test]
    fn the_divergence_is_never_negative(
        mu in prop_oneof![Just(0.0), -1e3..1e3, (-30.0..0.0).prop_map(|e| 10f64.powf(e))],
        exponent in -20.0..3.0,
        sign in prop_oneof![Just(1.0), Just(-1.0)],
    ) {
        let log_var = sign * 10f64.powf(exponent);
        prop_assert!(kl(mu, log_var) >= 0.0);
        prop_assert!(kl(mu as f32, log_var as f32) >= 0.0);
    }

    #[test]
    fn beyond_the_bound_nothing_changes_and_nothing_pulls(mu in -5.0..5.0, beyond in 0.0..1e30) {
        for (bound, log_var) in [(20.0, 20.0 + beyond), (-20.0, -20.0 - beyond)] {
            prop_assert_eq!(kl(mu, log_var), kl(mu, bound));
            prop_assert_eq!(kl(mu as f32, log_var as f32), kl(mu as f32, bound as f32));
            let eps = arr2(&[[1.5]]);
            prop_assert_eq!(sample(mu, log_var, &eps), sample(mu, bound, &eps));
            let (mut d_mu, mut d_log_var) = (arr2(&[[0.0]]), arr2(&[[0.0]]));
            let outside = arr2(&[[log_var * (1.0 + 1e-15)]]);
            gaussian::kl_backward(&arr2(&[[mu]]), &outside, 0.5, &mut d_mu, &mut d_log_var);
            prop_assert_eq!((d_mu[[0, 0]], d_log_var[[0, 0]]), (0.5 * mu, 0.0));
        }
    }
}

#[test]
fn nothing_overflows_at_the_bound() {
    for infinite in [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN] {
        let (sigma, z) = sample(1.0, infinite, &arr2(&[[-8.0]]));
        assert!(sigma.is_finite() && sigma > 0.0 && z[[0, 0]].is_finite());
        assert!(kl(1.0, infinite).is_finite());
    }
    assert_close(kl(0.0, 1e9), 0.5 * (20f64.exp() - 21.0), 1e-14);
    assert_close(sample(0.0, -1e9, &arr2(&[[1.0]])).0, (-10f64).exp(), 1e-14);
}

#[test]
fn a_broken_number_is_passed_on_not_hidden_by_the_bound() {
    let nan = f64::NAN;
    assert!(kl(nan, 0.0).is_nan() && kl(0.0, nan).is_nan());
    let eps = arr2(&[[1.0]]);
    let (sigma, z) = sample(0.0, nan, &eps);
    assert!(sigma.is_nan() && z[[0, 0]].is_nan() && sample(nan, 0.0, &eps).1[[0, 0]].is_nan());

    let (mut d_mu, mut d_log_var) = (arr2(&[[0.0]]), arr2(&[[0.0]]));
    gaussian::kl_backward(&arr2(&[[nan]]), &arr2(&[[nan]]), 1.0, &mut d_mu, &mut d_log_var);
    assert!(d_mu[[0, 0]].is_nan() && d_log_var[[0, 0]].is_nan());
}
