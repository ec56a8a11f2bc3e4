//! An objective that is chosen when the program runs.

use super::{Elbo, Estimator, Figures, Iwae, Objective, SampledElbo, Signals, WeightedElbo};
use crate::{distributions::Likelihood, real::Real};

/// Any of the objectives of this module: what a recipe names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyObjective {
    /// The evidence lower bound.
    Elbo(Elbo),
    /// With a weight, warm-up and free bits.
    Weighted(WeightedElbo),
    /// With a divergence that is estimated.
    Sampled(SampledElbo),
    /// The importance-weighted bound.
    Iwae(Iwae),
}

impl<T: Real> Objective<T> for AnyObjective {
    fn evaluate(&self, likelihood: &impl Likelihood<T>, signals: &mut Signals<T>) -> Figures {
        match self {
            Self::Elbo(objective) => objective.evaluate(likelihood, signals),
            Self::Weighted(objective) => objective.evaluate(likelihood, signals),
            Self::Sampled(objective) => objective.evaluate(likelihood, signals),
            Self::Iwae(objective) => objective.evaluate(likelihood, signals),
        }
    }

    fn sampled(&self) -> bool {
        matches!(self, Self::Sampled(_) | Self::Iwae(_))
    }

    fn estimator(&self) -> Estimator {
        match self {
            Self::Iwae(iwae) => iwae.estimator,
            _ => Estimator::Total,
        }
    }

    fn advance(&mut self, epochs: f64) {
        match self {
            Self::Elbo(_) | Self::Iwae(_) => {}
            Self::Weighted(objective) => Objective::<T>::advance(objective, epochs),
            Self::Sampled(objective) => Objective::<T>::advance(objective, epochs),
        }
    }
}
