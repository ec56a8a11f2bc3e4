//! The Gaussian likelihood of pixels with a variance of each.

use elbo_kernels::passes;
use ndarray::{Array1, Array2, Axis, Zip};

use super::{
    Likelihood, bounds, bounds::GREY_LEVEL_VARIANCE, gaussian::LOG_VAR_BOUND, no_parameters,
    normal_quantile::normal_quantile,
};
use crate::real::{Real, flat, flat_mut};

/// p(x|z) = ∏ⱼ N(xⱼ; μⱼ, σⱼ²), the decoder putting out both: of its 2·P columns for P pixels, the first P
/// are the means μ, the others log σ².
///
/// # Bounds
///
/// Each log σ² is clamped, to s in [ln 255⁻², 20] ([`LOG_VAR_BOUND`]). The lower bound is not a matter
/// of overflow but of sense: a pixel that is black in all images, and so has no error, would be worth
/// any number of nats as its σ falls. With σ ≥ 1/255, one of the 256 grey levels, it is worth at most
/// ln 255 - ½ ln 2π = 4.6 nats. Images scaled otherwise than to \[0, 1\] have another unit.
///
/// # Gradient
///
/// -log p = ½ Σⱼ [(xⱼ - μⱼ)² e^(-sⱼ) + sⱼ + ln 2π]. With the standardised error r = (μ - x) e^(-s/2),
///
/// - ∂(-log p)/∂μⱼ = (μⱼ - xⱼ) e^(-sⱼ) = rⱼ e^(-sⱼ/2);
/// - ∂(-log p)/∂log σⱼ² = ½ (1 - (xⱼ - μⱼ)² e^(-sⱼ)) = ½ (1 - rⱼ²) within the bounds, 0 outside.
///
/// Source: Kingma & Welling 2013, appendix C.2; on what goes wrong without a bound, Mattei &
/// Frellsen 2018, *Leveraging the exact likelihood of deep latent variable models*, section 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PixelVariance;

no_parameters!(PixelVariance);

/// (s, ∂s/∂log σ²).
#[inline]
fn bounded<T: Real>(log_var: T) -> (T, T) {
    let (low, high) = (T::from_f64(GREY_LEVEL_VARIANCE.ln()), T::from_f64(LOG_VAR_BOUND));
    bounds::clamp(log_var, low, high)
}

impl<T: Real> Likelihood<T> for PixelVariance {
    fn outputs(&self, pixels: usize) -> usize {
        2 * pixels
    }

    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        let pixels = x.ncols();
        let rows = flat(x).chunks(pixels).cycle().zip(flat(logits).chunks(2 * pixels));
        let results = flat_mut(d_logits).chunks_mut(2 * pixels).zip(log_prob);
        for ((x, l), (d, log_prob)) in rows.zip(results) {
            *log_prob = row_log_prob(x, l.split_at(pixels), d_loss, d.split_at_mut(pixels));
        }
    }

    /// E[x|z] = μ.
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        let (mu, _) = logits.view().split_at(Axis(1), mean.ncols());
        mean.assign(&mu);
    }

    /// μ + σ Φ⁻¹(u).
    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>) {
        let (mu, log_var) = logits.view().split_at(Axis(1), x.ncols());
        Zip::from(x).and(mu).and(log_var).for_each(|x, &mu, &v| {
            let sigma = (0.5 * bounded(v).0.to_f64()).exp();
            *x = mu + T::from_f64(sigma * normal_quantile(x.to_f64()));
        });
    }
}

/// log p of one row, and the gradient of `d_loss` · -log p.
fn row_log_prob<T: Real>(
    x: &[T],
    (mu, log_var): (&[T], &[T]),
    d_loss: T,
    (d_mu, d_log_var): (&mut [T], &mut [T]),
) -> T {
    let half = T::HALF;
    let scaled = |x: T, mu: T, inverse_sigma: T| (mu - x) * inverse_sigma;
    let inputs = || x.iter().zip(mu).zip(log_var);

    // Until the gradient is known, e^(-s/2) stands where that of log σ² will, and r² + s where that of
    // μ will, so that the exponential and the sum are passes of their own.
    for (d, &v) in d_log_var.iter_mut().zip(log_var) {
        *d = -half * bounded(v).0;
    }
    passes::exp(d_log_var);
    for ((d, &inverse_sigma), ((&x, &mu), &v)) in d_mu.iter_mut().zip(&*d_log_var).zip(inputs()) {
        let r = scaled(x, mu, inverse_sigma);
        *d = r * r + bounded(v).0;
    }
    let constant = T::from_f64(x.len() as f64 * (2.0 * std::f64::consts::PI).ln());
    let log_prob = -half * (passes::sum(d_mu) + constant);

    for ((d_mu, d_log_var), ((&x, &mu), &v)) in d_mu.iter_mut().zip(d_log_var).zip(inputs()) {
        let inverse_sigma = *d_log_var;
        let r = scaled(x, mu, inverse_sigma);
        *d_mu = d_loss * r * inverse_sigma;
        // Not a product with the derivative: r² may be infinite.
        let d_s = d_loss * half * (T::ONE - r * r);
        *d_log_var = if bounded(v).1 == T::ZERO { T::ZERO } else { d_s };
    }
    log_prob
}
