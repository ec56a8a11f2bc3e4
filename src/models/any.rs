//! A model that is chosen when the program runs.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewD, ArrayViewMutD, Axis};

use super::{
    Completion, CompletionWorkspace, Conditional, ConditionalWorkspace, Decoder, Encoder, IafVae,
    IafWorkspace, Model, TwoLayer, TwoLayerWorkspace, Vae, Vamp, VampWorkspace, Workspace,
};
use crate::{
    distributions::any::AnyLikelihood,
    layers::{Dense, Network},
    objectives::{Figures, Objective, Signals},
    parameters::Parameters,
    real::Real,
};

/// The decoder of all of them.
type AnyDecoder<T> = Decoder<T, Network<T>>;

/// A VAE whose networks and likelihood a recipe chooses.
pub type AnyVae<T> = Vae<T, Network<T>, AnyDecoder<T>, AnyLikelihood<T>>;

/// The same with the VampPrior.
pub type AnyVamp<T> = Vamp<T, Network<T>, AnyDecoder<T>, AnyLikelihood<T>>;

/// The same with a second layer of latent variables.
pub type AnyTwoLayer<T> = TwoLayer<T, Network<T>, AnyDecoder<T>, AnyLikelihood<T>>;

/// The same with a flow as the posterior.
pub type AnyIaf<T> = IafVae<T, Network<T>, AnyDecoder<T>, AnyLikelihood<T>>;

/// The same that reads labels beside the images.
pub type AnyConditional<T> = Conditional<T, Network<T>, AnyDecoder<T>, AnyLikelihood<T>>;

/// The same that completes images of which a part is given.
pub type AnyCompletion<T> = Completion<T, Network<T>, AnyDecoder<T>, AnyLikelihood<T>>;

/// Any of the models of this module: what a recipe names.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyModel<T> {
    /// With the prior N(0, I).
    Vae(AnyVae<T>),
    /// With the VampPrior.
    Vamp(AnyVamp<T>),
    /// With two layers of latent variables.
    TwoLayer(Box<AnyTwoLayer<T>>),
    /// With an inverse autoregressive flow as the posterior.
    Iaf(AnyIaf<T>),
    /// With labels beside the images.
    Conditional(AnyConditional<T>),
    /// With a part of each image given.
    Completion(Box<AnyCompletion<T>>),
}

/// The workspace of the model at hand.
pub enum AnyWorkspace<T: Real> {
    /// Of a VAE.
    Vae(Box<Workspace<T, Network<T>, AnyDecoder<T>>>),
    /// Of one with the VampPrior.
    Vamp(Box<VampWorkspace<T, Network<T>, AnyDecoder<T>>>),
    /// Of one with two layers.
    TwoLayer(Box<TwoLayerWorkspace<T, Network<T>, AnyDecoder<T>>>),
    /// Of one with a flow.
    Iaf(Box<IafWorkspace<T, Network<T>, AnyDecoder<T>>>),
    /// Of one with labels.
    Conditional(Box<ConditionalWorkspace<T, Network<T>, AnyDecoder<T>>>),
    /// Of one that completes images.
    Completion(Box<CompletionWorkspace<T, Network<T>, AnyDecoder<T>>>),
}

/// `$body` with the model at hand as `$model`.
macro_rules! each {
    ($any:expr, $model:ident => $body:expr) => {
        match $any {
            AnyModel::Vae($model) => $body,
            AnyModel::Vamp($model) => $body,
            AnyModel::TwoLayer($model) => $body,
            AnyModel::Iaf($model) => $body,
            AnyModel::Conditional($model) => $body,
            AnyModel::Completion($model) => $body,
        }
    };
}

/// `$body` with the model at hand and its workspace.
macro_rules! each_with {
    ($any:expr, $workspace:expr, |$model:ident, $w:ident| $body:expr) => {
        match ($any, $workspace) {
            (AnyModel::Vae($model), AnyWorkspace::Vae($w)) => $body,
            (AnyModel::Vamp($model), AnyWorkspace::Vamp($w)) => $body,
            (AnyModel::TwoLayer($model), AnyWorkspace::TwoLayer($w)) => $body,
            (AnyModel::Iaf($model), AnyWorkspace::Iaf($w)) => $body,
            (AnyModel::Conditional($model), AnyWorkspace::Conditional($w)) => $body,
            (AnyModel::Completion($model), AnyWorkspace::Completion($w)) => $body,
            _ => panic!("a workspace of another model"),
        }
    };
}

