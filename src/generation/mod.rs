//! What a trained model shows: samples, reconstructions, the latent plane, paths through it.
//!
//! Everything here returns E[x|z], grey values in \[0, 1\], rather than draws of x: a draw of a
//! Bernoulli is a speckled picture, and its mean is what people look at.

mod path;

pub use path::{Course, tour};

use elbo_kernels::team::team;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
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
                Self::signals(&mut w).read(&images, self.classes(), indices, 0);
                self.encode(&mut w);
                let s = Self::signals(&mut w);
                assign_cast(s.mu.view(), mu);
                assign_cast(s.log_var.view(), log_var);
            }
        });
        posterior
    }

    /// What the latent variables say of each of the images at `indices`, (images, latent): μ, or where that
    /// [is not known](Model::has_exact_mean) the z at ε = 0.
    fn latents<'a>(&self, images: impl Into<View<'a>>, indices: &[usize]) -> Array2<f32> {
        match self.has_exact_mean() {
            true => self.posterior(images, indices).mu,
            false => {
                let codes = self.codes(images, indices);
                codes.view().split_at(Axis(1), self.latent()).0.to_owned()
            }
        }
    }

    /// The code that stands for each of the images at `indices`, (images, latent + given): z at ε = 0, and
    /// beside it the label where the model has them, or the part of an image that is given. Of a Gaussian posterior that z is μ; a flow takes μ
    /// further.
    fn codes<'a>(&self, images: impl Into<View<'a>>, indices: &[usize]) -> Array2<f32> {
        let images = images.into();
        let mut codes = Array2::zeros((indices.len(), self.latent() + self.given()));
        let z_y = codes.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH);
        team(|| {
            for (indices, z_y) in indices.chunks(EVALUATION_BATCH).zip(z_y) {
                let mut w = self.workspace_for(indices.len(), 1);
                Self::signals(&mut w).read(&images, self.classes(), indices, 0);
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

    /// E[x|z] for each [code](Self::codes), (n, latent + given): (n, pixels).
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

    /// The code of each row of `z` (n, latent) with every label in turn, (n · classes, latent + classes).
    fn with_every_label(&self, z: ArrayView2<'_, f64>) -> Array2<f64> {
        let classes = self.classes();
        let rows: Vec<usize> = (0..z.nrows() * classes).map(|row| row / classes).collect();
        let mut codes = self.labelled(z.select(Axis(0), &rows).view(), 0);
        let (_, mut labels) = codes.view_mut().split_at(Axis(1), self.latent());
        labels.indexed_iter_mut().for_each(|((row, class), y)| {
            *y = f64::from(u8::from(class == row % classes));
        });
        codes
    }

    /// n draws of z, each decoded with every label in turn, (n · classes, pixels): what z has to say about
    /// an image stays the same along a row of such pictures, and its class changes.
    fn sample_classes(&self, n: usize, seed: u64) -> Array2<f32> {
        let codes = self.prior(n, seed);
        let (z, _) = codes.view().split_at(Axis(1), self.latent());
        self.decode_mean(self.with_every_label(z).view())
    }

    /// E[x|z] at the [codes](Self::codes) z of the images at `indices`.
    fn reconstruct<'a>(&self, images: impl Into<View<'a>>, indices: &[usize]) -> Array2<f32> {
        self.decode_mean(cast(self.codes(images, indices).view()).view())
    }

    /// `steps` codes on a way from one code to another, both included, (steps, latent + given): z on this
    /// course, and what is beside it straight to the other.
    fn path(
        &self,
        from: ArrayView1<'_, f64>,
        to: ArrayView1<'_, f64>,
        steps: usize,
        course: Course,
    ) -> Array2<f64> {
        let mut codes = Course::Straight.between(from, to, steps);
        let [from, to] = [from, to].map(|code| code.split_at(Axis(0), self.latent()).0);
        let (mut z, _) = codes.view_mut().split_at(Axis(1), self.latent());
        z.assign(&course.between(from, to, steps));
        codes
    }

    /// The mean of the [codes](Self::codes) of all images of a class, (latent + given); nothing where there
    /// is no image of it. `labels` has one for each of all images.
    fn class_code<'a>(
        &self,
        images: impl Into<View<'a>>,
        labels: &[u8],
        class: u8,
    ) -> Option<Array1<f64>> {
        let images = images.into();
        let indices: Vec<usize> = images.indices().filter(|&n| labels[n] == class).collect();
        cast::<_, f64>(self.codes(images, &indices).view()).mean_axis(Axis(0))
    }
}

