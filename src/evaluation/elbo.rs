//! The ELBO over a data set, with its parts, its error, and the units that carry information.

use elbo_kernels::team::team;
use serde::Serialize;

use super::EVALUATION_BATCH;
use crate::{
    data::View,
    models::Model,
    objectives::{Figures, Objective, Signals, Totals},
    random::{self, Purpose},
    real::Real,
};

/// A latent dimension is active if the variance of its posterior mean over the data is above this
/// (Burda, Grosse & Salakhutdinov 2015).
pub const ACTIVE_VARIANCE: f64 = 0.01;

/// Figures over a data set, in nats per image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Images.
    pub images: usize,
    /// The mean ELBO, with one latent sample per image: not the loss at z = μ, which is no bound.
    pub elbo: f64,
    /// The standard error of that mean over the images.
    pub elbo_standard_error: f64,
    /// Its first term.
    pub reconstruction: f64,
    /// Its second term.
    pub kl: f64,
    /// The second term split by latent dimension; empty under a [sampled](Objective::sampled) objective,
    /// whose estimate is of all dimensions at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kl_per_dimension: Vec<f64>,
    /// The variance over the images of each dimension's posterior mean; empty where that mean
    /// [is not known](Model::has_exact_mean).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mean_variance: Vec<f64>,
    /// How many of those are above [`ACTIVE_VARIANCE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_units: Option<usize>,
}

/// Workspaces for evaluating one model on one data set again and again.
pub struct Evaluator<'a, T: Real, M: Model<T>> {
    images: View<'a>,
    full: M::Workspace,
    last: M::Workspace,
}

/// Sums over images, in f64. Those by dimension are empty where they are not defined.
struct Sums {
    totals: Totals,
    elbo: f64,
    elbo_squared: f64,
    kl: Vec<f64>,
    mu: Vec<f64>,
    mu_squared: Vec<f64>,
}

impl<'a, T: Real, M: Model<T>> Evaluator<'a, T, M> {
    /// An evaluator of models of this shape.
    pub fn new(model: &M, images: impl Into<View<'a>>) -> Self {
        let images = images.into();
        let count = images.count;
        let batch = EVALUATION_BATCH.min(count);
        let last = count - (count.div_ceil(batch) - 1) * batch;
        Self { images, full: model.workspace_for(batch, 1), last: model.workspace_for(last, 1) }
    }

    /// Evaluates `model`. The noise belongs to (`seed`, `epoch`, image).
    pub fn evaluate(
        &mut self,
        model: &M,
        objective: &impl Objective<T>,
        seed: u64,
        epoch: u64,
    ) -> Evaluation {
        let all = self.images.indices();
        let dimensions = |defined: bool| if defined { model.latent() } else { 0 };
        let (kl, mu) = (dimensions(!objective.sampled()), dimensions(model.has_exact_mean()));
        let mut sums = Sums::new(kl, mu);
        team(|| {
            for start in all.clone().step_by(EVALUATION_BATCH) {
                let end = (start + EVALUATION_BATCH).min(all.end);
                let indices: Vec<usize> = (start..end).collect();
                let w = if end == all.end { &mut self.last } else { &mut self.full };
                let s = M::signals(w);
                s.read(&self.images, model.classes(), &indices, epoch);
                random::fill_normal(&mut s.eps, seed, Purpose::TestNoise, epoch, start..end);
                let figures = model.evaluate(objective, w);
                sums.add(figures, M::signals(w), objective.sampled());
            }
        });
        sums.finish()
    }
}

impl Sums {
    /// For so many dimensions of the divergence, and of the posterior mean.
    fn new(kl: usize, mu: usize) -> Self {
        Self {
            totals: Totals::default(),
            elbo: 0.0,
            elbo_squared: 0.0,
            kl: vec![0.0; kl],
            mu: vec![0.0; mu],
            mu_squared: vec![0.0; mu],
        }
    }

    fn add<T: Real>(&mut self, figures: Figures, s: &Signals<T>, sampled: bool) {
        self.totals.add(figures, s.x.nrows());
        let log_ratio = |n: usize| match sampled {
            true => s.log_ratio[n].to_f64(),
            false => -s.kl.row(n).iter().map(|v| v.to_f64()).sum::<f64>(),
        };
        let rows = s.log_prob.iter().zip(s.kl.rows()).zip(s.mu.rows()).enumerate();
        for (n, ((log_prob, kl), mu)) in rows {
            let elbo = log_prob.to_f64() + log_ratio(n);
            self.elbo += elbo;
            self.elbo_squared += elbo * elbo;
            for (sum, v) in self.kl.iter_mut().zip(kl) {
                *sum += v.to_f64();
            }
            for ((sum, squares), v) in self.mu.iter_mut().zip(&mut self.mu_squared).zip(mu) {
                *sum += v.to_f64();
                *squares += v.to_f64() * v.to_f64();
            }
        }
    }

    fn finish(self) -> Evaluation {
        let n = self.totals.images() as f64;
        let Figures { elbo, reconstruction, kl, .. } = self.totals.mean();
        let mean_variance: Vec<f64> =
            self.mu.iter().zip(&self.mu_squared).map(|(&s, &q)| variance(s, q, n)).collect();
        Evaluation {
            images: self.totals.images() as usize,
            elbo,
            elbo_standard_error: standard_error(self.elbo, self.elbo_squared, n),
            reconstruction,
            kl,
            kl_per_dimension: self.kl.iter().map(|sum| sum / n).collect(),
            active_units: (!mean_variance.is_empty())
                .then(|| mean_variance.iter().filter(|&&v| v > ACTIVE_VARIANCE).count()),
            mean_variance,
        }
    }
}

/// The standard error of a mean from Σ v, Σ v² and n: √(s²/n) with the unbiased s². It is 0 for
/// a single value, of whose spread nothing is known.
pub(super) fn standard_error(sum: f64, squares: f64, n: f64) -> f64 {
    (variance(sum, squares, n) / (n - 1.0).max(1.0)).sqrt()
}

/// The variance of n values from Σ v and Σ v². Rounding does not take it below 0, and NaN stays
/// NaN, so that a broken model shows.
fn variance(sum: f64, squares: f64, n: f64) -> f64 {
    let variance = squares / n - (sum / n).powi(2);
    if variance < 0.0 { 0.0 } else { variance }
}
