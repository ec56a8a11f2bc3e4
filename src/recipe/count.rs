//! How many parameters a recipe's model has, before it is built.

use super::{Prior, Recipe, build::reversed};

impl Recipe {
    /// The number of parameters of [`Recipe::model`], without building it; `None` before `image`
    /// or the `classes` of a conditional model are known, where images cannot be cut as `given` says, or where it overflows.
    pub fn parameter_count(&self) -> Option<usize> {
        let pixels = self.pixel_count()?;
        let prior = match self.prior {
            Prior::Normal => Some(0),
            Prior::VampPrior => self.pseudo_inputs.checked_mul(pixels),
        };
        sum([self.vae(), prior, self.second_layer(), self.flow(pixels)])
    }

    /// Of the networks between x and z, and the likelihood.
    fn vae(&self) -> Option<usize> {
        let mirrored = reversed(&self.hidden);
        let [missing, given] = self.given.sizes(self.image?).ok()?;
        let outputs = self.likelihood.outputs(missing)?;
        let beside = self.class_count()?.checked_add(given)?;
        let x_y = missing.checked_add(beside)?;
        let z_y = self.latent.checked_add(beside)?;
        sum([
            self.encoder(x_y, &self.hidden, self.latent),
            self.hidden_layers(z_y, &mirrored),
            dense(features(z_y, &mirrored), outputs),
            Some(self.likelihood.parameter_count()),
        ])
    }

    /// Of q(z₂|z₁) and p(z₁|z₂).
    fn second_layer(&self) -> Option<usize> {
        let Self { latent, hidden2, latent2, .. } = self;
        if *latent2 == 0 {
            return Some(0);
        }
        let up = self.encoder(*latent, hidden2, *latent2);
        sum([up, self.encoder(*latent2, &reversed(hidden2), *latent)])
    }

    /// Of the context, and of the three masked layers of each step.
    fn flow(&self, pixels: usize) -> Option<usize> {
        let Self { latent, flow_steps, flow_width, .. } = self;
        if *flow_steps == 0 {
            return Some(0);
        }
        let context = dense(features(pixels, &self.hidden), *flow_width);
        let head = dense(*flow_width, *latent);
        let step = sum([dense(*latent, *flow_width), head, head])?;
        sum([context, step.checked_mul(*flow_steps)])
    }

    /// Of a network with two heads.
    fn encoder(&self, inputs: usize, widths: &[usize], latent: usize) -> Option<usize> {
        let head = dense(features(inputs, widths), latent);
        sum([self.hidden_layers(inputs, widths), head, head])
    }

    fn hidden_layers(&self, inputs: usize, widths: &[usize]) -> Option<usize> {
        let in_each = if self.gated { 2 } else { 1 };
        let pairs = std::iter::once(&inputs).chain(widths).zip(widths);
        sum(pairs.map(|(&inputs, &outputs)| dense(inputs, outputs)?.checked_mul(in_each)))
    }
}

/// What the hidden layers put out.
fn features(inputs: usize, widths: &[usize]) -> usize {
    *widths.last().unwrap_or(&inputs)
}

/// Of W and b.
fn dense(inputs: usize, outputs: usize) -> Option<usize> {
    inputs.checked_add(1)?.checked_mul(outputs)
}

/// The sum, `None` where a term is or where it overflows.
fn sum(terms: impl IntoIterator<Item = Option<usize>>) -> Option<usize> {
    terms.into_iter().try_fold(0usize, |sum, term| sum.checked_add(term?))
}
