//! Two layers of latent variables, all linear and Gaussian, so that p(x) has a closed form.

use elbo::{
    data::{Images, Pixels},
    distributions::fixed_variance::FixedVariance,
    evaluation::log_likelihood,
    layers::{Activation, Init},
    models::{MlpTwoLayer, Model},
    objectives::{Iwae, SampledElbo, WarmUp},
    random::{self, Purpose},
};
use ndarray::{Array1, Array2, array};

use super::{assert_close, mean_and_error, normal};

pub(super) const BYTES: [u8; 3] = [230, 20, 90];
pub(super) const VARIANCE: f64 = 0.3;

type TwoLayer = MlpTwoLayer<f64, FixedVariance>;

/// p(z₂) = N(0, 1), p(z₁|z₂) = N(w₂ z₂ + b₂, v₂), p(x|z₁) = N(w z₁ + b, σ²I), and the exact posteriors.
///
/// So p(z₁) = N(b₂, τ²) with τ² = w₂² + v₂, from which q(z₁|x) has the precision 1/τ² + |w|²/σ² and the
/// mean (b₂/τ² + w·(x - b)/σ²) over it, and q(z₂|z₁) the precision 1 + w₂²/v₂ and the mean
/// (z₁ - b₂) w₂/v₂ over it.
pub(super) struct Linear {
    pub(super) model: TwoLayer,
    pub(super) w: Array1<f64>,
    pub(super) b: Array1<f64>,
    pub(super) b2: f64,
    pub(super) tau2: f64,
}

pub(super) fn linear() -> Linear {
    let rng = &mut random::rng(6, Purpose::Init, 0, 0);
    let likelihood = FixedVariance::new(VARIANCE);
    let (activation, init) = (Activation::Tanh, Init::Glorot);
    let mut model =
        MlpTwoLayer::mlp_with(likelihood, 3, [(&[], 1), (&[], 1)], activation, init, rng);
    let (w, b) = (array![0.7, -1.2, 0.4], array![0.1, 0.3, -0.2]);
    let (w2, b2, v2) = (0.8, -0.4, 0.5);
    let tau2 = w2 * w2 + v2;
    (model.vae.decoder.output.weight, model.vae.decoder.output.bias) =
        (w.clone().insert_axis(ndarray::Axis(0)), b.clone());
    let (mu, log_var) = (&mut model.decoder2.mu, &mut model.decoder2.log_var);
    (mu.weight, mu.bias) = (array![[w2]], array![b2]);
    (log_var.weight, log_var.bias) = (array![[0.0]], array![f64::ln(v2)]);

    let precision = 1.0 / tau2 + w.dot(&w) / VARIANCE;
    let (mu, log_var) = (&mut model.vae.encoder.mu, &mut model.vae.encoder.log_var);
    mu.weight = w.clone().insert_axis(ndarray::Axis(1)) / (VARIANCE * precision);
    mu.bias = array![(b2 / tau2 - w.dot(&b) / VARIANCE) / precision];
    log_var.weight.fill(0.0);
    log_var.bias = array![-precision.ln()];

    let precision = 1.0 + w2 * w2 / v2;
    let (mu, log_var) = (&mut model.encoder2.mu, &mut model.encoder2.log_var);
    (mu.weight, mu.bias) = (array![[w2 / v2 / precision]], array![-b2 * w2 / v2 / precision]);
    (log_var.weight, log_var.bias) = (array![[0.0]], array![-precision.ln()]);
    Linear { model, w, b, b2, tau2 }
}

impl Linear {
    /// ln N(x; w b₂ + b, σ²I + τ² wwᵀ), the matrix inverted by Sherman and Morrison's formula.
    fn log_p(&self, x: &Array1<f64>) -> f64 {
        let r = x - &(&self.w * self.b2 + &self.b);
        let along = self.tau2 * self.w.dot(&self.w) / VARIANCE;
        let square =
            (r.dot(&r) - self.tau2 / VARIANCE * self.w.dot(&r).powi(2) / (1.0 + along)) / VARIANCE;
        let log_det = 3.0 * (2.0 * std::f64::consts::PI * VARIANCE).ln() + along.ln_1p();
        -0.5 * (square + log_det)
    }
}

