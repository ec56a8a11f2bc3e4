//! What a recipe describes: its model, its objective, its training.

use super::{Bound, Prior, Recipe};
use crate::{
    data::{Dataset, Hidden, Part, UnusableLabels, View},
    distributions::Likelihood,
    layers::Network,
    models::{
        AnyModel, AnyVae, Completion, Conditional, Decoder, Encoder, Given, IafVae, MlpVae,
        TwoLayer, Vamp,
    },
    objectives::{AnyObjective, Elbo, Iwae, SampledElbo, WarmUp, WeightedElbo},
    optim::Settings,
    random::{self, Purpose},
    real::Real,
    training::Plan,
};

impl Recipe {
    /// What makes the model another than a VAE with a Gaussian posterior and the prior N(0, I), as one
    /// writes it in a recipe. The divergence of such a model has no closed form.
    pub(super) fn extensions(&self) -> Vec<&'static str> {
        let extensions = [
            (self.prior == Prior::VampPrior, "prior = \"vampprior\""),
            (self.latent2 > 0, "latent2"),
            (self.flow_steps > 0, "flow_steps"),
        ];
        extensions.into_iter().filter(|&(is_chosen, _)| is_chosen).map(|(_, key)| key).collect()
    }

    /// What is maximised.
    pub fn objective(&self) -> AnyObjective {
        let plain = self.beta == 1.0 && self.warm_up == WarmUp::None && self.free_bits == 0.0;
        match self.objective {
            Bound::Elbo if !self.extensions().is_empty() => {
                AnyObjective::Sampled(SampledElbo::new(self.beta, self.warm_up))
            }
            Bound::Iwae => AnyObjective::Iwae(Iwae { estimator: self.estimator }),
            Bound::Elbo if plain => AnyObjective::Elbo(Elbo),
            Bound::Elbo => {
                AnyObjective::Weighted(WeightedElbo::new(self.beta, self.warm_up, self.free_bits))
            }
        }
    }

    /// How the weights are moved.
    pub fn optimiser(&self) -> Settings {
        Settings {
            optimiser: self.optimiser,
            learning_rate: self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            second_moment: self.second_moment,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            freeze: self.freeze,
        }
    }

    /// How the model is trained.
    pub fn plan(&self) -> Plan {
        Plan {
            batch_size: self.batch_size,
            samples: self.samples,
            optimiser: self.optimiser(),
            schedule: self.schedule.clone(),
            epochs: self.epochs,
            clip_norm: (self.clip_norm > 0.0).then_some(self.clip_norm),
            seed: self.seed,
        }
    }

    /// Images of a part of the data as this recipe has them, with their labels if there are any, and without
    /// the pixels that it has missing.
    pub fn view<'a>(&self, data: &'a Dataset, part: Part) -> View<'a> {
        let view = View::new(&data.images, part).treated(self.pixels, self.seed);
        let (rate, seed) = (self.missing, self.seed);
        let view = view.hiding((rate > 0.0).then_some(Hidden::Random { rate, seed }));
        match &data.labels {
            Some(labels) => view.labelled(labels),
            None => view,
        }
    }

    /// How many of so many training images are trained on; `None` if there are too few for
    /// `train_images`, or none is left beside those held out.
    pub fn training_images(&self, available: usize) -> Option<usize> {
        let taken = if self.train_images == 0 { available } else { self.train_images };
        let trained = taken.checked_sub(self.validation)?;
        (taken <= available && trained > 0).then_some(trained)
    }

    /// Pixels of an image, once `image` is known.
    pub fn pixel_count(&self) -> Option<usize> {
        self.image.and_then(|[height, width]| height.checked_mul(width))
    }

    /// Of a conditional model: takes the classes from the labels, or checks these against the classes.
    ///
    /// # Errors
    ///
    /// If there are no labels, or one is of no class.
    pub fn take_classes(&mut self, data: &Dataset) -> Result<(), UnusableLabels> {
        if !self.conditional {
            return Ok(());
        }
        let classes = match self.classes {
            Some(classes) => classes,
            None => *self.classes.insert(data.classes()?),
        };
        data.check_labels(classes)
    }

    /// Classes whose labels the networks read: 0 for a model that is not `conditional`, and `None`
    /// before `classes` is known.
    pub fn class_count(&self) -> Option<usize> {
        if self.conditional { self.classes } else { Some(0) }
    }

    /// The recipe's networks with the Bernoulli likelihood, whatever else it says.
    ///
    /// # Panics
    ///
    /// As [`Recipe::model`].
    pub fn mlp_vae<T: Real>(&self) -> MlpVae<T> {
        let pixels = self.pixel_count().expect("the size of the images is known");
        let rng = &mut random::rng(self.seed, Purpose::Init, 0, 0);
        MlpVae::mlp(pixels, &self.hidden, self.latent, self.activation, self.init, rng)
    }

    /// The model as it starts.
    ///
    /// # Panics
    ///
    /// If `image` or the `classes` of a conditional model are not known yet, or the recipe is not [valid](Self::validate).
    pub fn model<T: Real>(&self) -> AnyModel<T> {
        let image = self.image.expect("the size of the images is known");
        let rng = &mut random::rng(self.seed, Purpose::Init, 0, 0);
        let classes = self.class_count().expect("the classes are known");
        let parts = self.given.parts(image).expect("images that can be cut so");
        // What is modelled, and what the networks read beside it.
        let (pixels, beside) = (parts.missing.len(), classes + parts.given.len());
        let likelihood = self.likelihood.build(self.variance);
        let Self { hidden, latent, activation, init, gated, .. } = self;
        let network = |inputs, widths: &[usize], rng: &mut _| match gated {
            true => Network::gated(inputs, widths, *init, rng),
            false => Network::mlp(inputs, widths, *activation, *init, rng),
        };
        let encoder = Encoder::new(network(pixels + beside, hidden, rng), *latent, *init, rng);
        let outputs = likelihood.outputs(pixels);
        let decoder = network(*latent + beside, &reversed(hidden), rng);
        let decoder = Decoder::new(decoder, outputs, *init, rng);
        let vae = AnyVae { encoder, decoder, likelihood };
        if classes > 0 {
            return AnyModel::Conditional(Conditional::new(vae, classes));
        }
        if self.given != Given::Nothing {
            let model = Conditional::new(vae, beside);
            return AnyModel::Completion(Box::new(Completion::new(model, parts)));
        }
        match (self.prior, self.latent2, self.flow_steps) {
            (Prior::VampPrior, ..) => AnyModel::Vamp(Vamp::new(vae, self.pseudo_inputs, rng)),
            (Prior::Normal, 0, 0) => AnyModel::Vae(vae),
            (Prior::Normal, 0, steps) => {
                AnyModel::Iaf(IafVae::new(vae, steps, self.flow_width, *activation, *init, rng))
            }
            (Prior::Normal, latent2, _) => {
                let (up, down) = (&self.hidden2, reversed(&self.hidden2));
                let encoder2 = Encoder::new(network(*latent, up, rng), latent2, *init, rng);
                let decoder2 = Encoder::new(network(latent2, &down, rng), *latent, *init, rng);
                AnyModel::TwoLayer(Box::new(TwoLayer { vae, encoder2, decoder2 }))
            }
        }
    }
}

/// Widths as the mirrored network has them.
pub(super) fn reversed(widths: &[usize]) -> Vec<usize> {
    widths.iter().rev().copied().collect()
}
