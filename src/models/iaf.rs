//! The inverse autoregressive flow: a posterior that need not be a diagonal Gaussian.

use elbo_kernels::Output;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use super::{
    Encoder, Model, Vae, Workspace,
    autoregressive::{AutoregressiveCache, AutoregressiveStep, Order},
};
use crate::{
    distributions::{Likelihood, gaussian},
    layers::{Activation, Dense, Init, Layer},
    objectives::{Estimator, Figures, Objective, Signals},
    parameters::{Parameters, prefixed},
    real::Real,
};

/// A VAE with the prior N(0, I) whose posterior is a Gaussian led through T invertible steps:
///
/// z₀ = μ + σ ε, zₜ = [stepₜ](AutoregressiveStep)(zₜ₋₁, context), z = z_T.
///
/// The encoder's features h give the context, h·W + b, beside μ and log σ². Every other step has the
/// order of the dimensions reversed, so that what is last in one and sees all the others is first in
/// the next.
///
/// # The density
///
/// A change of variables divides the density by |det ∂zₜ/∂zₜ₋₁|, so
///
/// log q(z|x) = -½ Σ (ε² + log σ² + ln 2π) - Σₜ ln |det ∂zₜ/∂zₜ₋₁|.
///
/// The steps are only ever taken forwards, from a z₀ that was drawn: one pass through each network,
/// all dimensions at once. The other direction, to the density of a given z, would go dimension by
/// dimension; nothing here asks for it.
///
/// Of the flows this one needs nothing that is not an ordinary layer: its determinant is a product of
/// gates, where a planar flow has a determinant lemma and a constraint that keeps it invertible.
///
/// KL(q(z|x) ‖ p(z)) has no closed form, so the objective must be [sampled](Objective::sampled), with
/// the [total](Estimator::Total) derivative.
///
/// Of the [`Signals`], `z` is z_T, but `mu`, `log_var` and `sigma` are those of z₀. The z that belongs to an
/// image on its own is where the flow takes μ: z at ε = 0.
///
/// # Gradient
///
/// With L = -objective and c = -∂L/∂log r of a sample, log r = log p(z) - log q(z|x): the prior leaves
/// c z at z, and meets there what the decoder sends. From the last step to the first, ∂L/∂zₜ becomes
/// ∂L/∂zₜ₋₁, each ln |det| counting for c. At z₀ the reparameterisation takes over, and the
/// -½ log σ² of the density leaves -½ c at log σ². What arrives at the context goes through its W to
/// the encoder's features, as a third head beside those of μ and log σ².
///
/// Source: Kingma et al. 2016, *Improving Variational Inference with Inverse Autoregressive Flow*,
/// equations 10 to 14 and algorithm 1.
#[derive(Clone, Debug, PartialEq)]
pub struct IafVae<T, E, D, L> {
    /// q(z₀|x), the decoder and the likelihood.
    pub vae: Vae<T, E, D, L>,
    /// From the encoder's features to the context (batch, width).
    pub context: Dense<T>,
    /// The steps, from z₀ on.
    pub steps: Vec<AutoregressiveStep<T>>,
}

