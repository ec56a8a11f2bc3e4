//! The conditional VAE: a model of images whose labels are known.

use ndarray::{Array2, ArrayView2, ArrayViewD, ArrayViewMutD, Axis};
use rand::{Rng, RngCore};

use super::{Decoder, MlpVae, Model, Vae, Workspace, vae::ratio_backward};
use crate::{
    distributions::{Likelihood, gaussian},
    layers::{Activation, Init, Layer, Mlp},
    objectives::{Figures, Objective, Signals},
    parameters::Parameters,
    random::{self, Purpose},
    real::{Real, assign_cast, cast},
};

/// A VAE of p(x|y) = ∫ p(x|y, z) p(z) dz, with y a label of C classes and z what is left to say about an
/// image when its label is known: of a digit, its hand.
///
/// Both networks read y beside what they read anyway, as C numbers of which the one at the label is 1 and
/// the others are 0: the encoder [x | y], the decoder [z | y]. In the first layer of either,
///
/// [x | y]·W + b = x·Wₓ + (W_y)ᵧ + b,
///
/// so that a label is no more than a bias of its own, a row of W. The prior N(0, I) is the same for every
/// y, so what z says of the label costs divergence and buys nothing: training takes it out.
///
/// # The bound and its gradient
///
/// For every y, log p(x|y) ≥ E_q[log p(x|y, z)] - KL(q(z|x, y) ‖ p(z)), z ~ q(z|x, y): the ELBO, with y
/// where it is given. Nothing is to be learned about y, so its columns of ∂L/∂[z | y] are dropped, those of
/// z are ∂L/∂z, and the rest of the walk back is that of the [`Vae`].
///
/// The code of an image, which [`Model::prior`] draws and [`Model::mean`] decodes, is [z | y].
///
/// Source: Kingma, Rezende, Mohamed & Welling 2014, *Semi-supervised Learning with Deep Generative Models*,
/// equations 2 and 6; Sohn, Lee & Yan 2015, *Learning Structured Output Representation using Deep
/// Conditional Generative Models*.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditional<T, E, D, L> {
    /// The networks, which read y too, and the likelihood.
    pub vae: Vae<T, E, D, L>,
    /// C.
    pub classes: usize,
}

/// A conditional VAE whose two networks are multi-layer perceptrons.
pub type MlpConditional<T, L> = Conditional<T, Mlp<T>, Decoder<T, Mlp<T>>, L>;

/// The workspace of the VAE, and what the networks read.
pub struct ConditionalWorkspace<T: Real, E: Layer<T>, D: Layer<T>> {
    vae: Workspace<T, E, D>,
    /// [x | y], (batch, pixels + classes).
    x_y: Array2<T>,
    /// [z | y] and its gradient, (K·N, latent + classes).
    z_y: Array2<T>,
    d_z_y: Array2<T>,
}

