//! What a recipe describes: its model, its objective.

use super::{Bound, Prior, Recipe};
use crate::{
    data::{Images, Part, View},
    distributions::Likelihood,
    layers::Network,
    models::{AnyModel, AnyVae, Decoder, Encoder, MlpVae, Vamp},
    objectives::{AnyObjective, Elbo, Iwae, SampledElbo, WarmUp, WeightedElbo},
    optim::Settings,
    random::{self, Purpose},
    real::Real,
};

impl Recipe {
    /// What is maximised.
    pub fn objective(&self) -> AnyObjective {
        let plain = self.beta == 1.0 && self.warm_up == WarmUp::None && self.free_bits == 0.0;
        match self.objective {
            Bound::Elbo if self.prior != Prior::Normal => {
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
        }
    }

    /// Images of a part of the data as this recipe has them.
    pub fn view<'a>(&self, images: &'a Images, part: Part) -> View<'a> {
        View::new(images, part).treated(self.pixels, self.seed)
    }

    /// Pixels of an image, once `image` is known.
    pub fn pixel_count(&self) -> Option<usize> {
        self.image.and_then(|[height, width]| height.checked_mul(width))
    }

    /// The number of parameters of [`Recipe::model`], without building it; `None` before `image`
    /// is known, or where it overflows.
    pub fn parameter_count(&self) -> Option<usize> {
        let pixels = self.pixel_count()?;
        let dense = |inputs: usize, outputs: usize| inputs.checked_add(1)?.checked_mul(outputs);
        let hidden = |inputs: usize, outputs: usize| {
            dense(inputs, outputs)?.checked_mul(if self.gated { 2 } else { 1 })
        };
        let mut count = 0usize;
        let mut add = |n: Option<usize>| {
            count = count.checked_add(n?)?;
            Some(())
        };
        let widths: Vec<usize> = std::iter::once(pixels).chain(self.hidden.clone()).collect();
        for pair in widths.windows(2) {
            add(hidden(pair[0], pair[1]))?;
        }
        let features = *widths.last()?;
        add(dense(features, self.latent))?;
        add(dense(features, self.latent))?;
        let widths: Vec<usize> =
            std::iter::once(self.latent).chain(self.hidden.iter().rev().copied()).collect();
        for pair in widths.windows(2) {
            add(hidden(pair[0], pair[1]))?;
        }
        add(dense(*widths.last()?, self.likelihood.outputs(pixels)?))?;
        add(Some(self.likelihood.parameter_count()))?;
        if self.prior == Prior::VampPrior {
            add(self.pseudo_inputs.checked_mul(pixels))?;
        }
        Some(count)
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
    /// If `image` is not known yet, or the recipe is not [valid](Self::validate).
    pub fn model<T: Real>(&self) -> AnyModel<T> {
        let pixels = self.pixel_count().expect("the size of the images is known");
        let rng = &mut random::rng(self.seed, Purpose::Init, 0, 0);
        let likelihood = self.likelihood.build(self.variance);
        let Self { hidden, latent, activation, init, gated, .. } = self;
        let mirrored: Vec<usize> = hidden.iter().rev().copied().collect();
        let network = |inputs, widths: &[usize], rng: &mut _| match gated {
            true => Network::gated(inputs, widths, *init, rng),
            false => Network::mlp(inputs, widths, *activation, *init, rng),
        };
        let encoder = Encoder::new(network(pixels, hidden, rng), *latent, *init, rng);
        let outputs = likelihood.outputs(pixels);
        let decoder = Decoder::new(network(*latent, &mirrored, rng), outputs, *init, rng);
        let vae = AnyVae { encoder, decoder, likelihood };
        match self.prior {
            Prior::Normal => AnyModel::Vae(vae),
            Prior::VampPrior => AnyModel::Vamp(Vamp::new(vae, self.pseudo_inputs, rng)),
        }
    }
}
