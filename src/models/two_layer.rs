//! Two layers of latent variables.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewD, ArrayViewMutD, Axis};
use rand::RngCore;

use super::{Decoder, Encoder, EncoderCache, MlpVae, Model, Vae, Workspace};
use crate::{
    distributions::{Likelihood, bernoulli::Bernoulli, gaussian},
    layers::{Activation, Init, Layer, Mlp},
    objectives::{Estimator, Figures, Objective, Signals},
    parameters::{Parameters, prefixed},
    random::{self, Purpose},
    real::{Real, cast},
};

/// p(x|z₁) p(z₁|z₂) p(z₂) with the posterior q(z₁|x) q(z₂|z₁): a VAE whose prior of z₁ is itself a
/// model with a latent variable.
///
/// The prior of z₂ is N(0, I); the other densities of latent variables are diagonal Gaussians, whose μ
/// and log σ² networks put out. `vae` is q(z₁|x) and p(x|z₁), `encoder2` q(z₂|z₁), and `decoder2`
/// p(z₁|z₂).
///
/// A sample takes noise ε = (ε₁, ε₂) as wide as both layers: z₁ = μ + σ ε₁ with the μ and σ of q(z₁|x),
/// then z₂ = μ₂(z₁) + σ₂(z₁) ε₂. The objective must be [sampled](Objective::sampled), for
///
/// log r = log p(z₁|z₂) + log p(z₂) - log q(z₁|x) - log q(z₂|z₁)
///
/// has no mean in closed form, and have the [total](Estimator::Total) derivative.
///
/// Of the [`Signals`], `mu`, `log_var` and `z` are those of z₁: reconstructions, active units and
/// pictures of the latent plane are of the first layer.
///
/// # Gradient
///
/// With L = -objective and c = -∂L/∂log r of a sample, its `ratio_weight` · `weights`. Every density has
/// the same -½ ln 2π for each dimension; they cancel. With ε given, z₁ and z₂ being functions of it,
///
/// - log q(z₁|x) = -½ Σ (ε₁² + s) and log q(z₂|z₁) = -½ Σ (ε₂² + s₂): each leaves -½ c at its own
///   log σ², and nothing elsewhere;
/// - log p(z₂) = -½ Σ z₂² leaves c z₂ at z₂;
/// - log p(z₁|z₂) is a Gaussian at a point that is not drawn from it:
///   [`log_density_backward`](gaussian::log_density_backward) has what it leaves at z₁ and at the μ and
///   log σ² of `decoder2`.
///
/// The walk back is that of the samples in reverse. `decoder2` brings its part to z₂, where it meets
/// that of log p(z₂). From z₂ to μ₂ and log σ₂² it is the reparameterisation, as in any VAE, and
/// `encoder2` takes it to z₁. So z₁ is reached by four paths, whose gradients add up: by the decoder of
/// x, by log p(z₁|z₂) as its argument, by μ₂ and by log σ₂². From there on it is the VAE's own way.
///
/// Source: Burda, Grosse & Salakhutdinov 2015, *Importance Weighted Autoencoders*, section 5.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoLayer<T, E, D, L = Bernoulli> {
    /// q(z₁|x), p(x|z₁) and the likelihood.
    pub vae: Vae<T, E, D, L>,
    /// q(z₂|z₁).
    pub encoder2: Encoder<T, E>,
    /// p(z₁|z₂).
    pub decoder2: Encoder<T, E>,
}

/// The model whose networks are multi-layer perceptrons.
pub type MlpTwoLayer<T, L = Bernoulli> = TwoLayer<T, Mlp<T>, Decoder<T, Mlp<T>>, L>;

/// The workspace of the VAE, and the signals of the second layer.
pub struct TwoLayerWorkspace<T: Real, E: Layer<T>, D: Layer<T>> {
    vae: Workspace<T, E, D>,
    /// Of q(z₂|z₁).
    posterior2: Conditional<T, E>,
    /// Of p(z₁|z₂).
    prior: Conditional<T, E>,
    /// σ₂, z₂ and ∂L/∂z₂, (K·N, latent2).
    sigma2: Array2<T>,
    z2: Array2<T>,
    d_z2: Array2<T>,
    /// 1/σ² of p(z₁|z₂), (K·N, latent).
    precision: Array2<T>,
    /// log q(z₁|x), (K·N).
    log_q: Array1<T>,
    /// What reaches z₁ by way of q(z₂|z₁), (K·N, latent).
    d_z1: Array2<T>,
}

/// μ and log σ² that a network puts out, the gradients at them, and the network's cache.
struct Conditional<T: Real, E: Layer<T>> {
    mu: Array2<T>,
    log_var: Array2<T>,
    d_mu: Array2<T>,
    d_log_var: Array2<T>,
    cache: EncoderCache<T, E>,
}

