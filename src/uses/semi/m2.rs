//! The model M2: the label as a latent variable.

use elbo_kernels::math;
use ndarray::{Array1, Array2, ArrayViewD, ArrayViewMutD, Axis};
use rand::RngCore;

use super::Classifier;
use crate::{
    distributions::{Likelihood, categorical::log_softmax},
    layers::{Activation, Dense, Init, Layer, Mlp},
    models::{Conditional, ConditionalWorkspace, Decoder, MlpConditional, Model, Vae},
    objectives::EachElbo,
    parameters::{Parameters, prefixed},
    real::Real,
};

/// p(x|y, z) p(y) p(z) with the posterior q(y|x) q(z|x, y): a [`Conditional`] VAE, a uniform p(y) = 1/C over
/// the classes, and a classifier q(y|x).
///
/// # The bound
///
/// Where the label y is known, log p(x, y) is bounded from below by
///
/// F(x, y) = ELBO(x|y) - ln C.
///
/// Where it is not, y is a latent variable like z, and as it takes only C values, the mean over q(y|x) is a sum
/// and needs no sampling:
///
/// log p(x) ≥ U(x) = Σ_c q_c (F(x, c) - ln q_c), q_c = q(y = c|x).
///
/// U trains the classifier, since a class that explains the image better is worth more of q; but only of images
/// without a label. So the labels teach it too, as those of any classifier: what is maximised is
///
/// J = s_u Σ U(x) + s_l Σ F(x, y) + s_c Σ ln q(y|x),
///
/// the first sum over the images without a label, the others over those with one; see [`Shares`].
///
/// # Gradient
///
/// With L = -J. Every pair of an image and a class is a row of one batch of the conditional model, C rows for an
/// image without a label and one for an image with it. The ELBO of a row counts for w = s_u q_c or for s_l:
/// that is [`EachElbo`], and the conditional model's own way back. What is left is q. With a_c = F(x, c) - ln q_c,
/// U = Σ_c q_c a_c, ∂a_c/∂q_c = -1/q_c, so ∂U/∂q_c = a_c - 1; and q being a softmax of the logits l,
/// ∂q_c/∂lⱼ = q_c (\[c = j\] - qⱼ):
///
/// - ∂U/∂lⱼ = Σ_c (a_c - 1) q_c (\[c = j\] - qⱼ) = qⱼ (aⱼ - 1) - qⱼ (U - 1) = qⱼ (aⱼ - U);
/// - ∂L/∂lⱼ = -s_u qⱼ (aⱼ - U) of an image without a label, s_c (qⱼ - \[j = y\]) of one with it.
///
/// It is the first that makes the guess: a class whose a is above the mean of all gains.
///
/// Source: Kingma et al. 2014, equations 6 to 9.
#[derive(Clone, Debug, PartialEq)]
pub struct M2<T, E, D, L, Q> {
    /// q(z|x, y), p(x|y, z) and the likelihood.
    pub conditional: Conditional<T, E, D, L>,
    /// q(y|x): from x (batch, pixels) to the logits (batch, classes).
    pub classifier: Q,
}

/// M2 with multi-layer perceptrons.
pub type MlpM2<T, L> = M2<T, Mlp<T>, Decoder<T, Mlp<T>>, L, Classifier<T>>;

/// What an image counts for in J.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// s_u, of U of an image without a label.
    pub unlabelled: f64,
    /// s_l, of F of an image with one.
    pub labelled: f64,
    /// s_c, of ln q(y|x) of an image with one.
    pub classifier: f64,
}

impl Shares {
    /// So that the batch's J is an estimate of
    ///
    /// (1/N) (Σ U + Σ F) + α · (mean of ln q(y|x) over the labelled images),
    ///
    /// the sums over all N images, of which `labels` have one. The batch has \[unlabelled, labelled\] of them.
    pub fn of(images: usize, labels: usize, batch: [usize; 2], alpha: f64) -> Self {
        let [unlabelled, labelled] = batch.map(|n| n.max(1) as f64);
        let (all, labels) = (images as f64, labels as f64);
        Self {
            unlabelled: (all - labels) / all / unlabelled,
            labelled: labels / all / labelled,
            classifier: alpha / labelled,
        }
    }
}

