//! The VampPrior: a prior that is a mixture of the model's own posteriors.

use ndarray::{Array2, ArrayView2, ArrayViewD, ArrayViewMutD, Zip};
use rand::{Rng, RngCore};
use rand_distr::{Distribution, StandardNormal};

use elbo_kernels::passes;

use super::{Encoder, EncoderCache, Model, Vae, Workspace};
use crate::{
    distributions::{Likelihood, gaussian, mixture::Mixture},
    layers::Layer,
    objectives::{Estimator, Figures, Objective, Signals},
    parameters::Parameters,
    random::{self, Purpose},
    real::{Real, cast, flat_mut},
};

/// A VAE with the prior p(z) = (1/C) Σ_c q(z|u_c), where the u_c are C images that are learned: the
/// pseudo-inputs.
///
/// The best prior for a given posterior is the mean of q(z|x) over all images; this is a mixture of C of
/// its terms, at places that training chooses. The KL divergence of a Gaussian from a mixture has no
/// closed form, so the objective must be [sampled](Objective::sampled), with the
/// [total](Estimator::Total) derivative.
///
/// A pseudo-input is u = σ(t) with t the parameter, so that its pixels stay in \[0, 1\].
///
/// # Gradient
///
/// log p(z) - log q(z|x) depends on z as any prior does, and on the encoder twice: through q(z|x), and
/// through the components' μ_c and log σ²_c = encoder(u_c). [`Mixture`] has the gradient at z and at
/// each component. That at the components goes back through the encoder as another batch of C images:
/// what it leaves at the encoder's parameters adds to what the images leave there, and what arrives at
/// u_c goes on to t_c by σ′ = u (1 - u).
///
/// Source: Tomczak & Welling 2018, *VAE with a VampPrior*, equations 8 and 9.
#[derive(Clone, Debug, PartialEq)]
pub struct Vamp<T, E, D, L> {
    /// The posterior, the decoder and the likelihood.
    pub vae: Vae<T, E, D, L>,
    /// t, (components, pixels).
    pub pseudo_inputs: Array2<T>,
}

