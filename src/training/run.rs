//! A whole run: epochs, evaluation, and the files that it keeps.

use std::{
    io::ErrorKind,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    Checkpoint, MetricsError, ModelFileError, NonFinite, Progress, Row, Trainer, read_metrics,
    save_model, write_metrics,
};
use crate::{
    data::{Fingerprint, Images},
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
    /// Test images above their reconstructions.
    pub const RECONSTRUCTIONS: &str = "reconstructions.png";
    /// Decoded draws from the prior.
    pub const SAMPLES: &str = "samples.png";
    /// The decoded latent plane.
    pub const MANIFOLD: &str = "manifold.png";
    /// The latent means of the test set.
    pub const LATENT: &str = "latent.svg";
    /// The figures against the epoch.
    pub const CURVES: &str = "curves.svg";
    /// What is drawn once a run is complete.
    pub const PICTURES: [&str; 5] = [RECONSTRUCTIONS, SAMPLES, MANIFOLD, LATENT, CURVES];
}

/// A run in progress, in its folder.
pub struct Run<'a, T: Real> {
    recipe: Recipe,
    out: PathBuf,
    trainer: Trainer<'a, T, Mlp<T>, Decoder<T, Mlp<T>>, Bernoulli, Elbo>,
    evaluator: Evaluator<'a, T, Mlp<T>, Decoder<T, Mlp<T>>>,
    rows: Vec<Row>,
    data: Fingerprint,
    /// Whether the folder may still hold files of an earlier run.
    replaces: bool,
}

/// Who watches a run.
pub trait Observer: Send {
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
    /// The folder cannot be made, or is not writable.
    #[error("cannot create the folder {} or a file in it: {cause}", path.display())]
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

impl<'a, T: Real> Run<'a, T> {
    /// A fresh run. The folder is made; what an earlier run left there stays until the new one
    /// first has something to keep.
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
        let data = train.fingerprint();
        let (out, rows) = (out.into(), vec![]);
        let run = Self { recipe, out, trainer, evaluator, rows, data, replaces: true };
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
        let (then, now) = (checkpoint.data, train.fingerprint());
        if then != now {
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
        let (out, data) = (out.into(), now);
        let run = Self { recipe, out, trainer, evaluator, rows, data, replaces: false };
        run.prepare_folder()?;
        Ok(run)
    }

    fn prepare_folder(&self) -> Result<(), RunError> {
        std::fs::create_dir_all(&self.out)
            .map_err(|cause| RunError::Folder { path: self.out.clone(), cause })?;
        // A folder that cannot be written into is to be known before an epoch is spent.
        tempfile::tempfile_in(&self.out)
            .map_err(|cause| RunError::Folder { path: self.out.clone(), cause })?;
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

    /// Writes all files of the run, the checkpoint last: where it is, the others are as new.
    fn save(&mut self) -> Result<(), RunError> {
        if std::mem::take(&mut self.replaces) {
            self.remove_earlier()?;
        }
        let path = |name| self.out.join(name);
        let Trainer { model, adam, position, .. } = &self.trainer;
        let recipe = self.recipe.to_toml();
        write_atomically(&path(files::RECIPE), |f| f.write_all(recipe.as_bytes()))?;
        if !self.rows.is_empty() {
            write_metrics(&path(files::METRICS), &self.rows)?;
        }
        save_model(&path(files::MODEL), model, &self.recipe)?;
        let checkpoint = path(files::CHECKPOINT);
        Checkpoint::save(&checkpoint, &self.recipe, self.data, model, adam, *position)?;
        Ok(())
    }

    /// No folder holds files of two runs.
    fn remove_earlier(&self) -> Result<(), RunError> {
        let written = [files::CHECKPOINT, files::MODEL, files::METRICS, files::RECIPE];
        for path in written.iter().chain(&files::PICTURES).map(|name| self.out.join(name)) {
            match std::fs::remove_file(&path) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => {
                    return Err(FileError { path, cause: cause.into() }.into());
                }
                _ => {}
            }
        }
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
