//! One step after another through latent variables and pixels: the engine of [`repair`](super::repair) and of
//! [`denoise`](super::denoise).

use ndarray::{Array1, Array2, Axis, Zip};

use super::Method;
use crate::{
    data::View,
    distributions::{Likelihood, gaussian},
    models::Model,
    random::{self, Purpose},
    real::Real,
};

/// A batch of images on its way, each with a chain of its own.
pub(super) struct Walk<'a, T: Real, M: Model<T>, L> {
    model: &'a M,
    likelihood: &'a L,
    indices: &'a [usize],
    seed: u64,
    step: u64,
    single: M::Workspace,
    /// With room for two latent samples of each image, where they are compared.
    pair: Option<M::Workspace>,
    /// Of each image 1 where a pixel is fixed, 0 where it is redrawn.
    fixed: Array2<T>,
    /// What is known of redrawn pixels beside z: ln P(y|x=1) - ln P(y|x=0).
    log_odds: Option<Array2<T>>,
    /// x, and with it E[x|z] at the latest z.
    pub(super) x: Array2<T>,
    pub(super) mean: Array2<T>,
    /// What was drawn last.
    pub(super) draw: Array2<T>,
    /// The latest z, the noise that it was made of, and what it decodes to.
    z: Array2<T>,
    eps: Array2<T>,
    logits: Array2<T>,
    /// How often another z was accepted.
    pub(super) accepted: usize,
}

impl<'a, T: Real, M: Model<T>, L: Likelihood<T>> Walk<'a, T, M, L> {
    /// From the images as they were read, with zeros in the places of what is missing.
    pub(super) fn new(
        (model, likelihood): (&'a M, &'a L),
        images: &View<'_>,
        indices: &'a [usize],
        (method, seed): (Method, u64),
    ) -> Self {
        let workspace = |samples| {
            let mut w = model.workspace_for(indices.len(), samples);
            let s = M::signals(&mut w);
            s.read(images, model.classes(), indices, 0);
            if !matches!(method, Method::Importance(_)) {
                // A chain weighs by all pixels, those drawn last included, or not at all.
                s.observed = None;
            }
            w
        };
        let mut single = workspace(1);
        let s = M::signals(&mut single);
        let mut fixed = s.x.clone();
        images.observe(indices, &mut fixed);
        Self {
            x: s.x.clone(),
            mean: s.x.clone(),
            draw: s.x.clone(),
            z: s.z.clone(),
            eps: s.eps.clone(),
            logits: s.logits.clone(),
            pair: (method == Method::Metropolis).then(|| workspace(2)),
            single,
            fixed,
            log_odds: None,
            model,
            likelihood,
            indices,
            seed,
            step: 0,
            accepted: 0,
        }
    }

    /// With pixels none of which is certain: they start at `x`, and `log_odds` says what is known of them.
    pub(super) fn doubting(mut self, x: Array2<T>, log_odds: Array2<T>) -> Self {
        self.fixed.fill(T::ZERO);
        self.x = x;
        self.log_odds = Some(log_odds);
        self
    }

    /// z ~ q(z|x), and E[x|z] at it.
    pub(super) fn propose(&mut self) {
        self.step += 1;
        let s = M::signals(&mut self.single);
        s.x.assign(&self.x);
        let noise = self.indices.iter().copied();
        random::fill_normal(&mut s.eps, self.seed, Purpose::Chain, self.step, noise);
        self.model.encode(&mut self.single);
        self.model.log_weights(&mut self.single);
        let s = M::signals(&mut self.single);
        self.z.assign(&s.z);
        self.eps.assign(&s.eps);
        self.logits.assign(&s.logits);
        self.expect();
    }

    /// Another z ~ q(z|x) for each image, taken in place of the one before with the probability
    /// min(1, w(z′)/w(z)), w(z) = p(x|z) p(z) / q(z|x), and E[x|z] at whichever it is.
    ///
    /// The density q(z|x) of a z that was drawn when x was another: the noise that would have made it of this
    /// x's μ and σ is ε = (z - μ)/σ, from which the model makes z, and its w, as of any noise. Of two layers that is
    /// z₁, and the noise that makes z₂ of z₁ is what it was, since q(z₂|z₁) does not look at x.
    pub(super) fn accept_or_stay(&mut self) {
        self.step += 1;
        let pair = self.pair.as_mut().expect("a walk that compares");
        let s = M::signals(pair);
        s.x.assign(&self.x);
        let noise = self.indices.iter().copied();
        random::fill_normal(&mut s.eps, self.seed, Purpose::Chain, self.step, noise);
        self.model.encode(pair);
        let s = M::signals(pair);
        let (mut before, _) = s.eps.view_mut().split_at(Axis(0), self.indices.len());
        before.assign(&self.eps);
        let (mut of_z, _) = before.split_at(Axis(1), self.z.ncols());
        Zip::from(&mut of_z).and(&self.z).and(&s.mu).and(&s.log_var).for_each(
            |eps, &z, &mu, &v| {
                let sigma = T::from_f64((0.5 * gaussian::bounded(v).to_f64()).exp());
                *eps = (z - mu) / sigma;
            },
        );
        self.model.log_weights(pair);

        let images = self.indices.len();
        let mut uniform = Array2::from_elem((images, 1), T::ZERO);
        let indices = self.indices.iter().copied();
        random::fill_uniform(&mut uniform, self.seed, Purpose::Acceptance, self.step, indices);
        let s = M::signals(pair);
        let log_w = |row: usize| s.log_prob[row].to_f64() + s.log_ratio[row].to_f64();
        for n in 0..images {
            let is_accepted = uniform[[n, 0]].to_f64().ln() < log_w(images + n) - log_w(n);
            let row = if is_accepted { images + n } else { n };
            if is_accepted {
                self.z.row_mut(n).assign(&s.z.row(row));
                self.accepted += 1;
            }
            self.eps.row_mut(n).assign(&s.eps.row(row));
            self.logits.row_mut(n).assign(&s.logits.row(row));
        }
        self.expect();
    }

    /// ln p(x°|z) p(z) / q(z|x) of the z that was [proposed](Self::propose) last.
    pub(super) fn log_weights(&mut self) -> Array1<f64> {
        let s = M::signals(&mut self.single);
        Zip::from(&s.log_prob).and(&s.log_ratio).map_collect(|p, r| p.to_f64() + r.to_f64())
    }

    /// x ~ p(x|z) where it is not fixed.
    pub(super) fn redraw(&mut self) {
        self.draw();
        self.x.assign(&self.draw);
    }

    /// `draw` becomes x ~ p(x|z) at the latest z, and x itself where it is fixed.
    pub(super) fn draw(&mut self) {
        let indices = self.indices.iter().copied();
        random::fill_uniform(&mut self.draw, self.seed, Purpose::ChainPixels, self.step, indices);
        self.likelihood.quantile(&self.logits, &mut self.draw);
        Zip::from(&mut self.draw).and(&self.x).and(&self.fixed).for_each(|draw, &x, &fixed| {
            *draw = if fixed == T::ZERO { *draw } else { x };
        });
    }

    /// E[x|z], and x itself where it is fixed.
    fn expect(&mut self) {
        if let Some(log_odds) = &self.log_odds {
            self.logits += log_odds;
        }
        self.likelihood.mean(&self.logits, &mut self.mean);
        Zip::from(&mut self.mean).and(&self.x).and(&self.fixed).for_each(|mean, &x, &fixed| {
            *mean = if fixed == T::ZERO { *mean } else { x };
        });
    }
}
