//! Log-densities and divergences, each beside its gradient.

pub mod bernoulli;
pub mod fixed_variance;
pub mod gaussian;
pub mod normal_quantile;

use ndarray::{Array1, Array2};

use crate::real::Real;

/// p(x|z) as a function of what the decoder puts out.
///
/// A new likelihood is a type that implements this trait.
pub trait Likelihood<T: Real>: Clone + Send + Sync {
    /// Writes log p(x|z) of each image in nats into `log_prob` (batch), and into `d_logits` the
    /// gradient of `d_loss` · Σₙ -log p(xₙ|zₙ), in one pass over the pixels.
    ///
    /// `x`, `logits` and `d_logits` are (batch, pixels). The upstream gradient `d_loss` is that of
    /// the *negative* log-likelihood, which is what training minimises.
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    );

    /// Writes E[x|z], what a picture shows, into `mean` (batch, pixels).
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>);
}
