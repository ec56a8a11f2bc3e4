//! Every data format is read as written, and nothing that is wrong with a file goes unnoticed,
//! panics or makes memory go.

mod arrays;
mod folder;
mod idx_format;
mod numpy;
mod png_files;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use elbo::data::idx::{self, IdxArray, IdxData};
use elbo::data::npy::{self, NpyData};
use elbo::data::{DataError, Dataset, Images, InvalidImages, Part, Pixels, load, png_folder};
use flate2::{Compression, write::GzEncoder};
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::{WritableElement, WriteNpyExt};
use png::{BitDepth, ColorType};
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

/// A folder with these files; folders in a file's name are made.
fn folder<B: AsRef<[u8]>>(files: &[(&str, B)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

/// What `read` makes of a file of these bytes.
fn read_as<T>(bytes: &[u8], read: fn(&Path) -> Result<T, DataError>) -> Result<T, DataError> {
    let dir = folder(&[("file", bytes)]);
    read(&dir.path().join("file"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx_header(code: u8, shape: &[usize]) -> Vec<u8> {
    let dims = shape.iter().flat_map(|&dim| (dim as u32).to_be_bytes());
    [0, 0, code, shape.len() as u8].into_iter().chain(dims).collect()
}

fn idx_bytes(array: &IdxArray) -> Vec<u8> {
    let (code, data): (u8, Vec<u8>) = match &array.data {
        IdxData::U8(values) => (0x08, values.clone()),
        IdxData::I8(values) => (0x09, values.iter().flat_map(|v| v.to_be_bytes()).collect()),
        IdxData::I16(values) => (0x0b, values.iter().flat_map(|v| v.to_be_bytes()).collect()),
        IdxData::I32(values) => (0x0c, values.iter().flat_map(|v| v.to_be_bytes()).collect()),
        IdxData::F32(values) => (0x0d, values.iter().flat_map(|v| v.to_be_bytes()).collect()),
        IdxData::F64(values) => (0x0e, values.iter().flat_map(|v| v.to_be_bytes()).collect()),
    };
    [idx_header(code, &array.shape), data].concat()
}

fn idx_u8(shape: &[usize], values: &[u8]) -> Vec<u8> {
    idx_bytes(&IdxArray { shape: shape.to_vec(), data: IdxData::U8(values.to_vec()) })
}

fn npy_bytes<T: WritableElement>(array: &ArrayD<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).unwrap();
    bytes
}

fn npy<T: WritableElement + Clone>(shape: &[usize], values: &[T]) -> Vec<u8> {
    npy_bytes(&ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap())
}

/// A version 1.0 file with this dictionary, written by hand.
fn npy_by_hand(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let length = (dictionary.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], dictionary.as_bytes(), data].concat()
}

fn png_bytes(
    width: u32,
    height: u32,
    color: ColorType,
    depth: BitDepth,
    palette: Option<&[u8]>,
    samples: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    bytes
}

fn grey_png(width: u32, height: u32, samples: &[u8]) -> Vec<u8> {
    png_bytes(width, height, ColorType::Grayscale, BitDepth::Eight, None, samples)
}

fn bytes_of(dataset: &Dataset) -> &[u8] {
    match dataset.images.pixels() {
        Pixels::Bytes(values) => values,
        Pixels::Floats(_) => panic!("expected bytes"),
    }
}

fn error_of(dir: &Path) -> String {
    load(dir, Part::Train).unwrap_err().to_string()
}

fn mnist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist")
}
