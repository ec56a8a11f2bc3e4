//! Maps with parameters: each file holds one layer, its `forward` beside its `backward`.
//!
//! | layer | map |
//! | --- | --- |
//! | [`Dense`] | y = x·W + b |
//! | [`Activation`] | y = f(x), element by element |
//! | [`Mlp`] | dense layers, each followed by an activation |
//! | [`Gated`] | y = (x·W + b) ⊙ σ(x·V + c) |
//! | [`Masked`] | y = x·(M ⊙ W) + b, some connections cut |
//! | [`Stack`] | any layers one after the other |
//! | [`Network`] | an MLP or gated layers, as a recipe says |

mod activations;
mod dense;
mod gated;
mod init;
mod masked;
mod mlp;
mod network;
mod stack;

pub use activations::Activation;
pub use dense::Dense;
pub use gated::{Gated, GatedCache};
pub use init::Init;
pub use masked::{Masked, MaskedCache};
pub use mlp::{Mlp, MlpCache};
use ndarray::Array2;
pub use network::{Network, NetworkCache};
pub use stack::{Stack, StackCache};

use crate::{parameters::Parameters, real::Real};

/// A differentiable map from `(batch, inputs)` to `(batch, outputs)`.
///
/// A layer holds its parameters and nothing else. What the forward pass must remember and what
/// the backward pass needs as scratch is the layer's `Cache`, made once for a batch size; the
/// signals themselves (`x`, `y` and the gradients that arrive and leave) belong to the caller. No
/// call allocates.
///
/// A new layer is a type that implements this trait and [`Parameters`]; it can then stand
/// wherever a model takes a network, and [`gradcheck`](crate::gradcheck) checks it.
///
/// # Panics
///
/// Here and wherever this crate takes batches as arrays: arrays of other shapes than the stated
/// ones, or that are not row-major, are errors of the program and panic.
pub trait Layer<T: Real>: Parameters<T> {
    /// What one batch leaves behind between `forward` and `backward`.
    type Cache: Send;

    /// The width of `x`.
    fn inputs(&self) -> usize;

    /// The width of `y`.
    fn outputs(&self) -> usize;

    /// The cache for batches of exactly `batch` rows.
    fn cache(&self, batch: usize) -> Self::Cache;

    /// Writes `y` (batch, outputs) from `x` (batch, inputs).
    fn forward(&self, x: &Array2<T>, y: &mut Array2<T>, cache: &mut Self::Cache);

    /// Writes into `d` the gradient of the parameters and, where it is wanted, into `d_x`
    /// (batch, inputs) the gradient of the input.
    ///
    /// `x`, `y` and `cache` are those of the forward pass and `d_y` (batch, outputs) is the
    /// gradient that arrives at `y`; the layer may use it as scratch, so its values are lost.
    /// Earlier values of `d` and `d_x` are overwritten, not added to.
    fn backward(
        &self,
        x: &Array2<T>,
        y: &Array2<T>,
        d_y: &mut Array2<T>,
        d_x: Option<&mut Array2<T>>,
        cache: &mut Self::Cache,
        d: &mut Self,
    );
}
