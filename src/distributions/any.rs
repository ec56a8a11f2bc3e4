//! A likelihood that is chosen when the program runs.

use std::{f64::consts::PI, fmt};

use ndarray::{Array1, Array2, ArrayViewD, ArrayViewMutD};
use serde::{Deserialize, Serialize};

use super::{
    Likelihood,
    bernoulli::Bernoulli,
    bounds::GREY_LEVEL_VARIANCE,
    continuous_bernoulli::ContinuousBernoulli,
    discretised_logistic::{DiscretisedLogistic, LOG_SCALE_BOUND},
    fixed_variance::FixedVariance,
    gaussian::LOG_VAR_BOUND,
    optimal_variance::OptimalVariance,
    pixel_variance::PixelVariance,
    shared_variance::SharedVariance,
};
use crate::{parameters::Parameters, real::Real};

/// Any of the likelihoods of this module: what a recipe names. Which one it is, is asked once for a
/// batch.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyLikelihood<T> {
    /// Of black and white pixels.
    Bernoulli(Bernoulli),
    /// A density on \[0, 1\].
    ContinuousBernoulli(ContinuousBernoulli),
    /// Gaussian with a given variance.
    Gaussian(FixedVariance),
    /// Gaussian with one variance that is learned.
    GaussianShared(SharedVariance<T>),
    /// Gaussian with the decoder's variance for each pixel.
    GaussianPerPixel(PixelVariance),
    /// Gaussian with the variance that suits the batch best.
    GaussianOptimal(OptimalVariance),
    /// Of 256 grey levels.
    DiscretisedLogistic(DiscretisedLogistic<T>),
}

/// The names that recipes know, `bernoulli` to `discretised-logistic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LikelihoodKind {
    /// [`Bernoulli`].
    Bernoulli,
    /// [`ContinuousBernoulli`].
    ContinuousBernoulli,
    /// [`FixedVariance`].
    Gaussian,
    /// [`SharedVariance`].
    GaussianShared,
    /// [`PixelVariance`].
    GaussianPerPixel,
    /// [`OptimalVariance`].
    GaussianOptimal,
    /// [`DiscretisedLogistic`].
    DiscretisedLogistic,
}

/// The name in a recipe.
impl fmt::Display for LikelihoodKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Bernoulli => "bernoulli",
            Self::ContinuousBernoulli => "continuous-bernoulli",
            Self::Gaussian => "gaussian",
            Self::GaussianShared => "gaussian-shared",
            Self::GaussianPerPixel => "gaussian-per-pixel",
            Self::GaussianOptimal => "gaussian-optimal",
            Self::DiscretisedLogistic => "discretised-logistic",
        })
    }
}

impl LikelihoodKind {
    /// Every one, in the order of the enumeration.
    pub const ALL: [Self; 7] = [
        Self::Bernoulli,
        Self::ContinuousBernoulli,
        Self::Gaussian,
        Self::GaussianShared,
        Self::GaussianPerPixel,
        Self::GaussianOptimal,
        Self::DiscretisedLogistic,
    ];

    /// The likelihood as it starts. `variance` is σ² of `gaussian`, and where `gaussian-shared` and
    /// `discretised-logistic` start; the others have no use for it.
    ///
    /// # Panics
    ///
    /// If one that has use for it is given a variance that is not positive and finite.
    pub fn build<T: Real>(self, variance: f64) -> AnyLikelihood<T> {
        match self {
            Self::Bernoulli => AnyLikelihood::Bernoulli(Bernoulli),
            Self::ContinuousBernoulli => AnyLikelihood::ContinuousBernoulli(ContinuousBernoulli),
            Self::Gaussian => AnyLikelihood::Gaussian(FixedVariance::new(variance)),
            Self::GaussianShared => AnyLikelihood::GaussianShared(SharedVariance::new(variance)),
            Self::GaussianPerPixel => AnyLikelihood::GaussianPerPixel(PixelVariance),
            Self::GaussianOptimal => AnyLikelihood::GaussianOptimal(OptimalVariance),
            Self::DiscretisedLogistic => {
                AnyLikelihood::DiscretisedLogistic(DiscretisedLogistic::with_variance(variance))
            }
        }
    }