/// The workspace of the VAE, and what the flow needs.
pub struct IafWorkspace<T: Real, E: Layer<T>, D: Layer<T>> {
    vae: Workspace<T, E, D>,
    context: Array2<T>,
    d_context: Array2<T>,
    /// Σₜ ln |det ∂zₜ/∂zₜ₋₁| of each sample, (K·N).
    log_det: Array1<T>,
    steps: Vec<AutoregressiveCache<T>>,
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> IafVae<T, E, D, L> {
    /// A flow of so many fresh steps on top of `vae`, with a hidden layer of `width` units in each.
    pub fn new(
        vae: Vae<T, E, D, L>,
        steps: usize,
        width: usize,
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let context = Dense::new(vae.encoder.hidden.outputs(), width, init, rng);
        let latent = vae.latent();
        let orders = [Order::Forward, Order::Reversed].into_iter().cycle().take(steps);
        let steps = orders
            .map(|order| AutoregressiveStep::new(latent, width, order, activation, init, rng))
            .collect();
        Self { vae, context, steps }
    }

    /// ε -> z₀ -> z -> logits, and log r of each sample, of (μ, log σ²) and the context as they are.
    fn sample_and_decode(&self, w: &mut IafWorkspace<T, E, D>) {
        self.vae.sample(&mut w.vae);
        let s = &mut w.vae.signals;
        w.log_det.fill(T::ZERO);
        for (step, cache) in self.steps.iter().zip(&mut w.steps) {
            step.forward(&w.context, &mut s.z, &mut w.log_det, cache);
        }
        gaussian::log_ratio(&s.log_var, &s.eps, &s.z, &mut s.log_ratio);
        s.log_ratio += &w.log_det;
        self.vae.decode(&mut w.vae);
    }

    /// From ∂L/∂z of the decoder, and log r, to ∂L/∂z₀ and ∂L/∂context.
    fn backward_flow(&self, w: &mut IafWorkspace<T, E, D>, d: &mut Self) {
        let s = &mut w.vae.signals;
        let (beta, weights) = (s.ratio_weight, &s.weights);
        gaussian::log_prior_backward(beta, weights, &s.z, &mut s.d_z);
        w.d_context.fill(T::ZERO);
        let steps = self.steps.iter().zip(&mut w.steps).zip(&mut d.steps);
        for ((step, cache), d) in steps.rev() {
            step.backward(beta, weights, &mut s.d_z, &mut w.d_context, cache, d);
        }
    }

    /// From ∂L/∂z₀ and ∂L/∂context to the gradient of the encoder's parameters.
    fn backward_encoder(&self, w: &mut IafWorkspace<T, E, D>, d: &mut Self) {
        let s = &mut w.vae.signals;
        s.d_mu.fill(T::ZERO);
        s.d_log_var.fill(T::ZERO);
        let beta = s.ratio_weight;
        gaussian::log_posterior_backward(beta, &s.weights, &s.log_var, &mut s.d_log_var);
        self.vae.sample_backward(&mut w.vae);

        let (encoder, d_encoder): (&Encoder<T, E>, _) = (&self.vae.encoder, &mut d.vae.encoder);
        let Workspace { signals: s, encoder: cache, .. } = &mut w.vae;
        encoder.backward_heads(&s.d_mu, &s.d_log_var, cache, d_encoder);
        self.context.backward_parameters(&cache.h, &w.d_context, &mut d.context);
        self.context.backward_input(&w.d_context, Output::Accumulate, &mut cache.d_h);
        encoder.backward_hidden(&s.x, None, cache, d_encoder);
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Model<T> for IafVae<T, E, D, L> {
    type Workspace = IafWorkspace<T, E, D>;

    fn pixels(&self) -> usize {
        self.vae.pixels()
    }

    fn latent(&self) -> usize {
        self.vae.latent()
    }

    fn has_exact_kl(&self) -> bool {
        false
    }

    /// μ is the mean of z₀, and the steps are not linear.
    fn has_exact_mean(&self) -> bool {
        false
    }

    fn factorises(&self) -> bool {
        self.vae.likelihood.factorises()
    }

    fn workspace_for(&self, images: usize, samples: usize) -> Self::Workspace {
        let context = Array2::from_elem((images, self.context.outputs()), T::ZERO);
        IafWorkspace {
            vae: self.vae.workspace_for(images, samples),
            d_context: context.clone(),
            context,
            log_det: Array1::from_elem(images * samples, T::ZERO),
            steps: self.steps.iter().map(|step| step.cache(images * samples)).collect(),
        }
    }

    fn signals(w: &mut Self::Workspace) -> &mut Signals<T> {
        &mut w.vae.signals
    }

    /// x -> (μ, log σ²) of z₀, and the context.
    fn encode(&self, w: &mut Self::Workspace) {
        self.vae.encode(&mut w.vae);
        self.context.forward(&w.vae.encoder.h, &mut w.context, &mut ());
    }

    /// # Panics
    ///
    /// If the objective is not sampled.
    fn evaluate(&self, objective: &impl Objective<T>, w: &mut Self::Workspace) -> Figures {
        assert!(objective.sampled(), "a flow has no divergence in closed form");
        self.encode(w);
        self.sample_and_decode(w);
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
        assert_eq!(objective.estimator(), Estimator::Total, "a flow has the total derivative");
        let figures = self.evaluate(objective, w);
        self.vae.backward_to_z(&mut w.vae, &mut d.vae);
        self.backward_flow(w, d);
        self.backward_encoder(w, d);
        figures
    }

    fn log_weights(&self, w: &mut Self::Workspace) {
        self.sample_and_decode(w);
        self.vae.log_prob(&mut w.vae);
    }

    fn prior_at(&self, n: usize, seed: u64, temperature: f64) -> Array2<f64> {
        self.vae.prior_at(n, seed, temperature)
    }

    fn mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32> {
        self.vae.mean(z)
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Parameters<T> for IafVae<T, E, D, L> {
    fn names(&self) -> Vec<String> {
        let context = prefixed("context", self.context.names());
        let steps = self.steps.iter().enumerate();
        let steps = steps.flat_map(|(t, step)| prefixed(format!("flow.{t}"), step.names()));
        self.vae.names().into_iter().chain(context).chain(steps).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        let steps = self.steps.iter().flat_map(Parameters::tensors);
        self.vae.tensors().chain(self.context.tensors()).chain(steps)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let Self { vae, context, steps } = self;
        let steps = steps.iter_mut().flat_map(Parameters::tensors_mut);
        vae.tensors_mut().chain(context.tensors_mut()).chain(steps)
    }
}
