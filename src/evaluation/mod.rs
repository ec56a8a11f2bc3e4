//! How good a trained model is.

mod effective_sample_size;
mod elbo;
mod importance;
pub(crate) mod neighbours;
pub mod pca;
pub mod quality;
mod subspace;
mod terms;

pub use effective_sample_size::EffectiveSampleSize;
pub use elbo::{ACTIVE_VARIANCE, Evaluation, Evaluator};
pub use importance::{LogLikelihood, log_likelihood, log_likelihoods};
pub use terms::{Terms, terms};

/// Images that are evaluated at a time. It bounds memory; no figure depends on it but by the
/// rounding of f64 sums, and those of a likelihood that is one of a whole batch.
pub const EVALUATION_BATCH: usize = 256;
