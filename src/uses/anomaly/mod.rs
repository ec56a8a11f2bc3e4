//! Anomaly detection: a model of normal images, and how strange another image is to it.
//!
//! 1. A model is trained on normal images alone; some of them are [held back](split).
//! 2. A [`Score`] is a number for each image, higher for stranger ones. What it has to know of normal
//!    images it takes from those that were trained on.
//! 3. The [`threshold`] is chosen so that a new normal image exceeds it with at most the probability
//!    that is asked for, by the scores of the images held back. A [`Calibration`] is all of that in a
//!    file beside the model.
//! 4. Where labels say what is an anomaly, a [`Detection`] says how well the score tells: by the area
//!    under the ROC curve and the average precision.
//! 5. An [`Explanation`] shows why an image is strange: what the model makes of it, and the surprise
//!    at each of its pixels.
//!
//! # The likelihood trap
//!
//! A low likelihood is not what makes an image strange, nor a high one what makes it normal. Over
//! many dimensions nearly all probability lies where the density is far from its largest, and a
//! simple image, such as one of few white pixels, can be denser than any image of the training data:
//! digit 1 looks *more* normal than the digits a model was trained on. [`Kind::Typicality`] and
//! [`Kind::LikelihoodRatio`] are remedies (Nalisnick et al. 2019; Ren et al. 2019). Chapter 16 of the
//! [guide](crate::guide) has the derivation, and the figures measured.

mod background;
#[cfg(feature = "files")]
mod calibration;
mod codes;
mod error;
mod explanation;
mod ranking;
#[cfg(feature = "files")]
mod recipe;
mod score;
mod selection;
mod threshold;

pub use background::Background;
#[cfg(feature = "files")]
pub use calibration::{Calibration, CalibrationError, model_crc32};
pub use codes::Codes;
pub use error::AnomalyError;
pub use explanation::{Explanation, explain, surprise};
pub use ranking::{Detection, average_precision, roc_auc};
pub use score::{Kind, Score};
pub use selection::{labelled, split};
pub use threshold::threshold;
