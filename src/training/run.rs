//! A whole run: epochs, evaluation, and the files that it keeps.

mod checkpoint;
mod checksum;
pub mod files;
mod lock;
mod metrics;
mod model_file;
mod transfer;
mod units;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use lock::{Lock, LockError};
pub use metrics::{MetricsError, Row, read_metrics, write_metrics};
pub use model_file::{ModelFileError, load_model, save_model};
pub use transfer::TransferError;
pub use units::{Units, read_units, write_units};

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{Best, EarlyStopping, NonFinite, Progress, Trainer};
use crate::{
    data::{Dataset, Fingerprint, Part, UnusableLabels, View},
    evaluation::Evaluator,
    files::{FileError, write_atomically},
    models::{AnyModel, Model},
    objectives::{AnyObjective, Figures},
    optim::Schedule,
    real::Real,
    recipe::{OutputBias, Recipe, RecipeError},
};

/// A run in progress, in its folder.
pub struct Run<'a, T: Real> {
    recipe: Recipe,
    out: PathBuf,
    trainer: Trainer<'a, T, AnyModel<T>, AnyObjective>,
    evaluator: Evaluator<'a, T, AnyModel<T>>,
    /// What the test images and those held out are evaluated by.
    elbo: AnyObjective,
    early_stopping: Option<EarlyStopping<'a, T, AnyModel<T>>>,
    rows: Vec<Row>,
    units: Vec<Units>,
    data: Fingerprint,
    /// Whether the folder may still hold files of an earlier run.
    replaces: bool,
    lock: Lock,
}

/// Who watches a run.
pub trait Observer: Send {
    /// After every step; a break stops the run once its checkpoint is written.
    fn step(&mut self, progress: &Progress) -> ControlFlow<()>;
    /// After every epoch, once its files are written. `died` are the latent dimensions, from 1, that
    /// were active until then.
    fn epoch(&mut self, row: &Row, died: &[usize]);
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Complete,
    /// The ELBO on the held-out images has not risen for the recipe's `patience`.
    StoppedEarly,
    /// The observer stopped it; the checkpoint says where.
    Stopped,
}

/// Why a run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The recipe makes no sense.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The folder is in use, or not writable.
    #[error(transparent)]
    Folder(#[from] LockError),
    /// The data has another image size than the recipe.
    #[error(
        "the images are {} x {}, but the recipe's are {} x {}",
        found[0], found[1], expected[0], expected[1]
    )]
    ImageSize {
        /// Height and width of the data.
        found: [usize; 2],
        /// Height and width of the recipe.
        expected: [usize; 2],
    },
    /// A conditional model cannot read the labels.
    #[error("the {part} part of the data does not fit the recipe: {cause}")]
    Labels {
        /// Which part.
        part: Part,
        /// Why.
        cause: UnusableLabels,
    },
    /// The run would have more training images than there are.
    #[error("train_images is {asked}, but there are {images} training images")]
    TooFewImages {
        /// Images that it was to have.
        asked: usize,
        /// Images that there are.
        images: usize,
    },
    /// All training images would be held out.
    #[error(
        "validation is {held_out}, but there are {images} training images: some must be left to \
         train on"
    )]
    HeldOut {
        /// Images to hold out.
        held_out: usize,
        /// Images that there are.
        images: usize,
    },
    /// The weights of another model cannot be taken.
    #[error("cannot start from another model: {0}")]
    Transfer(TransferError),
    /// A run cannot go on under another recipe.
    #[error(
        "{} is of another recipe: {}; only `epochs` may change on --resume",
        path.display(), differences.join(", ")
    )]
    OtherRecipe {
        /// The checkpoint.
        path: PathBuf,
        /// `key: then -> now`.
        differences: Vec<String>,
    },
    /// A run cannot go on with other data.
    #[error(
        "{} is of a run on {} training images, but these {} are others: give the same --data",
        path.display(), then.images, now.images
    )]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
        /// The images then.
        then: Fingerprint,
        /// The images now.
        now: Fingerprint,
    },
    /// A run cannot go back.
    #[error(
        "{} is in epoch {reached}, which is beyond the {epochs} epochs asked for", path.display()
    )]
    Beyond {
        /// The checkpoint.
        path: PathBuf,
        /// The epoch that it is in, or has completed last.
        reached: u64,
        /// The epochs that the run is to have.
        epochs: u64,
    },
    /// Numbers ran away.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
    /// Metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Model or checkpoint.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// Any other file.
    #[error(transparent)]
    File(#[from] FileError),
}

