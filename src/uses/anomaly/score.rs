//! Scores: how strange an image is.

use std::fmt;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{AnomalyError, Background, Codes};
use crate::{
    data::View,
    evaluation::{EVALUATION_BATCH, Terms, log_likelihoods, terms},
    generation::Generate,
    models::Model,
    objectives::MAX_SAMPLES,
    real::Real,
};

/// What strangeness is taken to be. In nats, but for `latent`, which counts standard deviations.
///
/// L is the number of latent samples z₁, …, z_L ~ q(z|x), and ELBO(x) = (1/L) Σₗ log p(x|zₗ) −
/// KL(q(z|x) ‖ p(z)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// s(x) = −ELBO(x): what the model needs to describe the image, at least.
    ///
    /// Source: Tonnaer 2023, *Linearly symmetry-based disentangled representations and their
    /// out-of-distribution behaviour*, section 3.3.
    Elbo,
    /// s(x) = −(1/L) Σₗ log p(x|zₗ): how badly the image is reconstructed, whatever its code costs.
    ///
    /// Source: An & Cho 2015, *Variational autoencoder based anomaly detection using reconstruction
    /// probability*, algorithm 4.
    Reconstruction,
    /// s(x) = −log (1/K) Σₖ p(x|zₖ) p(zₖ) / q(zₖ|x): −log p(x), by K importance samples.
    ///
    /// Source: Burda, Grosse & Salakhutdinov 2015, equation 8.
    LogLikelihood,
    /// s(x) = √((μ(x)−m)ᵀ S⁻¹ (μ(x)−m)): how far the image's code lies from those of normal ones, whatever
    /// the decoder makes of it. Of a flow μ is that of z₀, of two layers that of z₁.
    ///
    /// Source: [`Codes::distances`].
    Latent,
    /// s(x) = |−ELBO(x) − H|, H the mean of −ELBO over normal images: too likely an image is as strange
    /// as too unlikely a one.
    ///
    /// Source: Nalisnick et al. 2019, *Detecting out-of-distribution inputs to deep generative models
    /// using typicality*, the test of a single image (M = 1), with the bound in place of log p(x).
    Typicality,
    /// s(x) = log p₀(x) − ELBO(x): what the model explains beyond a [`Background`] p₀ that knows each
    /// pixel's mean and nothing of how pixels go together.
    ///
    /// Whatever makes an image dense under any model, such as few white pixels, is in both terms and
    /// cancels. The paper trains its background, a model like the first, on images with noised pixels.
    /// This one is ours, and the simplest that knows what the paper asks a background to know, the
    /// statistics of single pixels: there is no rate of noise to tune, and nothing to train.
    ///
    /// Source: Ren et al. 2019, *Likelihood ratios for out-of-distribution detection*, section 3.
    LikelihoodRatio,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Elbo,
        Self::Reconstruction,
        Self::LogLikelihood,
        Self::Latent,
        Self::Typicality,
        Self::LikelihoodRatio,
    ];

    /// As one writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elbo => "elbo",
            Self::Reconstruction => "reconstruction",
            Self::LogLikelihood => "log-likelihood",
            Self::Latent => "latent",
            Self::Typicality => "typicality",
            Self::LikelihoodRatio => "likelihood-ratio",
        }
    }

    /// Latent samples of each image that suffice for most purposes.
    pub fn default_samples(self) -> usize {
        if self == Self::LogLikelihood { 100 } else { 10 }
    }
}

/// Its name.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A score with all that it has to know of normal images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Score {
    /// [`Kind::Elbo`].
    Elbo {
        /// L.
        samples: usize,
    },
    /// [`Kind::Reconstruction`].
    Reconstruction {
        /// L.
        samples: usize,
    },
    /// [`Kind::LogLikelihood`].
    LogLikelihood {
        /// K.
        samples: usize,
    },
    /// [`Kind::Latent`].
    Latent(Codes),
    /// [`Kind::Typicality`].
    Typicality {
        /// L.
        samples: usize,
        /// H in nats.
        mean: f64,
    },
    /// [`Kind::LikelihoodRatio`].
    LikelihoodRatio {
        /// L.
        samples: usize,
        /// p₀.
        background: Background,
    },
}

