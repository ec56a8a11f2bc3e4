//! The parameters of a model as one ordered list of named tensors.

use std::fmt::{self, Display};

use ndarray::{ArrayViewD, ArrayViewMutD};
use serde::{Deserialize, Serialize};

use crate::real::Real;

/// Something with parameters: a layer, a network, a whole model.
///
/// The tensors come in one fixed order, the same for [`names`](Self::names),
/// [`tensors`](Self::tensors) and [`tensors_mut`](Self::tensors_mut). The optimiser, the
/// checkpoint, the gradient check and the tests all walk this list, and since the gradient of a
/// model is itself a model of the same type, so are Adam's two moments: walking several in step
/// is a `zip`.
///
/// Tensors are shown in the shape that PyTorch gives them (a dense weight is `outputs x inputs`).
/// A view may be transposed, but its memory is contiguous, so that
/// `as_slice_memory_order` of the view always succeeds and element-wise passes need no index
/// arithmetic.
pub trait Parameters<T: Real>: Clone + Send + Sync {
    /// The names, such as `hidden.0.weight`, relative to this value.
    fn names(&self) -> Vec<String>;

    /// The tensors, to read.
    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>>;

    /// The tensors, to write.
    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>>;

    /// The same shape with every element zero: an empty gradient, a fresh moment.
    fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        zeros.tensors_mut().for_each(|mut t| t.fill(T::ZERO));
        zeros
    }

    /// How many numbers there are in all.
    fn parameter_count(&self) -> usize {
        self.tensors().map(|t| t.len()).sum()
    }
}

/// A part of a model, by the names of its tensors: each of them belongs to the encoder or to the decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelPart {
    /// No tensor.
    #[default]
    None,
    /// All of the posterior q(z|x): with a second layer of latent variables that of both, with a flow its
    /// steps too.
    Encoder,
    /// All of p(x|z), and what is learned of the prior.
    Decoder,
    /// All tensors.
    All,
}

/// What the names of an encoder's tensors begin with.
const ENCODER: [&str; 4] = ["encoder.", "encoder2.", "context.", "flow."];

impl ModelPart {
    /// Whether the tensor of a model with this name belongs to it.
    pub fn has(self, name: &str) -> bool {
        let of_encoder = || ENCODER.iter().any(|prefix| name.starts_with(prefix));
        match self {
            Self::None => false,
            Self::Encoder => of_encoder(),
            Self::Decoder => !of_encoder(),
            Self::All => true,
        }
    }
}

/// As in a sentence: `the encoder`.
impl Display for ModelPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "nothing",
            Self::Encoder => "the encoder",
            Self::Decoder => "the decoder",
            Self::All => "the whole",
        })
    }
}

/// `names` with `prefix.` before each.
pub fn prefixed(prefix: impl Display, names: Vec<String>) -> impl Iterator<Item = String> {
    names.into_iter().map(move |name| format!("{prefix}.{name}"))
}

/// The elements of a parameter tensor in memory order.
pub(crate) fn elements<'a, T: Real>(tensor: &ArrayViewD<'a, T>) -> &'a [T] {
    tensor.to_slice_memory_order().expect("parameter tensors are contiguous")
}

/// The elements of a parameter tensor in memory order, to write.
pub(crate) fn elements_mut<T: Real>(tensor: ArrayViewMutD<'_, T>) -> &mut [T] {
    tensor.into_slice_memory_order().expect("parameter tensors are contiguous")
}
