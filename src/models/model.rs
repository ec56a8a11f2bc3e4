//! What training, evaluation and generation ask of a model.

use ndarray::{Array2, ArrayView2};

use crate::{
    objectives::{AnyObjective, Elbo, Figures, Objective, SampledElbo, Signals, WarmUp},
    parameters::Parameters,
    real::Real,
};

/// A latent variable model p(x|z) p(z) with a posterior q(z|x).
///
/// Signals are exchanged in a workspace, made once for a number of images and of latent samples of
/// each. The caller fills `x`, `y` and `eps` of its [`Signals`]. From the second call on, none of those that
/// take a workspace allocates.
pub trait Model<T: Real>: Parameters<T> {
    /// All that one batch needs besides parameters and gradient.
    type Workspace: Send;

    /// The width of x.
    fn pixels(&self) -> usize;

    /// The width of μ and of z.
    fn latent(&self) -> usize;

    /// The width of ε: how many standard normal numbers a latent sample takes.
    fn noise(&self) -> usize {
        self.latent()
    }

    /// How many classes a label beside x can be of; 0 where the model knows of no labels. Of a model with
    /// classes, whatever trains it or looks at it needs images [with labels](crate::data::View::labelled).
    fn classes(&self) -> usize {
        0
    }

    /// How wide a code is beside z: what the decoder reads besides, as a label of so many classes is.
    fn given(&self) -> usize {
        self.classes()
    }

    /// Whether [codes](Self::prior) can be drawn without an image. Not where a part of one is
    /// [given](super::Completion).
    fn has_prior_codes(&self) -> bool {
        true
    }

    /// Whether KL(q(z|x) ‖ p(z)) has a closed form. Without one, only
    /// [sampled](Objective::sampled) objectives can be evaluated.
    fn has_exact_kl(&self) -> bool;

    /// Whether the μ of the [`Signals`] is the mean of q(z|x). Without it, nothing is known of how
    /// that mean varies from image to image, by which active units are counted.
    fn has_exact_mean(&self) -> bool;

    /// Whether its likelihood [factorises](crate::distributions::Likelihood::factorises), so that an image has
    /// a log p(x|z) whatever the others of its batch are.
    fn factorises(&self) -> bool;

    /// What this model's ELBO is evaluated by.
    fn elbo(&self) -> AnyObjective {
        match self.has_exact_kl() {
            true => AnyObjective::Elbo(Elbo),
            false => AnyObjective::Sampled(SampledElbo::new(1.0, WarmUp::None)),
        }
    }

    /// The workspace for batches of exactly `images` images with `samples` latent samples of each.
    fn workspace_for(&self, images: usize, samples: usize) -> Self::Workspace;

    /// The signals of a workspace.
    fn signals(w: &mut Self::Workspace) -> &mut Signals<T>;

    /// x -> (μ, log σ²).
    fn encode(&self, w: &mut Self::Workspace);

    /// (x, ε) -> the objective's figures.
    fn evaluate(&self, objective: &impl Objective<T>, w: &mut Self::Workspace) -> Figures;

    /// The same, and into `d` the gradient of -`objective` for every parameter.
    fn gradient(
        &self,
        objective: &impl Objective<T>,
        w: &mut Self::Workspace,
        d: &mut Self,
    ) -> Figures;

    /// ε -> z -> log p(x|z) and log p(z) - log q(z|x), for another ε and the x that was
    /// [encoded](Self::encode) last. Their sum is the logarithm of an importance weight.
    fn log_weights(&self, w: &mut Self::Workspace);

    /// n draws of the code that [`mean`](Self::mean) decodes, (n, latent + given): z ~ p(z), and beside it
    /// a label where the model has them.
    ///
    /// # Panics
    ///
    /// If there [are none](Self::has_prior_codes).
    fn prior(&self, n: usize, seed: u64) -> Array2<f64> {
        self.prior_at(n, seed, 1.0)
    }

    /// The same draws at a temperature T, by which all of their standard normal numbers are multiplied:
    /// those of N(0, I) become draws of N(0, T²·I). Below 1 they keep to what is likely, and pictures
    /// are cleaner and more alike (Kingma & Dhariwal 2018, *Glow*, section 6).
    ///
    /// # Panics
    ///
    /// As [`prior`](Self::prior).
    fn prior_at(&self, n: usize, seed: u64, temperature: f64) -> Array2<f64>;

    /// Codes -> E[x|z], (n, latent + given) to (n, pixels), in one batch. For pictures, where speed is no matter.
    fn mean(&self, z: ArrayView2<'_, f64>) -> Array2<f32>;
}
