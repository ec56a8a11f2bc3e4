//! The Gaussian likelihood of pixels with the variance that suits the batch best.

use ndarray::{Array1, Array2};

use super::{
    Likelihood, bounds::GREY_LEVEL_VARIANCE, fixed_variance::FixedVariance, no_parameters,
};
use crate::real::Real;

/// p(x|l) = ∏ⱼ N(xⱼ; lⱼ, σ*²), where σ*² = (1/M) Σ (x - l)² is the mean squared error over the M = R·P
/// pixels of all R rows of the batch at hand: the maximum-likelihood estimate.
///
/// # In nats
///
/// With σ*² in place of σ², the squared errors cancel:
///
/// Σ_r -log p_r = (M/2) ln(2πσ*²) + Σ (x - l)²/(2σ*²) = (M/2) (ln(2πσ*²) + 1).
///
/// # Gradient
///
/// σ*² depends on every mean of the batch. Let F(l, σ²) = Σ (x - l)²/(2σ²) + (M/2) ln(2πσ²) be the loss at a
/// given variance, so that the loss is F(l, σ*²(l)) and
///
/// d/dl F(l, σ*²(l)) = ∂F/∂l + ∂F/∂σ² · ∂σ*²/∂l.
///
/// σ*² is where F is least in σ²: ∂F/∂σ² = -Σ (x - l)²/(2σ⁴) + M/(2σ²) = 0 there. So only the explicit
/// dependence is left, (l - x)/σ*², that of [`FixedVariance`]; deriving (M/2) ln σ*² gives the same,
/// (M/2) · (1/σ*²) · 2(l - x)/M.
///
/// # One weight for all
///
/// This holds for the sum over the batch, every row counting alike. Weighted, ∂F/∂σ² does not vanish, and
/// log p of one row is no density of that row, for σ*² has seen it. So the likelihood
/// [does not factorise](Likelihood::factorises), and importance weighting is refused. For the same
/// reason the figures of an evaluation depend on which images share a batch.
///
/// # Floor
///
/// σ*² is not taken below 255⁻², one of the 256 grey levels, so that a perfect reconstruction does not cost
/// -∞. At the floor it is a constant, and the gradient is again the explicit one.
///
/// Source: Rybkin, Daniilidis & Levine 2021, *Simple and effective VAE training with calibrated
/// decoders*, equation 6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptimalVariance;

no_parameters!(OptimalVariance);

impl<T: Real> Likelihood<T> for OptimalVariance {
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        let rows = x.rows().into_iter().cycle().zip(logits.rows());
        let squares = rows.flat_map(|(x, l)| {
            x.into_iter().zip(l).map(|(&x, &l)| (x.to_f64() - l.to_f64()).powi(2))
        });
        let error = squares.sum::<f64>() / logits.len() as f64;
        // A comparison that lets NaN pass, so that a broken run is seen.
        let variance = if error < GREY_LEVEL_VARIANCE { GREY_LEVEL_VARIANCE } else { error };
        FixedVariance { variance }.log_prob(x, logits, d_loss, log_prob, d_logits);
    }

    fn factorises(&self) -> bool {
        false
    }

    /// E[x|z] = l.
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        mean.assign(logits);
    }

    fn quantile(&self, _logits: &Array2<T>, _x: &mut Array2<T>) {
        panic!("a variance that is taken from images says nothing of images yet to be drawn");
    }
}
