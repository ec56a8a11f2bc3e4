//! The Bernoulli likelihood of pixels in \[0, 1\], from logits.

use elbo_kernels::passes;
use ndarray::{Array1, Array2, Zip};

use super::{Likelihood, log_prob_by, no_parameters};
use crate::real::{Real, flat_mut};

/// p(x|l) = ∏ⱼ σ(lⱼ)^xⱼ (1 - σ(lⱼ))^(1-xⱼ), with σ the logistic function and l the decoder's
/// output.
///
/// # From logits, not from probabilities
///
/// With p = σ(l), log p = -ln(1+e⁻ˡ) and log(1-p) = -l - ln(1+e⁻ˡ), so
///
/// -log p(x|l) = Σⱼ (1 - xⱼ) lⱼ + ln(1 + e^(-lⱼ)) = Σⱼ max(lⱼ, 0) - xⱼ lⱼ + ln(1 + e^(-|lⱼ|)).
///
/// The last form never exponentiates a positive number: it is exact at l = ±100 and beyond, where
/// log(σ(l)) would be log 0.
///
/// # Gradient
///
/// ∂/∂l [ln(1 + eˡ) - x l] = σ(l) - x. The decoder learns from the plain difference of what it
/// said and what it should have said, at any logit.
///
/// # Grey pixels
///
/// A pixel between 0 and 1 is no outcome of a Bernoulli variable; the formula is then the
/// cross-entropy between Bernoulli(x) and Bernoulli(σ(l)), whose minimum over l, at σ(l) = x, is
/// the entropy of x and not 0. Figures on grey and on binary pixels are therefore not comparable.
///
/// Source: Kingma & Welling 2013, appendix C.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bernoulli;

no_parameters!(Bernoulli);

impl<T: Real> Likelihood<T> for Bernoulli {
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        log_prob_by(passes::logistic_loss, x, logits, d_loss, log_prob, d_logits);
    }

    /// E[x|z] = σ(l).
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        mean.assign(logits);
        passes::sigmoid(flat_mut(mean));
    }

    /// White where u is above 1 - σ(l), the probability of black.
    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>) {
        Zip::from(x).and(logits).for_each(|x, &l| {
            let is_white = x.to_f64() > 1.0 / (1.0 + l.to_f64().exp());
            *x = if is_white { T::ONE } else { T::ZERO };
        });
    }
}
