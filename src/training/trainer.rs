//! The training loop: a fresh shuffle, batch by batch, one step of the optimiser each.

use std::ops::ControlFlow;

use elbo_kernels::team::team;
use serde::{Deserialize, Serialize};

use crate::{
    data::View,
    models::Model,
    objectives::{Figures, Objective, Totals},
    optim::{Optimiser, Schedule, Settings, clip_norm as clip_norm_of},
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
pub struct Trainer<'a, T: Real, M: Model<T>, O> {
    images: View<'a>,
    objective: O,
    /// The model.
    pub model: M,
    /// Its optimiser.
    pub optimiser: Optimiser<M>,
    /// Where in the run it stands.
    pub position: Position,
    gradient: M,
    order: Vec<usize>,
    full: M::Workspace,
    /// For the last batch of an epoch, which may be smaller.
    last: M::Workspace,
    /// How it is trained.
    pub plan: Plan,
}

/// How a model is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Images per step.
    pub batch_size: usize,
    /// K, latent samples of each image.
    pub samples: usize,
    /// How the weights are moved.
    pub optimiser: Settings,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: Schedule,
    /// Epochs of the whole run, which some schedules look to.
    pub epochs: u64,
    /// The largest norm of the whole gradient.
    pub clip_norm: Option<f64>,
    /// Of the order of the images and of the noise.
    pub seed: u64,
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
    "training stopped: `{tensor}` is no longer finite at step {step} (epoch {epoch}); {}", advice(*step)
)]
pub struct NonFinite {
    /// The first tensor of the walk that is not finite.
    pub tensor: String,
    /// The step, from 1.
    pub step: u64,
    /// The epoch, from 1.
    pub epoch: u64,
}

/// What may be done about it.
fn advice(step: u64) -> &'static str {
    match step {
        1 => "the learning_rate, or what training starts from, is too large",
        _ => "a smaller learning_rate usually helps",
    }
}

impl<'a, T: Real, M: Model<T>, O: Objective<T>> Trainer<'a, T, M, O> {
    /// A trainer at the start of a run by Adam, with one latent sample of each image. A batch larger
    /// than the data is all of the data.
    ///
    /// # Panics
    ///
    /// If there are no images, the batch size is 0, or the images have another number of pixels
    /// than the model.
    pub fn new(
        model: M,
        objective: O,
        images: impl Into<View<'a>>,
        batch_size: usize,
        learning_rate: f64,
        seed: u64,
    ) -> Self {
        let plan = Plan {
            batch_size,
            samples: 1,
            optimiser: Settings::adam(learning_rate),
            schedule: Schedule::Constant,
            epochs: u64::MAX,
            clip_norm: None,
            seed,
        };
        Self::with(model, objective, images, plan)
    }

    /// A trainer at the start of a run as planned.
    ///
    /// # Panics
    ///
    /// As [`Trainer::new`], and if there are no samples.
    pub fn with(model: M, objective: O, images: impl Into<View<'a>>, mut plan: Plan) -> Self {
        let images = images.into();
        let (count, pixels) = (images.count, images.images.pixels_per_image());
        let Plan { samples, batch_size, .. } = plan;
        assert!(count > 0 && batch_size > 0 && samples > 0, "a batch has at least one image");
        assert_eq!(pixels, model.pixels(), "images and model disagree");
        let batch_size = batch_size.min(count);
        plan.batch_size = batch_size;
        let last = count - (count.div_ceil(batch_size) - 1) * batch_size;
        let workspace = |batch| {
            let mut w = model.workspace_for(batch, samples);
            if images.hidden.is_some() {
                M::signals(&mut w).expect_missing_pixels();
            }
            w
        };
        Self {
            optimiser: Optimiser::new(&model, &plan.optimiser),
            gradient: model.zeros_like(),
            order: (0..count).collect(),
            full: workspace(batch_size),
            last: workspace(last),
            position: Position::default(),
            model,
            objective,
            images,
            plan,
        }
    }

    /// Images in an epoch.
    pub fn images(&self) -> usize {
        self.order.len()
    }

    /// Batches in an epoch, the last one possibly smaller.
    pub fn batches(&self) -> usize {
        self.order.len().div_ceil(self.plan.batch_size)
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
        let Plan { optimiser, schedule, epochs, seed, .. } = &self.plan;
        let learning_rate = schedule.learning_rate(optimiser.learning_rate, epoch, *epochs);
        self.optimiser.set_learning_rate(learning_rate);
        random::shuffle(&mut self.order, *seed, epoch);
        self.order.iter_mut().for_each(|index| *index += self.images.first);
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

    /// One batch: images -> gradient -> optimiser.
    fn step(&mut self, epoch: u64) -> Result<(), NonFinite> {
        let share = self.position.batch as f64 / self.batches() as f64;
        self.objective.advance((epoch - 1) as f64 + share);
        let Plan { batch_size, seed, clip_norm, .. } = self.plan;
        let start = self.position.batch * batch_size;
        let end = (start + batch_size).min(self.order.len());
        let indices = &self.order[start..end];
        let w = if end == self.order.len() { &mut self.last } else { &mut self.full };

        let s = M::signals(w);
        s.read(&self.images, self.model.classes(), indices, epoch);
        let noise = indices.iter().copied();
        random::fill_normal(&mut s.eps, seed, Purpose::TrainNoise, epoch, noise);
        let figures = self.model.gradient(&self.objective, w, &mut self.gradient);
        if !figures.objective.is_finite() {
            let signal = M::signals(w).first_non_finite();
            let parameter = first_non_finite("", &self.model);
            let tensor = parameter.or(signal.map(Into::into)).unwrap_or("objective".into());
            return Err(NonFinite { tensor, step: self.optimiser.steps() + 1, epoch });
        }
        if let Some(max_norm) = clip_norm {
            clip_norm_of(&mut self.gradient, max_norm, self.optimiser.frozen());
        }
        self.optimiser.step(&mut self.model, &self.gradient);

        self.position.totals.add(figures, indices.len());
        self.position.batch += 1;
        Ok(())
    }

    /// A finite loss can still have an infinite gradient, and a finite gradient a square that
    /// overflows; what is to be kept is therefore looked at whole.
    fn check_state(&self, epoch: u64) -> Result<(), NonFinite> {
        let of_a_moment = |(prefix, moment)| first_non_finite(prefix, moment);
        let moments = || self.optimiser.state().find_map(of_a_moment);
        match first_non_finite("", &self.model).or_else(moments) {
            Some(tensor) => Err(NonFinite { tensor, step: self.optimiser.steps(), epoch }),
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
