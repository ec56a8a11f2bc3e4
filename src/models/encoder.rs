//! The encoder: a network, and two dense heads for μ and log σ².

use elbo_kernels::Output;
use ndarray::{Array2, ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use crate::{
    layers::{Dense, Init, Layer},
    parameters::{Parameters, prefixed},
    real::Real,
};

/// q(z|x): h = hidden(x), μ = h·W_μ + b_μ, log σ² = h·W_σ + b_σ.
///
/// `N` is any [`Layer`] from the pixels to features h.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoder<T, N> {
    /// From x (batch, pixels) to h (batch, features).
    pub hidden: N,
    /// From h to μ (batch, latent).
    pub mu: Dense<T>,
    /// From h to log σ² (batch, latent).
    pub log_var: Dense<T>,
}

/// The features of one batch, their gradient, and the hidden network's own cache.
pub struct EncoderCache<T: Real, N: Layer<T>> {
    pub(super) h: Array2<T>,
    pub(super) d_h: Array2<T>,
    hidden: N::Cache,
}

impl<T: Real, N: Layer<T>> Encoder<T, N> {
    /// An encoder on top of `hidden` with fresh heads.
    pub fn new(hidden: N, latent: usize, init: Init, rng: &mut impl RngCore) -> Self {
        let features = hidden.outputs();
        let mu = Dense::new(features, latent, init, rng);
        let log_var = Dense::new(features, latent, init, rng);
        Self { hidden, mu, log_var }
    }

    /// The width of x.
    pub fn inputs(&self) -> usize {
        self.hidden.inputs()
    }

    /// The width of μ and of log σ².
    pub fn latent(&self) -> usize {
        self.mu.outputs()
    }

    /// The cache for batches of exactly `batch` rows.
    pub fn cache(&self, batch: usize) -> EncoderCache<T, N> {
        let h = Array2::from_elem((batch, self.hidden.outputs()), T::ZERO);
        EncoderCache { d_h: h.clone(), h, hidden: self.hidden.cache(batch) }
    }

    /// Writes `mu` and `log_var` (batch, latent) from `x` (batch, pixels).
    pub fn forward(
        &self,
        x: &Array2<T>,
        mu: &mut Array2<T>,
        log_var: &mut Array2<T>,
        cache: &mut EncoderCache<T, N>,
    ) {
        self.hidden.forward(x, &mut cache.h, &mut cache.hidden);
        self.mu.forward(&cache.h, mu, &mut ());
        self.log_var.forward(&cache.h, log_var, &mut ());
    }

    /// Writes the gradient into `d` and, where it is wanted, into `d_x`. Both heads read h, so
    /// ∂L/∂h = ∂L/∂μ·W_μᵀ + ∂L/∂log σ²·W_σᵀ.
    pub fn backward(
        &self,
        x: &Array2<T>,
        d_mu: &Array2<T>,
        d_log_var: &Array2<T>,
        d_x: Option<&mut Array2<T>>,
        cache: &mut EncoderCache<T, N>,
        d: &mut Self,
    ) {
        self.backward_heads(d_mu, d_log_var, cache, d);
        self.backward_hidden(x, d_x, cache, d);
    }

    /// The first half of [`backward`](Self::backward), to the ∂L/∂h of the cache. A model with another
    /// head on h adds its own to it.
    pub(super) fn backward_heads(
        &self,
        d_mu: &Array2<T>,
        d_log_var: &Array2<T>,
        cache: &mut EncoderCache<T, N>,
        d: &mut Self,
    ) {
        let EncoderCache { h, d_h, .. } = cache;
        self.mu.backward_parameters(h, d_mu, &mut d.mu);
        self.log_var.backward_parameters(h, d_log_var, &mut d.log_var);
        self.mu.backward_input(d_mu, Output::Overwrite, d_h);
        self.log_var.backward_input(d_log_var, Output::Accumulate, d_h);
    }

    /// The second half, from the ∂L/∂h of the cache on.
    pub(super) fn backward_hidden(
        &self,
        x: &Array2<T>,
        d_x: Option<&mut Array2<T>>,
        cache: &mut EncoderCache<T, N>,
        d: &mut Self,
    ) {
        let EncoderCache { h, d_h, hidden } = cache;
        self.hidden.backward(x, h, d_h, d_x, hidden, &mut d.hidden);
    }
}

impl<T: Real, N: Layer<T>> Parameters<T> for Encoder<T, N> {
    fn names(&self) -> Vec<String> {
        prefixed("hidden", self.hidden.names())
            .chain(prefixed("mu", self.mu.names()))
            .chain(prefixed("log_var", self.log_var.names()))
            .collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.hidden.tensors().chain(self.mu.tensors()).chain(self.log_var.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.hidden.tensors_mut().chain(self.mu.tensors_mut()).chain(self.log_var.tensors_mut())
    }
}
