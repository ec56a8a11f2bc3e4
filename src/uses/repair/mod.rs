//! Repair: pixels that are missing, or spoilt by noise, from those that are there.
//!
//! With x° the pixels that were seen and xᵐ those that are missing, what is wanted is p(xᵐ|x°): its mean, which has
//! the least squared error, draws from it, and the probability that it gives to what was there.
//!
//! 1. A [`Mask`] says what is missing: regions, or the black pixels of a picture. A
//!    [`View`](crate::data::View) [hides](crate::data::View::hiding) it, or pixels at random.
//! 2. [`repair`] alternates between latent variables and missing pixels, or weights samples: [`Method`].
//! 3. [`log_likelihoods`] is log p(xᵐ|x°) = log p(x) - log p(x°).
//! 4. [`denoise`] is the same walk with pixels that are doubtful rather than missing: [`Noise`].
//! 5. What it is to be measured against: the mean of the training images, their [`neighbours`], a
//!    [`median`] filter; by [`root_mean_square`] and [`bernoulli_log_likelihood`].

mod baselines;
mod chain;
mod error;
mod likelihood;
mod mask;
mod measures;
mod noise;
#[cfg(feature = "files")]
mod picture;
mod walk;

pub use baselines::{means, median, neighbours};
pub use chain::{Method, Proposal, Repaired, Settings, repair};
pub use error::RepairError;
pub use likelihood::log_likelihoods;
pub use mask::{Mask, Region};
pub use measures::{bernoulli_log_likelihood, peak_signal_to_noise, root_mean_square};
pub use noise::{Denoised, Noise, denoise};
