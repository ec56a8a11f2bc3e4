//! A whole run: epochs, evaluation, and the files that it keeps.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    Checkpoint, CheckpointError, MetricsError, ModelFileError, NonFinite, Progress, Row, Trainer,
    read_metrics, save_model, write_metrics,
};
use crate::{
    data::Images,
    distributions::bernoulli::Bernoulli,
    evaluation::Evaluator,
    files::{FileError, write_atomically},
    layers::Mlp,
    models::Decoder,
    objectives::{Elbo, Figures},
    real::Real,
    recipe::{Recipe, RecipeError},
};

/// The names of the files in a run's folder.
pub mod files {
    /// The weights.
    pub const MODEL: &str = "model.safetensors";
    /// What `--resume` reads.
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// A row per epoch.
    pub const METRICS: &str = "metrics.csv";
    /// The complete recipe.
    pub const RECIPE: &str = "recipe.toml";
}

/// A run in progress, in its folder.
pub struct Run<'a, T: Real> {
    recipe: Recipe,
    out: PathBuf,
    trainer: Trainer<'a, T, Mlp<T>, Decoder<T, Mlp<T>>, Bernoulli, Elbo>,
    evaluator: Evaluator<'a, T, Mlp<T>, Decoder<T, Mlp<T>>>,
    rows: Vec<Row>,
}

/// Who watches a run.
pub trait Observer {
    /// After every step; a break stops the run once its checkpoint is written.
    fn step(&mut self, progress: &Progress) -> ControlFlow<()>;
    /// After every epoch, once its files are written.
    fn epoch(&mut self, row: &Row);
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Complete,
    /// The observer stopped it; the checkpoint says where.
    Stopped,
}

/// Why a run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The recipe makes no sense.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The folder cannot be made.
    #[error("cannot create the folder {}: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
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
    #[error("{} is of a run on {then} training images, but the data has {now}", path.display())]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
        /// Images then.
        then: usize,
        /// Images now.
        now: usize,
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

impl<'a, T: Real> Run<'a, T> {
    /// A fresh run. The folder is made, and `recipe.toml` written into it.
    ///
    /// # Errors
    ///
    /// If the recipe is not valid, does not fit the images, or the folder cannot be written.
    pub fn start(
        mut recipe: Recipe,
        out: &Path,
        train: &'a Images,
        test: &'a Images,
    ) -> Result<Self, RunError> {
        fit(&mut recipe, train)?;
        fit(&mut recipe, test)?;
        let trainer = Trainer::new(
            recipe.model(),
            Elbo,
            train,
            recipe.batch_size,
            recipe.learning_rate,
            recipe.seed,
        );
        let evaluator = Evaluator::new(&trainer.model, test);
        let run = Self { recipe, out: out.into(), trainer, evaluator, rows: vec![] };
        run.prepare_folder()?;
        Ok(run)
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
        train: &'a Images,
        test: &'a Images,
    ) -> Result<Self, RunError> {
        let path = || out.join(files::CHECKPOINT);
        recipe.image = recipe.image.or(checkpoint.recipe.image);
        fit(&mut recipe, train)?;
        fit(&mut recipe, test)?;
        let differences = differences(&checkpoint.recipe, &recipe);
        if !differences.is_empty() {
            return Err(RunError::OtherRecipe { path: path(), differences });
        }
        if checkpoint.images != train.len() {
            let (then, now) = (checkpoint.images, train.len());
            return Err(RunError::OtherData { path: path(), then, now });
        }
        let Checkpoint { model, adam, position, .. } = checkpoint;
        let epochs = recipe.epochs;
        let reached = position.epoch.saturating_add(u64::from(position.batch > 0));
        if reached > epochs {
            return Err(RunError::Beyond { path: path(), reached, epochs });
        }
        let mut trainer =
            Trainer::new(model, Elbo, train, recipe.batch_size, recipe.learning_rate, recipe.seed);
        (trainer.adam, trainer.position) = (adam, position);
        let evaluator = Evaluator::new(&trainer.model, test);
        let metrics = out.join(files::METRICS);
        let mut rows = if metrics.exists() { read_metrics(&metrics)? } else { vec![] };
        rows.retain(|row| row.epoch <= position.epoch);
        let run = Self { recipe, out: out.into(), trainer, evaluator, rows };
        run.prepare_folder()?;
        Ok(run)
    }

