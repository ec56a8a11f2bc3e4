//! `checkpoint.safetensors`: all that a run needs to go on bit for bit.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    checksum::{self, Broken},
    model_file::{self, ModelFileError, STATE},
};
use crate::{
    data::Fingerprint,
    files::write_atomically,
    models::AnyModel,
    optim::Optimiser,
    parameters::Parameters,
    real::Real,
    recipe::{MAX_INTEGER, Recipe},
    training::{Best, Position},
};

/// Before the names of the best weights.
const BEST: &str = "best.";

/// A run at a moment: weights and the optimiser's moments as tensors, the rest as metadata. The seed
/// is in the recipe, and all randomness is a function of it and of the position.
#[derive(Clone, Debug)]
pub struct Checkpoint<T> {
    /// The run.
    pub recipe: Recipe,
    /// The weights.
    pub model: AnyModel<T>,
    /// The moments and the count of steps.
    pub optimiser: Optimiser<AnyModel<T>>,
    /// The epoch, and the batch within it.
    pub position: Position,
    /// The training images' fingerprint, by which other data is told.
    pub data: Fingerprint,
    /// The best weights by the images held out, where there are any and an epoch is done.
    pub best: Option<Best<AnyModel<T>>>,
}

/// What a checkpoint holds beside tensors.
#[derive(Serialize, Deserialize)]
struct State {
    /// Of the whole file. It must come first: see [`checksum`].
    checksum: String,
    recipe: Recipe,
    #[serde(flatten)]
    data: Fingerprint,
    step: u64,
    position: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<BestFigures>,
}

/// Of what epoch the best weights are, and their ELBO.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct BestFigures {
    epoch: u64,
    elbo: f64,
}

impl State {
    /// Whether the counts are those of some place in a run of the recipe, which must be valid.
    fn is_consistent(&self) -> bool {
        let Self { recipe, data, step, position, best, .. } = self;
        let Some(images) = recipe.training_images(data.images) else { return false };
        let batch_size = recipe.batch_size.min(images);
        let batches = images.div_ceil(batch_size);
        let done = position.batch.saturating_mul(batch_size).min(images) as u64;
        let best_is_known = recipe.validation > 0 && position.epoch > 0;
        let best_is_past = best.is_none_or(|best| (1..=position.epoch).contains(&best.epoch));
        let steps = position.epoch.checked_mul(batches as u64);
        // So far from the largest number that no later step can reach it.
        *step <= MAX_INTEGER
            && position.batch <= batches
            && best.is_some() == best_is_known
            && best_is_past
            && position.totals.images() == done
            && steps.and_then(|s| s.checked_add(position.batch as u64)) == Some(*step)
    }
}

/// Why a checkpoint could not be read or written: the same reasons as for a model file.
pub type CheckpointError = ModelFileError;

impl<T: Real> Checkpoint<T> {
    /// Whether the run has come to its end: all its epochs, or all its patience.
    pub fn is_finished(&self) -> bool {
        let Self { recipe, position, best, .. } = self;
        let best = best.as_ref().map_or(position.epoch, |best| best.epoch);
        position.epoch >= recipe.epochs
            || recipe.patience > 0 && position.epoch.saturating_sub(best) >= recipe.patience
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, is no checkpoint, or its counts contradict each
    /// other.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = model_file::read(path)?;
        if let Err(Broken::Other { stored, found }) = checksum::verify(&bytes) {
            return Err(CheckpointError::Damaged { path: path.into(), stored, found });
        }
        // Without a checksum it is no checkpoint: what else it is, the metadata says.
        let state: State = model_file::metadata(path, &bytes, STATE)?;
        let tensors = model_file::parse(path, &bytes)?;
        let settings = state.recipe.optimiser();
        let copies = 1 + settings.moments() + usize::from(state.best.is_some());
        let mut model = model_file::fresh_model(path, &state.recipe, &tensors, copies)?;
        if !state.is_consistent() {
            let message = "its counts of images, batches and steps contradict each other".into();
            return Err(CheckpointError::Foreign { path: path.into(), key: STATE, message });
        }
        let State { recipe, data, step, position, best, .. } = state;
        let mut optimiser = Optimiser::new(&model, &settings);
        optimiser.set_steps(step);
        model_file::fill(path, &tensors, "", &mut model)?;
        for (prefix, moment) in optimiser.state_mut() {
            model_file::fill(path, &tensors, prefix, moment)?;
        }
        let best = match best {
            None => None,
            Some(BestFigures { epoch, elbo }) => {
                let mut model = model.zeros_like();
                model_file::fill(path, &tensors, BEST, &mut model)?;
                Some(Best { epoch, elbo, model })
            }
        };
        Ok(Self { recipe, model, optimiser, position, data, best })
    }

    /// Writes a checkpoint of a run where it stands.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(
        path: &Path,
        recipe: &Recipe,
        data: Fingerprint,
        model: &AnyModel<T>,
        optimiser: &Optimiser<AnyModel<T>>,
        position: Position,
        best: Option<&Best<AnyModel<T>>>,
    ) -> Result<(), CheckpointError> {
        let figures = best.map(|&Best { epoch, elbo, .. }| BestFigures { epoch, elbo });
        let (recipe, step) = (recipe.clone(), optimiser.steps());
        let checksum = checksum::BLANK.into();
        let state = State { checksum, recipe, data, step, position, best: figures };
        let json = serde_json::to_string(&state).expect("a state is plain data");
        let mut tensors = model_file::named_bytes("", model);
        for (prefix, moment) in optimiser.state() {
            tensors.extend(model_file::named_bytes(prefix, moment));
        }
        if let Some(best) = best {
            tensors.extend(model_file::named_bytes(BEST, &best.model));
        }
        let mut bytes =
            model_file::serialised(path, tensors, model_file::dtype::<T>(), (STATE, json))?;
        checksum::seal(&mut bytes);
        write_atomically(path, |file| file.write_all(&bytes))?;
        Ok(())
    }
}
