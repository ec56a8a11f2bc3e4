//! Completing images with a model of whole ones: the posterior of z given a part of an image.
//!
//! A VAE has learned p(x|z) p(z) of whole images. Of one, only o = A·x is known, each number of it the mean over
//! some pixels: of a quadrant over one each, of the image at a lower resolution over a block. What z may then be
//! is p(z|o) ∝ p(o|z) p(z), for which there is no encoder. It is found as encoders are trained, by its bound, but
//! for these images alone.
//!
//! # The bound
//!
//! With m(z) = E[x|z] the decoder's mean, o is taken to be A·m(z) up to a Gaussian deviation τ. For
//! q(z) = N(μ, σ²) of each image,
//!
//! log p(o) ≥ E_q[log N(o; A·m(z), τ²)] - KL(q ‖ p(z)),
//!
//! of which, without constants, the negative is minimised:
//!
//! L = E_q[|o - A·m(z)|² / (2 τ²)] + KL(q ‖ p(z)).
//!
//! # Gradient
//!
//! With r = o - A·m and z = μ + σ·ε:
//!
//! - ∂L/∂m = -Aᵀ·r / τ², at a pixel the sum over the numbers that it is in of -r / (τ² · pixels of the number);
//! - ∂L/∂l = ∂L/∂m · m (1 - m), as m = σ(l) of the Bernoulli likelihood;
//! - ∂L/∂z by the decoder's way back, and ∂L/∂μ, ∂L/∂log σ² by the reparameterisation and the divergence, as in
//!   any VAE.
//!
//! Source: Cremer, Li & Duvenaud 2018, *Inference Suboptimality in Variational Autoencoders*, section 3.2, for
//! a q of one image's own; Bora et al. 2017, *Compressed Sensing using Generative Models*, for the problem.

use elbo_kernels::math;
use ndarray::{Array2, ArrayViewD, ArrayViewMutD, Axis, Zip};

use super::Completed;
use crate::{
    data::View,
    distributions::{Likelihood, gaussian},
    layers::Layer,
    models::{Parts, Vae},
    optim::Adam,
    parameters::Parameters,
    random::{self, Purpose},
    real::{Real, cast},
};

/// How a posterior is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// Steps of Adam.
    pub steps: usize,
    /// Its α.
    pub learning_rate: f64,
    /// τ.
    pub deviation: f64,
}

/// What served MNIST; chapter 21 has figures.
impl Default for Inference {
    fn default() -> Self {
        Self { steps: 200, learning_rate: 0.05, deviation: 0.05 }
    }
}

/// q(z) of each image, (images, latent) each.
#[derive(Clone, Debug, PartialEq)]
pub struct Posteriors<T> {
    /// μ.
    pub mu: Array2<T>,
    /// log σ².
    pub log_var: Array2<T>,
}

impl<T: Real> Parameters<T> for Posteriors<T> {
    fn names(&self) -> Vec<String> {
        vec!["mu".into(), "log_var".into()]
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        [&self.mu, &self.log_var].into_iter().map(|a| a.view().into_dyn())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        [&mut self.mu, &mut self.log_var].into_iter().map(|a| a.view_mut().into_dyn())
    }
}

/// L of some images, of which `given` is known, for a decoder.
pub struct Bound<'a, T: Real, D: Layer<T>> {
    decoder: &'a D,
    parts: &'a Parts,
    given: Array2<T>,
    /// τ.
    deviation: f64,
    sigma: Array2<T>,
    z: Array2<T>,
    kl: Array2<T>,
    /// l, then m(z).
    logits: Array2<T>,
    mean: Array2<T>,
    d_logits: Array2<T>,
    d_z: Array2<T>,
    cache: D::Cache,
    /// The gradient of the decoder, which comes with the way back and is of no use here.
    d_decoder: D,
}

impl<'a, T: Real, D: Layer<T>> Bound<'a, T, D> {
    /// Of images of which these numbers, (images, numbers given), are known up to `deviation`.
    pub fn new(decoder: &'a D, parts: &'a Parts, given: Array2<T>, deviation: f64) -> Self {
        let zeros = |columns| Array2::from_elem((given.nrows(), columns), T::ZERO);
        let (latent, pixels) = (zeros(decoder.inputs()), zeros(decoder.outputs()));
        Self {
            decoder,
            parts,
            deviation,
            sigma: latent.clone(),
            z: latent.clone(),
            kl: latent.clone(),
            d_z: latent,
            logits: pixels.clone(),
            mean: pixels.clone(),
            d_logits: pixels,
            cache: decoder.cache(given.nrows()),
            d_decoder: decoder.zeros_like(),
            given,
        }
    }