#[test]
fn with_exact_posteriors_every_importance_weight_is_the_likelihood_itself() {
    let linear = linear();
    let model = &linear.model;
    let mut w = model.workspace_for(4, 3);
    let s = TwoLayer::signals(&mut w);
    s.x = normal(12, 1).into_shape_with_order((4, 3)).unwrap();
    s.eps = normal(24, 2).into_shape_with_order((12, 2)).unwrap();
    model.encode(&mut w);
    model.log_weights(&mut w);
    let s = TwoLayer::signals(&mut w);
    for (r, (log_prob, log_ratio)) in s.log_prob.iter().zip(&s.log_ratio).enumerate() {
        assert_close(log_prob + log_ratio, linear.log_p(&s.x.row(r % 4).to_owned()), 1e-12);
    }
    let z1 = s.z.clone();
    let (mu, log_var) = TwoLayer::second_posterior(&w);
    for (z1, (mu, log_var)) in z1.iter().zip(mu.iter().zip(log_var)) {
        // The precision is 1 + 0.64/0.5, and w₂/v₂ is 1.6.
        assert_close(*mu, (z1 - linear.b2) * 1.6 / 2.28, 1e-12);
        assert_close(*log_var, -f64::ln(2.28), 1e-12);
    }
    let s = TwoLayer::signals(&mut w);
    let truth: f64 = s.x.rows().into_iter().map(|x| linear.log_p(&x.to_owned())).sum();
    assert_close(model.evaluate(&Iwae::default(), &mut w).objective, truth / 4.0, 1e-12);
    let sampled = SampledElbo::new(1.0, WarmUp::None);
    assert_close(model.evaluate(&sampled, &mut w).elbo, truth / 4.0, 1e-12);
}

#[test]
fn with_wrong_posteriors_the_bounds_climb_to_the_likelihood_from_below() {
    const COPIES: usize = 2000;
    let mut linear = linear();
    linear.model.vae.encoder.mu.bias += 0.3;
    linear.model.encoder2.mu.bias -= 0.5;
    linear.model.encoder2.log_var.bias += 0.6;
    let images = Images::new(1, 3, Pixels::Bytes(BYTES.repeat(COPIES))).unwrap();
    let truth = linear.log_p(&Array1::from(BYTES.map(|byte| f64::from(byte) / 255.0).to_vec()));
    let bounds = [1, 5, 30, 1000].map(|k| {
        let estimate = log_likelihood(&linear.model, &images, k, 2, |_| ());
        (estimate.log_likelihood, estimate.log_likelihood_standard_error)
    });
    let [one, five, .., thousand] = bounds;
    assert!(bounds.is_sorted_by(|a, b| a.0 < b.0), "{bounds:?}");
    assert!(one.0 + 4.0 * (one.1 + five.1) < five.0 && five.0 + 4.0 * five.1 < truth, "{bounds:?}");
    // The variance of ln ŵ over draws is Var(w)/kp² to first order, the bias minus half of it.
    let bias = thousand.1.powi(2) * COPIES as f64 / 2.0;
    let off = (thousand.0 + bias - truth).abs();
    assert!(off <= 4.0 * thousand.1, "{thousand:?}, not {truth}");
    assert!(4.0 * thousand.1 < 0.02 * (truth - one.0), "too coarse: {thousand:?}");
}

#[test]
fn draws_from_the_prior_have_the_first_layer_s_mean_and_variance() {
    let linear = linear();
    let z: Array2<f64> = linear.model.prior(40_000, 7);
    assert_eq!(z.dim(), (40_000, 1));
    let (mean, error) = mean_and_error(z.iter().copied());
    assert!((mean - linear.b2).abs() < 4.0 * error, "{mean} ± {error}, not {}", linear.b2);
    let (square, error) = mean_and_error(z.iter().map(|z| (z - linear.b2).powi(2)));
    assert!((square - linear.tau2).abs() < 4.0 * error, "{square} ± {error}, not {}", linear.tau2);
}
