//! What a recipe's values must be.

use super::{
    Bound, MAX_BATCH, MAX_HIDDEN_LAYERS, MAX_INTEGER, MAX_PARAMETERS, MAX_SAMPLES, MAX_WIDTH,
    OutputBias, Prior, Recipe, RecipeError,
};
use crate::{
    data::Treatment,
    distributions::any::LikelihoodKind,
    objectives::{Estimator, WarmUp},
};

impl Recipe {
    /// Checks every field, and reports all faults at once.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Invalid`].
    pub fn validate(&self) -> Result<(), RecipeError> {
        let mut faults = vec![];
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        let in_range = |n: usize, max: usize| (1..=max).contains(&n);
        demand(
            in_range(self.latent, MAX_WIDTH),
            format!("latent is {}, and must be 1 to {MAX_WIDTH}", self.latent),
        );
        demand(
            self.hidden.len() <= MAX_HIDDEN_LAYERS,
            format!("hidden has {} layers, and may have {MAX_HIDDEN_LAYERS}", self.hidden.len()),
        );
        demand(
            self.hidden.iter().all(|&w| in_range(w, MAX_WIDTH)),
            format!("hidden is {:?}, and each width must be 1 to {MAX_WIDTH}", self.hidden),
        );
        demand(
            in_range(self.batch_size, MAX_BATCH),
            format!("batch_size is {}, and must be 1 to {MAX_BATCH}", self.batch_size),
        );
        demand(
            (1..=MAX_INTEGER).contains(&self.epochs),
            format!("epochs is {}, and must be 1 to {MAX_INTEGER}", self.epochs),
        );
        demand(
            self.seed <= MAX_INTEGER,
            format!("seed is {}, and must be 0 to {MAX_INTEGER}", self.seed),
        );
        demand(
            self.clip_norm.is_finite() && self.clip_norm >= 0.0,
            format!("clip_norm is {}, and must be a number from 0 up", self.clip_norm),
        );
        demand(
            self.patience == 0 || self.validation > 0,
            "patience needs validation images to watch: set validation, such as 10000".into(),
        );
        demand(
            in_range(self.samples, MAX_SAMPLES)
                && self.samples.saturating_mul(self.batch_size) <= MAX_SAMPLES,
            format!(
                "samples is {}, and must be at least 1, and no more than {MAX_SAMPLES} in a batch of {}",
                self.samples, self.batch_size
            ),
        );
        demand(
            self.beta.is_finite() && self.beta >= 0.0,
            format!("beta is {}, and must be a number from 0 up", self.beta),
        );
        demand(
            self.free_bits.is_finite() && self.free_bits >= 0.0,
            format!("free_bits is {}, and must be a number from 0 up", self.free_bits),
        );
        let weighted = self.beta != 1.0 || self.warm_up != WarmUp::None || self.free_bits != 0.0;
        demand(
            self.objective == Bound::Elbo || !weighted,
            "objective is iwae, which has no separate divergence for beta, warm_up or free_bits to \
             weight: leave them out"
                .into(),
        );
        demand(
            self.objective == Bound::Elbo || self.likelihood.factorises(),
            format!(
                "objective is iwae, which weights each sample, but likelihood `{}` is one of the whole \
                 batch: they do not go together",
                self.likelihood
            ),
        );
        demand(
            self.pixels == Treatment::Grey || self.likelihood == LikelihoodKind::Bernoulli,
            format!(
                "likelihood is {}, which is one of grey pixels, but pixels is {}: only bernoulli goes \
                 with that",
                self.likelihood, self.pixels
            ),
        );
        demand(
            self.output_bias == OutputBias::Init || self.likelihood == LikelihoodKind::Bernoulli,
            format!(
                "output_bias is data, which is a logit, but likelihood is {}: it goes with bernoulli",
                self.likelihood
            ),
        );
        demand(
            self.prior == Prior::Normal || self.free_bits == 0.0,
            "free_bits are of each latent dimension's divergence, which prior = \"vampprior\" does not \
             split into dimensions"
                .into(),
        );
        demand(
            self.prior == Prior::Normal || self.estimator == Estimator::Total,
            "prior = \"vampprior\" has estimator = \"total\" alone".into(),
        );
        demand(
            in_range(self.pseudo_inputs, MAX_WIDTH),
            format!("pseudo_inputs is {}, and must be 1 to {MAX_WIDTH}", self.pseudo_inputs),
        );
        demand(
            self.variance.is_finite() && self.variance > 0.0,
            format!("variance is {}, and must be a positive number", self.variance),
        );
        demand(
            self.objective == Bound::Iwae || self.estimator == Estimator::Total,
            "estimator is for the sampled divergence of objective = \"iwae\" (with samples = 1 that \
             is the ELBO); the elbo has its divergence in closed form"
                .into(),
        );
        demand(
            !self.name.is_empty()
                && self.name != ".."
                && self.name != "."
                && !self.name.contains(['/', '\\', '\0']),
            format!("name is {:?}, and must be usable as a folder's name", self.name),
        );
        faults.extend(self.optimiser().faults());
        faults.extend(self.schedule.faults(self.epochs));
        faults.extend(self.warm_up.faults());
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        if let Some([height, width]) = self.image {
            demand(
                in_range(height, MAX_WIDTH) && in_range(width, MAX_WIDTH),
                format!("image is {height} x {width}, and each must be 1 to {MAX_WIDTH}"),
            );
            demand(
                self.parameter_count().is_some_and(|n| n <= MAX_PARAMETERS),
                format!("the model would have more than {MAX_PARAMETERS} parameters"),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(RecipeError::Invalid { faults }) }
    }
}
