//! Starting from the weights of another model.

use std::path::Path;

use super::model_file::{self, ModelFileError};
use crate::{
    files::crc32,
    models::AnyModel,
    parameters::ModelPart,
    real::Real,
    recipe::{Origin, Recipe},
    training::{OtherTensors, copy_tensors},
};

/// Why a model could not start from the weights of another one.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The other model could not be read.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// The file is not the one that the recipe was run with.
    #[error(
        "{model} is not the file that the recipe starts from: its CRC-32 is {found}, expected {expected}; \
         leave crc32 out of init_from to start from this one"
    )]
    Changed {
        /// The file.
        model: String,
        /// Its checksum.
        found: u32,
        /// The recipe's.
        expected: u32,
    },
    /// The same weights would compute something else.
    #[error("{part} of {model} does not fit this model: its {key} is {theirs}, expected {ours}")]
    Setting {
        /// The file.
        model: String,
        /// What was to be taken of it.
        part: ModelPart,
        /// The key of the recipe that differs.
        key: &'static str,
        /// Its value there.
        theirs: String,
        /// Its value here.
        ours: String,
    },
    /// The tensors are others.
    #[error("{part} of {model} does not fit this model: {cause}")]
    Tensors {
        /// The file.
        model: String,
        /// What was to be taken of it.
        part: ModelPart,
        /// Which tensor.
        cause: OtherTensors,
    },
}

/// Where the recipe starts from another model: takes its weights into `model`, and notes its checksum.
pub(super) fn start<T: Real>(
    recipe: &mut Recipe,
    model: &mut AnyModel<T>,
) -> Result<(), TransferError> {
    let Some(origin) = &recipe.init_from else { return Ok(()) };
    let (file, part, path) = (&origin.model, origin.part, Path::new(&origin.model));
    let bytes = model_file::read(path)?;
    let checksum = checked(origin, &bytes)?;
    let (theirs, source) = model_file::model_of::<T>(path, &bytes)?;
    check_settings(file, part, &theirs, recipe)?;
    copy_tensors(&source, model, |name| part.has(name))
        .map_err(|cause| TransferError::Tensors { model: file.clone(), part, cause })?;
    note(recipe, checksum);
    Ok(())
}

/// Notes the checksum of the model that the recipe starts from, if there is one, and nothing is known of it yet.
pub(super) fn identify(recipe: &mut Recipe) -> Result<(), TransferError> {
    let Some(origin) = recipe.init_from.as_ref().filter(|origin| origin.crc32.is_none()) else {
        return Ok(());
    };
    let checksum = checked(origin, &model_file::read(Path::new(&origin.model))?)?;
    note(recipe, checksum);
    Ok(())
}

fn note(recipe: &mut Recipe, checksum: u32) {
    recipe.init_from.iter_mut().for_each(|origin| origin.crc32 = Some(checksum));
}

/// The checksum of the file, which must be the recipe's if that has one.
fn checked(origin: &Origin, bytes: &[u8]) -> Result<u32, TransferError> {
    let (found, expected) = (crc32(bytes), origin.crc32.unwrap_or_else(|| crc32(bytes)));
    match found == expected {
        true => Ok(found),
        false => Err(TransferError::Changed { model: origin.model.clone(), found, expected }),
    }
}

/// Tensors of one shape compute the same only for images of one size, the same part of which is given, with
/// one activation and, in a decoder, for one likelihood.
fn check_settings(
    file: &str,
    part: ModelPart,
    theirs: &Recipe,
    ours: &Recipe,
) -> Result<(), TransferError> {
    let keys: &[_] = match part {
        ModelPart::Encoder => &["image", "given", "activation"],
        _ => &["image", "given", "activation", "likelihood"],
    };
    let [theirs, ours] = [theirs, ours].map(Recipe::to_table);
    match keys.iter().find(|key| theirs.get(**key) != ours.get(**key)) {
        None => Ok(()),
        Some(&key) => {
            let [theirs, ours] = [&theirs, &ours].map(|recipe| recipe[key].to_string());
            Err(TransferError::Setting { model: file.into(), part, key, theirs, ours })
        }
    }
}
