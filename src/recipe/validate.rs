//! What a recipe's values must be.

use super::{
    Bound, MAX_BATCH, MAX_CLASSES, MAX_FLOW_STEPS, MAX_HIDDEN_LAYERS, MAX_INTEGER, MAX_PARAMETERS,
    MAX_SAMPLES, MAX_WEIGHT, MAX_WIDTH, MIN_NORM, OutputBias, Recipe, RecipeError,
};
use crate::{
    data::Treatment,
    distributions::any::LikelihoodKind,
    models::Given,
    objectives::{Estimator, WarmUp},
    parameters::ModelPart,
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
            self.clip_norm == 0.0 || self.clip_norm.is_finite() && self.clip_norm >= MIN_NORM,
            format!(
                "clip_norm is {:?}, and must be 0, or a number from {MIN_NORM:e} up",
                self.clip_norm
            ),
        );
        demand(
            self.freeze != ModelPart::All,
            "freeze is all, which leaves nothing to train: it must be none, encoder or decoder"
                .into(),
        );
        demand(
            self.init_from.as_ref().is_none_or(|origin| origin.part != ModelPart::None),
            "init_from has the part none: it must be encoder, decoder or all".into(),
        );
        demand(
            self.train_images == 0 || self.validation < self.train_images,
            format!(
                "validation is {}, which leaves none of {} train_images to train on",
                self.validation, self.train_images
            ),
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
        for (name, weight) in [("beta", self.beta), ("free_bits", self.free_bits)] {
            demand(
                (0.0..=MAX_WEIGHT).contains(&weight),
                format!("{name} is {weight:?}, and must be a number from 0 to {MAX_WEIGHT:e}"),
            );
        }
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
            (0.0..1.0).contains(&self.missing),
            format!("missing is {}, and must be a share from 0 to below 1", self.missing),
        );
        demand(
            self.missing == 0.0 || self.given == Given::Nothing,
            "missing and given do not go together: the one hides pixels at random, the other always the \
             same"
                .into(),
        );
        demand(
            self.missing == 0.0 || self.likelihood.factorises(),
            format!(
                "missing is {}, but likelihood `{}` takes its variance from whole images: they do not go \
                 together",
                self.missing, self.likelihood
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
            self.variance.is_finite() && self.variance > 0.0,
            format!("variance is {}, and must be a positive number", self.variance),
        );
        let [low, high] = self.likelihood.variances();
        demand(
            !(self.variance < low || self.variance > high),
            format!(
                "variance is {}, and must be {low:.1e} to {high:.1e} for {}, which would not learn it beyond",
                self.variance, self.likelihood
            ),
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
                && !self.name.contains(|c: char| "/\\".contains(c) || c.is_control()),
            format!("name is {:?}, and must be usable as a folder's name", self.name),
        );
        faults.extend(self.extension_faults());
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
            let cut = self.given.sizes([height, width]).err();
            let can_be_cut = cut.is_none();
            demand(can_be_cut, cut.unwrap_or_default());
            demand(
                self.class_count().is_none()
                    || !can_be_cut
                    || self.parameter_count().is_some_and(|n| n <= MAX_PARAMETERS),
                format!("the model would have more than {MAX_PARAMETERS} parameters"),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(RecipeError::Invalid { faults }) }
    }

    /// What is wrong with the keys of the VampPrior, of a second layer and of a flow, each on its own
    /// and beside others.
    fn extension_faults(&self) -> Vec<String> {
        let mut faults = vec![];
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        let Self { hidden2, latent2, flow_steps, .. } = self;
        for (name, width) in
            [("pseudo_inputs", self.pseudo_inputs), ("flow_width", self.flow_width)]
        {
            demand(
                (1..=MAX_WIDTH).contains(&width),
                format!("{name} is {width}, and must be 1 to {MAX_WIDTH}"),
            );
        }
        demand(
            *latent2 <= MAX_WIDTH,
            format!("latent2 is {latent2}, and must be 0 to {MAX_WIDTH}"),
        );
        demand(
            hidden2.len() <= MAX_HIDDEN_LAYERS,
            format!("hidden2 has {} layers, and may have {MAX_HIDDEN_LAYERS}", hidden2.len()),
        );
        demand(
            hidden2.iter().all(|w| (1..=MAX_WIDTH).contains(w)),
            format!("hidden2 is {hidden2:?}, and each width must be 1 to {MAX_WIDTH}"),
        );
        demand(
            hidden2.is_empty() || *latent2 > 0,
            "hidden2 leads to a second layer of latent variables: set its latent2, such as 50"
                .into(),
        );
        demand(
            *flow_steps <= MAX_FLOW_STEPS,
            format!("flow_steps is {flow_steps}, and must be 0 to {MAX_FLOW_STEPS}"),
        );
        demand(
            self.classes.is_none_or(|n| self.conditional && (1..=MAX_CLASSES).contains(&n)),
            format!(
                "classes is {}, and must be 1 to {MAX_CLASSES}, of a model that is conditional",
                self.classes.unwrap_or_default()
            ),
        );
        demand(
            *flow_steps == 0 || self.flow_width >= self.latent,
            format!(
                "flow_width is {}, and must be at least latent, {}: with fewer units not every dimension is \
                 seen",
                self.flow_width, self.latent
            ),
        );
        let extensions = self.extensions();
        let gives = [(self.conditional, "conditional"), (self.given != Given::Nothing, "given")];
        let gives: Vec<&str> = gives.into_iter().filter(|g| g.0).map(|g| g.1).collect();
        for name in &gives {
            for key in &extensions {
                demand(false, format!("{name} and {key} do not go together"));
            }
        }
        demand(gives.len() < 2, format!("{} do not go together", gives.join(" and ")));
        demand(
            extensions.len() < 2,
            format!("{} do not go together: each makes another model", extensions.join(" and ")),
        );
        for key in extensions {
            demand(
                self.free_bits == 0.0,
                format!(
                    "free_bits is {}, of the divergence of each latent dimension, which has no closed \
                     form with {key}: leave free_bits out",
                    self.free_bits
                ),
            );
            demand(
                self.estimator == Estimator::Total,
                format!("with {key} there is no estimator but \"total\""),
            );
        }
        faults
    }
}
