//! The Gaussian likelihood of real pixels with one fixed variance.

use elbo_kernels::passes;
use ndarray::{Array1, Array2, Zip};

use super::{Likelihood, no_parameters, normal_quantile::normal_quantile};
use crate::real::{Real, flat, flat_mut};

/// p(x|l) = ∏ⱼ N(xⱼ; lⱼ, σ²), the decoder's output l being the mean.
///
/// # In nats
///
/// log p(x|l) = -½ Σⱼ [(xⱼ - lⱼ)²/σ² + ln(2πσ²)], with its normalising constant: without it figures
/// for two σ² could not be compared, nor with any other likelihood.
///
/// # Gradient
///
/// ∂/∂lⱼ [-log p] = (lⱼ - xⱼ)/σ². Both are computed from (lⱼ - xⱼ)/σ, whose square is moderate where the
/// error and σ are both large.
///
/// # What σ² decides
///
/// It sets what a reconstruction's error costs beside the divergence: the smaller it is, the more of
/// the latent dimensions are worth their price. With linear networks the optimum is known in closed
/// form; it is probabilistic PCA.
///
/// Source: Kingma & Welling 2013, appendix C.2; Tipping & Bishop 1999 for the linear case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedVariance {
    pub(super) variance: f64,
}

no_parameters!(FixedVariance);

impl FixedVariance {
    /// With this σ².
    ///
    /// # Panics
    ///
    /// Unless σ² is positive and finite.
    pub fn new(variance: f64) -> Self {
        assert!(variance > 0.0 && variance.is_finite(), "a variance is positive, not {variance}");
        Self { variance }
    }
}

impl<T: Real> Likelihood<T> for FixedVariance {
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        let (half, pixels) = (T::HALF, x.ncols());
        let inverse_sigma = T::from_f64(1.0 / self.variance.sqrt());
        let constant = pixels as f64 * (2.0 * std::f64::consts::PI * self.variance).ln();
        let (constant, upstream) = (T::from_f64(constant), d_loss * inverse_sigma);
        let rows = flat(x).chunks(pixels).cycle().zip(flat(logits).chunks(pixels));
        for (((x, l), d), log_prob) in rows.zip(flat_mut(d_logits).chunks_mut(pixels)).zip(log_prob)
        {
            let scaled = |x: T, l: T| (l - x) * inverse_sigma;
            // The squares stand where the gradient will, so that their sum is a pass of its own.
            for ((d, &x), &l) in d.iter_mut().zip(x).zip(l) {
                *d = scaled(x, l) * scaled(x, l);
            }
            *log_prob = -half * (passes::sum(d) + constant);
            for ((d, &x), &l) in d.iter_mut().zip(x).zip(l) {
                *d = upstream * scaled(x, l);
            }
        }
    }

    /// E[x|z] = l.
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        mean.assign(logits);
    }

    /// l + σ Φ⁻¹(u).
    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>) {
        let sigma = self.variance.sqrt();
        Zip::from(x).and(logits).for_each(|x, &l| {
            *x = l + T::from_f64(sigma * normal_quantile(x.to_f64()));
        });
    }
}
