//! The variational autoencoder.

use ndarray::{ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use super::{Decoder, Encoder, EncoderCache};
use crate::{
    distributions::{Likelihood, bernoulli::Bernoulli, gaussian},
    layers::{Activation, Dense, Init, Layer, Mlp},
    objectives::{Figures, Objective, Signals},
    parameters::{Parameters, prefixed},
    real::Real,
};

/// A VAE with any encoder network `E`, any decoder `D` and any likelihood `L`.
///
/// The prior is p(z) = N(0, I), the posterior q(z|x) a diagonal Gaussian whose μ and log σ² the
/// encoder puts out, and p(x|z) the likelihood given the decoder's logits.
///
/// Source: Kingma & Welling 2013, *Auto-Encoding Variational Bayes*; Rezende, Mohamed & Wierstra
/// 2014, *Stochastic Backpropagation*.
#[derive(Clone, Debug, PartialEq)]
pub struct Vae<T, E, D, L = Bernoulli> {
    /// q(z|x).
    pub encoder: Encoder<T, E>,
    /// From z to logits.
    pub decoder: D,
    /// p(x|z) from logits.
    pub likelihood: L,
}

/// A VAE whose two networks are multi-layer perceptrons.
pub type MlpVae<T> = Vae<T, Mlp<T>, Decoder<T, Mlp<T>>, Bernoulli>;

/// All that a step needs besides parameters and gradient, allocated once for a batch size.
pub struct Workspace<T: Real, E: Layer<T>, D: Layer<T>> {
    /// What the model, the objective and the caller read and write.
    pub signals: Signals<T>,
    encoder: EncoderCache<T, E>,
    decoder: D::Cache,
}

impl<T: Real> MlpVae<T> {
    /// A fresh VAE `pixels - hidden - (latent, latent)`, `latent - hidden reversed - pixels`.
    pub fn mlp(
        pixels: usize,
        hidden: &[usize],
        latent: usize,
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let mirrored: Vec<usize> = hidden.iter().rev().copied().collect();
        let encoder = Mlp::new(pixels, hidden, activation, init, rng);
        let encoder = Encoder::new(encoder, latent, init, rng);
        let decoder = Mlp::new(latent, &mirrored, activation, init, rng);
        let decoder = Decoder::new(decoder, pixels, init, rng);
        Self { encoder, decoder, likelihood: Bernoulli }
    }

    /// Every dense layer: the encoder's, its heads for μ and log σ², the decoder's, the logits'.
    pub fn dense_layers(&self) -> impl Iterator<Item = &Dense<T>> {
        let Self { encoder, decoder, .. } = self;
        let encoder = encoder.hidden.layers.iter().chain([&encoder.mu, &encoder.log_var]);
        encoder.chain(&decoder.hidden.layers).chain([&decoder.output])
    }

    /// Multiply-adds in the matrix products of a training step, for each image of the batch.
    ///
    /// A batch of B images takes a dense layer with W (i, o) through three products of B·i·o
    /// multiply-adds each: y = x·W forward, ∂L/∂W = xᵀ·∂L/∂y and ∂L/∂x = ∂L/∂y·Wᵀ backward. The
    /// first hidden layer does without the last, because x is the images there and nothing asks
    /// for their gradient. Per image that is 3 Σ i·o, less one i·o of the first hidden layer.
    pub fn multiply_adds_per_image(&self) -> usize {
        let all: usize = self.dense_layers().map(|layer| layer.weight.len()).sum();
        let first = self.encoder.hidden.layers.first().map_or(0, |layer| layer.weight.len());
        3 * all - first
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Vae<T, E, D, L> {
    /// The width of x.
    pub fn pixels(&self) -> usize {
        self.encoder.inputs()
    }

    /// The width of z.
    pub fn latent(&self) -> usize {
        self.encoder.latent()
    }

    /// The workspace for batches of exactly `batch` images.
    pub fn workspace(&self, batch: usize) -> Workspace<T, E, D> {
        let signals = Signals::new(batch, self.pixels(), self.latent(), self.decoder.outputs());
        Workspace {
            signals,
            encoder: self.encoder.cache(batch),
            decoder: self.decoder.cache(batch),
        }
    }

    /// x -> (μ, log σ²).
    pub fn encode(&self, w: &mut Workspace<T, E, D>) {
        let s = &mut w.signals;
        self.encoder.forward(&s.x, &mut s.mu, &mut s.log_var, &mut w.encoder);
    }

    /// z -> logits.
    pub fn decode(&self, w: &mut Workspace<T, E, D>) {
        let s = &mut w.signals;
        self.decoder.forward(&s.z, &mut s.logits, &mut w.decoder);
    }

    /// (x, ε) -> (μ, log σ²) -> z -> logits.
    pub fn forward(&self, w: &mut Workspace<T, E, D>) {
        self.encode(w);
        let s = &mut w.signals;
        gaussian::sample(&s.mu, &s.log_var, &s.eps, &mut s.sigma, &mut s.z);
        self.decode(w);
    }

    /// The objective's figures for the batch in `w`, with its one latent sample.
    pub fn evaluate(&self, objective: &impl Objective<T>, w: &mut Workspace<T, E, D>) -> Figures {
        self.forward(w);
        objective.evaluate(&self.likelihood, &mut w.signals)
    }

    /// The same, and into `d` the gradient of -`objective` for every parameter.
    ///
    /// The walk back: logits -> decoder -> z -> reparameterisation -> (μ, log σ²), where it meets
    /// what the objective put there directly -> encoder.
    pub fn gradient(
        &self,
        objective: &impl Objective<T>,
        w: &mut Workspace<T, E, D>,
        d: &mut Self,
    ) -> Figures {
        self.forward(w);
        let s = &mut w.signals;
        let figures = objective.evaluate(&self.likelihood, s);
        let (d_z, caches) = (Some(&mut s.d_z), (&mut w.decoder, &mut w.encoder));
        self.decoder.backward(&s.z, &s.logits, &mut s.d_logits, d_z, caches.0, &mut d.decoder);
        gaussian::sample_backward(
            &s.log_var,
            &s.eps,
            &s.sigma,
            &s.d_z,
            &mut s.d_mu,
            &mut s.d_log_var,
        );
        self.encoder.backward(&s.x, &s.d_mu, &s.d_log_var, caches.1, &mut d.encoder);
        figures
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Parameters<T> for Vae<T, E, D, L> {
    fn names(&self) -> Vec<String> {
        let encoder = prefixed("encoder", self.encoder.names());
        encoder.chain(prefixed("decoder", self.decoder.names())).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.encoder.tensors().chain(self.decoder.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.encoder.tensors_mut().chain(self.decoder.tensors_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, rng};

    fn multiply_adds(pixels: usize, hidden: &[usize], latent: usize) -> usize {
        let rng = &mut rng(0, Purpose::Init, 0, 0);
        MlpVae::<f32>::mlp(pixels, hidden, latent, Activation::Relu, Init::Glorot, rng)
            .multiply_adds_per_image()
    }

    #[test]
    fn only_the_first_hidden_layer_does_without_a_product() {
        let heads = 2 * (7 * 3);
        assert_eq!(
            multiply_adds(11, &[5, 7], 3),
            2 * (11 * 5) + 3 * (5 * 7 + heads + 3 * 7 + 7 * 5 + 5 * 11)
        );
        assert_eq!(multiply_adds(11, &[], 3), 3 * (2 * 11 * 3 + 3 * 11));
    }
}
