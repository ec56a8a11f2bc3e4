//! The log-likelihood by importance sampling.

use std::ops::Range;

use elbo_kernels::team::team;
use serde::Serialize;

use super::{EVALUATION_BATCH, elbo::standard_error};
use crate::{
    data::Images,
    distributions::{Likelihood, gaussian},
    layers::Layer,
    models::Vae,
    objectives::Signals,
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
/// If `samples` is 0.
pub fn log_likelihood<T, E, D, L>(
    model: &Vae<T, E, D, L>,
    images: &Images,
    samples: usize,
    seed: u64,
    mut after_batch: impl FnMut(usize) + Send,
) -> LogLikelihood
where
    T: Real,
    E: Layer<T>,
    D: Layer<T>,
    L: Likelihood<T>,
{
    assert!(samples > 0, "an estimate needs at least one sample");
    let (mut sum, mut squares) = (0.0, 0.0);
    team(|| {
        for start in (0..images.len()).step_by(EVALUATION_BATCH) {
            let end = (start + EVALUATION_BATCH).min(images.len());
            for total in batch_sums(model, images, start..end, samples, seed) {
                let log_p = total.value() - (samples as f64).ln();
                sum += log_p;
                squares += log_p * log_p;
            }
            after_batch(end);
        }
    });
    let n = images.len() as f64;
    LogLikelihood {
        importance_samples: samples,
        log_likelihood: sum / n,
        log_likelihood_standard_error: standard_error(sum, squares, n),
    }
}

/// Σᵢ wᵢ of each image of a batch.
fn batch_sums<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>>(
    model: &Vae<T, E, D, L>,
    images: &Images,
    batch: Range<usize>,
    samples: usize,
    seed: u64,
) -> Vec<LogSumExp> {
    let indices: Vec<usize> = batch.clone().collect();
    let mut w = model.workspace(indices.len());
    images.gather(&indices, &mut w.signals.x);
    model.encode(&mut w);
    let mut sums = vec![LogSumExp::default(); indices.len()];
    for k in 0..samples {
        let s = &mut w.signals;
        random::fill_normal(&mut s.eps, seed, Purpose::Importance, k as u64, batch.clone());
        gaussian::sample(&s.mu, &s.log_var, &s.eps, &mut s.sigma, &mut s.z);
        model.decode(&mut w);
        let s = &mut w.signals;
        let (log_prob, scratch) = (&mut s.log_prob, &mut s.d_logits);
        model.likelihood.log_prob(&s.x, &s.logits, T::ZERO, log_prob, scratch);
        log_weights(s).zip(&mut sums).for_each(|(log_w, sum)| sum.add(log_w));
    }
    sums
}

/// log w of each image: log p(x|z) + log p(z) - log q(z|x).
///
/// With z = μ + σ·ε the two Gaussians differ by Σⱼ ½ (εⱼ² - zⱼ²) + ln σⱼ; their constants cancel.
fn log_weights<T: Real>(s: &Signals<T>) -> impl Iterator<Item = f64> {
    let ratio = |n: usize| -> f64 {
        let row = s.z.row(n).into_iter().zip(s.eps.row(n)).zip(s.log_var.row(n));
        row.map(|((z, eps), &log_var)| {
            let (z, eps, s) = (z.to_f64(), eps.to_f64(), gaussian::bounded(log_var).to_f64());
            0.5 * (eps * eps - z * z + s)
        })
        .sum()
    };
    s.log_prob.iter().enumerate().map(move |(n, log_prob)| log_prob.to_f64() + ratio(n))
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
