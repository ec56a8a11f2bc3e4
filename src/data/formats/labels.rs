//! Labels from an array of any integer type.

use std::fmt::Display;
use std::path::Path;

use super::DataError;

/// One label per element of a one-dimensional array, each between 0 and 255.
pub(super) fn from_array<T>(
    path: &Path,
    shape: &[usize],
    values: Vec<T>,
) -> Result<Vec<u8>, DataError>
where
    T: Copy + Display,
    u8: TryFrom<T>,
{
    if shape.len() != 1 {
        return Err(DataError::LabelShape { path: path.to_path_buf(), shape: shape.to_vec() });
    }
    let label = |(index, value): (usize, T)| {
        u8::try_from(value).map_err(|_| DataError::LabelRange {
            path: path.to_path_buf(),
            index,
            value: value.to_string(),
        })
    };
    values.into_iter().enumerate().map(label).collect()
}
