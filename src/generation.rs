//! What a trained model shows: samples, reconstructions, the latent plane, paths through it.
//!
//! Everything here returns E[x|z], grey values in \[0, 1\], rather than draws of x: a draw of a
//! Bernoulli is a speckled picture, and its mean is what people look at.

use elbo_kernels::team::team;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::{
    data::View,
    distributions::{gaussian, normal_quantile::normal_quantile},
    evaluation::EVALUATION_BATCH,
    models::Model,
    real::{Real, assign_cast, cast},
};

/// The points of a two-dimensional latent space that a manifold picture decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manifold {
    /// Quantiles of N(0, I), Φ⁻¹((i + ½)/n): where that is the prior, every picture stands for the same
    /// probability (Kingma & Welling 2013, appendix A).
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

/// The Gaussian that the encoder gives every image of a data set, (images, latent) each: the posterior,
/// or of a flow that of z₀, and of two layers that of z₁.
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

/// What a trained model shows. Every [`Model`] has it.
pub trait Generate<T: Real>: Model<T> {
    /// μ and log σ² that the encoder puts out for the images at `indices`.
    fn posterior<'a>(&self, images: impl Into<View<'a>>, indices: &[usize]) -> Posterior {
        let images = images.into();
        let zeros = Array2::zeros((indices.len(), self.latent()));
        let mut posterior = Posterior { mu: zeros.clone(), log_var: zeros };
        let mu = posterior.mu.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        let log_var = posterior.log_var.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        team(|| {
            for ((indices, mu), log_var) in indices.chunks(EVALUATION_BATCH).zip(mu).zip(log_var) {
                let mut w = self.workspace_for(indices.len(), 1);
                images.gather(indices, 0, &mut Self::signals(&mut w).x);
                images.label(indices, &mut Self::signals(&mut w).y);
                self.encode(&mut w);
                let s = Self::signals(&mut w);
                assign_cast(s.mu.view(), mu);
                assign_cast(s.log_var.view(), log_var);
            }
        });
        posterior
    }

    /// The code that stands for each of the images at `indices`, (images, latent + classes): z at ε = 0, and
    /// beside it the label where the model has them. Of a Gaussian posterior that z is μ; a flow takes μ
    /// further.
    fn codes<'a>(&self, images: impl Into<View<'a>>, indices: &[usize]) -> Array2<f32> {
        let images = images.into();
        let mut codes = Array2::zeros((indices.len(), self.latent() + self.classes()));
        let z_y = codes.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        team(|| {
            for (indices, z_y) in indices.chunks(EVALUATION_BATCH).zip(z_y) {
                let mut w = self.workspace_for(indices.len(), 1);
                images.gather(indices, 0, &mut Self::signals(&mut w).x);
                images.label(indices, &mut Self::signals(&mut w).y);
                self.encode(&mut w);
                // ε of a fresh workspace is 0.
                self.log_weights(&mut w);
                let (z, y) = z_y.split_at(Axis(1), self.latent());
                assign_cast(Self::signals(&mut w).z.view(), z);
                assign_cast(Self::signals(&mut w).y.view(), y);
            }
        });
        codes
    }

    /// E[x|z] for each [code](Self::codes), (n, latent + classes): (n, pixels).
    fn decode_mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32> {
        let mut means = Array2::zeros((z.nrows(), self.pixels()));
        let batches = z.axis_chunks_iter(Axis(0), EVALUATION_BATCH);
        let results = means.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        team(|| batches.zip(results).for_each(|(z, mut mean)| mean.assign(&self.mean(z))));
        means
    }

    /// n samples: a code by the prior, then E[x|z].
    fn sample(&self, n: usize, seed: u64) -> Array2<f32> {
        self.decode_mean(self.prior(n, seed).view())
    }

    /// The code of each row of `z` (n, latent) with this label beside it, (n, latent + classes). A model
    /// without classes has none to set: z is the code.
    ///
    /// # Panics
    ///
    /// If the model has classes, and the label is none of them.
    fn labelled(&self, z: ArrayView2<'_, f64>, label: usize) -> Array2<f64> {
        let (latent, classes) = (self.latent(), self.classes());
        let mut codes = Array2::zeros((z.nrows(), latent + classes));
        codes.view_mut().split_at(Axis(1), latent).0.assign(&z);
        if classes > 0 {
            assert!(label < classes, "the label {label} is none of {classes} classes");
            codes.column_mut(latent + label).fill(1.0);
        }
        codes
    }

    /// n samples of one class: z by the prior, then E[x|y, z].
    ///
    /// # Panics
    ///
    /// As [`labelled`](Self::labelled).
    fn sample_class(&self, n: usize, seed: u64, label: usize) -> Array2<f32> {
        let codes = self.prior(n, seed);
        let (z, _) = codes.view().split_at(Axis(1), self.latent());
        self.decode_mean(self.labelled(z, label).view())
    }

    /// n draws of z, each decoded with every label in turn, (n · classes, pixels): what z has to say about
    /// an image stays the same along a row of such pictures, and its class changes.
    fn sample_classes(&self, n: usize, seed: u64) -> Array2<f32> {
        let classes: Vec<_> =
            (0..self.classes()).map(|label| self.sample_class(n, seed, label)).collect();
        let pixels = classes.first().map_or(0, Array2::ncols);
        Array2::from_shape_fn((n * classes.len(), pixels), |(row, j)| {
            classes[row % classes.len()][[row / classes.len(), j]]
        })
    }

    /// E[x|z] at the [codes](Self::codes) z of the images at `indices`.
    fn reconstruct<'a>(&self, images: impl Into<View<'a>>, indices: &[usize]) -> Array2<f32> {
        self.decode_mean(cast(self.codes(images, indices).view()).view())
    }

    /// `steps` pictures on the straight line from the code of one image to that of another, both included.
    fn interpolate<'a>(
        &self,
        images: impl Into<View<'a>>,
        from: usize,
        to: usize,
        steps: usize,
    ) -> Array2<f32> {
        let ends: Array2<f64> = cast(self.codes(images, &[from, to]).view());
        let share = |i: usize| if steps < 2 { 0.0 } else { i as f64 / (steps - 1) as f64 };
        let z = Array2::from_shape_fn((steps, ends.ncols()), |(i, j)| {
            (1.0 - share(i)) * ends[[0, j]] + share(i) * ends[[1, j]]
        });
        self.decode_mean(z.view())
    }
}

impl<T: Real, M: Model<T>> Generate<T> for M {}

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
