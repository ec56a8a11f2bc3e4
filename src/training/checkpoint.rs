//! `checkpoint.safetensors`: all that a run needs to go on bit for bit.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    model_file::{self, ModelFileError, STATE},
    trainer::Position,
};
use crate::{data::Fingerprint, models::MlpVae, optim::Adam, real::Real, recipe::Recipe};

const FIRST_MOMENT: &str = "adam.m.";
const SECOND_MOMENT: &str = "adam.v.";

/// A run at a moment: weights and both moments as tensors, the rest as metadata. The seed is in
/// the recipe, and all randomness is a function of it and of the position.
#[derive(Clone, Debug)]
pub struct Checkpoint<T> {
    /// The run.
    pub recipe: Recipe,
    /// The weights.
    pub model: MlpVae<T>,
    /// The moments and the count of steps.
    pub adam: Adam<MlpVae<T>>,
    /// The epoch, and the batch within it.
    pub position: Position,
    /// The training images' fingerprint, by which other data is told.
    pub data: Fingerprint,
}

/// What a checkpoint holds beside tensors.
#[derive(Serialize, Deserialize)]
struct State {
    recipe: Recipe,
    #[serde(flatten)]
    data: Fingerprint,
    step: u64,
    position: Position,
}

impl State {
    /// Whether the counts are those of some place in a run of the recipe, which must be valid.
    fn is_consistent(&self) -> bool {
        let Self { recipe, data, step, position } = self;
        let images = data.images;
        let batch_size = recipe.batch_size.min(images);
        if batch_size == 0 {
            return false;
        }
        let batches = images.div_ceil(batch_size);
        let done = position.batch.saturating_mul(batch_size).min(images) as u64;
        let steps = position.epoch.checked_mul(batches as u64);
        position.batch <= batches
            && position.totals.images() == done
            && steps.and_then(|s| s.checked_add(position.batch as u64)) == Some(*step)
    }
}

/// Why a checkpoint could not be read or written: the same reasons as for a model file.
pub type CheckpointError = ModelFileError;

impl<T: Real> Checkpoint<T> {
    /// Reads a checkpoint.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, is no checkpoint, or its counts contradict each
    /// other.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = model_file::read(path)?;
        let state: State = model_file::metadata(path, &bytes, STATE)?;
        let tensors = model_file::parse(path, &bytes)?;
        let mut model = model_file::fresh_model(path, &state.recipe, &tensors, 3)?;
        if !state.is_consistent() {
            let message = "its counts of images, batches and steps contradict each other".into();
            return Err(CheckpointError::Foreign { path: path.into(), key: STATE, message });
        }
        let State { recipe, data, step, position } = state;
        let mut adam = Adam::new(&model, recipe.learning_rate);
        adam.step = step;
        model_file::fill(path, &tensors, "", &mut model)?;
        model_file::fill(path, &tensors, FIRST_MOMENT, &mut adam.m)?;
        model_file::fill(path, &tensors, SECOND_MOMENT, &mut adam.v)?;
        Ok(Self { recipe, model, adam, position, data })
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
        model: &MlpVae<T>,
        adam: &Adam<MlpVae<T>>,
        position: Position,
    ) -> Result<(), CheckpointError> {
        let state = State { recipe: recipe.clone(), data, step: adam.step, position };
        let json = serde_json::to_string(&state).expect("a state is plain data");
        let mut tensors = model_file::named_bytes("", model);
        tensors.extend(model_file::named_bytes(FIRST_MOMENT, &adam.m));
        tensors.extend(model_file::named_bytes(SECOND_MOMENT, &adam.v));
        model_file::write_tensors(path, tensors, T::DTYPE, (STATE, json))
    }
}