impl<T: Real, M: Model<T>> Generate<T> for M {}

// The models are those of recipes.
#[cfg(all(test, feature = "files"))]
mod tests {
    use super::*;
    use crate::{
        data::{Images, Pixels},
        models::AnyModel,
        recipe::Recipe,
    };

    fn model(set: &[&str]) -> AnyModel<f64> {
        let recipe =
            Recipe { hidden: vec![5], latent: 3, image: Some([2, 3]), ..Recipe::default() };
        set.iter().fold(recipe, |recipe, set| recipe.with(set).unwrap()).model()
    }

    #[test]
    fn the_temperature_scales_the_noise_of_every_prior() {
        let vae = model(&[]);
        assert_eq!(vae.prior_at(4, 2, 0.25), vae.prior(4, 2) * 0.25);
        for set in [&["flow_steps=1"][..], &["hidden2=[4]", "latent2=2"]] {
            // Without noise, a draw is the mode of all draws.
            let cold = model(set).prior_at(5, 2, 0.0);
            assert_eq!(cold.row(0), cold.row(4));
            assert_ne!(model(set).prior(5, 2).row(0), cold.row(0));
        }
        let vamp = model(&["prior=vampprior", "pseudo_inputs=2"]);
        // The components stay, and which of them is drawn.
        let draws = [0.0, 1.0, 2.0].map(|temperature| vamp.prior_at(50, 2, temperature));
        let far = &draws[2] - &draws[0] - (&draws[1] - &draws[0]) * 2.0;
        assert!(far.iter().all(|v| v.abs() < 1e-12), "{far}");
        let mut means: Vec<Vec<f64>> = draws[0].rows().into_iter().map(|z| z.to_vec()).collect();
        means.sort_by(|a, b| a[0].total_cmp(&b[0]));
        means.dedup();
        assert_eq!(means.len(), 2);
    }

    #[test]
    fn the_code_of_a_class_is_the_mean_of_its_codes() {
        let images =
            Images::new(2, 3, Pixels::Bytes((0..24).map(|i| (i * 71) as u8).collect())).unwrap();
        let (vae, labels) = (model(&[]), [4, 1, 4, 4]);
        let codes: Array2<f64> = cast(vae.codes(&images, &[0, 2, 3]).view());
        let found = vae.class_code(&images, &labels, 4).unwrap();
        assert!((found - codes.mean_axis(Axis(0)).unwrap()).iter().all(|v| v.abs() < 1e-12));
        assert_eq!(vae.class_code(&images, &labels, 2), None);
    }

    #[test]
    fn latents_are_posterior_means_and_of_a_flow_where_it_takes_them() {
        let images = Images::new(2, 3, Pixels::Bytes((0..24).collect())).unwrap();
        for set in [&[][..], &["hidden2=[4]", "latent2=2"]] {
            let vae = model(set);
            assert_eq!(vae.latents(&images, &[3, 0]), vae.posterior(&images, &[3, 0]).mu);
        }
        let flow = model(&["flow_steps=2"]);
        assert_eq!(flow.latents(&images, &[3, 0]), flow.codes(&images, &[3, 0]));
        assert_ne!(flow.latents(&images, &[3, 0]), flow.posterior(&images, &[3, 0]).mu);
    }

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
