//! Layers one after the other.

use ndarray::{Array2, ArrayViewD, ArrayViewMutD};

use super::Layer;
use crate::{
    parameters::{Parameters, prefixed},
    real::Real,
};

/// hᵢ = layerᵢ(hᵢ₋₁), h₀ = x, y = the last h; with no layer at all, the identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack<N> {
    inputs: usize,
    /// The layers in the order of the forward pass.
    pub layers: Vec<N>,
}

/// The signals between the layers of a [`Stack`], their gradients, and the layers' own caches.
pub struct StackCache<T: Real, N: Layer<T>> {
    /// h₁ .. of all layers but the last, whose output is the caller's `y`.
    h: Vec<Array2<T>>,
    /// ∂L/∂h of the same.
    d_h: Vec<Array2<T>>,
    layers: Vec<N::Cache>,
}

impl<N> Stack<N> {
    /// Layers from `inputs` on, of which each takes what the one before puts out.
    pub fn new(inputs: usize, layers: Vec<N>) -> Self {
        Self { inputs, layers }
    }
}

impl<T: Real, N: Layer<T>> Layer<T> for Stack<N> {
    type Cache = StackCache<T, N>;

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.layers.last().map_or(self.inputs, Layer::outputs)
    }

    fn cache(&self, batch: usize) -> StackCache<T, N> {
        let inner = self.layers.len().saturating_sub(1);
        let h: Vec<_> = self.layers[..inner]
            .iter()
            .map(|layer| Array2::from_elem((batch, layer.outputs()), T::ZERO))
            .collect();
        let layers = self.layers.iter().map(|layer| layer.cache(batch)).collect();
        StackCache { d_h: h.clone(), h, layers }
    }

    /// From h₀ = x to the last h, y. The cache keeps the h between.
    fn forward(&self, x: &Array2<T>, y: &mut Array2<T>, cache: &mut StackCache<T, N>) {
        if self.layers.is_empty() {
            return y.assign(x);
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, after) = cache.h.split_at_mut(i);
            let output = after.first_mut().unwrap_or(&mut *y);
            layer.forward(before.last().unwrap_or(x), output, &mut cache.layers[i]);
        }
    }

    /// From the last layer to the first, ∂L/∂hᵢ to ∂L/∂hᵢ₋₁.
    fn backward(
        &self,
        x: &Array2<T>,
        y: &Array2<T>,
        d_y: &mut Array2<T>,
        mut d_x: Option<&mut Array2<T>>,
        cache: &mut StackCache<T, N>,
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
            let d_output = after.first_mut().unwrap_or(&mut *d_y);
            let (input, d_input) = match i {
                0 => (x, d_x.as_deref_mut()),
                _ => (&cache.h[i - 1], before.last_mut()),
            };
            layer.backward(
                input,
                output,
                d_output,
                d_input,
                &mut cache.layers[i],
                &mut d.layers[i],
            );
        }
    }
}

impl<T: Real, N: Layer<T>> Parameters<T> for Stack<N> {
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
