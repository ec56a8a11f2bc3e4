//! What is maximised, and its gradient with respect to what the networks put out.

mod any;
mod each;
mod elbo;
mod iwae;
mod sampled;
mod signals;
mod warm_up;
mod weighted;

pub use any::AnyObjective;
pub use each::EachElbo;
pub use elbo::Elbo;
pub use iwae::{Estimator, Iwae};
pub use sampled::SampledElbo;
pub use signals::Signals;
pub use warm_up::WarmUp;
pub use weighted::WeightedElbo;

use crate::{distributions::Likelihood, real::Real};

/// The most latent samples of an image that may be asked for, and the largest batch times samples.
pub const MAX_SAMPLES: usize = 1 << 20;

/// The figures of one batch or of many, in nats per image: sums over dimensions, means over images.
///
/// `elbo = reconstruction - kl` always. `objective` is the number that training maximises; it is
/// the ELBO itself for [`Elbo`], and another for an objective that weights the terms otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// What the optimiser maximises.
    pub objective: f64,
    /// The evidence lower bound.
    pub elbo: f64,
    /// E_q[log p(x|z)], estimated with the drawn z.
    pub reconstruction: f64,
    /// KL(q(z|x) ‖ p(z)).
    pub kl: f64,
}

/// A mean of [`Figures`] over images, batch by batch: a batch counts by its number of images, so
/// the last, partial one is weighted rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    images: u64,
    objective: f64,
    reconstruction: f64,
    kl: f64,
}

impl Totals {
    /// Adds the figures of `images` more images.
    pub fn add(&mut self, figures: Figures, images: usize) {
        let weight = images as f64;
        self.images += images as u64;
        self.objective += weight * figures.objective;
        self.reconstruction += weight * figures.reconstruction;
        self.kl += weight * figures.kl;
    }

    /// The images added so far.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// The means; NaN before the first image.
    pub fn mean(&self) -> Figures {
        let images = self.images as f64;
        let (reconstruction, kl) = (self.reconstruction / images, self.kl / images);
        Figures {
            objective: self.objective / images,
            elbo: reconstruction - kl,
            reconstruction,
            kl,
        }
    }
}

/// A bound that a model is trained on.
///
/// A new objective is a type that implements this trait in a file of its own.
pub trait Objective<T: Real>: Send + Sync {
    /// Reads from `signals` the batch `x` and what the networks put out (`mu`, `log_var`, `z`,
    /// `logits`); writes the terms of each image (`log_prob`, `kl`), what each sample counts for
    /// (`weights`), and the gradients at the networks' outputs (`d_logits`, `d_mu`, `d_log_var`) of
    /// the *minimised* number, which is -`objective`.
    ///
    /// What reaches `mu` and `log_var` through z is not included: the model adds it once the
    /// decoder has been passed backwards.
    ///
    /// An objective that is [sampled](Self::sampled) finds `log_ratio` written, does not look at the
    /// divergence in any other form, and writes `weights` and `ratio_weight` in place of `d_mu` and
    /// `d_log_var`: how log p(z) - log q(z|x) depends on them is the model's business.
    fn evaluate(&self, likelihood: &impl Likelihood<T>, signals: &mut Signals<T>) -> Figures;

    /// Whether the divergence enters by log p(z) - log q(z|x) of the samples, rather than in its
    /// closed form. Such an objective needs no closed form, and so any model can have it.
    fn sampled(&self) -> bool {
        false
    }

    /// Which form of the gradient at μ and log σ² a sampled objective wants.
    fn estimator(&self) -> Estimator {
        Estimator::Total
    }

    /// Told before each step how many epochs are done, and what part of the next: 2.5 in the middle
    /// of the third.
    fn advance(&mut self, _epochs: f64) {}
}
