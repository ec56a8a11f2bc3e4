//! What is maximised, and its gradient with respect to what the networks put out.

mod elbo;
mod signals;

pub use elbo::Elbo;
pub use signals::Signals;

use crate::{distributions::Likelihood, real::Real};

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
    /// `logits`); writes the terms of each image (`log_prob`, `kl`) and the gradients at the
    /// networks' outputs (`d_logits`, `d_mu`, `d_log_var`) of the *minimised* number, which is
    /// -`objective`.
    ///
    /// What reaches `mu` and `log_var` through z is not included: the model adds it once the
    /// decoder has been passed backwards.
    fn evaluate(&self, likelihood: &impl Likelihood<T>, signals: &mut Signals<T>) -> Figures;
}