impl<T: Real> AnyModel<T> {
    /// Multiply-adds in the matrix products of a training step, for each image of the batch and with
    /// so many latent samples of it, as
    /// [`MlpVae::multiply_adds_per_image`](super::MlpVae::multiply_adds_per_image) counts them. What
    /// comes after z is computed for each sample, what comes before it once for each image. Those of
    /// the VampPrior, which has them once for each batch, are left out.
    pub fn multiply_adds_per_image(&self, samples: usize) -> usize {
        let Vae { encoder, decoder, .. } = self.vae();
        let first_layers = encoder.hidden.first_layers();
        let first = size(encoder.hidden.dense_layers().take(first_layers));
        let of_image = size(layers(encoder));
        let of_sample = size(decoder.hidden.dense_layers().chain([&decoder.output]));
        let (image_more, sample_more) = match self {
            Self::Vae(_) | Self::Vamp(_) | Self::Conditional(_) | Self::Completion(_) => (0, 0),
            Self::TwoLayer(model) => {
                (0, size(layers(&model.encoder2).chain(layers(&model.decoder2))))
            }
            Self::Iaf(model) => {
                let steps = model.steps.iter();
                let steps = steps.flat_map(|step| [&step.hidden, &step.mean, &step.gate]);
                (size([&model.context]), size(steps.map(|masked| &masked.dense)))
            }
        };
        3 * (of_image + image_more + samples * (of_sample + sample_more)) - first
    }

    /// The networks and the likelihood between x and the first z.
    pub fn vae(&self) -> &AnyVae<T> {
        match self {
            Self::Vae(vae) => vae,
            Self::Vamp(vamp) => &vamp.vae,
            Self::TwoLayer(model) => &model.vae,
            Self::Iaf(model) => &model.vae,
            Self::Conditional(model) => &model.vae,
            Self::Completion(model) => &model.model.vae,
        }
    }

    /// As [`Vae::set_output_bias`], with a mean for each pixel of an image.
    pub fn set_output_bias(&mut self, means: &Array1<f64>) {
        let vae = match self {
            Self::Vae(vae) => vae,
            Self::Vamp(vamp) => &mut vamp.vae,
            Self::TwoLayer(model) => &mut model.vae,
            Self::Iaf(model) => &mut model.vae,
            Self::Conditional(model) => &mut model.vae,
            Self::Completion(model) => {
                let missing = means.select(Axis(0), &model.parts.missing);
                return model.model.vae.set_output_bias(&missing);
            }
        };
        vae.set_output_bias(means);
    }
}

/// The dense layers of a network with two heads.
fn layers<T: Real>(encoder: &Encoder<T, Network<T>>) -> impl Iterator<Item = &Dense<T>> {
    encoder.hidden.dense_layers().chain([&encoder.mu, &encoder.log_var])
}

/// How many weights dense layers have, biases aside.
fn size<'a, T: Real>(layers: impl IntoIterator<Item = &'a Dense<T>>) -> usize {
    layers.into_iter().map(|layer| layer.weight.len()).sum()
}

impl<T: Real> Model<T> for AnyModel<T> {
    type Workspace = AnyWorkspace<T>;

    fn pixels(&self) -> usize {
        each!(self, model => model.pixels())
    }

    fn latent(&self) -> usize {
        each!(self, model => model.latent())
    }

    fn noise(&self) -> usize {
        each!(self, model => model.noise())
    }

    fn classes(&self) -> usize {
        each!(self, model => model.classes())
    }

    fn given(&self) -> usize {
        each!(self, model => model.given())
    }

    fn has_prior_codes(&self) -> bool {
        each!(self, model => model.has_prior_codes())
    }

    fn has_exact_kl(&self) -> bool {
        each!(self, model => model.has_exact_kl())
    }

    fn has_exact_mean(&self) -> bool {
        each!(self, model => model.has_exact_mean())
    }

    fn factorises(&self) -> bool {
        each!(self, model => model.factorises())
    }

    fn workspace_for(&self, images: usize, samples: usize) -> AnyWorkspace<T> {
        match self {
            Self::Vae(vae) => AnyWorkspace::Vae(Box::new(vae.workspace_for(images, samples))),
            Self::Vamp(vamp) => AnyWorkspace::Vamp(Box::new(vamp.workspace_for(images, samples))),
            Self::TwoLayer(model) => {
                AnyWorkspace::TwoLayer(Box::new(model.workspace_for(images, samples)))
            }
            Self::Iaf(model) => AnyWorkspace::Iaf(Box::new(model.workspace_for(images, samples))),
            Self::Conditional(model) => {
                AnyWorkspace::Conditional(Box::new(model.workspace_for(images, samples)))
            }
            Self::Completion(model) => {
                AnyWorkspace::Completion(Box::new(model.workspace_for(images, samples)))
            }
        }
    }

    fn signals(w: &mut AnyWorkspace<T>) -> &mut Signals<T> {
        match w {
            AnyWorkspace::Vae(w) => AnyVae::signals(w),
            AnyWorkspace::Vamp(w) => AnyVamp::signals(w),
            AnyWorkspace::TwoLayer(w) => AnyTwoLayer::signals(w),
            AnyWorkspace::Iaf(w) => AnyIaf::signals(w),
            AnyWorkspace::Conditional(w) => AnyConditional::signals(w),
            AnyWorkspace::Completion(w) => AnyCompletion::signals(w),
        }
    }

    fn encode(&self, w: &mut AnyWorkspace<T>) {
        each_with!(self, w, |model, w| model.encode(w));
    }

