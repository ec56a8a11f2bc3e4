//! A model that is chosen when the program runs.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewD, ArrayViewMutD};

use super::{Decoder, Model, Vae, Vamp, VampWorkspace, Workspace};
use crate::{
    distributions::any::AnyLikelihood,
    layers::{Dense, Network},
    objectives::{Figures, Objective, Signals},
    parameters::Parameters,
    real::Real,
};

/// A VAE whose networks and likelihood a recipe chooses.
pub type AnyVae<T> = Vae<T, Network<T>, Decoder<T, Network<T>>, AnyLikelihood<T>>;

/// The workspace of an [`AnyVae`].
pub type AnyVaeWorkspace<T> = Workspace<T, Network<T>, Decoder<T, Network<T>>>;

/// The same with the VampPrior.
pub type AnyVampWorkspace<T> = VampWorkspace<T, Network<T>, Decoder<T, Network<T>>>;

/// Any of the models of this module: what a recipe names.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyModel<T> {
    /// With the prior N(0, I).
    Vae(AnyVae<T>),
    /// With the VampPrior.
    Vamp(Vamp<T, Network<T>, Decoder<T, Network<T>>, AnyLikelihood<T>>),
}

/// The workspace of the model at hand.
pub enum AnyWorkspace<T: Real> {
    /// Of a VAE.
    Vae(Box<AnyVaeWorkspace<T>>),
    /// Of one with the VampPrior.
    Vamp(Box<AnyVampWorkspace<T>>),
}

/// `$body` with the model at hand as `$model`.
macro_rules! each {
    ($any:expr, $model:ident => $body:expr) => {
        match $any {
            AnyModel::Vae($model) => $body,
            AnyModel::Vamp($model) => $body,
        }
    };
}

/// `$body` with the model at hand and its workspace.
macro_rules! each_with {
    ($any:expr, $workspace:expr, |$model:ident, $w:ident| $body:expr) => {
        match ($any, $workspace) {
            (AnyModel::Vae($model), AnyWorkspace::Vae($w)) => $body,
            (AnyModel::Vamp($model), AnyWorkspace::Vamp($w)) => $body,
            _ => panic!("a workspace of another model"),
        }
    };
}

impl<T: Real> AnyModel<T> {
    /// Multiply-adds in the matrix products of a training step, for each image of the batch and with
    /// so many latent samples of it, as
    /// [`MlpVae::multiply_adds_per_image`](super::MlpVae::multiply_adds_per_image) counts them. Those of
    /// a learned prior, which has them once for each batch, are left out.
    pub fn multiply_adds_per_image(&self, samples: usize) -> usize {
        let Vae { encoder, decoder, .. } = self.vae();
        let size = |layer: &Dense<T>| layer.weight.len();
        let hidden = encoder.hidden.dense_layers();
        let heads = size(&encoder.mu) + size(&encoder.log_var);
        let decoder: usize = decoder.hidden.dense_layers().chain([&decoder.output]).map(size).sum();
        let first = encoder.hidden.first_layers();
        let first: usize = encoder.hidden.dense_layers().take(first).map(size).sum();
        3 * (hidden.map(size).sum::<usize>() + heads + samples * decoder) - first
    }

    /// The networks and the likelihood, whatever the prior.
    pub fn vae(&self) -> &AnyVae<T> {
        match self {
            Self::Vae(vae) => vae,
            Self::Vamp(vamp) => &vamp.vae,
        }
    }

    /// As [`Vae::set_output_bias`].
    pub fn set_output_bias(&mut self, means: &Array1<f64>) {
        match self {
            Self::Vae(vae) => vae.set_output_bias(means),
            Self::Vamp(vamp) => vamp.vae.set_output_bias(means),
        }
    }
}

impl<T: Real> Model<T> for AnyModel<T> {
    type Workspace = AnyWorkspace<T>;

    fn pixels(&self) -> usize {
        each!(self, model => Model::pixels(model))
    }

    fn latent(&self) -> usize {
        each!(self, model => Model::latent(model))
    }

    fn noise(&self) -> usize {
        each!(self, model => model.noise())
    }

    fn has_exact_kl(&self) -> bool {
        each!(self, model => model.has_exact_kl())
    }

    fn workspace_for(&self, images: usize, samples: usize) -> AnyWorkspace<T> {
        match self {
            Self::Vae(vae) => AnyWorkspace::Vae(Box::new(vae.workspace_for(images, samples))),
            Self::Vamp(vamp) => AnyWorkspace::Vamp(Box::new(vamp.workspace_for(images, samples))),
        }
    }

    fn signals(w: &mut AnyWorkspace<T>) -> &mut Signals<T> {
        match w {
            AnyWorkspace::Vae(w) => AnyVae::signals(w),
            AnyWorkspace::Vamp(w) => Vamp::<T, _, _, AnyLikelihood<T>>::signals(w),
        }
    }

    fn encode(&self, w: &mut AnyWorkspace<T>) {
        each_with!(self, w, |model, w| Model::encode(model, w));
    }

    fn evaluate(&self, objective: &impl Objective<T>, w: &mut AnyWorkspace<T>) -> Figures {
        each_with!(self, w, |model, w| Model::evaluate(model, objective, w))
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
            _ => panic!("a workspace or a gradient of another model"),
        }
    }

    fn log_weights(&self, w: &mut AnyWorkspace<T>) {
        each_with!(self, w, |model, w| model.log_weights(w));
    }

    fn prior(&self, n: usize, seed: u64) -> Array2<f64> {
        each!(self, model => model.prior(n, seed))
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
        let pseudo_inputs = match self {
            Self::Vae(_) => None,
            Self::Vamp(vamp) => Some(vamp.pseudo_inputs.view().into_dyn()),
        };
        self.vae().tensors().chain(pseudo_inputs)
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let (vae, pseudo_inputs) = match self {
            Self::Vae(vae) => (vae, None),
            Self::Vamp(Vamp { vae, pseudo_inputs }) => {
                (vae, Some(pseudo_inputs.view_mut().into_dyn()))
            }
        };
        vae.tensors_mut().chain(pseudo_inputs)
    }
}
