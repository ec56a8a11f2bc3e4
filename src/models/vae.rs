//! The variational autoencoder.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewD, ArrayViewMutD, Axis};
use rand::RngCore;

use super::{Decoder, Encoder, EncoderCache, Model};
use crate::{
    distributions::{Likelihood, bernoulli::Bernoulli, gaussian},
    layers::{Activation, Dense, Init, Layer, Mlp},
    objectives::{Estimator, Figures, Objective, Signals},
    parameters::{Parameters, prefixed},
    random::{self, Purpose},
    real::{Real, assign_cast, cast},
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
pub type MlpVae<T, L = Bernoulli> = Vae<T, Mlp<T>, Decoder<T, Mlp<T>>, L>;

/// All that a step needs besides parameters and gradient, allocated once for a batch size.
pub struct Workspace<T: Real, E: Layer<T>, D: Layer<T>> {
    /// What the model, the objective and the caller read and write.
    pub signals: Signals<T>,
    pub(super) encoder: EncoderCache<T, E>,
    pub(super) decoder: D::Cache,
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
        Self::mlp_with(Bernoulli, pixels, hidden, latent, activation, init, rng)
    }
}

impl<T: Real, L: Likelihood<T>> MlpVae<T, L> {
    /// The same with any likelihood; the decoder ends in as many outputs as it asks for.
    pub fn mlp_with(
        likelihood: L,
        pixels: usize,
        hidden: &[usize],
        latent: usize,
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        Self::mlp_beside(likelihood, [pixels, 0], hidden, latent, activation, init, rng)
    }

