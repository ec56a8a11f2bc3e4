//! The dense layer with some connections cut.

use elbo_kernels::Output;
use ndarray::{Array2, ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use super::{Dense, Init, Layer};
use crate::{parameters::Parameters, real::Real};

/// y = x·(M ⊙ W) + b: a [`Dense`] layer whose output j sees input i only where Mᵢⱼ = 1. M is fixed, of
/// zeros and ones.
///
/// # Derivation
///
/// In V = M ⊙ W the layer is a dense one, with ∂L/∂V = xᵀ·∂L/∂y and ∂L/∂x = ∂L/∂y·Vᵀ. Each Wᵢⱼ enters
/// Vᵢⱼ alone, by the factor Mᵢⱼ, so ∂L/∂W = M ⊙ (xᵀ·∂L/∂y): a connection that is cut has no gradient,
/// and its weight, which starts at 0, stays there.
///
/// Source: Germain, Gregor, Murray & Larochelle 2015, *MADE: Masked Autoencoder for Distribution
/// Estimation*, section 4.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked<T> {
    /// W and b.
    pub dense: Dense<T>,
    /// M, (inputs, outputs).
    mask: Array2<T>,
}

/// The dense layer of V and b, made anew by each forward pass.
#[derive(Clone, Debug)]
pub struct MaskedCache<T> {
    dense: Dense<T>,
}

impl<T: Real> Masked<T> {
    /// A layer in which output j sees input i where `sees(i, j)`.
    pub fn new(
        inputs: usize,
        outputs: usize,
        sees: impl Fn(usize, usize) -> bool,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let mask = Array2::from_shape_fn((inputs, outputs), |(i, j)| match sees(i, j) {
            true => T::ONE,
            false => T::ZERO,
        });
        let mut dense = Dense::new(inputs, outputs, init, rng);
        dense.weight *= &mask;
        Self { dense, mask }
    }

    /// ∂L/∂x = ∂L/∂y·Vᵀ, written to `d_x` or added to it.
    pub fn backward_input(
        &self,
        d_y: &Array2<T>,
        output: Output<'_, T>,
        d_x: &mut Array2<T>,
        cache: &MaskedCache<T>,
    ) {
        cache.dense.backward_input(d_y, output, d_x);
    }

    /// ∂L/∂W = M ⊙ (xᵀ·∂L/∂y) and ∂L/∂b = Σₙ ∂L/∂yₙ, written to `d`.
    pub fn backward_parameters(&self, x: &Array2<T>, d_y: &Array2<T>, d: &mut Self) {
        self.dense.backward_parameters(x, d_y, &mut d.dense);
        d.dense.weight *= &self.mask;
    }
}

impl<T: Real> Layer<T> for Masked<T> {
    type Cache = MaskedCache<T>;

    fn inputs(&self) -> usize {
        self.dense.inputs()
    }

    fn outputs(&self) -> usize {
        self.dense.outputs()
    }

    fn cache(&self, _batch: usize) -> MaskedCache<T> {
        MaskedCache { dense: self.dense.clone() }
    }

    /// y = x·V + b. The cache keeps V.
    fn forward(&self, x: &Array2<T>, y: &mut Array2<T>, cache: &mut MaskedCache<T>) {
        let Dense { weight, bias } = &mut cache.dense;
        weight.assign(&self.dense.weight);
        *weight *= &self.mask;
        bias.assign(&self.dense.bias);
        cache.dense.forward(x, y, &mut ());
    }

    /// The derivation above.
    fn backward(
        &self,
        x: &Array2<T>,
        _y: &Array2<T>,
        d_y: &mut Array2<T>,
        d_x: Option<&mut Array2<T>>,
        cache: &mut MaskedCache<T>,
        d: &mut Self,
    ) {
        self.backward_parameters(x, d_y, d);
        if let Some(d_x) = d_x {
            self.backward_input(d_y, Output::Overwrite, d_x, cache);
        }
    }
}

impl<T: Real> Parameters<T> for Masked<T> {
    fn names(&self) -> Vec<String> {
        self.dense.names()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.dense.tensors()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.dense.tensors_mut()
    }
}