    /// L of `q` at the noise `eps` (images, latent), in sum over the images.
    pub fn evaluate(&mut self, q: &Posteriors<T>, eps: &Array2<T>) -> f64 {
        gaussian::sample(&q.mu, &q.log_var, eps, &mut self.sigma, &mut self.z);
        self.decoder.forward(&self.z, &mut self.logits, &mut self.cache);
        Zip::from(&mut self.mean).and(&self.logits).for_each(|m, &l| *m = math::sigmoid(l));
        gaussian::kl(&q.mu, &q.log_var, &mut self.kl);
        let mut of_mean = self.given.clone();
        self.parts.give(&self.mean, &mut of_mean);
        let scale = 0.5 / self.deviation.powi(2);
        let squares = self.given.iter().zip(&of_mean).map(|(&o, &m)| (o - m).to_f64().powi(2));
        scale * squares.sum::<f64>() + self.kl.iter().map(|v| v.to_f64()).sum::<f64>()
    }

    /// The same, and into `d` its gradient.
    pub fn gradient(&mut self, q: &Posteriors<T>, eps: &Array2<T>, d: &mut Posteriors<T>) -> f64 {
        let loss = self.evaluate(q, eps);
        let mut residual = self.given.clone();
        self.parts.give(&self.mean, &mut residual);
        Zip::from(&mut residual).and(&self.given).for_each(|r, &o| *r = o - *r);
        let scale = T::from_f64(-1.0 / self.deviation.powi(2));
        self.d_logits.fill(T::ZERO);
        for (residual, mut d_mean) in residual.rows().into_iter().zip(self.d_logits.rows_mut()) {
            for (&r, pixels) in residual.iter().zip(&self.parts.given) {
                let share = scale * r * T::from_f64(1.0 / pixels.len() as f64);
                pixels.iter().for_each(|&pixel| d_mean[pixel] += share);
            }
        }
        Zip::from(&mut self.d_logits).and(&self.mean).for_each(|d, &m| *d = *d * m * (T::ONE - m));
        let (d_z, cache) = (Some(&mut self.d_z), &mut self.cache);
        let (d_logits, d_decoder) = (&mut self.d_logits, &mut self.d_decoder);
        self.decoder.backward(&self.z, &self.logits, d_logits, d_z, cache, d_decoder);
        gaussian::kl_backward(&q.mu, &q.log_var, T::ONE, &mut d.mu, &mut d.log_var);
        let (sigma, d_z) = (&self.sigma, &self.d_z);
        gaussian::sample_backward(&q.log_var, eps, sigma, d_z, &mut d.mu, &mut d.log_var);
        loss
    }

    /// E[x|z] of the z that was evaluated last, (images, pixels).
    pub fn mean(&self) -> &Array2<T> {
        &self.mean
    }
}

/// Completes the images at `indices` by the posterior of z given a part of each, so many times, in one batch. A
/// draw belongs to (`seed`, its number, image). What is given for pixels one by one stays what it is.
///
/// The likelihood must be one whose mean is σ(l), as that of the Bernoulli is.
///
/// The search starts where the encoder leads to from what is given, 0 where nothing is.
pub fn infer<'a, T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>>(
    vae: &Vae<T, E, D, L>,
    parts: &Parts,
    images: impl Into<View<'a>>,
    indices: &[usize],
    draws: usize,
    (by, seed): (Inference, u64),
) -> Completed {
    let images = images.into();
    let mut w = vae.workspace(indices.len());
    let mut originals = w.signals.x.clone();
    images.gather(indices, 0, &mut originals);
    let mut numbers = Array2::from_elem((indices.len(), parts.given.len()), T::ZERO);
    parts.give(&originals, &mut numbers);
    for (numbers, image) in numbers.rows().into_iter().zip(w.signals.x.rows_mut()) {
        parts.show(numbers, image);
    }
    vae.encode(&mut w);
    let given = w.signals.x;
    let mut q = Posteriors { mu: w.signals.mu, log_var: w.signals.log_var };

    let mut bound = Bound::new(&vae.decoder, parts, numbers, by.deviation);
    let (mut adam, mut d) = (Adam::new(&q, by.learning_rate), q.zeros_like());
    let mut eps = q.mu.clone();
    for step in 0..by.steps {
        let stream = indices.iter().copied();
        random::fill_normal(&mut eps, seed, Purpose::Inference, step as u64, stream);
        bound.gradient(&q, &eps, &mut d);
        adam.step(&mut q, &d);
    }
    let mut draw = |number| {
        let stream = indices.iter().copied();
        random::fill_normal(&mut eps, seed, Purpose::Completion, number as u64, stream);
        bound.evaluate(&q, &eps);
        let mut completed: Array2<f32> = cast(bound.mean().view());
        let single = parts.given.iter().filter(|pixels| pixels.len() == 1);
        for pixel in single.map(|pixels| pixels[0]) {
            let known: Array2<f32> = cast(given.select(Axis(1), &[pixel]).view());
            completed.column_mut(pixel).assign(&known.column(0));
        }
        completed
    };
    let draws = (0..draws).map(&mut draw).collect();
    Completed { originals: cast(originals.view()), given: cast(given.view()), draws }
}