    /// Whether p(x|z) is a probability rather than a density, so that log p(x|z) ≤ 0. Figures of the one
    /// kind and of the other cannot be compared.
    pub fn is_discrete(self) -> bool {
        matches!(self, Self::Bernoulli | Self::DiscretisedLogistic)
    }

    /// Whether samples can be weighted one by one: [`Likelihood::factorises`] of what is built.
    pub fn factorises(self) -> bool {
        self != Self::GaussianOptimal
    }

    /// The least and the largest variance that it can start from: those of the bounds of what it learns, beyond
    /// which there is no gradient.
    pub fn variances(self) -> [f64; 2] {
        match self {
            Self::GaussianShared => [GREY_LEVEL_VARIANCE, LOG_VAR_BOUND.exp()],
            Self::DiscretisedLogistic => {
                let variance = |log_scale: f64| (log_scale.exp() * PI).powi(2) / 3.0;
                [variance(-LOG_SCALE_BOUND), variance(LOG_SCALE_BOUND)]
            }
            _ => [0.0, f64::INFINITY],
        }
    }

    /// How many numbers of its own the likelihood learns.
    pub fn parameter_count(self) -> usize {
        usize::from(matches!(self, Self::GaussianShared | Self::DiscretisedLogistic))
    }

    /// The width of the decoder's output for images of so many pixels; `None` where it overflows.
    pub fn outputs(self, pixels: usize) -> Option<usize> {
        match self {
            Self::GaussianPerPixel => pixels.checked_mul(2),
            _ => Some(pixels),
        }
    }
}

/// `$body` with the likelihood at hand as `$likelihood`, whichever it is.
macro_rules! each {
    ($any:expr, $likelihood:ident => $body:expr) => {
        match $any {
            AnyLikelihood::Bernoulli($likelihood) => $body,
            AnyLikelihood::ContinuousBernoulli($likelihood) => $body,
            AnyLikelihood::Gaussian($likelihood) => $body,
            AnyLikelihood::GaussianShared($likelihood) => $body,
            AnyLikelihood::GaussianPerPixel($likelihood) => $body,
            AnyLikelihood::GaussianOptimal($likelihood) => $body,
            AnyLikelihood::DiscretisedLogistic($likelihood) => $body,
        }
    };
}

impl<T: Real> Likelihood<T> for AnyLikelihood<T> {
    fn outputs(&self, pixels: usize) -> usize {
        each!(self, likelihood => Likelihood::<T>::outputs(likelihood, pixels))
    }

    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        each!(self, likelihood => likelihood.log_prob(x, logits, d_loss, log_prob, d_logits));
    }

    fn backward_parameters(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: &Array1<T>,
        d: &mut Self,
    ) {
        match (self, d) {
            (Self::GaussianShared(likelihood), Self::GaussianShared(d)) => {
                likelihood.backward_parameters(x, logits, d_loss, d);
            }
            (Self::DiscretisedLogistic(likelihood), Self::DiscretisedLogistic(d)) => {
                likelihood.backward_parameters(x, logits, d_loss, d);
            }
            _ => {}
        }
    }

    fn factorises(&self) -> bool {
        each!(self, likelihood => Likelihood::<T>::factorises(likelihood))
    }

    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        each!(self, likelihood => likelihood.mean(logits, mean));
    }

    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>) {
        each!(self, likelihood => likelihood.quantile(logits, x));
    }
}

impl<T: Real> Parameters<T> for AnyLikelihood<T> {
    fn names(&self) -> Vec<String> {
        each!(self, likelihood => Parameters::<T>::names(likelihood))
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        let parameter = match self {
            Self::GaussianShared(likelihood) => Some(&likelihood.log_var),
            Self::DiscretisedLogistic(likelihood) => Some(&likelihood.log_scale),
            _ => None,
        };
        parameter.map(|p| p.view().into_dyn()).into_iter()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let parameter = match self {
            Self::GaussianShared(likelihood) => Some(&mut likelihood.log_var),
            Self::DiscretisedLogistic(likelihood) => Some(&mut likelihood.log_scale),
            _ => None,
        };
        parameter.map(|p| p.view_mut().into_dyn()).into_iter()
    }
}
