//! Networks and an objective wired together.

mod decoder;
mod encoder;
mod vae;

pub use decoder::{Decoder, DecoderCache};
pub use encoder::{Encoder, EncoderCache};
pub use vae::{MlpVae, Vae, Workspace};