/// The workspace of the VAE, and what the prior needs.
pub struct VampWorkspace<T: Real, E: Layer<T>, D: Layer<T>> {
    vae: Workspace<T, E, D>,
    cache: EncoderCache<T, E>,
    /// The encoder's gradient from the pseudo-inputs.
    gradient: Encoder<T, E>,
    mixture: Mixture<T>,
    /// u and ∂L/∂u, (components, pixels).
    u: Array2<T>,
    d_u: Array2<T>,
    /// μ_c, log σ²_c and their gradients, (components, latent).
    mu: Array2<T>,
    log_var: Array2<T>,
    d_mu: Array2<T>,
    d_log_var: Array2<T>,
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Vamp<T, E, D, L> {
    /// The prior of `components` pseudo-inputs on top of `vae`. Their t are drawn from N(-0.05, 0.01²), as
    /// in the authors' code: all of them nearly the same grey, from which they part.
    pub fn new(vae: Vae<T, E, D, L>, components: usize, rng: &mut impl RngCore) -> Self {
        let pseudo_inputs = Array2::from_shape_simple_fn((components, vae.pixels()), || {
            let draw: f64 = StandardNormal.sample(rng);
            T::from_f64(-0.05 + 0.01 * draw)
        });
        Self { vae, pseudo_inputs }
    }

    /// t_c -> u_c -> (μ_c, log σ²_c).
    fn encode_pseudo_inputs(&self, w: &mut VampWorkspace<T, E, D>) {
        w.u.assign(&self.pseudo_inputs);
        passes::sigmoid(flat_mut(&mut w.u));
        self.vae.encoder.forward(&w.u, &mut w.mu, &mut w.log_var, &mut w.cache);
    }

    /// log p(z) - log q(z|x) of each sample. The ln 2π of both cancel.
    fn log_ratio(&self, w: &mut VampWorkspace<T, E, D>) {
        let s = &mut w.vae.signals;
        gaussian::log_posterior(&s.log_var, &s.eps, &mut s.log_ratio);
        s.log_ratio.mapv_inplace(|log_q| -log_q);
        w.mixture.log_prob(&w.mu, &w.log_var, &s.z, &mut s.log_ratio);
    }

    /// What arrives at the components, back through the encoder to the pseudo-inputs.
    fn backward_pseudo_inputs(&self, w: &mut VampWorkspace<T, E, D>, d: &mut Self) {
        let (d_u, encoder) = (Some(&mut w.d_u), &mut w.gradient);
        self.vae.encoder.backward(&w.u, &w.d_mu, &w.d_log_var, d_u, &mut w.cache, encoder);
        for (mut sum, more) in d.vae.encoder.tensors_mut().zip(w.gradient.tensors()) {
            sum += &more;
        }
        Zip::from(&mut d.pseudo_inputs).and(&w.d_u).and(&w.u).for_each(|d, &d_u, &u| {
            *d = d_u * u * (T::ONE - u);
        });
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Model<T> for Vamp<T, E, D, L> {
    type Workspace = VampWorkspace<T, E, D>;

    fn pixels(&self) -> usize {
        self.vae.pixels()
    }

    fn latent(&self) -> usize {
        self.vae.latent()
    }

    fn has_exact_kl(&self) -> bool {
        false
    }

    fn has_exact_mean(&self) -> bool {
        true
    }

    fn factorises(&self) -> bool {
        self.vae.likelihood.factorises()
    }

    fn workspace_for(&self, images: usize, samples: usize) -> Self::Workspace {
        let (components, latent) = (self.pseudo_inputs.nrows(), self.latent());
        let zeros = Array2::from_elem((components, latent), T::ZERO);
        VampWorkspace {
            vae: self.vae.workspace_for(images, samples),
            cache: self.vae.encoder.cache(components),
            gradient: self.vae.encoder.zeros_like(),
            mixture: Mixture::new(components, images * samples, latent),
            u: self.pseudo_inputs.clone(),
            d_u: self.pseudo_inputs.clone(),
            mu: zeros.clone(),
            log_var: zeros.clone(),
            d_mu: zeros.clone(),
            d_log_var: zeros,
        }
    }

    fn signals(w: &mut Self::Workspace) -> &mut Signals<T> {
        &mut w.vae.signals
    }

    fn encode(&self, w: &mut Self::Workspace) {
        self.vae.encode(&mut w.vae);
        self.encode_pseudo_inputs(w);
    }

    /// # Panics
    ///
    /// If the objective is not sampled.
    fn evaluate(&self, objective: &impl Objective<T>, w: &mut Self::Workspace) -> Figures {
        assert!(objective.sampled(), "this prior has no divergence in closed form");
        self.encode(w);
        self.vae.sample_and_decode(&mut w.vae);
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
        assert_eq!(objective.estimator(), Estimator::Total, "this prior has the total derivative");
        let figures = self.evaluate(objective, w);
        self.vae.backward_to_z(&mut w.vae, &mut d.vae);
        let s = &mut w.vae.signals;
        let beta = s.ratio_weight;
        let (d_mu, d_log_var) = (&mut w.d_mu, &mut w.d_log_var);
        let weights = (beta, &s.weights);
        w.mixture.backward(weights, &w.log_var, &s.z, &mut s.d_z, d_mu, d_log_var);
        s.d_mu.fill(T::ZERO);
        s.d_log_var.fill(T::ZERO);
        gaussian::log_posterior_backward(beta, &s.weights, &s.log_var, &mut s.d_log_var);
        self.vae.backward_from_z(&mut w.vae, &mut d.vae);
        self.backward_pseudo_inputs(w, d);
        figures
    }

    fn log_weights(&self, w: &mut Self::Workspace) {
        self.vae.sample_and_decode(&mut w.vae);
        self.vae.log_prob(&mut w.vae);
        self.log_ratio(w);
    }

    /// A component by lot, and a draw from it.
    fn prior_at(&self, n: usize, seed: u64, temperature: f64) -> Array2<f64> {
        let components = self.pseudo_inputs.nrows();
        let mut w = self.workspace_for(1, 1);
        self.encode_pseudo_inputs(&mut w);
        let mut z = Array2::zeros((n, self.latent()));
        random::fill_normal(&mut z, seed, Purpose::Prior, 0, 0..n);
        let (mu, log_var): (Array2<f64>, Array2<f64>) = (cast(w.mu.view()), cast(w.log_var.view()));
        for (index, z) in z.rows_mut().into_iter().enumerate() {
            // Another epoch is another stream than that of the noise.
            let lot =
                random::rng(seed, Purpose::Prior, 1, index as u64).random_range(0..components);
            Zip::from(z).and(mu.row(lot)).and(log_var.row(lot)).for_each(|z, &mu, &v| {
                *z = mu + (0.5 * gaussian::bounded(v)).exp() * temperature * *z;
            });
        }
        z
    }

    fn mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32> {
        self.vae.mean(z)
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Parameters<T> for Vamp<T, E, D, L> {
    fn names(&self) -> Vec<String> {
        let mut names = self.vae.names();
        names.push("prior.pseudo_inputs".into());
        names
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.vae.tensors().chain([self.pseudo_inputs.view().into_dyn()])
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.vae.tensors_mut().chain([self.pseudo_inputs.view_mut().into_dyn()])
    }
}
