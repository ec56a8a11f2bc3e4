//! The Gaussian likelihood of real pixels with one fixed variance.

use ndarray::{Array1, Array2, Zip};

use super::{Likelihood, no_parameters};
use crate::real::Real;

/// p(x|l) = ∏ⱼ N(xⱼ; lⱼ, σ²), the decoder's output l being the mean.
///
/// # In nats
///
/// log p(x|l) = -½ Σⱼ [(xⱼ - lⱼ)²/σ² + ln(2πσ²)], with its normalising constant: without it figures
/// for two σ² could not be compared, nor with any other likelihood.
///
/// # Gradient
///
/// ∂/∂lⱼ [-log p] = (lⱼ - xⱼ)/σ².
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
    variance: f64,
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
        let (half, precision) = (T::from_f64(0.5), T::from_f64(1.0 / self.variance));
        let constant = T::from_f64((2.0 * std::f64::consts::PI * self.variance).ln());
        log_prob.fill(T::ZERO);
        for (((x, l), d), log_prob) in
            x.rows().into_iter().cycle().zip(logits.rows()).zip(d_logits.rows_mut()).zip(log_prob)
        {
            Zip::from(d).and(x).and(l).for_each(|d, &x, &l| {
                let scaled = (l - x) * precision;
                *d = d_loss * scaled;
                *log_prob += -half * ((l - x) * scaled + constant);
            });
        }
    }

    /// E[x|z] = l.
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        mean.assign(logits);
    }
}