impl<T: Real, L: Likelihood<T>> MlpConditional<T, L> {
    /// As [`MlpVae::mlp_with`], of \[pixels, classes\].
    pub fn mlp_with(
        likelihood: L,
        [pixels, classes]: [usize; 2],
        hidden: &[usize],
        latent: usize,
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let sizes = [pixels, classes];
        let vae = MlpVae::mlp_beside(likelihood, sizes, hidden, latent, activation, init, rng);
        Self::new(vae, classes)
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Conditional<T, E, D, L> {
    /// The model of these networks.
    ///
    /// # Panics
    ///
    /// If the encoder has no room for x beside so many classes, or the decoder does not read z and them.
    pub fn new(vae: Vae<T, E, D, L>, classes: usize) -> Self {
        assert!(vae.encoder.inputs() > classes, "the encoder reads x beside {classes} classes");
        let inputs = vae.latent() + classes;
        assert_eq!(vae.decoder.inputs(), inputs, "the decoder reads z and {classes} classes");
        Self { vae, classes }
    }

    /// ε -> z -> [z | y] -> logits, of (μ, log σ²) as they are.
    fn sample_and_decode(&self, w: &mut ConditionalWorkspace<T, E, D>) {
        self.vae.sample(&mut w.vae);
        let s = &mut w.vae.signals;
        beside(&s.z, &s.y, &mut w.z_y);
        self.vae.decoder.forward(&w.z_y, &mut s.logits, &mut w.vae.decoder);
    }
}

/// \[a | b\], b once more for every time that its rows fit into those of a.
fn beside<T: Real>(a: &Array2<T>, b: &Array2<T>, both: &mut Array2<T>) {
    let (mut left, mut right) = both.view_mut().split_at(Axis(1), a.ncols());
    left.assign(a);
    for mut rows in right.axis_chunks_iter_mut(Axis(0), b.nrows()) {
        rows.assign(b);
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Model<T> for Conditional<T, E, D, L> {
    type Workspace = ConditionalWorkspace<T, E, D>;

    fn pixels(&self) -> usize {
        self.vae.encoder.inputs() - self.classes
    }

    fn latent(&self) -> usize {
        self.vae.latent()
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn has_exact_kl(&self) -> bool {
        true
    }

    fn has_exact_mean(&self) -> bool {
        true
    }

    fn factorises(&self) -> bool {
        self.vae.likelihood.factorises()
    }

    fn workspace_for(&self, images: usize, samples: usize) -> Self::Workspace {
        let Vae { encoder, decoder, .. } = &self.vae;
        let zeros = |rows, columns| Array2::from_elem((rows, columns), T::ZERO);
        let (pixels, latent, outputs) = (self.pixels(), self.latent(), decoder.outputs());
        let mut signals = Signals::with_samples(images, samples, pixels, latent, outputs);
        signals.y = zeros(images, self.classes);
        let z_y = zeros(images * samples, decoder.inputs());
        ConditionalWorkspace {
            vae: Workspace {
                signals,
                encoder: encoder.cache(images),
                decoder: decoder.cache(images * samples),
            },
            x_y: zeros(images, encoder.inputs()),
            d_z_y: z_y.clone(),
            z_y,
        }
    }

    fn signals(w: &mut Self::Workspace) -> &mut Signals<T> {
        &mut w.vae.signals
    }

    /// [x | y] -> (μ, log σ²).
    fn encode(&self, w: &mut Self::Workspace) {
        let s = &mut w.vae.signals;
        beside(&s.x, &s.y, &mut w.x_y);
        self.vae.encoder.forward(&w.x_y, &mut s.mu, &mut s.log_var, &mut w.vae.encoder);
    }

    fn evaluate(&self, objective: &impl Objective<T>, w: &mut Self::Workspace) -> Figures {
        self.encode(w);
        self.sample_and_decode(w);
        let s = &mut w.vae.signals;
        if objective.sampled() {
            gaussian::log_ratio(&s.log_var, &s.eps, &s.z, &mut s.log_ratio);
        }
        objective.evaluate(&self.vae.likelihood, s)
    }

    fn gradient(
        &self,
        objective: &impl Objective<T>,
        w: &mut Self::Workspace,
        d: &mut Self,
    ) -> Figures {
        let figures = self.evaluate(objective, w);
        let (Vae { encoder, decoder, likelihood }, d) = (&self.vae, &mut d.vae);

        let Workspace { signals: s, decoder: cache, .. } = &mut w.vae;
        s.backward_likelihood(likelihood, &mut d.likelihood);
        let d_z_y = Some(&mut w.d_z_y);
        decoder.backward(&w.z_y, &s.logits, &mut s.d_logits, d_z_y, cache, &mut d.decoder);
        s.d_z.assign(&w.d_z_y.view().split_at(Axis(1), s.z.ncols()).0);
        if objective.sampled() {
            ratio_backward(objective.estimator(), s);
        }

        self.vae.sample_backward(&mut w.vae);
        let Workspace { signals: s, encoder: cache, .. } = &mut w.vae;
        encoder.backward(&w.x_y, &s.d_mu, &s.d_log_var, None, cache, &mut d.encoder);
        figures
    }

    fn log_weights(&self, w: &mut Self::Workspace) {
        self.sample_and_decode(w);
        self.vae.log_prob(&mut w.vae);
        let s = &mut w.vae.signals;
        gaussian::log_ratio(&s.log_var, &s.eps, &s.z, &mut s.log_ratio);
    }

    /// n draws of [z | y], each label as likely as any other.
    fn prior_at(&self, n: usize, seed: u64, temperature: f64) -> Array2<f64> {
        let mut codes = Array2::zeros((n, self.latent() + self.classes));
        let (mut z, mut y) = codes.view_mut().split_at(Axis(1), self.latent());
        z.assign(&self.vae.prior_at(n, seed, temperature));
        for (index, mut label) in y.rows_mut().into_iter().enumerate() {
            // Another epoch is another stream than that of the noise.
            let mut rng = random::rng(seed, Purpose::Prior, 1, index as u64);
            label[rng.random_range(0..self.classes)] = 1.0;
        }
        codes
    }

    fn mean(&self, codes: ArrayView2<'_, f64>) -> Array2<f32> {
        let mut w = self.workspace_for(codes.nrows(), 1);
        assign_cast(codes, w.z_y.view_mut());
        let s = &mut w.vae.signals;
        self.vae.decoder.forward(&w.z_y, &mut s.logits, &mut w.vae.decoder);
        self.vae.likelihood.mean(&s.logits, &mut s.x);
        cast(s.x.view())
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>> Parameters<T>
    for Conditional<T, E, D, L>
{
    fn names(&self) -> Vec<String> {
        self.vae.names()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.vae.tensors()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.vae.tensors_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{distributions::bernoulli::Bernoulli, objectives::Elbo};

    fn model() -> MlpConditional<f64, Bernoulli> {
        let rng = &mut random::rng(1, Purpose::Init, 0, 0);
        let (activation, init) = (Activation::Tanh, Init::Pytorch);
        MlpConditional::mlp_with(Bernoulli, [6, 3], &[5], 2, activation, init, rng)
    }

    /// The ELBO of two images of these classes.
    fn elbo(model: &MlpConditional<f64, Bernoulli>, classes: [usize; 2]) -> f64 {
        let mut w = model.workspace_for(2, 1);
        let signals = MlpConditional::<f64, Bernoulli>::signals(&mut w);
        signals.x.indexed_iter_mut().for_each(|((n, j), x)| *x = ((n + j) % 2) as f64);
        signals.eps.fill(0.3);
        classes.into_iter().enumerate().for_each(|(n, class)| signals.y[[n, class]] = 1.0);
        model.evaluate(&Elbo, &mut w).elbo
    }

    #[test]
    fn labels_tell_unless_no_weight_listens_to_them() {
        let mut model = model();
        let one = elbo(&model, [0, 1]);
        assert_ne!(one, elbo(&model, [0, 2]));
        let Vae { encoder, decoder, .. } = &mut model.vae;
        for (layer, first) in
            [(&mut encoder.hidden.layers[0], 6), (&mut decoder.hidden.layers[0], 2)]
        {
            layer.weight.rows_mut().into_iter().skip(first).for_each(|mut w| w.fill(0.0));
        }
        assert_eq!(elbo(&model, [0, 1]), elbo(&model, [2, 2]));
    }

    #[test]
    fn the_prior_draws_z_as_a_vae_does_and_every_label_as_often() {
        let model = model();
        let codes = model.prior(3000, 4);
        let (z, y) = codes.view().split_at(Axis(1), 2);
        assert_eq!(z, model.vae.prior(3000, 4));
        assert!(y.rows().into_iter().all(|label| {
            label.iter().filter(|&&v| v == 1.0).count() == 1 && label.sum() == 1.0
        }));
        // Four standard deviations of a share of 3000 draws.
        assert!(
            y.mean_axis(Axis(0)).unwrap().iter().all(|share| (share - 1.0 / 3.0).abs() < 0.035)
        );
    }

    #[test]
    fn an_image_decodes_from_its_own_code() {
        let model = model();
        let codes = model.prior(4, 0);
        let all = model.mean(codes.view());
        let last = model.mean(codes.view().split_at(Axis(0), 3).1);
        assert_eq!((all.dim(), all.row(3)), ((4, 6), last.row(0)));
        let column_major = codes.t().as_standard_layout().into_owned().reversed_axes();
        assert_eq!(model.mean(column_major.view()), all);
    }
}