    fn evaluate(&self, objective: &impl Objective<T>, w: &mut AnyWorkspace<T>) -> Figures {
        each_with!(self, w, |model, w| model.evaluate(objective, w))
    }

    fn gradient(
        &self,
        objective: &impl Objective<T>,
        w: &mut AnyWorkspace<T>,
        d: &mut Self,
    ) -> Figures {
        match (self, w, d) {
            (Self::Vae(vae), AnyWorkspace::Vae(w), Self::Vae(d)) => vae.gradient(objective, w, d),
            (Self::Vamp(vamp), AnyWorkspace::Vamp(w), Self::Vamp(d)) => {
                vamp.gradient(objective, w, d)
            }
            (Self::TwoLayer(model), AnyWorkspace::TwoLayer(w), Self::TwoLayer(d)) => {
                model.gradient(objective, w, d)
            }
            (Self::Iaf(model), AnyWorkspace::Iaf(w), Self::Iaf(d)) => {
                model.gradient(objective, w, d)
            }
            (Self::Conditional(model), AnyWorkspace::Conditional(w), Self::Conditional(d)) => {
                model.gradient(objective, w, d)
            }
            (Self::Completion(model), AnyWorkspace::Completion(w), Self::Completion(d)) => {
                model.gradient(objective, w, d)
            }
            _ => panic!("a workspace or a gradient of another model"),
        }
    }

    fn log_weights(&self, w: &mut AnyWorkspace<T>) {
        each_with!(self, w, |model, w| model.log_weights(w));
    }

    fn prior_at(&self, n: usize, seed: u64, temperature: f64) -> Array2<f64> {
        each!(self, model => model.prior_at(n, seed, temperature))
    }

    fn mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32> {
        each!(self, model => model.mean(z))
    }
}

impl<T: Real> Parameters<T> for AnyModel<T> {
    fn names(&self) -> Vec<String> {
        each!(self, model => model.names())
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        let (vae, vamp, two_layer, iaf) = match self {
            Self::Vae(vae) => (Some(vae), None, None, None),
            // All that these two have is in their networks.
            Self::Conditional(model) => (Some(&model.vae), None, None, None),
            Self::Completion(model) => (Some(&model.model.vae), None, None, None),
            Self::Vamp(vamp) => (None, Some(vamp), None, None),
            Self::TwoLayer(model) => (None, None, Some(&**model), None),
            Self::Iaf(model) => (None, None, None, Some(model)),
        };
        let vae = vae.into_iter().flat_map(Parameters::tensors);
        let vamp = vamp.into_iter().flat_map(Parameters::tensors);
        let two_layer = two_layer.into_iter().flat_map(Parameters::tensors);
        vae.chain(vamp).chain(two_layer).chain(iaf.into_iter().flat_map(Parameters::tensors))
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let (vae, vamp, two_layer, iaf) = match self {
            Self::Vae(vae) => (Some(vae), None, None, None),
            Self::Conditional(model) => (Some(&mut model.vae), None, None, None),
            Self::Completion(model) => (Some(&mut model.model.vae), None, None, None),
            Self::Vamp(vamp) => (None, Some(vamp), None, None),
            Self::TwoLayer(model) => (None, None, Some(&mut **model), None),
            Self::Iaf(model) => (None, None, None, Some(model)),
        };
        let vae = vae.into_iter().flat_map(Parameters::tensors_mut);
        let vamp = vamp.into_iter().flat_map(Parameters::tensors_mut);
        let two_layer = two_layer.into_iter().flat_map(Parameters::tensors_mut);
        vae.chain(vamp).chain(two_layer).chain(iaf.into_iter().flat_map(Parameters::tensors_mut))
    }
}

// The models are those of recipes.
#[cfg(all(test, feature = "files"))]
mod tests {
    use crate::recipe::Recipe;

    fn multiply_adds(set: &[&str], samples: usize) -> usize {
        let recipe =
            Recipe { hidden: vec![5], latent: 3, image: Some([11, 1]), ..Recipe::default() };
        let recipe = set.iter().fold(recipe, |recipe, set| recipe.with(set).unwrap());
        recipe.model::<f32>().multiply_adds_per_image(samples)
    }

    #[test]
    fn a_second_layer_and_the_steps_of_a_flow_count_for_each_sample() {
        let (encoder, decoder) = (2 * (11 * 5) + 3 * 2 * (5 * 3), 3 * (3 * 5 + 5 * 11));
        assert_eq!(multiply_adds(&[], 4), encoder + 4 * decoder);
        let second = 3 * (3 * 7 + 2 * (7 * 2) + 2 * 7 + 2 * (7 * 3));
        let two_layers = multiply_adds(&["hidden2=[7]", "latent2=2"], 4);
        assert_eq!(two_layers, encoder + 4 * (decoder + second));
        let (context, step) = (3 * (5 * 9), 3 * (3 * 9 + 2 * (9 * 3)));
        let flow = multiply_adds(&["flow_steps=2", "flow_width=9"], 4);
        assert_eq!(flow, encoder + context + 4 * (decoder + 2 * step));
    }
}