    fn prepare_folder(&self) -> Result<(), RunError> {
        std::fs::create_dir_all(&self.out)
            .map_err(|cause| RunError::Folder { path: self.out.clone(), cause })?;
        let recipe = self.recipe.to_toml();
        write_atomically(&self.out.join(files::RECIPE), |f| f.write_all(recipe.as_bytes()))?;
        Ok(())
    }

    /// Trains until all epochs are done or the observer stops it. After every epoch the metrics,
    /// the model and the checkpoint are written.
    ///
    /// # Errors
    ///
    /// If a number is no longer finite, or a file cannot be written. The last checkpoint stays.
    pub fn train(&mut self, observer: &mut impl Observer) -> Result<Outcome, RunError> {
        while self.trainer.position.epoch < self.recipe.epochs {
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
            self.rows.push(row);
            write_metrics(&self.out.join(files::METRICS), &self.rows)?;
            self.save()?;
            observer.epoch(&self.rows[self.rows.len() - 1]);
        }
        Ok(Outcome::Complete)
    }

    fn evaluate(&mut self, train: Figures, seconds: f64, images: u64) -> Result<Row, NonFinite> {
        let (Trainer { model, adam, position, .. }, recipe) = (&self.trainer, &self.recipe);
        let test = self.evaluator.evaluate(model, &Elbo, recipe.seed, position.epoch);
        if !test.elbo.is_finite() {
            let (tensor, epoch) = ("test_elbo".into(), position.epoch);
            return Err(NonFinite { tensor, step: adam.step, epoch });
        }
        Ok(Row {
            epoch: position.epoch,
            train_objective: train.objective,
            train_elbo: train.elbo,
            train_reconstruction: train.reconstruction,
            train_kl: train.kl,
            test_elbo: test.elbo,
            test_reconstruction: test.reconstruction,
            test_kl: test.kl,
            active_units: test.active_units,
            learning_rate: adam.learning_rate,
            seconds,
            images_per_second: images as f64 / seconds,
        }
        .rounded())
    }

    /// The model first: where the checkpoint is, the model is at least as new.
    fn save(&self) -> Result<(), CheckpointError> {
        let Trainer { model, adam, position, .. } = &self.trainer;
        save_model(&self.out.join(files::MODEL), model, &self.recipe)?;
        let path = self.out.join(files::CHECKPOINT);
        Checkpoint::save(&path, &self.recipe, self.trainer.images(), model, adam, *position)
    }

    /// The recipe as run.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The metrics so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The trainer, and in it the model.
    pub fn trainer(&self) -> &Trainer<'a, T, Mlp<T>, Decoder<T, Mlp<T>>, Bernoulli, Elbo> {
        &self.trainer
    }
}

/// Takes the image size from the data, or checks it against the data, and validates the whole.
fn fit(recipe: &mut Recipe, images: &Images) -> Result<(), RunError> {
    let found = [images.height(), images.width()];
    let expected = *recipe.image.get_or_insert(found);
    if found != expected {
        return Err(RunError::ImageSize { found, expected });
    }
    Ok(recipe.validate()?)
}

/// The fields in which two recipes differ, `epochs` aside.
fn differences(then: &Recipe, now: &Recipe) -> Vec<String> {
    let table = |recipe| toml::Table::try_from(recipe).expect("a recipe is a flat table");
    let (then, now) = (table(then), table(now));
    let changed =
        now.iter().filter(|(key, value)| *key != "epochs" && then.get(*key) != Some(value));
    changed
        .map(|(key, value)| {
            let then = then.get(key).map_or("unset".into(), ToString::to_string);
            format!("{key} was {then} and is now {value}")
        })
        .collect()
}
