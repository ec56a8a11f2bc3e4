//! The training loop: a fresh shuffle, batch by batch, one Adam step each.

use std::ops::ControlFlow;

use elbo_kernels::team::team;
use serde::{Deserialize, Serialize};

use crate::{
    data::Images,
    distributions::Likelihood,
    layers::Layer,
    models::{Vae, Workspace},
    objectives::{Figures, Objective, Totals},
    optim::Adam,
    parameters::{Parameters, elements},
    random::{self, Purpose},
    real::Real,
};

/// A model in training.
///
/// Everything that a step needs is allocated by [`Trainer::new`], but for the packing buffers of
/// matrix products, which the first step makes: from the second on, a step allocates nothing. That
/// holds inside a rayon pool (`ThreadPool::install`), as the `elbo` command runs; from a thread
/// outside, rayon itself now and then allocates to hand work over.
pub struct Trainer<'a, T: Real, E: Layer<T>, D: Layer<T>, L, O> {
    images: &'a Images,
    objective: O,
    seed: u64,
    /// The model.
    pub model: Vae<T, E, D, L>,
    /// Its optimiser.
    pub adam: Adam<Vae<T, E, D, L>>,
    /// Where in the run it stands.
    pub position: Position,
    gradient: Vae<T, E, D, L>,
    order: Vec<usize>,
    full: Workspace<T, E, D>,
    /// For the last batch of an epoch, which may be smaller.
    last: Workspace<T, E, D>,
    batch_size: usize,
}

/// A place in a run, exact to the batch: what a checkpoint stores beside weights and moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Completed epochs.
    pub epoch: u64,
    /// Completed batches of the epoch after them.
    pub batch: usize,
    /// The figures of those batches.
    pub totals: Totals,
}

/// How far the current epoch is, told after each step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The epoch that is running, from 1.
    pub epoch: u64,
    /// Images of it that are done.
    pub images: u64,
    /// Images that it has.
    pub of: u64,
    /// The means over those that are done.
    pub figures: Figures,
}

/// Training met a NaN or an infinity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "training stopped: `{tensor}` is no longer finite at step {step} (epoch {epoch}); a smaller \
     learning_rate usually helps"
)]
pub struct NonFinite {
    /// The first tensor of the walk that is not finite.
    pub tensor: String,
    /// The step, from 1.
    pub step: u64,
    /// The epoch, from 1.
    pub epoch: u64,
}

impl<'a, T, E, D, L, O> Trainer<'a, T, E, D, L, O>
where
    T: Real,
    E: Layer<T>,
    D: Layer<T>,
    L: Likelihood<T>,
    O: Objective<T>,
{
    /// A trainer at the start of a run. A batch larger than the data is all of the data.
    ///
    /// # Panics
    ///
    /// If there are no images, the batch size is 0, or the images have another number of pixels
    /// than the model.
    pub fn new(
        model: Vae<T, E, D, L>,
        objective: O,
        images: &'a Images,
        batch_size: usize,
        learning_rate: f64,
        seed: u64,
    ) -> Self {
        assert!(!images.is_empty() && batch_size > 0, "a batch has at least one image");
        assert_eq!(images.pixels_per_image(), model.pixels(), "images and model disagree");
        let batch_size = batch_size.min(images.len());
        let last = images.len() - (images.len().div_ceil(batch_size) - 1) * batch_size;
        Self {
            adam: Adam::new(&model, learning_rate),
            gradient: model.zeros_like(),
            order: (0..images.len()).collect(),
            full: model.workspace(batch_size),
            last: model.workspace(last),
            position: Position::default(),
            model,
            objective,
            images,
            seed,
            batch_size,
        }
    }

    /// Images in an epoch.
    pub fn images(&self) -> usize {
        self.order.len()
    }

    /// Batches in an epoch, the last one possibly smaller.
    pub fn batches(&self) -> usize {
        self.order.len().div_ceil(self.batch_size)
    }

    /// Runs the current epoch to its end, from wherever it stands, and returns its means.
    ///
    /// `after_step` is told the progress after every step; if it breaks, the epoch stops there,
    /// `position` says where, and `None` comes back. A later call goes on from that batch as if
    /// nothing had happened. It is called among the steps, while the other threads of the rayon
    /// pool stand by for the next one ([`team`]), and so must not wait for them.
    ///
    /// # Errors
    ///
    /// [`NonFinite`] when a loss or, where the epoch ends or stops, a parameter or one of the
    /// optimiser's moments is not finite.
    pub fn epoch(
        &mut self,
        mut after_step: impl FnMut(&Progress) -> ControlFlow<()> + Send,
    ) -> Result<Option<Figures>, NonFinite> {
        let epoch = self.position.epoch + 1;
        random::shuffle(&mut self.order, self.seed, epoch);
        let flow = team(|| self.steps(epoch, &mut after_step))?;
        self.check_state(epoch)?;
        if flow.is_break() {
            return Ok(None);
        }
        let figures = self.position.totals.mean();
        self.position = Position { epoch, ..Position::default() };
        Ok(Some(figures))
    }

    /// The batches that are left of the epoch, or as many as `after_step` wants.
    fn steps(
        &mut self,
        epoch: u64,
        after_step: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, NonFinite> {
        let of = self.order.len() as u64;
        while self.position.batch < self.batches() {
            self.step(epoch)?;
            let totals = &self.position.totals;
            let (images, figures) = (totals.images(), totals.mean());
            if after_step(&Progress { epoch, images, of, figures }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One batch: images -> gradient -> Adam.
    fn step(&mut self, epoch: u64) -> Result<(), NonFinite> {
        let start = self.position.batch * self.batch_size;
        let end = (start + self.batch_size).min(self.order.len());
        let indices = &self.order[start..end];
        let w = if end == self.order.len() { &mut self.last } else { &mut self.full };

        self.images.gather(indices, &mut w.signals.x);
        let noise = indices.iter().copied();
        random::fill_normal(&mut w.signals.eps, self.seed, Purpose::TrainNoise, epoch, noise);
        let figures = self.model.gradient(&self.objective, w, &mut self.gradient);
        if !figures.objective.is_finite() {
            let signal = w.signals.first_non_finite();
            let parameter = first_non_finite("", &self.model);
            let tensor = parameter.or(signal.map(Into::into)).unwrap_or("objective".into());
            return Err(NonFinite { tensor, step: self.adam.step + 1, epoch });
        }
        self.adam.step(&mut self.model, &self.gradient);

        self.position.totals.add(figures, indices.len());
        self.position.batch += 1;
        Ok(())
    }

    /// A finite loss can still have an infinite gradient, and a finite gradient a square that
    /// overflows; what is to be kept is therefore looked at whole.
    fn check_state(&self, epoch: u64) -> Result<(), NonFinite> {
        let Adam { m, v, .. } = &self.adam;
        let moments = || first_non_finite("adam.m.", m).or_else(|| first_non_finite("adam.v.", v));
        match first_non_finite("", &self.model).or_else(moments) {
            Some(tensor) => Err(NonFinite { tensor, step: self.adam.step, epoch }),
            None => Ok(()),
        }
    }
}

/// The name, after `prefix`, of the first tensor that holds a NaN or an infinity.
fn first_non_finite<T: Real>(prefix: &str, model: &impl Parameters<T>) -> Option<String> {
    let finite = |t: ndarray::ArrayViewD<'_, T>| elbo_kernels::passes::all_finite(elements(&t));
    let broken = model.tensors().position(|t| !finite(t))?;
    model.names().into_iter().nth(broken).map(|name| format!("{prefix}{name}"))
}
