//! Learning from few labels and many images without.
//!
//! Kingma, Rezende, Mohamed & Welling 2014, *Semi-supervised Learning with Deep Generative Models*, have two
//! models for it:
//!
//! - **M1**: a VAE of all images, and a classifier of its codes, taught with the labels there are;
//! - **M2**: a VAE in which the label is a latent variable too, known of some images and summed out for the
//!   others ([`M2`]);
//! - **M1+M2**: the second as a model of the codes of the first.

mod classifier;
mod examples;
mod m2;
mod trainer;

pub use classifier::{Classifier, accuracy, fit_classifier};
pub use examples::{Examples, Latents};
pub use m2::{M2, M2Figures, M2Workspace, MlpM2, Shares};
pub use trainer::{M2Settings, M2Trainer};
