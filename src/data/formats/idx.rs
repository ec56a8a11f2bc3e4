//! IDX, the format of MNIST: an array of any number of dimensions.
//!
//! | bytes | content |
//! | --- | --- |
//! | 0, 1 | zero |
//! | 2 | element type: `08` u8, `09` i8, `0B` i16, `0C` i32, `0D` f32, `0E` f64 |
//! | 3 | number of dimensions |
//! | 4 .. | the dimensions, u32, big-endian |
//! | then | the elements, big-endian, the last dimension varying fastest |
//!
//! Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits",
//! <http://yann.lecun.com/exdb/mnist>, section "File formats".

use std::path::Path;

use byteorder::{BigEndian, ByteOrder};

use super::source::Source;
use super::{DataError, images, labels};
use crate::data::{Images, InvalidImages, Pixels};

/// An array as an IDX file holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct IdxArray {
    /// The size of each dimension, the slowest first; empty for a single number.
    pub shape: Vec<usize>,
    /// The elements, the last dimension varying fastest; as many as the product of `shape`.
    pub data: IdxData,
}

/// The elements of an [`IdxArray`], in the type that the file has.
#[derive(Debug, Clone, PartialEq)]
pub enum IdxData {
    /// Type code `08`.
    U8(Vec<u8>),
    /// Type code `09`.
    I8(Vec<i8>),
    /// Type code `0B`.
    I16(Vec<i16>),
    /// Type code `0C`.
    I32(Vec<i32>),
    /// Type code `0D`.
    F32(Vec<f32>),
    /// Type code `0E`.
    F64(Vec<f64>),
}

/// Reads an IDX file, plain or gzipped; its content decides which, not its name.
///
/// No more memory is reserved than the file can fill, whatever its header promises.
///
/// # Errors
/// If the file cannot be read, does not begin as IDX does, or is shorter or longer than its header
/// says.
pub fn read(path: &Path) -> Result<IdxArray, DataError> {
    let mut source = Source::open(path)?;
    let magic = source.header()?;
    let [0, 0, code, rank] = magic else {
        return Err(DataError::IdxMagic { path: path.to_path_buf(), found: magic });
    };
    let shape = (0..rank)
        .map(|_| Ok(BigEndian::read_u32(&source.header::<4>()?) as usize))
        .collect::<Result<Vec<_>, DataError>>()?;
    let data = match code {
        0x08 => IdxData::U8(source.values::<_, BigEndian>(&shape)?),
        0x09 => IdxData::I8(source.values::<_, BigEndian>(&shape)?),
        0x0b => IdxData::I16(source.values::<_, BigEndian>(&shape)?),
        0x0c => IdxData::I32(source.values::<_, BigEndian>(&shape)?),
        0x0d => IdxData::F32(source.values::<_, BigEndian>(&shape)?),
        0x0e => IdxData::F64(source.values::<_, BigEndian>(&shape)?),
        _ => return Err(DataError::IdxType { path: path.to_path_buf(), code }),
    };
    Ok(IdxArray { shape, data })
}

/// Reads an IDX file as images.
pub(super) fn read_images(path: &Path) -> Result<Images, DataError> {
    let IdxArray { shape, data } = read(path)?;
    let refuse = |element| Err(InvalidImages::ElementType { element });
    let pixels = match data {
        IdxData::U8(values) => Ok(Pixels::Bytes(values)),
        IdxData::F32(values) => Ok(Pixels::Floats(values)),
        IdxData::F64(values) => Ok(Pixels::Floats(values.iter().map(|&v| v as f32).collect())),
        IdxData::I8(_) => refuse("i8"),
        IdxData::I16(_) => refuse("i16"),
        IdxData::I32(_) => refuse("i32"),
    };
    pixels.and_then(|pixels| images::from_array(&shape, pixels)).map_err(DataError::images(path))
}

/// Reads an IDX file as labels.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let IdxArray { shape, data } = read(path)?;
    let refuse = |element| Err(DataError::LabelType { path: path.to_path_buf(), element });
    match data {
        IdxData::U8(values) => labels::from_array(path, &shape, values),
        IdxData::I8(values) => labels::from_array(path, &shape, values),
        IdxData::I16(values) => labels::from_array(path, &shape, values),
        IdxData::I32(values) => labels::from_array(path, &shape, values),
        IdxData::F32(_) => refuse("f32"),
        IdxData::F64(_) => refuse("f64"),
    }
}
