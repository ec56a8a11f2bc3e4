//! Networks and an objective wired together.

use crate::distributions::any::AnyLikelihood;

mod decoder;
mod encoder;
mod model;
mod vae;

pub use decoder::{Decoder, DecoderCache};
pub use encoder::{Encoder, EncoderCache};
pub use model::Model;
/// Any model that a recipe describes.
pub type AnyModel<T> = MlpVae<T, AnyLikelihood<T>>;

pub use vae::{MlpVae, Vae, Workspace};