impl<T: Real, E: Layer<T>> Conditional<T, E> {
    fn new(network: &Encoder<T, E>, rows: usize) -> Self {
        let zeros = Array2::from_elem((rows, network.latent()), T::ZERO);
        Self {
            mu: zeros.clone(),
            log_var: zeros.clone(),
            d_mu: zeros.clone(),
            d_log_var: zeros,
            cache: network.cache(rows),
        }
    }

    fn forward(&mut self, network: &Encoder<T, E>, given: &Array2<T>) {
        network.forward(given, &mut self.mu, &mut self.log_var, &mut self.cache);
    }

    fn backward(
        &mut self,
        network: &Encoder<T, E>,
        given: &Array2<T>,
        d_given: &mut Array2<T>,
        d: &mut Encoder<T, E>,
    ) {
        let Self { d_mu, d_log_var, cache, .. } = self;
        network.backward(given, d_mu, d_log_var, Some(d_given), cache, d);
    }
}

impl<T: Real, L: Likelihood<T>> MlpTwoLayer<T, L> {
    /// A fresh model `pixels - hidden - latent - hidden2 - latent2`, and back the same way mirrored.
    /// Each layer of latent variables comes with the hidden layers before it.
    ///
    /// The published one is 784 - \[200, 200\] - 100 - \[100, 100\] - 50 with tanh.
    pub fn mlp_with(
        likelihood: L,
        pixels: usize,
        [(hidden, latent), (hidden2, latent2)]: [(&[usize], usize); 2],
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let vae = MlpVae::mlp_with(likelihood, pixels, hidden, latent, activation, init, rng);
        let up = Mlp::new(latent, hidden2, activation, init, rng);
        let encoder2 = Encoder::new(up, latent2, init, rng);
        let mirrored: Vec<usize> = hidden2.iter().rev().copied().collect();
        let down = Mlp::new(latent2, &mirrored, activation, init, rng);
        Self { vae, encoder2, decoder2: Encoder::new(down, latent, init, rng) }
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> TwoLayer<T, E, D, L> {
    /// The width of z₂.
    pub fn latent2(&self) -> usize {
        self.encoder2.latent()
    }

    /// μ and log σ² of q(z₂|z₁) at the z₁ that was sampled last, (K·N, latent2) each.
    pub fn second_posterior(w: &TwoLayerWorkspace<T, E, D>) -> (&Array2<T>, &Array2<T>) {
        (&w.posterior2.mu, &w.posterior2.log_var)
    }

    /// ε -> z₁ -> logits and z₂ -> (μ, log σ²) of p(z₁|z₂), of q(z₁|x) as it is.
    fn sample_and_decode(&self, w: &mut TwoLayerWorkspace<T, E, D>) {
        self.vae.sample_and_decode(&mut w.vae);
        let TwoLayerWorkspace { vae, posterior2, prior, sigma2, z2, .. } = w;
        posterior2.forward(&self.encoder2, &vae.signals.z);
        let (_, eps2) = vae.signals.eps.view().split_at(Axis(1), self.vae.latent());
        gaussian::sample(&posterior2.mu, &posterior2.log_var, &eps2, sigma2, z2);
        prior.forward(&self.decoder2, z2);
    }

    /// log r of each sample, after [`sample_and_decode`](Self::sample_and_decode).
    fn log_ratio(&self, w: &mut TwoLayerWorkspace<T, E, D>) {
        let TwoLayerWorkspace { vae, posterior2, prior, z2, precision, log_q, .. } = w;
        let s = &mut vae.signals;
        let (eps, eps2) = s.eps.view().split_at(Axis(1), self.vae.latent());
        gaussian::log_ratio(&posterior2.log_var, &eps2, z2, &mut s.log_ratio);
        gaussian::log_posterior(&s.log_var, &eps, log_q);
        s.log_ratio -= &*log_q;
        gaussian::log_density(&prior.mu, &prior.log_var, &s.z, precision, &mut s.log_ratio);
    }

    /// From ∂L/∂z₁ of the decoder, and log r, to the whole ∂L/∂z₁.
    fn backward_second_layer(&self, w: &mut TwoLayerWorkspace<T, E, D>, d: &mut Self) {
        let TwoLayerWorkspace { vae, posterior2, prior, sigma2, z2, d_z2, precision, d_z1, .. } = w;
        let s = &mut vae.signals;
        let (beta, weights) = (s.ratio_weight, &s.weights);
        gaussian::log_density_backward(
            (beta, weights),
            (&prior.mu, &prior.log_var),
            &s.z,
            precision,
            &mut s.d_z,
            (&mut prior.d_mu, &mut prior.d_log_var),
        );
        prior.backward(&self.decoder2, z2, d_z2, &mut d.decoder2);
        gaussian::log_prior_backward(beta, weights, z2, d_z2);

        let Conditional { log_var, d_mu, d_log_var, .. } = posterior2;
        d_mu.fill(T::ZERO);
        d_log_var.fill(T::ZERO);
        gaussian::log_posterior_backward(beta, weights, log_var, d_log_var);
        let (_, eps2) = s.eps.view().split_at(Axis(1), self.vae.latent());
        gaussian::sample_backward(log_var, &eps2, sigma2, d_z2, d_mu, d_log_var);
        posterior2.backward(&self.encoder2, &s.z, d_z1, &mut d.encoder2);
        s.d_z += &*d_z1;
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Model<T> for TwoLayer<T, E, D, L> {
    type Workspace = TwoLayerWorkspace<T, E, D>;

    fn pixels(&self) -> usize {
        self.vae.pixels()
    }

    /// The width of z₁.
    fn latent(&self) -> usize {
        self.vae.latent()
    }

    /// First the columns of ε₁, then those of ε₂.
    fn noise(&self) -> usize {
        self.vae.latent() + self.latent2()
    }

    fn has_exact_kl(&self) -> bool {
        false
    }

    /// That of q(z₁|x).
    fn has_exact_mean(&self) -> bool {
        true
    }

    fn factorises(&self) -> bool {
        self.vae.likelihood.factorises()
    }

    fn workspace_for(&self, images: usize, samples: usize) -> Self::Workspace {
        let rows = images * samples;
        let zeros = |columns| Array2::from_elem((rows, columns), T::ZERO);
        let mut vae = self.vae.workspace_for(images, samples);
        vae.signals.eps = zeros(self.noise());
        TwoLayerWorkspace {
            posterior2: Conditional::new(&self.encoder2, rows),
            prior: Conditional::new(&self.decoder2, rows),
            sigma2: zeros(self.latent2()),
            z2: zeros(self.latent2()),
            d_z2: zeros(self.latent2()),
            precision: zeros(self.latent()),
            log_q: vae.signals.log_ratio.clone(),
            d_z1: zeros(self.latent()),
            vae,
        }
    }

    fn signals(w: &mut Self::Workspace) -> &mut Signals<T> {
        &mut w.vae.signals
    }

    fn encode(&self, w: &mut Self::Workspace) {
        self.vae.encode(&mut w.vae);
    }

    /// # Panics
    ///
    /// If the objective is not sampled.
    fn evaluate(&self, objective: &impl Objective<T>, w: &mut Self::Workspace) -> Figures {
        assert!(objective.sampled(), "two layers have no divergence in closed form");
        self.encode(w);
        self.sample_and_decode(w);
        self.log_ratio(w);
        objective.evaluate(&self.vae.likelihood, &mut w.vae.signals)
    }

    /// # Panics
    ///
    /// As [`evaluate`](Self::evaluate), and if the objective wants another estimator than the total.
    fn gradient(
        &self,
        objective: &impl Objective<T>,
        w: &mut Self::Workspace,
        d: &mut Self,
    ) -> Figures {
        assert_eq!(objective.estimator(), Estimator::Total, "two layers have the total derivative");
        let figures = self.evaluate(objective, w);
        self.vae.backward_to_z(&mut w.vae, &mut d.vae);
        self.backward_second_layer(w, d);
        let s = &mut w.vae.signals;
        s.d_mu.fill(T::ZERO);
        s.d_log_var.fill(T::ZERO);
        let beta = s.ratio_weight;
        gaussian::log_posterior_backward(beta, &s.weights, &s.log_var, &mut s.d_log_var);
        self.vae.backward_from_z(&mut w.vae, &mut d.vae);
        figures
    }

    fn log_weights(&self, w: &mut Self::Workspace) {
        self.sample_and_decode(w);
        self.log_ratio(w);
        self.vae.log_prob(&mut w.vae);
    }

    /// z₂ ~ N(0, I), then z₁ ~ p(z₁|z₂).
    fn prior_at(&self, n: usize, seed: u64, temperature: f64) -> Array2<f64> {
        let mut eps = Array2::from_elem((n, self.noise()), T::ZERO);
        random::fill_normal(&mut eps, seed, Purpose::Prior, 0, 0..n);
        eps.mapv_inplace(|v| v * T::from_f64(temperature));
        let (eps, z2) = eps.view().split_at(Axis(1), self.latent());
        let mut p = Conditional::new(&self.decoder2, n);
        p.forward(&self.decoder2, &z2.as_standard_layout().into_owned());
        let (mut sigma, mut z) = (p.mu.clone(), p.mu.clone());
        gaussian::sample(&p.mu, &p.log_var, &eps, &mut sigma, &mut z);
        cast(z.view())
    }

    fn mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32> {
        self.vae.mean(z)
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Parameters<T> for TwoLayer<T, E, D, L> {
    fn names(&self) -> Vec<String> {
        let second = prefixed("encoder2", self.encoder2.names());
        let back = prefixed("decoder2", self.decoder2.names());
        self.vae.names().into_iter().chain(second).chain(back).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.vae.tensors().chain(self.encoder2.tensors()).chain(self.decoder2.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let Self { vae, encoder2, decoder2 } = self;
        vae.tensors_mut().chain(encoder2.tensors_mut()).chain(decoder2.tensors_mut())
    }
}
