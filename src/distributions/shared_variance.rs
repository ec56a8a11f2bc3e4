//! The Gaussian likelihood of pixels with one variance, learned.

use elbo_kernels::math;
use ndarray::{Array1, Array2};

use super::{
    Likelihood, bounds, bounds::GREY_LEVEL_VARIANCE, fixed_variance::FixedVariance,
    gaussian::LOG_VAR_BOUND, one_parameter,
};
use crate::real::Real;

/// p(x|l) = ∏ⱼ N(xⱼ; lⱼ, σ²) as of [`FixedVariance`], but σ² is a parameter of the model, the same for
/// all pixels and images.
///
/// # Bounds
///
/// The parameter is log σ². What is used is s, which is log σ² clamped to [ln 255⁻², 20]
/// ([`LOG_VAR_BOUND`]): within the bounds σ² = eˢ is positive and finite whatever the optimiser does, and
/// a decoder that reconstructs perfectly does not drive the density to infinity. σ = 1/255 is one of the
/// 256 grey levels; images scaled otherwise than to \[0, 1\] have another unit.
///
/// # Gradient
///
/// For the means, at fixed s, that of [`FixedVariance`]. With E_r = Σⱼ (xⱼ - lⱼ)² the squared error of row r
/// and P its pixels,
///
/// -log p_r = ½ [E_r e⁻ˢ + P (s + ln 2π)], so ∂(-log p_r)/∂s = ½ (P - E_r e⁻ˢ),
///
/// and ∂L/∂log σ² = Σ_r d_loss_r · ½ (P - E_r e⁻ˢ) within the bounds, 0 outside. It vanishes where
/// σ² is the mean squared error, which is what training is led to.
///
/// Source: Rybkin, Daniilidis & Levine 2021, *Simple and effective VAE training with calibrated
/// decoders*, section 3.1.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedVariance<T> {
    /// log σ², of shape \[1\].
    pub log_var: Array1<T>,
}

impl<T: Real> SharedVariance<T> {
    /// Starting from this σ².
    ///
    /// # Panics
    ///
    /// Unless σ² is positive and finite.
    pub fn new(variance: f64) -> Self {
        assert!(variance > 0.0 && variance.is_finite(), "a variance is positive, not {variance}");
        Self { log_var: Array1::from_elem(1, T::from_f64(variance.ln())) }
    }

    /// σ², within its bounds, and ∂s/∂log σ².
    fn bounded(&self) -> (f64, f64) {
        let (low, high) = (GREY_LEVEL_VARIANCE.ln(), LOG_VAR_BOUND);
        let (s, derivative) = bounds::clamp(self.log_var[0].to_f64(), low, high);
        (math::exp(s), derivative)
    }
}

impl<T: Real> Likelihood<T> for SharedVariance<T> {
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        let (variance, _) = self.bounded();
        FixedVariance { variance }.log_prob(x, logits, d_loss, log_prob, d_logits);
    }

    fn backward_parameters(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: &Array1<T>,
        d: &mut Self,
    ) {
        let (variance, derivative) = self.bounded();
        let pixels = x.ncols() as f64;
        let rows = x.rows().into_iter().cycle().zip(logits.rows()).zip(d_loss);
        let d_s = rows.map(|((x, l), d_loss)| {
            let error: f64 =
                x.iter().zip(l).map(|(&x, &l)| (x.to_f64() - l.to_f64()).powi(2)).sum();
            d_loss.to_f64() * 0.5 * (pixels - error / variance)
        });
        d.log_var.fill(T::from_f64(derivative * d_s.sum::<f64>()));
    }

    /// E[x|z] = l.
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        mean.assign(logits);
    }

    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>) {
        let (variance, _) = self.bounded();
        FixedVariance { variance }.quantile(logits, x);
    }
}

one_parameter!(SharedVariance, log_var);
