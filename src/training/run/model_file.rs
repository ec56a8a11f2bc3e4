//! `model.safetensors`: the weights under PyTorch's names and shapes, the recipe beside them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use ndarray::ArrayViewD;
use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorView},
};

use crate::{
    files::{FileError, read_regular, write_atomically},
    models::AnyModel,
    parameters::Parameters,
    real::Real,
    recipe::{Recipe, RecipeError},
};

/// The metadata key of a model file; its value is the recipe as JSON.
const RECIPE: &str = "recipe";
/// That of a checkpoint.
pub(super) const STATE: &str = "checkpoint";

/// Why a model file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The file could not be opened or read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// Not a safetensors file, or a damaged one.
    #[error("{} is not a whole safetensors file: {cause}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where it breaks off.
        cause: safetensors::SafeTensorError,
    },
    /// A checkpoint whose bytes are not those that were written.
    #[error("{} is damaged: its checksum is {stored}, but that of its bytes is {found}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The checksum in it.
        stored: String,
        /// That of its bytes.
        found: String,
    },
    /// A safetensors file of something else.
    #[error(
        "{} cannot be used: its metadata has no usable `{key}` ({message})",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The metadata key.
        key: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A recipe that describes no model.
    #[error("the recipe in {} is unusable: {cause}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: RecipeError,
    },
    /// Tensors that are not those of the recipe's model.
    #[error("{} does not hold the model of its recipe: {message}", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// Which tensor, what was expected, what was found.
        message: String,
    },
}

/// Writes the weights, and the recipe as JSON under the metadata key `recipe`.
///
/// # Errors
///
/// If the file cannot be written.
pub fn save_model<T: Real>(
    path: &Path,
    model: &impl Parameters<T>,
    recipe: &Recipe,
) -> Result<(), ModelFileError> {
    let json = serde_json::to_string(recipe).expect("a recipe is plain data");
    let bytes = serialised(path, named_bytes("", model), dtype::<T>(), (RECIPE, json))?;
    write_atomically(path, |file| file.write_all(&bytes))?;
    Ok(())
}

/// Reads a model and its recipe. Weights stored in f32 or f64 become `T`.
///
/// # Errors
///
/// If the file cannot be read, is damaged, or holds another model than its recipe says.
pub fn load_model<T: Real>(path: &Path) -> Result<(Recipe, AnyModel<T>), ModelFileError> {
    model_of(path, &read(path)?)
}

/// The same of the bytes of the file.
pub(super) fn model_of<T: Real>(
    path: &Path,
    bytes: &[u8],
) -> Result<(Recipe, AnyModel<T>), ModelFileError> {
    let recipe: Recipe = metadata(path, bytes, RECIPE)?;
    let tensors = parse(path, bytes)?;
    let mut model = fresh_model(path, &recipe, &tensors, 1)?;
    fill(path, &tensors, "", &mut model)?;
    Ok((recipe, model))
}

/// The name, shape and little-endian bytes of every tensor.
pub(super) fn named_bytes<T: Real>(
    prefix: &str,
    parameters: &impl Parameters<T>,
) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let named = parameters.names().into_iter().zip(parameters.tensors());
    named.map(|(name, t)| (format!("{prefix}{name}"), t.shape().to_vec(), le_bytes(&t))).collect()
}

fn le_bytes<T: Real>(tensor: &ArrayViewD<'_, T>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(&T::ZERO) * tensor.len());
    T::extend_le_bytes(tensor.iter().copied(), &mut bytes);
    bytes
}

/// The element type under which tensors of `T`, f32 or f64, are stored.
pub(super) fn dtype<T: Real>() -> Dtype {
    if size_of::<T>() == size_of::<f32>() { Dtype::F32 } else { Dtype::F64 }
}

/// The file of tensors with a single metadata entry: with one, its bytes are a function of its content alone.
pub(super) fn serialised(
    path: &Path,
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
    dtype: Dtype,
    (key, json): (&str, String),
) -> Result<Vec<u8>, ModelFileError> {
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, shape.clone(), bytes);
        (name.as_str(), view.expect("the bytes are those of the shape"))
    });
    let metadata = HashMap::from([(key.to_string(), json)]);
    safetensors::serialize(views, Some(metadata))
        .map_err(|cause| ModelFileError::Format { path: path.into(), cause })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, ModelFileError> {
    read_regular(path).map_err(|cause| ModelFileError::Read { path: path.into(), cause })
}