// By hand: a source would be said a second time where a chain of errors is printed.
impl From<TransferError> for RunError {
    fn from(cause: TransferError) -> Self {
        Self::Transfer(cause)
    }
}

impl<'a, T: Real> Run<'a, T> {
    /// A fresh run. The folder is made; what an earlier run left there stays until the new one
    /// first has something to keep.
    ///
    /// # Errors
    ///
    /// If the recipe is not valid, does not fit the images or the model that it starts from, or the folder
    /// cannot be written.
    pub fn start(
        mut recipe: Recipe,
        out: &Path,
        train: &'a Dataset,
        test: &'a Dataset,
    ) -> Result<Self, RunError> {
        fit(&mut recipe, train, Part::Train)?;
        fit(&mut recipe, test, Part::Test)?;
        let mut model = recipe.model();
        if recipe.output_bias == OutputBias::Data {
            model.set_output_bias(&training_view(&recipe, train)?.0.mean());
        }
        transfer::start(&mut recipe, &mut model)?;
        Self::new(recipe, model, None, out, train, test)
    }

    /// A run at its first step, in a folder where all its files can be written.
    fn new(
        recipe: Recipe,
        model: AnyModel<T>,
        best: Option<Best<AnyModel<T>>>,
        out: &Path,
        train: &'a Dataset,
        test: &'a Dataset,
    ) -> Result<Self, RunError> {
        let (train_view, held_out) = training_view(&recipe, train)?;
        let early_stopping = (held_out.count > 0).then(|| {
            let warm_up = recipe.warm_up.epochs();
            EarlyStopping::new(&model, held_out, recipe.patience, warm_up, best)
        });
        let evaluator = Evaluator::new(&model, recipe.view(test, Part::Test));
        let trainer = Trainer::with(model, recipe.objective(), train_view, recipe.plan());
        let lock = Lock::take(out)?;
        files::check(out)?;
        Ok(Self {
            elbo: trainer.model.elbo(),
            recipe,
            out: out.into(),
            trainer,
            evaluator,
            early_stopping,
            rows: vec![],
            units: vec![],
            data: train.images.fingerprint(),
            replaces: true,
            lock,
        })
    }

    /// Goes on from a checkpoint of the same recipe, `epochs` aside.
    ///
    /// # Errors
    ///
    /// If recipe or data are others, the checkpoint is beyond the recipe's epochs, or the folder
    /// cannot be written.
    pub fn resume(
        mut recipe: Recipe,
        checkpoint: Checkpoint<T>,
        out: &Path,
        train: &'a Dataset,
        test: &'a Dataset,
    ) -> Result<Self, RunError> {
        let path = || out.join(files::CHECKPOINT);
        recipe.image = recipe.image.or(checkpoint.recipe.image);
        recipe.classes = recipe.classes.or(checkpoint.recipe.classes);
        fit(&mut recipe, train, Part::Train)?;
        fit(&mut recipe, test, Part::Test)?;
        if recipe.init_from != checkpoint.recipe.init_from {
            transfer::identify(&mut recipe)?;
        }
        let differences = differences(&checkpoint.recipe, &recipe);
        if !differences.is_empty() {
            return Err(RunError::OtherRecipe { path: path(), differences });
        }
        let (then, now) = (checkpoint.data, train.images.fingerprint());
        if then != now {
            return Err(RunError::OtherData { path: path(), then, now });
        }
        let Checkpoint { model, optimiser, position, best, .. } = checkpoint;
        let epochs = recipe.epochs;
        let reached = position.epoch.saturating_add(u64::from(position.batch > 0));
        if reached > epochs {
            return Err(RunError::Beyond { path: path(), reached, epochs });
        }
        let mut run = Self::new(recipe, model, best, out, train, test)?;
        (run.trainer.optimiser, run.trainer.position) = (optimiser, position);
        run.replaces = false;
        let (metrics, units) = (out.join(files::METRICS), out.join(files::UNITS));
        if metrics.exists() {
            run.rows = read_metrics(&metrics)?;
            run.rows.retain(|row| row.epoch <= position.epoch);
        }
        if units.exists() {
            run.units = read_units(&units)?;
            run.units.retain(|units| units.epoch <= position.epoch);
        }
        Ok(run)
    }

