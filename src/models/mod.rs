//! Networks and an objective wired together.

mod any;
mod autoregressive;
mod completion;
mod conditional;
mod decoder;
mod encoder;
mod given;
mod iaf;
mod model;
mod two_layer;
mod vae;
mod vamp;

pub use any::{
    AnyCompletion, AnyConditional, AnyIaf, AnyModel, AnyTwoLayer, AnyVae, AnyVamp, AnyWorkspace,
};
pub use autoregressive::{AutoregressiveCache, AutoregressiveStep, GATE_BIAS, Order};
pub use completion::{Completion, CompletionWorkspace};
pub use conditional::{Conditional, ConditionalWorkspace, MlpConditional};
pub use decoder::{Decoder, DecoderCache};
pub use encoder::{Encoder, EncoderCache};
pub use given::{Given, Parts};
pub use iaf::{IafVae, IafWorkspace};
pub use model::Model;
pub use two_layer::{MlpTwoLayer, TwoLayer, TwoLayerWorkspace};
pub use vae::{MlpVae, Vae, Workspace};
pub use vamp::{Vamp, VampWorkspace};