pub(super) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, ModelFileError> {
    SafeTensors::deserialize(bytes)
        .map_err(|cause| ModelFileError::Format { path: path.into(), cause })
}

/// The JSON value under a metadata key.
pub(super) fn metadata<M: serde::de::DeserializeOwned>(
    path: &Path,
    bytes: &[u8],
    key: &'static str,
) -> Result<M, ModelFileError> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|cause| ModelFileError::Format { path: path.into(), cause })?;
    let foreign = |message: String| ModelFileError::Foreign { path: path.into(), key, message };
    let json = header.metadata().as_ref().and_then(|m| m.get(key));
    let json = json.ok_or_else(|| foreign(missing(&header)))?;
    serde_json::from_str(json).map_err(|e| foreign(e.to_string()))
}

fn missing(header: &Metadata) -> String {
    let keys = header.metadata().iter().flat_map(HashMap::keys);
    match keys.map(String::as_str).find(|key| [RECIPE, STATE].contains(key)) {
        Some(STATE) => "it is a checkpoint; model.safetensors lies beside it".into(),
        Some(_) => "it is a model, not a checkpoint".into(),
        None => "it was not written by `elbo train`".into(),
    }
}

/// The recipe's model, once its recipe is known to be sane and no larger than `copies` of it would
/// make the file.
pub(super) fn fresh_model<T: Real>(
    path: &Path,
    recipe: &Recipe,
    tensors: &SafeTensors<'_>,
    copies: usize,
) -> Result<AnyModel<T>, ModelFileError> {
    recipe.validate().map_err(|cause| ModelFileError::Recipe { path: path.into(), cause })?;
    let stored: usize = tensors.iter().map(|(_, t)| t.shape().iter().product::<usize>()).sum();
    let expected = recipe.parameter_count().and_then(|n| n.checked_mul(copies));
    if expected != Some(stored) {
        let expected =
            expected.map_or("the size of the images, or the classes".into(), |n| n.to_string());
        let message = format!("it has {stored} numbers where the recipe needs {expected}");
        return Err(ModelFileError::Architecture { path: path.into(), message });
    }
    Ok(recipe.model())
}

/// Fills `parameters` from the tensors of its names.
pub(super) fn fill<T: Real>(
    path: &Path,
    tensors: &SafeTensors<'_>,
    prefix: &str,
    parameters: &mut impl Parameters<T>,
) -> Result<(), ModelFileError> {
    let wrong = |message| ModelFileError::Architecture { path: path.into(), message };
    for (name, mut target) in parameters.names().into_iter().zip(parameters.tensors_mut()) {
        let name = format!("{prefix}{name}");
        let stored =
            tensors.tensor(&name).map_err(|_| wrong(format!("there is no tensor `{name}`")))?;
        if stored.shape() != target.shape() {
            let (found, expected) = (stored.shape(), target.shape());
            return Err(wrong(format!("`{name}` has shape {found:?}, expected {expected:?}")));
        }
        let values = decode::<T>(&stored).ok_or_else(|| {
            wrong(format!("`{name}` is {:?}, expected F32 or F64", stored.dtype()))
        })?;
        if let Some(index) = values.iter().position(|v| !v.to_f64().is_finite()) {
            return Err(wrong(format!("`{name}` is not finite at element {index}")));
        }
        target.iter_mut().zip(values).for_each(|(t, v)| *t = v);
    }
    Ok(())
}

/// The elements of a stored tensor as `T`, or `None` if they are no floats of ours.
fn decode<T: Real>(stored: &TensorView<'_>) -> Option<Vec<T>> {
    fn convert<S: Real, T: Real>(bytes: &[u8]) -> Vec<T> {
        let elements = bytes.chunks_exact(size_of::<S>());
        elements.map(|e| T::from_f64(S::from_le_slice(e).to_f64())).collect()
    }
    match stored.dtype() {
        Dtype::F32 => Some(convert::<f32, T>(stored.data())),
        Dtype::F64 => Some(convert::<f64, T>(stored.data())),
        _ => None,
    }
}
