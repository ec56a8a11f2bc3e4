//! The parameters of a model as one ordered list of named tensors.

use std::fmt::Display;

use ndarray::{ArrayViewD, ArrayViewMutD};

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