    /// The same of \[pixels, classes\], whose networks read a label of so many classes beside x and z.
    pub(super) fn mlp_beside(
        likelihood: L,
        [pixels, classes]: [usize; 2],
        hidden: &[usize],
        latent: usize,
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let mirrored: Vec<usize> = hidden.iter().rev().copied().collect();
        let encoder = Mlp::new(pixels + classes, hidden, activation, init, rng);
        let encoder = Encoder::new(encoder, latent, init, rng);
        let decoder = Mlp::new(latent + classes, &mirrored, activation, init, rng);
        let decoder = Decoder::new(decoder, likelihood.outputs(pixels), init, rng);
        Self { encoder, decoder, likelihood }
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

impl<T: Real, E: Layer<T>, N: Layer<T>, L: Likelihood<T>> Vae<T, E, Decoder<T, N>, L> {
    /// The decoder's last bias becomes the logits of these means, (pixels), clipped to
    /// \[0.001, 0.999\]: for the Bernoulli likelihood, whose mean they are the logits of.
    ///
    /// # Panics
    ///
    /// If the decoder has another number of outputs than there are means.
    pub fn set_output_bias(&mut self, means: &Array1<f64>) {
        assert_eq!(self.decoder.output.outputs(), means.len(), "a mean for each output");
        self.decoder.output.bias = means.mapv(|mean| {
            let mean = mean.clamp(0.001, 0.999);
            T::from_f64((mean / (1.0 - mean)).ln())
        });
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

    /// The workspace for batches of exactly `batch` images with one latent sample of each.
    pub fn workspace(&self, batch: usize) -> Workspace<T, E, D> {
        self.workspace_for(batch, 1)
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
        self.sample_and_decode(w);
    }

    /// ε -> z -> logits, of (μ, log σ²) as they are.
    pub(super) fn sample_and_decode(&self, w: &mut Workspace<T, E, D>) {
        self.sample(w);
        self.decode(w);
    }

    /// ε -> z. A model that is built on top of this one may have noise of its own in further columns
    /// of ε.
    pub(super) fn sample(&self, w: &mut Workspace<T, E, D>) {
        let s = &mut w.signals;
        let (eps, _) = s.eps.view().split_at(Axis(1), self.encoder.latent());
        gaussian::sample(&s.mu, &s.log_var, &eps, &mut s.sigma, &mut s.z);
    }

    /// The objective's figures for the batch in `w`, with its latent samples.
    pub fn evaluate(&self, objective: &impl Objective<T>, w: &mut Workspace<T, E, D>) -> Figures {
        self.forward(w);
        let s = &mut w.signals;
        if objective.sampled() {
            gaussian::log_ratio(&s.log_var, &s.eps, &s.z, &mut s.log_ratio);
        }
        objective.evaluate(&self.likelihood, s)
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
        let figures = self.evaluate(objective, w);
        self.backward_to_z(w, d);
        if objective.sampled() {
            ratio_backward(objective.estimator(), &mut w.signals);
        }
        self.backward_from_z(w, d);
        figures
    }

    /// From what the objective left at the logits to ∂L/∂z, with the gradients of the likelihood's and
    /// the decoder's parameters.
    pub(super) fn backward_to_z(&self, w: &mut Workspace<T, E, D>, d: &mut Self) {
        let s = &mut w.signals;
        s.backward_likelihood(&self.likelihood, &mut d.likelihood);
        let (d_z, cache) = (Some(&mut s.d_z), &mut w.decoder);
        self.decoder.backward(&s.z, &s.logits, &mut s.d_logits, d_z, cache, &mut d.decoder);
    }

    /// From ∂L/∂z, and what is at μ and log σ² already, to the gradient of the encoder's parameters.
    pub(super) fn backward_from_z(&self, w: &mut Workspace<T, E, D>, d: &mut Self) {
        self.sample_backward(w);
        let (s, cache) = (&mut w.signals, &mut w.encoder);
        self.encoder.backward(&s.x, &s.d_mu, &s.d_log_var, None, cache, &mut d.encoder);
    }

    /// From ∂L/∂z, and what is at μ and log σ² already, to ∂L/∂μ and ∂L/∂log σ².
    pub(super) fn sample_backward(&self, w: &mut Workspace<T, E, D>) {
        let s = &mut w.signals;
        let (eps, _) = s.eps.view().split_at(Axis(1), self.encoder.latent());
        let (d_mu, d_log_var) = (&mut s.d_mu, &mut s.d_log_var);
        gaussian::sample_backward(&s.log_var, &eps, &s.sigma, &s.d_z, d_mu, d_log_var);
    }

    /// log p(x|z) of each sample, and no gradient.
    pub(super) fn log_prob(&self, w: &mut Workspace<T, E, D>) {
        w.signals.reconstruction(&self.likelihood, T::ZERO);
    }
}

/// What log p(z) - log q(z|x) adds to ∂L/∂z, and writes into ∂L/∂μ and ∂L/∂log σ², for the prior
/// N(0, I); see [`Estimator`].
pub(super) fn ratio_backward<T: Real>(estimator: Estimator, s: &mut Signals<T>) {
    let images = T::from_f64(s.images() as f64);
    let (beta, weights) = (s.ratio_weight, &s.weights);
    s.d_mu.fill(T::ZERO);
    s.d_log_var.fill(T::ZERO);
    match estimator {
        Estimator::Total => {
            gaussian::log_prior_backward(beta, weights, &s.z, &mut s.d_z);
            gaussian::log_posterior_backward(beta, weights, &s.log_var, &mut s.d_log_var);
        }
        Estimator::Stl | Estimator::Dreg => {
            gaussian::log_prior_backward(beta, weights, &s.z, &mut s.d_z);
            gaussian::path_log_posterior_backward(beta, weights, &s.eps, &s.sigma, &mut s.d_z);
        }
    }
    if estimator == Estimator::Dreg {
        for (mut d_z, &weight) in s.d_z.rows_mut().into_iter().zip(&s.weights) {
            d_z.mapv_inplace(|d| d * (images * weight));
        }
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Model<T> for Vae<T, E, D, L> {
    type Workspace = Workspace<T, E, D>;

    fn pixels(&self) -> usize {
        self.encoder.inputs()
    }

    fn latent(&self) -> usize {
        self.encoder.latent()
    }

    fn has_exact_kl(&self) -> bool {
        true
    }

    fn has_exact_mean(&self) -> bool {
        true
    }

    fn factorises(&self) -> bool {
        self.likelihood.factorises()
    }

    fn workspace_for(&self, images: usize, samples: usize) -> Workspace<T, E, D> {
        let (pixels, latent, outputs) = (self.pixels(), self.latent(), self.decoder.outputs());
        Workspace {
            signals: Signals::with_samples(images, samples, pixels, latent, outputs),
            encoder: self.encoder.cache(images),
            decoder: self.decoder.cache(images * samples),
        }
    }

    fn signals(w: &mut Workspace<T, E, D>) -> &mut Signals<T> {
        &mut w.signals
    }

    fn encode(&self, w: &mut Workspace<T, E, D>) {
        Vae::encode(self, w);
    }

    fn evaluate(&self, objective: &impl Objective<T>, w: &mut Workspace<T, E, D>) -> Figures {
        Vae::evaluate(self, objective, w)
    }

    fn gradient(
        &self,
        objective: &impl Objective<T>,
        w: &mut Workspace<T, E, D>,
        d: &mut Self,
    ) -> Figures {
        Vae::gradient(self, objective, w, d)
    }

    fn log_weights(&self, w: &mut Workspace<T, E, D>) {
        self.sample_and_decode(w);
        self.log_prob(w);
        let s = &mut w.signals;
        gaussian::log_ratio(&s.log_var, &s.eps, &s.z, &mut s.log_ratio);
    }

    fn prior_at(&self, n: usize, seed: u64, temperature: f64) -> Array2<f64> {
        let mut z = Array2::zeros((n, self.latent()));
        random::fill_normal(&mut z, seed, Purpose::Prior, 0, 0..n);
        z * temperature
    }

    fn mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32> {
        let mut w = self.workspace(z.nrows());
        assign_cast(z, w.signals.z.view_mut());
        self.decode(&mut w);
        self.likelihood.mean(&w.signals.logits, &mut w.signals.x);
        cast(w.signals.x.view())
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Parameters<T> for Vae<T, E, D, L> {
    fn names(&self) -> Vec<String> {
        let encoder = prefixed("encoder", self.encoder.names());
        let decoder = prefixed("decoder", self.decoder.names());
        let likelihood = prefixed("likelihood", self.likelihood.names());
        encoder.chain(decoder).chain(likelihood).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.encoder.tensors().chain(self.decoder.tensors()).chain(self.likelihood.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let Self { encoder, decoder, likelihood } = self;
        encoder.tensors_mut().chain(decoder.tensors_mut()).chain(likelihood.tensors_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::rng;

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