/// The figures of a batch, in nats per image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct M2Figures {
    /// J.
    pub objective: f64,
    /// The mean of U over the images without a label; 0 if there are none.
    pub unlabelled: f64,
    /// The mean of F over those with one; 0 if there are none.
    pub labelled: f64,
    /// The mean of ln q(y|x) over those; 0 if there are none.
    pub log_q: f64,
}

/// All that a batch needs.
pub struct M2Workspace<T: Real, E: Layer<T>, D: Layer<T>, Q: Layer<T>> {
    /// The images, (unlabelled + labelled, pixels), first those without a label. The caller fills it.
    pub x: Array2<T>,
    /// The labels of the others, (labelled). The caller fills it.
    pub labels: Vec<usize>,
    /// Of the conditional model. Its row c·unlabelled + n is image n in class c; after all of them come the
    /// labelled images. The caller fills the `eps` of its signals.
    pub rows: ConditionalWorkspace<T, E, D>,
    unlabelled: usize,
    logits: Array2<T>,
    d_logits: Array2<T>,
    log_q: Array2<T>,
    /// w of each row.
    weights: Array1<T>,
    cache: Q::Cache,
}

impl<T: Real, L: Likelihood<T>> MlpM2<T, L> {
    /// A fresh model of \[pixels, classes\] with these hidden layers in each network, mirrored in the decoder.
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
        let conditional =
            MlpConditional::mlp_with(likelihood, sizes, hidden, latent, activation, init, rng);
        let classifier = Mlp::new(pixels, hidden, activation, init, rng);
        Self { conditional, classifier: Decoder::new(classifier, classes, init, rng) }
    }

    /// The same with hidden layers that start as [`Init::Small`]: at first, no class explains any image better
    /// than another, so that labels are all that the classifier hears. One that starts with an opinion of its own
    /// is confirmed in it by the images without a label.
    pub fn hidden_layers_small(mut self, rng: &mut impl RngCore) -> Self {
        let Vae { encoder, decoder, .. } = &mut self.conditional.vae;
        for network in [&mut encoder.hidden, &mut decoder.hidden, &mut self.classifier.hidden] {
            for layer in &mut network.layers {
                *layer = Dense::new(layer.inputs(), layer.outputs(), Init::Small, rng);
            }
        }
        self
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>, Q: Layer<T>> M2<T, E, D, L, Q> {
    /// The workspace for so many images of each kind.
    pub fn workspace(&self, unlabelled: usize, labelled: usize) -> M2Workspace<T, E, D, Q> {
        let (images, classes) = (unlabelled + labelled, self.conditional.classes);
        let rows = classes * unlabelled + labelled;
        let logits = Array2::from_elem((images, classes), T::ZERO);
        M2Workspace {
            x: Array2::from_elem((images, self.conditional.pixels()), T::ZERO),
            labels: vec![0; labelled],
            rows: self.conditional.workspace_for(rows, 1),
            unlabelled,
            d_logits: logits.clone(),
            log_q: logits.clone(),
            logits,
            weights: Array1::from_elem(rows, T::ZERO),
            cache: self.classifier.cache(images),
        }
    }

    /// J of the batch.
    pub fn evaluate(&self, shares: &Shares, w: &mut M2Workspace<T, E, D, Q>) -> M2Figures {
        self.classify(shares, w);
        self.conditional.evaluate(&EachElbo { weights: &w.weights }, &mut w.rows);
        self.figures(shares, w)
    }

    /// The same, and into `d` the gradient of -J for every parameter.
    pub fn gradient(
        &self,
        shares: &Shares,
        w: &mut M2Workspace<T, E, D, Q>,
        d: &mut Self,
    ) -> M2Figures {
        self.classify(shares, w);
        let objective = EachElbo { weights: &w.weights };
        self.conditional.gradient(&objective, &mut w.rows, &mut d.conditional);
        let figures = self.figures(shares, w);
        let M2Workspace { x, logits, d_logits, cache, .. } = w;
        self.classifier.backward(x, logits, d_logits, None, cache, &mut d.classifier);
        figures
    }

    /// x -> q(y|x), and with it the rows of the conditional model and what they count for.
    fn classify(&self, shares: &Shares, w: &mut M2Workspace<T, E, D, Q>) {
        self.classifier.forward(&w.x, &mut w.logits, &mut w.cache);
        log_softmax(&w.logits, &mut w.log_q);
        let s = Conditional::<T, E, D, L>::signals(&mut w.rows);
        s.y.fill(T::ZERO);
        let (unlabelled, labelled) = w.x.view().split_at(Axis(0), w.unlabelled);
        let share = T::from_f64(shares.unlabelled);
        for c in 0..w.log_q.ncols() {
            for n in 0..w.unlabelled {
                let row = c * w.unlabelled + n;
                s.x.row_mut(row).assign(&unlabelled.row(n));
                s.y[[row, c]] = T::ONE;
                w.weights[row] = share * math::exp(w.log_q[[n, c]]);
            }
        }
        let first = w.log_q.ncols() * w.unlabelled;
        for (n, &label) in w.labels.iter().enumerate() {
            s.x.row_mut(first + n).assign(&labelled.row(n));
            s.y[[first + n, label]] = T::ONE;
            w.weights[first + n] = T::from_f64(shares.labelled);
        }
    }

    /// From the ELBO of every row to J, with ∂L/∂l of the classifier.
    fn figures(&self, shares: &Shares, w: &mut M2Workspace<T, E, D, Q>) -> M2Figures {
        let M2Workspace { rows, labels, unlabelled, d_logits, log_q, .. } = w;
        let (unlabelled, classes) = (*unlabelled, log_q.ncols());
        let s = Conditional::<T, E, D, L>::signals(rows);
        let log_classes = (classes as f64).ln();
        let bound = |row: usize| {
            let kl = s.kl.row(row).iter().map(|v| v.to_f64()).sum::<f64>();
            s.log_prob[row].to_f64() - kl - log_classes
        };
        let (mut of_unlabelled, mut of_labelled, mut of_labels) = (0.0, 0.0, 0.0);
        let rows = d_logits.rows_mut().into_iter().zip(log_q.rows()).enumerate();
        for (n, (mut d, log_q)) in rows {
            let log_q = |c: usize| log_q[c].to_f64();
            if n < unlabelled {
                let a = |c: usize| bound(c * unlabelled + n) - log_q(c);
                let u: f64 = (0..classes).map(|c| log_q(c).exp() * a(c)).sum();
                of_unlabelled += u;
                for (c, d) in d.iter_mut().enumerate() {
                    *d = T::from_f64(-shares.unlabelled * log_q(c).exp() * (a(c) - u));
                }
            } else {
                let label = labels[n - unlabelled];
                of_labelled += bound(classes * unlabelled + n - unlabelled);
                of_labels += log_q(label);
                for (c, d) in d.iter_mut().enumerate() {
                    let is_label = f64::from(u8::from(c == label));
                    *d = T::from_f64(shares.classifier * (log_q(c).exp() - is_label));
                }
            }
        }
        let mean = |sum: f64, n: usize| sum / n.max(1) as f64;
        M2Figures {
            objective: shares.unlabelled * of_unlabelled
                + shares.labelled * of_labelled
                + shares.classifier * of_labels,
            unlabelled: mean(of_unlabelled, unlabelled),
            labelled: mean(of_labelled, labels.len()),
            log_q: mean(of_labels, labels.len()),
        }
    }
}

impl<T: Real, E: Layer<T>, D: Layer<T>, L: Likelihood<T>, Q: Layer<T>> Parameters<T>
    for M2<T, E, D, L, Q>
{
    fn names(&self) -> Vec<String> {
        let classifier = prefixed("classifier", self.classifier.names());
        self.conditional.names().into_iter().chain(classifier).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.conditional.tensors().chain(self.classifier.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        self.conditional.tensors_mut().chain(self.classifier.tensors_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        distributions::bernoulli::Bernoulli,
        random::{self, Purpose},
    };

    const SHARES: Shares = Shares { unlabelled: 1.0, labelled: 0.0, classifier: 0.0 };

    type Small = MlpM2<f64, Bernoulli>;
    type Space = M2Workspace<f64, Mlp<f64>, Decoder<f64, Mlp<f64>>, Classifier<f64>>;

    /// A model of three classes, and one image without a label. Its classifier does not look at the image.
    fn one_image() -> (Small, Space) {
        let rng = &mut random::rng(3, Purpose::Init, 0, 0);
        let (tanh, init) = (Activation::Tanh, Init::Pytorch);
        let mut model = Small::mlp_with(Bernoulli, [5, 3], &[4], 2, tanh, init, rng);
        model.classifier.output.weight.fill(0.0);
        let mut w = model.workspace(1, 0);
        w.x.indexed_iter_mut().for_each(|((_, j), x)| *x = (j % 2) as f64);
        MlpConditional::<f64, Bernoulli>::signals(&mut w.rows).eps.fill(0.4);
        (model, w)
    }

    #[test]
    fn the_bound_is_largest_where_q_is_the_posterior_of_the_class_and_is_there_log_sum_exp() {
        let (mut model, mut w) = one_image();
        model.evaluate(&SHARES, &mut w);
        let s = MlpConditional::<f64, Bernoulli>::signals(&mut w.rows);
        let f = Array1::from_shape_fn(3, |c| s.log_prob[c] - s.kl.row(c).sum() - 3f64.ln());
        model.classifier.output.bias.assign(&f);
        let best = model.gradient(&SHARES, &mut w, &mut model.zeros_like()).unlabelled;
        assert!((best - f.mapv(f64::exp).sum().ln()).abs() < 1e-12);
        assert!(w.d_logits.iter().all(|d| d.abs() < 1e-12), "{}", w.d_logits);
        for c in 0..3 {
            model.classifier.output.bias[c] += 0.1;
            assert!(model.evaluate(&SHARES, &mut w).unlabelled < best);
            model.classifier.output.bias[c] -= 0.1;
        }
    }

    #[test]
    fn with_small_hidden_layers_no_class_is_better_than_another_at_first() {
        let rng = &mut random::rng(3, Purpose::Init, 0, 0);
        let (tanh, init) = (Activation::Tanh, Init::Pytorch);
        let model = Small::mlp_with(Bernoulli, [5, 3], &[4], 2, tanh, init, rng);
        let spread = |model: &Small| {
            let mut w = model.workspace(1, 0);
            w.x.indexed_iter_mut().for_each(|((_, j), x)| *x = (j % 2) as f64);
            model.evaluate(&SHARES, &mut w);
            let s = MlpConditional::<f64, Bernoulli>::signals(&mut w.rows);
            let f = |c: usize| s.log_prob[c] - s.kl.row(c).sum();
            [1, 2].map(|c| (f(c) - f(0)).abs()).into_iter().fold(0.0, f64::max)
        };
        let small = model.clone().hidden_layers_small(rng);
        assert!(spread(&model) > 0.05 && spread(&small) < 0.01, "{}", spread(&model));
        assert_eq!(small.classifier.output, model.classifier.output);
        assert_eq!(small.conditional.vae.encoder.mu, model.conditional.vae.encoder.mu);
    }

    #[test]
    fn shares_make_a_batch_an_estimate_of_the_mean_over_all_images() {
        let shares = Shares::of(1000, 100, [30, 20], 0.5);
        assert!((30.0 * shares.unlabelled - 0.9).abs() < 1e-12);
        assert!((20.0 * shares.labelled - 0.1).abs() < 1e-12);
        assert!((20.0 * shares.classifier - 0.5).abs() < 1e-12);
    }
}