    /// Trains until all epochs are done or the observer stops it. After every epoch the metrics,
    /// the model and the checkpoint are written; where none is left, they are written as the checkpoint has them.
    ///
    /// # Errors
    ///
    /// If a number is no longer finite, or a file cannot be written. The last checkpoint stays.
    pub fn train(&mut self, observer: &mut impl Observer) -> Result<Outcome, RunError> {
        if self.trainer.position.epoch >= self.recipe.epochs || self.is_over() {
            self.save()?;
        }
        while self.trainer.position.epoch < self.recipe.epochs {
            if self.is_over() {
                return Ok(Outcome::StoppedEarly);
            }
            let (started, done) = (Instant::now(), self.trainer.position.totals.images());
            let mut images = 0;
            let figures = self.trainer.epoch(|progress| {
                images = progress.images - done;
                observer.step(progress)
            })?;
            let Some(train) = figures else {
                self.save()?;
                return Ok(Outcome::Stopped);
            };
            let row = self.evaluate(train, started.elapsed().as_secs_f64(), images)?;
            self.save()?;
            let died = match &self.units[..] {
                [.., before, now] => now.died_since(before),
                _ => vec![],
            };
            observer.epoch(&row, &died);
        }
        Ok(Outcome::Complete)
    }

    /// Whether the run has ended early.
    fn is_over(&self) -> bool {
        let epoch = self.trainer.position.epoch;
        self.early_stopping.as_ref().is_some_and(|early| early.is_over(epoch))
    }

    /// Evaluates the weights after an epoch, and keeps what comes of it.
    fn evaluate(&mut self, train: Figures, seconds: f64, images: u64) -> Result<Row, NonFinite> {
        let (Trainer { model, optimiser, position, .. }, recipe) = (&self.trainer, &self.recipe);
        let test = self.evaluator.evaluate(model, &self.elbo, recipe.seed, position.epoch);
        let validation_elbo = self
            .early_stopping
            .as_mut()
            .map(|early| early.epoch(model, &self.elbo, recipe.seed, position.epoch));
        let named = [("test_elbo", Some(test.elbo)), ("validation_elbo", validation_elbo)];
        for (tensor, elbo) in named {
            if elbo.is_some_and(|elbo| !elbo.is_finite()) {
                let (tensor, epoch) = (tensor.into(), position.epoch);
                return Err(NonFinite { tensor, step: optimiser.steps(), epoch });
            }
        }
        self.units.extend(Units::of(position.epoch, &test));
        let row = Row {
            epoch: position.epoch,
            train_objective: train.objective,
            train_elbo: train.elbo,
            train_reconstruction: train.reconstruction,
            train_kl: train.kl,
            test_elbo: test.elbo,
            test_reconstruction: test.reconstruction,
            test_kl: test.kl,
            active_units: test.active_units,
            learning_rate: optimiser.learning_rate(),
            seconds,
            images_per_second: images as f64 / seconds,
            validation_elbo,
        }
        .rounded();
        self.rows.push(row.clone());
        Ok(row)
    }

