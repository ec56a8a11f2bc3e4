//! The continuous Bernoulli likelihood of pixels in \[0, 1\], from logits.

use elbo_kernels::passes;
use ndarray::{Array1, Array2, Zip};

use super::{Likelihood, log_prob_by, no_parameters};
use crate::real::{Real, flat_mut};

/// p(x|l) = ∏ⱼ e^(xⱼ lⱼ) / ∫₀¹ e^(t lⱼ) dt, a density on \[0, 1\], with l the decoder's output.
///
/// # From the Bernoulli likelihood
///
/// With λ = σ(l), the [Bernoulli](super::bernoulli::Bernoulli) formula at a grey x is
/// λ^x (1 - λ)^(1-x) = (1 - λ) e^(x l). Over x in \[0, 1\] it does not integrate to one. Divided by its
/// integral, the factor 1 - λ cancels, and what is left is
///
/// log p(x|l) = Σⱼ xⱼ lⱼ - A(lⱼ), A(l) = ln ∫₀¹ e^(t l) dt = ln((eˡ - 1)/l), A(0) = 0.
///
/// In λ the same is λ^x (1 - λ)^(1-x) · C(λ) with C(λ) = 2 artanh(1 - 2λ)/(1 - 2λ), as l = ln λ/(1-λ) =
/// -2 artanh(1 - 2λ) and 1 - 2λ = (1 - eˡ)/(1 + eˡ).
///
/// # Gradient
///
/// Of an exponential family the derivative of A is the mean of x:
///
/// A′(l) = eˡ/(eˡ - 1) - 1/l = 1/(1 - e⁻ˡ) - 1/l = E[x|l], A′(0) = ½,
///
/// so ∂/∂l [-log p] = A′(l) - x: the mean less the pixel, as for the Bernoulli likelihood, with another
/// mean.
///
/// # At any logit
///
/// For |l| ≥ 1, with a = |l|, A(l) = max(l, 0) - ln(a/(1 - e⁻ᵃ)): no positive number is exponentiated,
/// and x l cancels against max(l, 0) before the logarithm is added. Near 0 the two terms of A′ grow
/// like 1/l and cancel. There A and A′ are series: with Bernoulli's numbers B and coth l/2 =
/// (2/l) Σₖ B₂ₖ l²ᵏ/(2k)!,
///
/// - A′(l) = ½ + ½ coth(l/2) - 1/l = ½ + Σ_{k≥1} B₂ₖ/(2k)! · l^(2k-1) = ½ + l/12 - l³/720 + …;
/// - A(l) = l/2 + Σ_{k≥1} B₂ₖ/(2k (2k)!) · l^(2k) = l/2 + l²/24 - l⁴/2880 + …,
///
/// which converge for |l| < 2π; for |l| < 1 ten terms are exact in f64.
///
/// Source: Loaiza-Ganem & Cunningham 2019, *The continuous Bernoulli: fixing a pervasive error in
/// variational autoencoders*, equations 4 to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContinuousBernoulli;

no_parameters!(ContinuousBernoulli);

impl<T: Real> Likelihood<T> for ContinuousBernoulli {
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        log_prob_by(passes::continuous_bernoulli_loss, x, logits, d_loss, log_prob, d_logits);
    }

    /// E[x|z] = A′(l).
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        mean.assign(logits);
        passes::continuous_bernoulli_mean(flat_mut(mean));
    }

    /// Where ∫₀ˣ e^(t l) dt / ∫₀¹ e^(t l) dt = (e^(l x) - 1)/(eˡ - 1) is u. For l < 0 and a = -l that is
    /// x = -ln(1 - u (1 - e⁻ᵃ))/a; for l > 0, 1 - x at 1 - u with -l; at 0 it is u.
    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>) {
        let falling = |u: f64, a: f64| match a == 0.0 {
            true => u,
            false => -(u * (-a).exp_m1()).ln_1p() / a,
        };
        Zip::from(x).and(logits).for_each(|x, &l| {
            let (u, l) = (x.to_f64(), l.to_f64());
            *x = T::from_f64(if l > 0.0 { 1.0 - falling(1.0 - u, l) } else { falling(u, -l) });
        });
    }
}
