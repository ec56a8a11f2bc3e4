//! The multi-layer perceptron.

use ndarray::{Array2, ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use super::{Activation, Dense, Init, Layer};
use crate::{
    parameters::{Parameters, prefixed},
    real::Real,
};

/// Dense layers, each followed by the same activation: hᵢ = f(hᵢ₋₁·Wᵢ + bᵢ), h₀ = x, y = the
/// last h.
///
/// With no layer at all it is the identity, so that a model without hidden layers (a linear VAE)
/// needs no code of its own.
///
/// Backwards, ∂L/∂hᵢ is turned by the activation into the gradient at hᵢ₋₁·Wᵢ + bᵢ, and by the
/// dense layer into ∂L/∂Wᵢ, ∂L/∂bᵢ and ∂L/∂hᵢ₋₁, from the last layer to the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp<T> {
    inputs: usize,
    /// The layers in the order of the forward pass.
    pub layers: Vec<Dense<T>>,
    /// What follows each of them.
    pub activation: Activation,
}

/// The signals between the layers of an [`Mlp`], and their gradients.
#[derive(Clone, Debug)]
pub struct MlpCache<T> {
    /// h₁ .. of all layers but the last, whose output is the caller's `y`.
    h: Vec<Array2<T>>,
    /// ∂L/∂h of the same.
    d_h: Vec<Array2<T>>,
}

impl<T: Real> Mlp<T> {
    /// A perceptron from `inputs` through layers of the given widths.
    pub fn new(
        inputs: usize,
        widths: &[usize],
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let fan_ins = std::iter::once(&inputs).chain(widths);
        let layers = fan_ins.zip(widths).map(|(&i, &o)| Dense::new(i, o, init, rng)).collect();
        Self { inputs, layers, activation }
    }
}

impl<T: Real> Layer<T> for Mlp<T> {
    type Cache = MlpCache<T>;

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.layers.last().map_or(self.inputs, Layer::outputs)
    }

    fn cache(&self, batch: usize) -> MlpCache<T> {
        let inner = self.layers.len().saturating_sub(1);
        let h: Vec<_> = self.layers[..inner]
            .iter()
            .map(|layer| Array2::from_elem((batch, layer.outputs()), T::ZERO))
            .collect();
        MlpCache { d_h: h.clone(), h }
    }

    /// hᵢ = f(hᵢ₋₁·Wᵢ + bᵢ) from h₀ = x (batch, inputs) to the last, y (batch, outputs). The cache
    /// keeps the h between.
    fn forward(&self, x: &Array2<T>, y: &mut Array2<T>, cache: &mut MlpCache<T>) {
        let Some((last, inner)) = self.layers.split_last() else {
            return y.assign(x);
        };
        for (i, layer) in inner.iter().enumerate() {
            let (before, after) = cache.h.split_at_mut(i);
            let (input, output) = (before.last().unwrap_or(x), &mut after[0]);
            layer.forward(input, output, &mut ());
            self.activation.forward(output);
        }
        last.forward(cache.h.last().unwrap_or(x), y, &mut ());
        self.activation.forward(y);
    }

    /// From the last layer to the first: ∂L/∂hᵢ through f, then ∂L/∂Wᵢ, ∂L/∂bᵢ into `d` and
    /// ∂L/∂hᵢ₋₁ into the cache; ∂L/∂h₀ into `d_x` (batch, inputs), if it is wanted.
    fn backward(
        &self,
        x: &Array2<T>,
        y: &Array2<T>,
        d_y: &mut Array2<T>,
        mut d_x: Option<&mut Array2<T>>,
        cache: &mut MlpCache<T>,
        d: &mut Self,
    ) {
        if self.layers.is_empty() {
            if let Some(d_x) = d_x {
                d_x.assign(d_y);
            }
            return;
        }
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let (before, after) = cache.d_h.split_at_mut(i);
            let output = cache.h.get(i).unwrap_or(y);
            let d_output = after.first_mut().unwrap_or(d_y);
            let (input, d_input) = match i {
                0 => (x, d_x.as_deref_mut()),
                _ => (&cache.h[i - 1], before.last_mut()),
            };
            self.activation.backward(output, d_output);
            layer.backward(input, output, d_output, d_input, &mut (), &mut d.layers[i]);
        }
    }
}

impl<T: Real> Parameters<T> for Mlp<T> {
    fn names(&self) -> Vec<String> {
        let layers = self.layers.iter().enumerate();
        layers.flat_map(|(i, layer)| prefixed(i, layer.names())).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.layers.iter().flat_map(Parameters::tensors)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.layers.iter_mut().flat_map(Parameters::tensors_mut)
    }
}
