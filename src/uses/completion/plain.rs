//! A network that predicts the missing pixels in one go: what a model with z is measured against.

use ndarray::{Array1, Array2};

use crate::{
    data::View, distributions::Likelihood, evaluation::EVALUATION_BATCH, layers::Layer,
    models::Parts, optim::Optimiser, random, real::Real,
};

/// p(m|o) of a network from what is given to the logits of the missing pixels. Given o, every pixel is
/// independent of the others, so that where there are two ways to go on, it can only say the average of both.
///
/// Source: the baseline of Sohn, Lee & Yan 2015, section 5.1.
#[derive(Clone, Debug)]
pub struct Plain<N, L> {
    /// From o (batch, numbers given) to logits (batch, outputs).
    pub network: N,
    /// p(m|o) from logits.
    pub likelihood: L,
    /// Where m and o are in an image.
    pub parts: Parts,
}

/// m, o, and what the network makes of o.
struct Batch<T> {
    missing: Array2<T>,
    given: Array2<T>,
    logits: Array2<T>,
    d_logits: Array2<T>,
    log_prob: Array1<T>,
}

impl<N, L> Plain<N, L> {
    /// One epoch of training by the mean of -log p(m|o) in batches of `batch_size`, in the order that belongs
    /// to (`seed`, `epoch`).
    pub fn train<T: Real>(
        &mut self,
        images: &View<'_>,
        optimiser: &mut Optimiser<N>,
        (batch_size, seed, epoch): (usize, u64, u64),
    ) where
        N: Layer<T>,
        L: Likelihood<T>,
    {
        let mut d = self.network.zeros_like();
        let mut order = vec![0; images.count];
        random::shuffle(&mut order, seed, epoch);
        order.iter_mut().for_each(|index| *index += images.first);
        for indices in order.chunks(batch_size) {
            let mut cache = self.network.cache(indices.len());
            let d_loss = T::from_f64(1.0 / indices.len() as f64);
            let mut b = self.forward(images, indices, epoch, d_loss, &mut cache);
            let (logits, d_logits) = (&b.logits, &mut b.d_logits);
            self.network.backward(&b.given, logits, d_logits, None, &mut cache, &mut d);
            optimiser.step(&mut self.network, &d);
        }
    }

    /// The mean of log p(m|o) over the images, in nats per image.
    pub fn log_prob<T: Real>(&self, images: &View<'_>) -> f64
    where
        N: Layer<T>,
        L: Likelihood<T>,
    {
        let indices: Vec<usize> = images.indices().collect();
        let sum: f64 = indices
            .chunks(EVALUATION_BATCH)
            .map(|indices| {
                let mut cache = self.network.cache(indices.len());
                let b = self.forward(images, indices, 0, T::ZERO, &mut cache);
                b.log_prob.iter().map(|v| v.to_f64()).sum::<f64>()
            })
            .sum();
        sum / images.count as f64
    }

    /// Images with what is given of them and E[m|o], (indices, pixels).
    pub fn complete<T: Real>(&self, images: &View<'_>, indices: &[usize]) -> Array2<T>
    where
        N: Layer<T>,
        L: Likelihood<T>,
    {
        let mut cache = self.network.cache(indices.len());
        let mut b = self.forward(images, indices, 0, T::ZERO, &mut cache);
        self.likelihood.mean(&b.logits, &mut b.missing);
        let mut whole = Array2::from_elem((indices.len(), self.parts.pixels), T::ZERO);
        for (n, image) in whole.rows_mut().into_iter().enumerate() {
            self.parts.join(b.given.row(n), b.missing.row(n), image);
        }
        whole
    }

    fn forward<T: Real>(
        &self,
        images: &View<'_>,
        indices: &[usize],
        epoch: u64,
        d_loss: T,
        cache: &mut N::Cache,
    ) -> Batch<T>
    where
        N: Layer<T>,
        L: Likelihood<T>,
    {
        let zeros = |columns| Array2::from_elem((indices.len(), columns), T::ZERO);
        let mut x = zeros(self.parts.pixels);
        images.gather(indices, epoch, &mut x);
        let (mut missing, mut given) =
            (zeros(self.parts.missing.len()), zeros(self.parts.given.len()));
        self.parts.miss(&x, &mut missing);
        self.parts.give(&x, &mut given);
        let mut logits = zeros(self.network.outputs());
        self.network.forward(&given, &mut logits, cache);
        let (mut log_prob, mut d_logits) =
            (Array1::from_elem(indices.len(), T::ZERO), logits.clone());
        self.likelihood.log_prob(&missing, &logits, d_loss, &mut log_prob, &mut d_logits);
        Batch { missing, given, logits, d_logits, log_prob }
    }
}
