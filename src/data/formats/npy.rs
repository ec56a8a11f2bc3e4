//! `.npy`, the format of NumPy's `save`: an array of numbers, little- or big-endian, in C or
//! Fortran order.
//!
//! | bytes | content |
//! | --- | --- |
//! | 0 .. 6 | `\x93NUMPY` |
//! | 6, 7 | version: 1.0, 2.0 or 3.0 |
//! | 8 .. | length of the header, little-endian: u16 in version 1.0, u32 after |
//! | then | the header: a Python dictionary with `descr`, `fortran_order` and `shape` |
//! | then | the elements |
//!
//! Source: NumPy's documentation of `numpy.lib.format`.
//!
//! The header is parsed here and not by `ndarray-npy`, whose parser takes any Python literal, in a
//! time exponential in its nesting (16 opening braces keep it busy for more than 20 seconds), and
//! whose reader allocates whatever the shape promises.

mod header;

use std::path::Path;

use byteorder::{BigEndian, ByteOrder, LittleEndian};
use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use self::header::Header;
use super::source::{Element, Source};
use super::{DataError, images, labels};
use crate::data::{Images, InvalidImages, Pixels};

const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// The longest header accepted; NumPy's own are 128 bytes, and its reader stops at 10 000.
const LONGEST_HEADER: usize = 1 << 16;

/// An array as a `.npy` file holds it, brought into C order.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray {
    /// The size of each dimension, the slowest first; empty for a single number.
    pub shape: Vec<usize>,
    /// The elements, the last dimension varying fastest; as many as the product of `shape`.
    pub data: NpyData,
}

/// The elements of an [`NpyArray`], in the type that the file has.
#[derive(Debug, Clone, PartialEq)]
pub enum NpyData {
    /// `u1`, NumPy's `uint8`.
    U8(Vec<u8>),
    /// `i1`, NumPy's `int8`.
    I8(Vec<i8>),
    /// `u2`, NumPy's `uint16`.
    U16(Vec<u16>),
    /// `i2`, NumPy's `int16`.
    I16(Vec<i16>),
    /// `u4`, NumPy's `uint32`.
    U32(Vec<u32>),
    /// `i4`, NumPy's `int32`.
    I32(Vec<i32>),
    /// `u8`, NumPy's `uint64`.
    U64(Vec<u64>),
    /// `i8`, NumPy's `int64`.
    I64(Vec<i64>),
    /// `f4`, NumPy's `float32`.
    F32(Vec<f32>),
    /// `f8`, NumPy's `float64`.
    F64(Vec<f64>),
}

/// Reads a `.npy` file.
///
/// No more memory is reserved than the file can fill, whatever its header promises.
///
/// # Errors
/// If the file cannot be read, its header is not that of an array of numbers, or it is shorter or
/// longer than its header says.
pub fn read(path: &Path) -> Result<NpyArray, DataError> {
    let mut source = Source::open(path)?;
    let unusable =
        |(position, problem)| DataError::NpyHeader { path: path.to_path_buf(), position, problem };
    let (text, start) = read_header(&mut source, unusable)?;
    let header = header::parse(&text)
        .map_err(|(position, problem)| unusable((start + position, problem)))?;
    let big_endian = match header.descr.as_bytes().first() {
        Some(b'>') => true,
        Some(b'=') => cfg!(target_endian = "big"),
        _ => false,
    };
    let data = match big_endian {
        true => read_data::<BigEndian>(&mut source, &header)?,
        false => read_data::<LittleEndian>(&mut source, &header)?,
    };
    let data = data.ok_or_else(|| {
        let problem = format!(
            "cannot read elements of type '{}'; expected integers of 1 to 8 bytes \
             or floats of 4 or 8",
            header.descr
        );
        unusable((start, problem))
    })?;
    Ok(NpyArray { shape: header.shape, data })
}

