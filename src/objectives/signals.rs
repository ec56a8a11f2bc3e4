//! The signals of one batch: what a model and its objective exchange.

use elbo_kernels::passes::all_finite;
use ndarray::{Array1, Array2};

use crate::real::{Real, flat};

/// Every signal of one batch, in the order of the walk: images, posterior, sample, logits, terms
/// of the objective, and the gradients on the way back.
#[derive(Clone, Debug)]
pub struct Signals<T> {
    /// The images, (batch, pixels). The caller fills it.
    pub x: Array2<T>,
    /// Standard normal noise, (batch, latent). The caller fills it.
    pub eps: Array2<T>,
    /// μ of q(z|x), (batch, latent).
    pub mu: Array2<T>,
    /// log σ² of q(z|x), (batch, latent).
    pub log_var: Array2<T>,
    /// σ of q(z|x), (batch, latent).
    pub sigma: Array2<T>,
    /// The latent sample, (batch, latent).
    pub z: Array2<T>,
    /// The decoder's output, (batch, pixels).
    pub logits: Array2<T>,
    /// log p(x|z) of each image, (batch).
    pub log_prob: Array1<T>,
    /// KL(q(z|x) ‖ p(z)) of each image and dimension, (batch, latent).
    pub kl: Array2<T>,
    /// ∂L/∂logits, (batch, pixels).
    pub d_logits: Array2<T>,
    /// ∂L/∂z, (batch, latent).
    pub d_z: Array2<T>,
    /// ∂L/∂μ, (batch, latent).
    pub d_mu: Array2<T>,
    /// ∂L/∂log σ², (batch, latent).
    pub d_log_var: Array2<T>,
}

impl<T: Real> Signals<T> {
    /// All zero. `outputs` is the width of the decoder's output.
    pub fn new(batch: usize, pixels: usize, latent: usize, outputs: usize) -> Self {
        let zeros = |columns: usize| Array2::from_elem((batch, columns), T::ZERO);
        Self {
            x: zeros(pixels),
            eps: zeros(latent),
            mu: zeros(latent),
            log_var: zeros(latent),
            sigma: zeros(latent),
            z: zeros(latent),
            logits: zeros(outputs),
            log_prob: Array1::from_elem(batch, T::ZERO),
            kl: zeros(latent),
            d_logits: zeros(outputs),
            d_z: zeros(latent),
            d_mu: zeros(latent),
            d_log_var: zeros(latent),
        }
    }

    /// The name of the first signal of the forward pass that holds a NaN or an infinity.
    pub fn first_non_finite(&self) -> Option<&'static str> {
        let named = [
            ("x", &self.x),
            ("mu", &self.mu),
            ("log_var", &self.log_var),
            ("z", &self.z),
            ("logits", &self.logits),
            ("kl", &self.kl),
        ];
        let signal = named.into_iter().find(|(_, a)| !all_finite(flat(a)));
        let log_prob = self.log_prob.iter().all(|v| v.to_f64().is_finite());
        signal.map(|(name, _)| name).or((!log_prob).then_some("log_prob"))
    }
}
