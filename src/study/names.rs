//! The dense layers of a VAE by name.

use crate::{layers::Dense, models::MlpVae};

/// A dense layer of an [`MlpVae`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A hidden layer of the encoder.
    Encoder(usize),
    /// The encoder's head for μ.
    Mu,
    /// The encoder's head for log σ².
    LogVar,
    /// A hidden layer of the decoder.
    Decoder(usize),
    /// The decoder's layer for the logits.
    Output,
}

impl Place {
    /// All layers in the order of the forward pass.
    pub(super) fn all(model: &MlpVae<f64>) -> Vec<Self> {
        let encoder = (0..model.encoder.hidden.layers.len()).map(Self::Encoder);
        let decoder = (0..model.decoder.hidden.layers.len()).map(Self::Decoder);
        encoder.chain([Self::Mu, Self::LogVar]).chain(decoder).chain([Self::Output]).collect()
    }

    /// The name that its parameters have, without `.weight` or `.bias`.
    pub(super) fn name(self) -> String {
        match self {
            Self::Encoder(i) => format!("encoder.hidden.{i}"),
            Self::Mu => "encoder.mu".into(),
            Self::LogVar => "encoder.log_var".into(),
            Self::Decoder(i) => format!("decoder.hidden.{i}"),
            Self::Output => "decoder.output".into(),
        }
    }

    /// The layer itself.
    pub(super) fn of(self, model: &MlpVae<f64>) -> &Dense<f64> {
        match self {
            Self::Encoder(i) => &model.encoder.hidden.layers[i],
            Self::Mu => &model.encoder.mu,
            Self::LogVar => &model.encoder.log_var,
            Self::Decoder(i) => &model.decoder.hidden.layers[i],
            Self::Output => &model.decoder.output,
        }
    }

    /// The layer itself, to write.
    pub(super) fn of_mut(self, model: &mut MlpVae<f64>) -> &mut Dense<f64> {
        match self {
            Self::Encoder(i) => &mut model.encoder.hidden.layers[i],
            Self::Mu => &mut model.encoder.mu,
            Self::LogVar => &mut model.encoder.log_var,
            Self::Decoder(i) => &mut model.decoder.hidden.layers[i],
            Self::Output => &mut model.decoder.output,
        }
    }
}
