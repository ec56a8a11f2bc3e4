//! What a trained model shows: samples, reconstructions, the latent plane, paths through it.
//!
//! Everything here returns E[x|z], grey values in \[0, 1\], rather than draws of x: a draw of a
//! Bernoulli is a speckled picture, and its mean is what people look at.

use elbo_kernels::team::team;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::{
    data::Images,
    distributions::{Likelihood, gaussian, normal_quantile::normal_quantile},
    evaluation::EVALUATION_BATCH,
    layers::Layer,
    models::Vae,
    random::{self, Purpose},
    real::{Real, assign_cast, cast},
};

/// The points of a two-dimensional latent space that a manifold picture decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manifold {
    /// Quantiles of the prior, Φ⁻¹((i + ½)/n): every picture stands for the same probability
    /// (Kingma & Welling 2013, appendix A).
    Quantiles,
    /// An even grid over [-3, 3]².
    Square,
}

impl Manifold {
    /// The n coordinates along each axis, rising.
    pub fn coordinates(self, n: usize) -> Vec<f64> {
        let at = |i: usize| match self {
            Manifold::Quantiles => normal_quantile((i as f64 + 0.5) / n as f64),
            Manifold::Square if n == 1 => 0.0,
            Manifold::Square => -3.0 + 6.0 * i as f64 / (n - 1) as f64,
        };
        (0..n).map(at).collect()
    }

    /// The n² points row by row as a picture has them: z₁ rises to the right, z₂ upwards.
    pub fn points(self, n: usize) -> Array2<f64> {
        let along = self.coordinates(n);
        Array2::from_shape_fn((n * n, 2), |(i, axis)| match axis {
            0 => along[i % n],
            _ => along[n - 1 - i / n],
        })
    }
}

/// The posterior of every image of a data set, (images, latent) each.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// μ, (images, latent).
    pub mu: Array2<f32>,
    /// log σ², (images, latent).
    pub log_var: Array2<f32>,
}

impl Posterior {
    /// σ = exp(s/2) with s the bounded log σ², as the model itself uses it.
    pub fn sigma(&self) -> Array2<f32> {
        self.log_var.mapv(|v| (0.5 * gaussian::bounded(v)).exp())
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Vae<T, E, D, L> {
    /// q(z|x) of the images at `indices`.
    pub fn posterior(&self, images: &Images, indices: &[usize]) -> Posterior {
        let zeros = Array2::zeros((indices.len(), self.latent()));
        let mut posterior = Posterior { mu: zeros.clone(), log_var: zeros };
        let mu = posterior.mu.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        let log_var = posterior.log_var.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        team(|| {
            for ((indices, mu), log_var) in indices.chunks(EVALUATION_BATCH).zip(mu).zip(log_var) {
                let mut w = self.workspace(indices.len());
                images.gather(indices, &mut w.signals.x);
                self.encode(&mut w);
                assign_cast(w.signals.mu.view(), mu);
                assign_cast(w.signals.log_var.view(), log_var);
            }
        });
        posterior
    }

    /// E[x|z] for each row of `z` (n, latent): (n, pixels).
    pub fn decode_mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32> {
        let mut means = Array2::zeros((z.nrows(), self.pixels()));
        let batches = z.axis_chunks_iter(Axis(0), EVALUATION_BATCH);
        let results = means.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        team(|| {
            for (z, mean) in batches.zip(results) {
                let mut w = self.workspace(z.nrows());
                w.signals.z = cast(z);
                self.decode(&mut w);
                self.likelihood.mean(&w.signals.logits, &mut w.signals.x);
                assign_cast(w.signals.x.view(), mean);
            }
        });
        means
    }

    /// n samples: z ~ N(0, I), then E[x|z].
    pub fn sample(&self, n: usize, seed: u64) -> Array2<f32> {
        let mut z = Array2::zeros((n, self.latent()));
        random::fill_normal(&mut z, seed, Purpose::Prior, 0, 0..n);
        self.decode_mean(z.view())
    }

    /// E[x|z] at z = μ(x) of the images at `indices`.
    pub fn reconstruct(&self, images: &Images, indices: &[usize]) -> Array2<f32> {
        self.decode_mean(cast(self.posterior(images, indices).mu.view()).view())
    }

    /// `steps` pictures on the straight line from μ of one image to μ of another, both included.
    pub fn interpolate(
        &self,
        images: &Images,
        from: usize,
        to: usize,
        steps: usize,
    ) -> Array2<f32> {
        let mu: Array2<f64> = cast(self.posterior(images, &[from, to]).mu.view());
        let share = |i: usize| if steps < 2 { 0.0 } else { i as f64 / (steps - 1) as f64 };
        let z = Array2::from_shape_fn((steps, self.latent()), |(i, j)| {
            (1.0 - share(i)) * mu[[0, j]] + share(i) * mu[[1, j]]
        });
        self.decode_mean(z.view())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_grid_spans_minus_three_to_three_with_the_second_axis_upwards() {
        let points = Manifold::Square.points(3);
        assert_eq!(points.row(0).to_vec(), [-3.0, 3.0]);
        assert_eq!(points.row(4).to_vec(), [0.0, 0.0]);
        assert_eq!(points.row(8).to_vec(), [3.0, -3.0]);
    }

    #[test]
    fn quantiles_cut_the_prior_into_equal_shares() {
        let along = Manifold::Quantiles.coordinates(2);
        assert!((along[1] - 0.674_489_750_196_081_7).abs() < 1e-12);
        assert_eq!(along[0], -along[1]);
    }
}