impl Score {
    /// The score of this kind that knows the images `normal`, which the model has learned from.
    ///
    /// `after_batch` is told how many images are done.
    ///
    /// # Errors
    ///
    /// As [`Score::of`].
    ///
    /// # Panics
    ///
    /// If `samples` is 0.
    pub fn fit<T: Real, M: Model<T>>(
        kind: Kind,
        samples: usize,
        model: &M,
        normal: View<'_>,
        seed: u64,
        after_batch: impl FnMut(usize) + Send,
    ) -> Result<Self, AnomalyError> {
        assert!(samples > 0, "a score needs at least one sample");
        Ok(match kind {
            Kind::Elbo => Self::Elbo { samples },
            Kind::Reconstruction => Self::Reconstruction { samples },
            Kind::LogLikelihood => Self::LogLikelihood { samples },
            Kind::Latent => Self::Latent(Codes::fit(&model.posterior(normal, &all(normal)))),
            Kind::Typicality => {
                let elbo = Self::Elbo { samples }.of(model, normal, seed, after_batch)?;
                Self::Typicality { samples, mean: elbo.iter().sum::<f64>() / elbo.len() as f64 }
            }
            Kind::LikelihoodRatio => {
                Self::LikelihoodRatio { samples, background: Background::fit(&normal) }
            }
        })
    }

    /// What it takes to be strange.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Elbo { .. } => Kind::Elbo,
            Self::Reconstruction { .. } => Kind::Reconstruction,
            Self::LogLikelihood { .. } => Kind::LogLikelihood,
            Self::Latent(_) => Kind::Latent,
            Self::Typicality { .. } => Kind::Typicality,
            Self::LikelihoodRatio { .. } => Kind::LikelihoodRatio,
        }
    }

    /// Latent samples of each image; `None` where none are drawn.
    pub fn samples(&self) -> Option<usize> {
        match *self {
            Self::Elbo { samples }
            | Self::Reconstruction { samples }
            | Self::LogLikelihood { samples }
            | Self::Typicality { samples, .. }
            | Self::LikelihoodRatio { samples, .. } => Some(samples),
            Self::Latent(_) => None,
        }
    }

    /// The score of each image, in the order of the view; higher is stranger.
    ///
    /// The noise belongs to (`seed`, image, sample). `after_batch` is told how many images are done.
    ///
    /// # Errors
    ///
    /// If the model has no score of single images, as [`Kind::check`] has it for a recipe; if the score was
    /// fitted to a model of another size; or if one is not finite.
    pub fn of<T: Real, M: Model<T>>(
        &self,
        model: &M,
        images: View<'_>,
        seed: u64,
        mut after_batch: impl FnMut(usize) + Send,
    ) -> Result<Vec<f64>, AnomalyError> {
        if model.classes() > 0 {
            return Err(AnomalyError::Conditional);
        }
        if !model.factorises() {
            return Err(AnomalyError::Likelihood);
        }
        if let Some(samples) = self.samples()
            && !(1..=MAX_SAMPLES).contains(&samples)
        {
            return Err(AnomalyError::Samples { samples });
        }
        let each = |samples, score: &dyn Fn(Terms) -> f64, after_batch| -> Vec<f64> {
            terms(model, images, samples, seed, after_batch).into_iter().map(score).collect()
        };
        let scores = match self {
            Self::Elbo { samples } => each(*samples, &|t| -t.elbo(), after_batch),
            Self::Reconstruction { samples } => each(*samples, &|t| -t.reconstruction, after_batch),
            Self::LogLikelihood { samples } => {
                let all = log_likelihoods(model, images, *samples, seed, after_batch);
                all.into_iter().map(|log_p| -log_p).collect()
            }
            Self::Latent(codes) => {
                let mu = model.posterior(images, &all(images)).mu;
                if let Some(index) =
                    mu.outer_iter().position(|mu| mu.iter().any(|m| !m.is_finite()))
                {
                    return Err(AnomalyError::NonFinite { index });
                }
                after_batch(images.count);
                codes.distances(mu.view()).ok_or(AnomalyError::Parameters)?
            }
            Self::Typicality { samples, mean } => {
                each(*samples, &|t| (-t.elbo() - mean).abs(), after_batch)
            }
            Self::LikelihoodRatio { background, .. }
                if background.means.len() != images.images.pixels_per_image() =>
            {
                return Err(AnomalyError::Parameters);
            }
            Self::LikelihoodRatio { samples, background } => {
                let elbo = each(*samples, &Terms::elbo, after_batch);
                let background = log_background(background, images);
                background.iter().zip(elbo).map(|(log_p, elbo)| log_p - elbo).collect()
            }
        };
        match scores.iter().position(|score| !score.is_finite()) {
            Some(index) => Err(AnomalyError::NonFinite { index }),
            None => Ok(scores),
        }
    }
}

/// The indices of all images of a view.
fn all(images: View<'_>) -> Vec<usize> {
    images.indices().collect()
}

/// log p₀ of each image.
fn log_background(background: &Background, images: View<'_>) -> Vec<f64> {
    let mut log_p = Vec::with_capacity(images.count);
    for indices in all(images).chunks(EVALUATION_BATCH) {
        let mut x = Array2::zeros((indices.len(), images.images.pixels_per_image()));
        images.gather(indices, 0, &mut x);
        log_p.extend(x.rows().into_iter().map(|x| background.log_prob(x)));
    }
    log_p
}
