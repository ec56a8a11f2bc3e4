//! Networks and an objective wired together.

mod any;
mod decoder;
mod encoder;
mod model;
mod vae;
mod vamp;

pub use any::{AnyModel, AnyVae, AnyVaeWorkspace, AnyVampWorkspace, AnyWorkspace};
pub use decoder::{Decoder, DecoderCache};
pub use encoder::{Encoder, EncoderCache};
pub use model::Model;
pub use vae::{MlpVae, Vae, Workspace};
pub use vamp::{Vamp, VampWorkspace};
