//! The model that completes images.

use std::mem;

use ndarray::{Array2, ArrayView2, ArrayViewD, ArrayViewMutD, Axis};

use super::{Conditional, ConditionalWorkspace, Model, Parts};
use crate::{
    distributions::Likelihood,
    layers::Layer,
    objectives::{Figures, Objective, Signals},
    parameters::Parameters,
    real::{Real, assign_cast, cast},
};

/// A VAE of p(m|o) = ∫ p(m|o, z) p(z) dz: of the missing part m of an image whose other part o is given,
/// such as three of its quadrants, or all of it at a lower resolution.
///
/// It is the [`Conditional`] model with m in the place of the image and o in that of the label: the encoder
/// reads [m | o], the decoder [z | o], and the bound is
///
/// log p(m|o) ≥ E_q[log p(m|o, z)] - KL(q(z|m, o) ‖ p(z)), z ~ q(z|m, o),
///
/// in nats of the missing pixels. Its gradient is that model's, to the letter. All that is new here is to cut
/// an image in two, which [`Parts`] says how to.
///
/// Where o leaves several answers, as the lower half of a 4 or of a 9 does, a network that predicts each pixel
/// by itself gives their average, a blur. Here z says which answer, and all pixels are told.
///
/// The prior is N(0, I) whatever o is. A prior network p(z|o) = N(μ(o), σ²(o)), as in the paper, makes no
/// larger class of models, as z = μ(o) + σ(o)·u with u ~ N(0, I) is something that a decoder of
/// [u | o] can compute itself; and so the divergence keeps its closed form, and z its units.
///
/// The code of an image is [z | o]. There is no prior of o, so the model draws no code without an image.
///
/// Source: Sohn, Lee & Yan 2015, *Learning Structured Output Representation using Deep Conditional
/// Generative Models*, equation 4.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion<T, E, D, L> {
    /// Of [m | o].
    pub model: Conditional<T, E, D, L>,
    /// Where m and o are in an image.
    pub parts: Parts,
}

/// The workspace of the conditional model, and room for the part of the images that is not at hand: m, or
/// while the model works on m the whole images.
pub struct CompletionWorkspace<T: Real, E: Layer<T>, D: Layer<T>> {
    model: ConditionalWorkspace<T, E, D>,
    other: Array2<T>,
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Completion<T, E, D, L> {
    /// A conditional model of this many missing pixels and as many classes as numbers are given.
    ///
    /// # Panics
    ///
    /// If the model has another number of either.
    pub fn new(model: Conditional<T, E, D, L>, parts: Parts) -> Self {
        let sizes = (parts.missing.len(), parts.given.len());
        assert_eq!((model.pixels(), model.classes), sizes, "pixels and numbers given");
        Self { model, parts }
    }

    /// What `work` does to the conditional model's signals, where x is m.
    fn of_missing<R>(
        &self,
        w: &mut CompletionWorkspace<T, E, D>,
        work: impl FnOnce(&mut ConditionalWorkspace<T, E, D>) -> R,
    ) -> R {
        mem::swap(&mut Conditional::<T, E, D, L>::signals(&mut w.model).x, &mut w.other);
        let result = work(&mut w.model);
        mem::swap(&mut Conditional::<T, E, D, L>::signals(&mut w.model).x, &mut w.other);
        result
    }

    /// x -> (m, o).
    fn cut(&self, w: &mut CompletionWorkspace<T, E, D>) {
        let s = Conditional::<T, E, D, L>::signals(&mut w.model);
        self.parts.give(&s.x, &mut s.y);
        self.parts.miss(&s.x, &mut w.other);
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Model<T> for Completion<T, E, D, L> {
    type Workspace = CompletionWorkspace<T, E, D>;

    /// Those of a whole image.
    fn pixels(&self) -> usize {
        self.parts.pixels
    }

    fn latent(&self) -> usize {
        self.model.latent()
    }

    fn given(&self) -> usize {
        self.parts.given.len()
    }

    fn has_prior_codes(&self) -> bool {
        false
    }

    fn has_exact_kl(&self) -> bool {
        true
    }

    fn has_exact_mean(&self) -> bool {
        true
    }

    fn factorises(&self) -> bool {
        self.model.factorises()
    }

    fn workspace_for(&self, images: usize, samples: usize) -> Self::Workspace {
        let mut model = self.model.workspace_for(images, samples);
        let whole = Array2::from_elem((images, self.pixels()), T::ZERO);
        let other = mem::replace(&mut Conditional::<T, E, D, L>::signals(&mut model).x, whole);
        CompletionWorkspace { model, other }
    }

    /// The caller fills x with whole images; y is what was given of those that were encoded last.
    fn signals(w: &mut Self::Workspace) -> &mut Signals<T> {
        Conditional::<T, E, D, L>::signals(&mut w.model)
    }

    fn encode(&self, w: &mut Self::Workspace) {
        self.cut(w);
        self.of_missing(w, |w| self.model.encode(w));
    }

    fn evaluate(&self, objective: &impl Objective<T>, w: &mut Self::Workspace) -> Figures {
        self.cut(w);
        self.of_missing(w, |w| self.model.evaluate(objective, w))
    }

    fn gradient(
        &self,
        objective: &impl Objective<T>,
        w: &mut Self::Workspace,
        d: &mut Self,
    ) -> Figures {
        self.cut(w);
        self.of_missing(w, |w| self.model.gradient(objective, w, &mut d.model))
    }

    fn log_weights(&self, w: &mut Self::Workspace) {
        self.of_missing(w, |w| self.model.log_weights(w));
    }

    /// # Panics
    ///
    /// Always: a code has a part of an image in it.
    fn prior_at(&self, _n: usize, _seed: u64, _temperature: f64) -> Array2<f64> {
        panic!("a model that completes images draws none without a part of one");
    }

    /// Codes [z | o] -> images with the part o, where one pixel alone makes a number of it, and E[m|z, o].
    fn mean(&self, codes: ArrayView2<'_, f64>) -> Array2<f32> {
        let mut given = Array2::from_elem((codes.nrows(), self.given()), T::ZERO);
        assign_cast(codes.split_at(Axis(1), self.latent()).1, given.view_mut());
        let (given, missing) = (cast::<_, f32>(given.view()), self.model.mean(codes));
        let mut images = Array2::zeros((codes.nrows(), self.pixels()));
        for (n, image) in images.rows_mut().into_iter().enumerate() {
            self.parts.join(given.row(n), missing.row(n), image);
        }
        images
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Parameters<T> for Completion<T, E, D, L> {
    fn names(&self) -> Vec<String> {
        self.model.names()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.model.tensors()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.model.tensors_mut()
    }
}
