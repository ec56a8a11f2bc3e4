//! Where the weights of a part of a model come from.

use serde::{Deserialize, Serialize};

use crate::parameters::ModelPart;

/// A trained model, and what is taken of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its file.
    pub model: String,
    /// The part whose weights are taken.
    #[serde(default = "encoder")]
    pub part: ModelPart,
    /// The CRC-32 of the file. Filled in when a run starts; where a recipe gives it, the file must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
}

fn encoder() -> ModelPart {
    ModelPart::Encoder
}
