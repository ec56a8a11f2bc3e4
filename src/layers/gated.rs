//! Gated layers.

use ndarray::{Array2, ArrayViewD, ArrayViewMutD, Zip};
use rand::RngCore;

use elbo_kernels::{Output, passes};

use super::{Dense, Init, Layer};
use crate::{
    parameters::{Parameters, prefixed},
    real::{Real, flat_mut},
};

/// y = (x·W + b) ⊙ σ(x·V + c): a linear map, each output of which is let through by a gate that looks
/// at x too.
///
/// # Derivation
///
/// With v = x·W + b and s = σ(x·V + c), y = v ⊙ s. Each element of y has one of v and one of s, so
///
/// - ∂L/∂v = ∂L/∂y ⊙ s;
/// - ∂L/∂(x·V + c) = ∂L/∂y ⊙ v ⊙ s ⊙ (1 - s), for σ′ = σ (1 - σ);
///
/// and what arrives at either linear map goes on as in [`Dense`]. Both read x, so their ∂L/∂x add up.
///
/// Source: Dauphin et al. 2017, *Language Modeling with Gated Convolutional Networks*, equation 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Gated<T> {
    /// W and b.
    pub value: Dense<T>,
    /// V and c.
    pub gate: Dense<T>,
}

/// v and s of one batch, and the gradient at the gate's linear map.
#[derive(Clone, Debug)]
pub struct GatedCache<T> {
    v: Array2<T>,
    s: Array2<T>,
    d_gate: Array2<T>,
}

impl<T: Real> Gated<T> {
    /// A layer with fresh parameters.
    pub fn new(inputs: usize, outputs: usize, init: Init, rng: &mut impl RngCore) -> Self {
        let value = Dense::new(inputs, outputs, init, rng);
        Self { value, gate: Dense::new(inputs, outputs, init, rng) }
    }
}

impl<T: Real> Layer<T> for Gated<T> {
    type Cache = GatedCache<T>;

    fn inputs(&self) -> usize {
        self.value.inputs()
    }

    fn outputs(&self) -> usize {
        self.value.outputs()
    }

    fn cache(&self, batch: usize) -> GatedCache<T> {
        let v = Array2::from_elem((batch, self.outputs()), T::ZERO);
        GatedCache { s: v.clone(), d_gate: v.clone(), v }
    }

    /// y = v ⊙ s from x (batch, inputs) to y (batch, outputs). The cache keeps v and s.
    fn forward(&self, x: &Array2<T>, y: &mut Array2<T>, cache: &mut GatedCache<T>) {
        self.value.forward(x, &mut cache.v, &mut ());
        self.gate.forward(x, &mut cache.s, &mut ());
        passes::sigmoid(flat_mut(&mut cache.s));
        Zip::from(y).and(&cache.v).and(&cache.s).for_each(|y, &v, &s| *y = v * s);
    }

    /// The derivation above; `d_y` becomes ∂L/∂v.
    fn backward(
        &self,
        x: &Array2<T>,
        _y: &Array2<T>,
        d_y: &mut Array2<T>,
        d_x: Option<&mut Array2<T>>,
        cache: &mut GatedCache<T>,
        d: &mut Self,
    ) {
        let GatedCache { v, s, d_gate } = cache;
        Zip::from(&mut *d_gate).and(&*d_y).and(&*v).and(&*s).for_each(|d_gate, &d_y, &v, &s| {
            *d_gate = d_y * v * s * (T::ONE - s);
        });
        Zip::from(&mut *d_y).and(&*s).for_each(|d_y, &s| *d_y *= s);
        self.value.backward_parameters(x, d_y, &mut d.value);
        self.gate.backward_parameters(x, d_gate, &mut d.gate);
        if let Some(d_x) = d_x {
            self.value.backward_input(d_y, Output::Overwrite, d_x);
            self.gate.backward_input(d_gate, Output::Accumulate, d_x);
        }
    }
}

impl<T: Real> Parameters<T> for Gated<T> {
    fn names(&self) -> Vec<String> {
        prefixed("value", self.value.names()).chain(prefixed("gate", self.gate.names())).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.value.tensors().chain(self.gate.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.value.tensors_mut().chain(self.gate.tensors_mut())
    }
}
