//! The signals of one batch: what a model and its objective exchange.

use elbo_kernels::passes::all_finite;
use ndarray::{Array1, Array2};

use crate::{
    data::View,
    distributions::{Likelihood, observed::Observed},
    real::{Real, flat},
};

/// Every signal of one batch, in the order of the walk: images, posterior, sample, logits, terms
/// of the objective, and the gradients on the way back.
///
/// A batch has N images and K latent samples of each, sample by sample: row k·N + n of what belongs to
/// samples (`eps`, `z`, `logits`, `log_prob`, ..) is of image n. K is 1 but for objectives that want
/// more.
#[derive(Clone, Debug)]
pub struct Signals<T> {
    /// The images, (batch, pixels). The caller fills it.
    pub x: Array2<T>,
    /// What is [given](crate::models::Model::given) beside them, (batch, given), and without columns where
    /// nothing is. Labels, 1 at the class of an image, else 0, the caller fills in, and the model a part of x.
    pub y: Array2<T>,
    /// Which pixels were seen, where some are missing: then x has zeros in their places, and log p(x|z) is
    /// that of the others.
    pub observed: Option<Observed<T>>,
    /// Standard normal noise, (K·N, latent), or wider where a [model](crate::models::Model::noise) needs
    /// more of it. The caller fills it.
    pub eps: Array2<T>,
    /// μ of q(z|x), (batch, latent).
    pub mu: Array2<T>,
    /// log σ² of q(z|x), (batch, latent).
    pub log_var: Array2<T>,
    /// σ of q(z|x), (batch, latent).
    pub sigma: Array2<T>,
    /// The latent samples, (K·N, latent).
    pub z: Array2<T>,
    /// The decoder's output, (K·N, outputs).
    pub logits: Array2<T>,
    /// log p(x|z) of each sample, (K·N).
    pub log_prob: Array1<T>,
    /// log p(z) - log q(z|x) of each sample, (K·N), where the objective is
    /// [sampled](super::Objective::sampled).
    pub log_ratio: Array1<T>,
    /// KL(q(z|x) ‖ p(z)) of each image and dimension, (batch, latent), where the objective is not
    /// sampled.
    pub kl: Array2<T>,
    /// -∂L/∂`log_prob`, (K·N): what each sample counts for in the loss.
    pub weights: Array1<T>,
    /// What `log_ratio` counts for beside `log_prob`: -∂L/∂`log_ratio` = `ratio_weight` · `weights`,
    /// where the objective is sampled.
    pub ratio_weight: T,
    /// ∂L/∂logits, (K·N, outputs).
    pub d_logits: Array2<T>,
    /// ∂L/∂z, (K·N, latent).
    pub d_z: Array2<T>,
    /// ∂L/∂μ, (batch, latent).
    pub d_mu: Array2<T>,
    /// ∂L/∂log σ², (batch, latent).
    pub d_log_var: Array2<T>,
}

impl<T: Real> Signals<T> {
    /// All zero, for batches with one latent sample of each image. `outputs` is the width of the
    /// decoder's output.
    pub fn new(batch: usize, pixels: usize, latent: usize, outputs: usize) -> Self {
        Self::with_samples(batch, 1, pixels, latent, outputs)
    }

    /// The same with so many samples of each image.
    pub fn with_samples(
        batch: usize,
        samples: usize,
        pixels: usize,
        latent: usize,
        outputs: usize,
    ) -> Self {
        let zeros = |columns: usize| Array2::from_elem((batch, columns), T::ZERO);
        let sampled = |columns: usize| Array2::from_elem((samples * batch, columns), T::ZERO);
        let row = Array1::from_elem(samples * batch, T::ZERO);
        Self {
            x: zeros(pixels),
            y: zeros(0),
            observed: None,
            eps: sampled(latent),
            mu: zeros(latent),
            log_var: zeros(latent),
            sigma: zeros(latent),
            z: sampled(latent),
            logits: sampled(outputs),
            log_prob: row.clone(),
            log_ratio: row.clone(),
            kl: zeros(latent),
            weights: row,
            ratio_weight: T::ONE,
            d_logits: sampled(outputs),
            d_z: sampled(latent),
            d_mu: zeros(latent),
            d_log_var: zeros(latent),
        }
    }

    /// Makes room for what is known of missing pixels.
    pub fn expect_missing_pixels(&mut self) {
        if self.observed.is_none() {
            let (pixels, outputs) = (self.x.ncols(), self.logits.ncols());
            let (images, samples) = (self.images(), self.samples());
            self.observed = Some(Observed::new(images, samples, pixels, outputs));
        }
    }

    /// Takes x, what is missing of it, and y for a model of so many classes, from the images at `indices` as they
    /// are in this epoch.
    pub fn read(&mut self, images: &View<'_>, classes: usize, indices: &[usize], epoch: u64) {
        images.gather(indices, epoch, &mut self.x);
        images.label(classes, indices, &mut self.y);
        match images.hidden {
            Some(_) => self.expect_missing_pixels(),
            None => self.observed = None,
        }
        if let Some(observed) = &mut self.observed {
            images.observe(indices, &mut observed.seen);
        }
    }

    /// As [`Likelihood::log_prob`] of `x` and `logits`, into `log_prob` and `d_logits`; of the pixels that
    /// were seen, where some are missing.
    pub fn reconstruction(&mut self, likelihood: &impl Likelihood<T>, d_loss: T) {
        let Self { x, logits, log_prob, d_logits, .. } = self;
        match &mut self.observed {
            None => likelihood.log_prob(x, logits, d_loss, log_prob, d_logits),
            Some(seen) => seen.log_prob(likelihood, (x, logits), d_loss, log_prob, d_logits),
        }
    }

    /// The gradient for the likelihood's own parameters, each sample with its weight.
    pub fn backward_likelihood<L: Likelihood<T>>(&mut self, likelihood: &L, d: &mut L) {
        let Self { x, logits, weights, .. } = self;
        match &mut self.observed {
            None => likelihood.backward_parameters(x, logits, weights, d),
            // A likelihood without parameters has no gradient to spread pixels for.
            Some(_) if likelihood.parameter_count() == 0 => {}
            Some(seen) => seen.backward_parameters(likelihood, (x, logits), weights, d),
        }
    }

    /// N.
    pub fn images(&self) -> usize {
        self.x.nrows()
    }

    /// K.
    pub fn samples(&self) -> usize {
        self.eps.nrows() / self.x.nrows()
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
        let named = [("log_prob", &self.log_prob), ("log_ratio", &self.log_ratio)];
        let term = named.into_iter().find(|(_, a)| !a.iter().all(|v| v.to_f64().is_finite()));
        signal.map(|(name, _)| name).or(term.map(|(name, _)| name))
    }
}
