//! Which recipes describe a model that can be scored.

use super::{AnomalyError, Kind};
use crate::{distributions::any::LikelihoodKind, models::Given, recipe::Recipe};

impl Kind {
    /// Whether the recipe's model can be scored so.
    ///
    /// # Errors
    ///
    /// If it is conditional or completes images, or its likelihood is not one that a score of single images can be made of.
    pub fn check(self, recipe: &Recipe) -> Result<(), AnomalyError> {
        let likelihood = recipe.likelihood;
        match self {
            _ if recipe.conditional => Err(AnomalyError::Conditional),
            _ if recipe.given != Given::Nothing => Err(AnomalyError::Given),
            _ if !likelihood.factorises() => Err(AnomalyError::Likelihood),
            Self::LikelihoodRatio if likelihood != LikelihoodKind::Bernoulli => {
                Err(AnomalyError::Background { likelihood })
            }
            _ => Ok(()),
        }
    }
}