/// The header's text and the byte at which it starts.
fn read_header(
    source: &mut Source,
    unusable: impl Fn((usize, String)) -> DataError,
) -> Result<(String, usize), DataError> {
    let magic = source.header::<6>()?;
    if magic != MAGIC {
        let problem = format!("the file begins with {magic:02x?}, expected {MAGIC:02x?}");
        return Err(unusable((0, problem)));
    }
    let (length, start) = match source.header::<2>()? {
        [1, 0] => (usize::from(LittleEndian::read_u16(&source.header::<2>()?)), 10),
        [2 | 3, 0] => (LittleEndian::read_u32(&source.header::<4>()?) as usize, 12),
        [major, minor] => {
            let problem = format!("version {major}.{minor}, expected 1.0, 2.0 or 3.0");
            return Err(unusable((6, problem)));
        }
    };
    if length > LONGEST_HEADER {
        let problem = format!("a header of {length} bytes, expected at most {LONGEST_HEADER}");
        return Err(unusable((8, problem)));
    }
    let mut bytes = vec![0; length];
    source.fill_header(&mut bytes)?;
    String::from_utf8(bytes)
        .map(|text| (text, start))
        .map_err(|error| unusable((start + error.utf8_error().valid_up_to(), "not text".into())))
}

/// The elements, or `None` for an element type that is not supported.
fn read_data<E: ByteOrder>(
    source: &mut Source,
    header: &Header,
) -> Result<Option<NpyData>, DataError> {
    Ok(Some(match header.descr.trim_start_matches(['<', '>', '=', '|']) {
        "u1" => NpyData::U8(read_values::<_, E>(source, header)?),
        "i1" => NpyData::I8(read_values::<_, E>(source, header)?),
        "u2" => NpyData::U16(read_values::<_, E>(source, header)?),
        "i2" => NpyData::I16(read_values::<_, E>(source, header)?),
        "u4" => NpyData::U32(read_values::<_, E>(source, header)?),
        "i4" => NpyData::I32(read_values::<_, E>(source, header)?),
        "u8" => NpyData::U64(read_values::<_, E>(source, header)?),
        "i8" => NpyData::I64(read_values::<_, E>(source, header)?),
        "f4" => NpyData::F32(read_values::<_, E>(source, header)?),
        "f8" => NpyData::F64(read_values::<_, E>(source, header)?),
        _ => return Ok(None),
    }))
}

/// The elements in C order.
fn read_values<T: Element + Clone, E: ByteOrder>(
    source: &mut Source,
    header: &Header,
) -> Result<Vec<T>, DataError> {
    let values = source.values::<T, E>(&header.shape)?;
    if !header.fortran_order {
        return Ok(values);
    }
    let array = ArrayD::from_shape_vec(IxDyn(&header.shape).f(), values)
        .map_err(|_| source.too_large(&header.shape))?;
    Ok(array.as_standard_layout().into_owned().into_raw_vec_and_offset().0)
}

/// Reads a `.npy` file as images.
pub(super) fn read_images(path: &Path) -> Result<Images, DataError> {
    let NpyArray { shape, data } = read(path)?;
    let refuse = |element| Err(InvalidImages::ElementType { element });
    let pixels = match data {
        NpyData::U8(values) if values.iter().max() == Some(&1) => Err(InvalidImages::BlackAndWhite),
        NpyData::U8(values) => Ok(Pixels::Bytes(values)),
        NpyData::F32(values) => Ok(Pixels::Floats(values)),
        NpyData::F64(values) => Ok(Pixels::Floats(values.iter().map(|&v| v as f32).collect())),
        NpyData::I8(_) => refuse("i8"),
        NpyData::U16(_) => refuse("u16"),
        NpyData::I16(_) => refuse("i16"),
        NpyData::U32(_) => refuse("u32"),
        NpyData::I32(_) => refuse("i32"),
        NpyData::U64(_) => refuse("u64"),
        NpyData::I64(_) => refuse("i64"),
    };
    pixels.and_then(|pixels| images::from_array(&shape, pixels)).map_err(DataError::images(path))
}

/// Reads a `.npy` file as labels.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let NpyArray { shape, data } = read(path)?;
    let refuse = |element| Err(DataError::LabelType { path: path.to_path_buf(), element });
    match data {
        NpyData::U8(values) => labels::from_array(path, &shape, values),
        NpyData::I8(values) => labels::from_array(path, &shape, values),
        NpyData::U16(values) => labels::from_array(path, &shape, values),
        NpyData::I16(values) => labels::from_array(path, &shape, values),
        NpyData::U32(values) => labels::from_array(path, &shape, values),
        NpyData::I32(values) => labels::from_array(path, &shape, values),
        NpyData::U64(values) => labels::from_array(path, &shape, values),
        NpyData::I64(values) => labels::from_array(path, &shape, values),
        NpyData::F32(_) => refuse("f32"),
        NpyData::F64(_) => refuse("f64"),
    }
}
