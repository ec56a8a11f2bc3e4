//! What can be wrong about models, labels and rates.

use crate::{distributions::any::LikelihoodKind, objectives::MAX_SAMPLES};

/// Why anomalies cannot be looked for.
#[derive(Debug, thiserror::Error)]
pub enum AnomalyError {
    /// The model is told what it sees.
    #[error(
        "a conditional model is told the label of each image, and an anomaly has none that it knows: \
         no score is defined"
    )]
    Conditional,
    /// The model is given a part of what it sees.
    #[error(
        "a model that completes images is given a part of each: no score of the whole is defined"
    )]
    Given,
    /// An image's score would depend on the images beside it.
    #[error(
        "the likelihood takes its variance from the images at hand, so that no single one has a score"
    )]
    Likelihood,
    /// There is no background for this likelihood.
    #[error(
        "the background of `likelihood-ratio` is one of Bernoulli pixels, and cannot be set against the \
         likelihood {likelihood:?}"
    )]
    Background {
        /// The model's.
        likelihood: LikelihoodKind,
    },
    /// The rate is none.
    #[error("a rate of {rate} false positives is not between 0 and 1")]
    Rate {
        /// What was asked for.
        rate: f64,
    },
    /// Too few images to calibrate on.
    #[error(
        "{images} images are too few for a rate of {rate} false positives; {needed} or more must be \
         held back"
    )]
    TooFew {
        /// What was asked for.
        rate: f64,
        /// Images to calibrate on.
        images: usize,
        /// The fewest for this rate.
        needed: usize,
    },
    /// Labels are needed.
    #[error("the images have no labels to choose by")]
    NoLabels,
    /// No image has the label.
    #[error("no image has the label {label}; the labels are {}", list(present))]
    NoSuchLabel {
        /// What was asked for.
        label: u8,
        /// The labels that there are.
        present: Vec<u8>,
    },
    /// A calibration holds back every tenth image.
    #[error(
        "{images} normal images are too few: every tenth is held back, so 10 or more are needed"
    )]
    TooFewNormal {
        /// How many there are.
        images: usize,
    },
    /// A score that was fitted to another model.
    #[error("the score has parameters of another size than the model's latent space or images")]
    Parameters,
    /// No estimate, or one of more samples than memory has room for.
    #[error(
        "the score has {samples} latent samples of each image, and must have 1 to {MAX_SAMPLES}"
    )]
    Samples {
        /// How many.
        samples: usize,
    },
    /// A broken model.
    #[error("the score of image {index} is not a finite number: the model or the score is broken")]
    NonFinite {
        /// The image, from 0.
        index: usize,
    },
}

/// Labels as one reads them.
fn list(labels: &[u8]) -> String {
    labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