    /// Writes all files of the run, the checkpoint last: where it is, the others are as new. Those of an earlier run
    /// go once all of these are on the disk.
    fn save(&mut self) -> Result<(), RunError> {
        if !self.replaces {
            return self.write(&self.out);
        }
        files::replace(&self.out, |folder| self.write(folder))?;
        self.replaces = false;
        Ok(())
    }

    /// Fails where another folder is where the run's own was.
    ///
    /// # Errors
    ///
    /// [`LockError::Exchanged`].
    pub fn check_folder(&self) -> Result<(), RunError> {
        Ok(self.lock.check_place(&self.out)?)
    }

    fn write(&self, folder: &Path) -> Result<(), RunError> {
        let path = |name| self.check_folder().map(|()| folder.join(name));
        let recipe = self.recipe.to_toml();
        write_atomically(&path(files::RECIPE)?, |f| f.write_all(recipe.as_bytes()))?;
        if !self.rows.is_empty() {
            write_metrics(&path(files::METRICS)?, &self.rows)?;
            write_units(&path(files::UNITS)?, &self.units)?;
        }
        save_model(&path(files::MODEL)?, self.model(), &self.recipe)?;
        let Trainer { model, optimiser, position, .. } = &self.trainer;
        Checkpoint::save(
            &path(files::CHECKPOINT)?,
            &self.recipe,
            self.data,
            model,
            optimiser,
            *position,
            self.best(),
        )?;
        Ok(())
    }

    /// The recipe as run.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The metrics so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The latent dimensions so far.
    pub fn units(&self) -> &[Units] {
        &self.units
    }

    /// The best weights by the held-out images, if there are any and an epoch is done.
    pub fn best(&self) -> Option<&Best<AnyModel<T>>> {
        self.early_stopping.as_ref().and_then(|early| early.best.as_ref())
    }

    /// The model that the run keeps: the best one where images are held out, else the latest.
    pub fn model(&self) -> &AnyModel<T> {
        self.best().map_or(&self.trainer.model, |best| &best.model)
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer<'a, T, AnyModel<T>, AnyObjective> {
        &self.trainer
    }
}

/// The images to train on, and those that are held out.
fn training_view<'a>(
    recipe: &Recipe,
    train: &'a Dataset,
) -> Result<(View<'a>, View<'a>), RunError> {
    let (held_out, images, asked) = (recipe.validation, train.images.len(), recipe.train_images);
    match recipe.training_images(images) {
        Some(trained) => {
            Ok(recipe.view(train, Part::Train).take(trained + held_out).split(held_out))
        }
        None if asked > images => Err(RunError::TooFewImages { asked, images }),
        None => Err(RunError::HeldOut { held_out, images }),
    }
}

/// Takes the image size and the classes from the data, or checks them against it, and validates the
/// whole.
fn fit(recipe: &mut Recipe, data: &Dataset, part: Part) -> Result<(), RunError> {
    let found = [data.images.height(), data.images.width()];
    let expected = *recipe.image.get_or_insert(found);
    if found != expected {
        return Err(RunError::ImageSize { found, expected });
    }
    recipe.take_classes(data).map_err(|cause| RunError::Labels { part, cause })?;
    Ok(recipe.validate()?)
}

/// The fields in which two recipes differ, `epochs` aside unless the schedule looks to their number.
fn differences(then: &Recipe, now: &Recipe) -> Vec<String> {
    let open = !matches!(then.schedule, Schedule::Cosine { .. });
    let (then, now) = (then.to_table(), now.to_table());
    let left_out = then.keys().filter(|key| !now.contains_key(*key));
    let keys = now.keys().chain(left_out).filter(|key| !(open && *key == "epochs"));
    keys.filter(|key| then.get(*key) != now.get(*key))
        .map(|key| {
            let value =
                |table: &toml::Table| table.get(key).map_or("unset".into(), toml::Value::to_string);
            format!("{key} was {} and is now {}", value(&then), value(&now))
        })
        .collect()
}
