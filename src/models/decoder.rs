//! The decoder: a network, and a dense layer that puts out logits.

use ndarray::{Array2, ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use crate::{
    layers::{Dense, Init, Layer},
    parameters::{Parameters, prefixed},
    real::Real,
};

/// From z to the logits of p(x|z): h = hidden(z), l = h·W + b.
///
/// `N` is any [`Layer`] from the latent space to features h. A decoder is itself a [`Layer`], and a
/// model takes any layer in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoder<T, N> {
    /// From z (batch, latent) to h (batch, features).
    pub hidden: N,
    /// From h to the logits (batch, pixels).
    pub output: Dense<T>,
}

/// The features of one batch, their gradient, and the hidden network's own cache.
pub struct DecoderCache<T: Real, N: Layer<T>> {
    h: Array2<T>,
    d_h: Array2<T>,
    hidden: N::Cache,
}

impl<T: Real, N: Layer<T>> Decoder<T, N> {
    /// A decoder on top of `hidden` with a fresh output layer.
    pub fn new(hidden: N, pixels: usize, init: Init, rng: &mut impl RngCore) -> Self {
        let output = Dense::new(hidden.outputs(), pixels, init, rng);
        Self { hidden, output }
    }
}

impl<T: Real, N: Layer<T>> Layer<T> for Decoder<T, N> {
    type Cache = DecoderCache<T, N>;

    fn inputs(&self) -> usize {
        self.hidden.inputs()
    }

    fn outputs(&self) -> usize {
        self.output.outputs()
    }

    fn cache(&self, batch: usize) -> DecoderCache<T, N> {
        let h = Array2::from_elem((batch, self.hidden.outputs()), T::ZERO);
        DecoderCache { d_h: h.clone(), h, hidden: self.hidden.cache(batch) }
    }

    /// h = hidden(z), l = h·W + b, from z (batch, latent) to logits (batch, pixels). The cache keeps
    /// h.
    fn forward(&self, z: &Array2<T>, logits: &mut Array2<T>, cache: &mut DecoderCache<T, N>) {
        self.hidden.forward(z, &mut cache.h, &mut cache.hidden);
        self.output.forward(&cache.h, logits, &mut ());
    }

    /// ∂L/∂l into ∂L/∂W, ∂L/∂b and ∂L/∂h = ∂L/∂l·Wᵀ, then through the hidden network into `d_z`
    /// (batch, latent).
    fn backward(
        &self,
        z: &Array2<T>,
        logits: &Array2<T>,
        d_logits: &mut Array2<T>,
        d_z: Option<&mut Array2<T>>,
        cache: &mut DecoderCache<T, N>,
        d: &mut Self,
    ) {
        let DecoderCache { h, d_h, hidden } = cache;
        self.output.backward(h, logits, d_logits, Some(&mut *d_h), &mut (), &mut d.output);
        self.hidden.backward(z, h, d_h, d_z, hidden, &mut d.hidden);
    }
}

impl<T: Real, N: Layer<T>> Parameters<T> for Decoder<T, N> {
    fn names(&self) -> Vec<String> {
        prefixed("hidden", self.hidden.names())
            .chain(prefixed("output", self.output.names()))
            .collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.hidden.tensors().chain(self.output.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.hidden.tensors_mut().chain(self.output.tensors_mut())
    }
}
