//! The log-likelihood by importance sampling.

use std::ops::Range;

use elbo_kernels::team::team;
use serde::Serialize;

use super::{EVALUATION_BATCH, EffectiveSampleSize, elbo::standard_error};
use crate::{
    data::View,
    models::Model,
    random::{self, Purpose},
    real::Real,
};

/// An estimate of the mean of log p(x), in nats per image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LogLikelihood {
    /// k, the samples per image.
    pub importance_samples: usize,
    /// The mean over the images.
    pub log_likelihood: f64,
    /// Its standard error over the images.
    pub log_likelihood_standard_error: f64,
    /// The [`EffectiveSampleSize`] of the k weights, the mean over the images. Far below k, the estimate
    /// hangs on a few samples.
    pub effective_sample_size: f64,
}

/// log p(x) ≈ ln (1/k) Σᵢ wᵢ with wᵢ = p(x|zᵢ) p(zᵢ) / q(zᵢ|x), zᵢ ~ q(z|x).
///
/// The estimate is a lower bound in expectation, rises with k, and tends to log p(x) as k grows
/// (Burda, Grosse & Salakhutdinov 2015, equation 8 and theorem 1). The weights are summed in
/// logarithms as they come, so memory does not grow with k.
///
/// `after_batch` is told how many images are done.
///
/// # Panics
///
/// If `samples` is 0, or the model's likelihood does not [factorise](Model::factorises): then no image has a
/// log p(x) of its own.
pub fn log_likelihood<'a, T: Real, M: Model<T>>(
    model: &M,
    images: impl Into<View<'a>>,
    samples: usize,
    seed: u64,
    after_batch: impl FnMut(usize) + Send,
) -> LogLikelihood {
    let images = images.into();
    let (mut sum, mut squares, mut effective) = (0.0, 0.0, 0.0);
    each_image(model, &images, samples, seed, after_batch, |log_p, size| {
        sum += log_p;
        squares += log_p * log_p;
        effective += size;
    });
    let n = images.count as f64;
    LogLikelihood {
        importance_samples: samples,
        log_likelihood: sum / n,
        log_likelihood_standard_error: standard_error(sum, squares, n),
        effective_sample_size: effective / n,
    }
}

/// The estimate of [`log_likelihood`] for each image, in the order of the view.
///
/// # Panics
///
/// As [`log_likelihood`].
pub fn log_likelihoods<'a, T: Real, M: Model<T>>(
    model: &M,
    images: impl Into<View<'a>>,
    samples: usize,
    seed: u64,
    after_batch: impl FnMut(usize) + Send,
) -> Vec<f64> {
    let images = images.into();
    let mut all = Vec::with_capacity(images.count);
    each_image(model, &images, samples, seed, after_batch, |log_p, _| all.push(log_p));
    all
}

/// Shows `visit` log p(x) of each image, and the effective sample size of its weights.
fn each_image<T: Real, M: Model<T>>(
    model: &M,
    images: &View<'_>,
    samples: usize,
    seed: u64,
    mut after_batch: impl FnMut(usize) + Send,
    mut visit: impl FnMut(f64, f64) + Send,
) {
    assert!(samples > 0, "an estimate needs at least one sample");
    assert!(model.factorises(), "an image has a log p(x) of its own");
    team(|| {
        for start in images.indices().step_by(EVALUATION_BATCH) {
            let end = (start + EVALUATION_BATCH).min(images.indices().end);
            for (total, size) in batch_sums(model, images, start..end, samples, seed) {
                visit(total.value() - (samples as f64).ln(), size.value());
            }
            after_batch(end - images.first);
        }
    });
}

/// Σᵢ wᵢ of each image of a batch, and what the samples are worth.
fn batch_sums<T: Real, M: Model<T>>(
    model: &M,
    images: &View<'_>,
    batch: Range<usize>,
    samples: usize,
    seed: u64,
) -> Vec<(LogSumExp, EffectiveSampleSize)> {
    let indices: Vec<usize> = batch.clone().collect();
    let mut w = model.workspace_for(indices.len(), 1);
    M::signals(&mut w).read(images, model.classes(), &indices, 0);
    model.encode(&mut w);
    let start = (LogSumExp::default(), EffectiveSampleSize::default());
    let mut sums = vec![start; indices.len()];
    for k in 0..samples {
        let eps = &mut M::signals(&mut w).eps;
        random::fill_normal(eps, seed, Purpose::Importance, k as u64, batch.clone());
        model.log_weights(&mut w);
        let s = M::signals(&mut w);
        let log_weights = s.log_prob.iter().zip(&s.log_ratio);
        for ((log_prob, log_ratio), (sum, size)) in log_weights.zip(&mut sums) {
            let log_w = log_prob.to_f64() + log_ratio.to_f64();
            sum.add(log_w);
            size.add(log_w);
        }
    }
    sums
}

/// ln Σ eᵛ of values that come one at a time, relative to the largest so far.
#[derive(Clone, Copy)]
struct LogSumExp {
    largest: f64,
    sum: f64,
}

impl Default for LogSumExp {
    fn default() -> Self {
        Self { largest: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl LogSumExp {
    fn add(&mut self, v: f64) {
        if v > self.largest {
            self.sum = self.sum * (self.largest - v).exp() + 1.0;
            self.largest = v;
        } else if v == self.largest {
            // e⁰, also where both are infinite and have no difference.
            self.sum += 1.0;
        } else {
            self.sum += (v - self.largest).exp();
        }
    }

    fn value(self) -> f64 {
        self.largest + self.sum.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_is_exact_far_from_zero_and_in_any_order() {
        for values in [[-1e4, -1e4 + 1.0, -1e4 - 2.0], [1e4 + 1.0, 1e4, 1e4 - 2.0]] {
            let mut sum = LogSumExp::default();
            values.iter().for_each(|&v| sum.add(v));
            let base = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let direct = base + values.iter().map(|v| (v - base).exp()).sum::<f64>().ln();
            assert!((sum.value() - direct).abs() < 1e-11, "{} {direct}", sum.value());
        }
    }

    #[test]
    fn a_weight_of_zero_counts_for_nothing_and_a_broken_one_breaks_the_sum() {
        let of = |values: &[f64]| {
            let mut sum = LogSumExp::default();
            values.iter().for_each(|&v| sum.add(v));
            sum.value()
        };
        let zero = f64::NEG_INFINITY;
        assert_eq!((of(&[zero, 3.0]), of(&[3.0, zero]), of(&[zero, zero, 3.0])), (3.0, 3.0, 3.0));
        assert_eq!(of(&[zero, zero]), zero);
        assert!(of(&[f64::NAN, 3.0]).is_nan() && of(&[3.0, f64::NAN]).is_nan());
    }
}
