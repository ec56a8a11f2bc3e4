//! What can be wrong with a data set.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::data::{InvalidImages, Part};

/// Why a data set could not be read.
///
/// The message of each variant stands alone: it names the file, the place in it, what was expected
/// there and what to do. (Causes are therefore part of the message and not repeated by
/// [`source`](std::error::Error::source).) Lengths and byte positions of gzipped files count
/// decompressed bytes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The data folder does not exist, or is no folder.
    #[error(
        "{path}: no such folder; name one with IDX, .npy or .png files \
         (MNIST's own four files come with elbo's repository, in data/mnist)"
    )]
    MissingFolder {
        /// The folder asked for.
        path: PathBuf,
    },

    /// The folder holds nothing that looks like images of this part.
    #[error(
        "{path}: no {part} images found; looked for {looked_for} \
         (MNIST's own four files come with elbo's repository, in data/mnist)"
    )]
    MissingImages {
        /// The folder searched.
        path: PathBuf,
        /// The part asked for.
        part: Part,
        /// The names looked for, in words.
        looked_for: String,
    },

    /// Several files claim to be the same thing.
    #[error("{path}: cannot tell which to read of {}; leave one of them there", names.join(", "))]
    Ambiguous {
        /// The folder searched.
        path: PathBuf,
        /// The names that compete.
        names: Vec<String>,
    },

    /// The file does not exist.
    #[error("{path}: no such file")]
    MissingFile {
        /// The file asked for.
        path: PathBuf,
    },

    /// The operating system refused.
    #[error("{path}: cannot be read: {cause}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },

    /// The gzip stream is truncated, corrupt, fails its checksum, or is followed by what is not gzip.
    #[error(
        "{path}: truncated or corrupt gzip, or other bytes after its end, noticed after {position} \
         decompressed bytes: {cause}; get the file again"
    )]
    Gzip {
        /// The file.
        path: PathBuf,
        /// How many bytes had been decompressed by then.
        position: u64,
        /// What the decompressor said.
        cause: io::Error,
    },

    /// The file ends inside its header.
    #[error("{path}: ends after {found} bytes, inside the header, which takes at least {needed}")]
    TruncatedHeader {
        /// The file.
        path: PathBuf,
        /// The least length that the header needs.
        needed: u64,
        /// The length of the file.
        found: u64,
    },

    /// The file is shorter than its header says.
    #[error(
        "{path}: the header promises {promised} bytes in all, the file has {found}; get the \
         file again"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The length of header and data that the header implies.
        promised: u64,
        /// The length of the file.
        found: u64,
    },

    /// A gzipped file is too short to hold what its header promises, however well compressed.
    #[error(
        "{path}: the header promises {promised} bytes, a gzip file of this size holds at \
         most {limit}; get the file again"
    )]
    Implausible {
        /// The file.
        path: PathBuf,
        /// The length of header and data that the header implies.
        promised: u64,
        /// The most that the file could decompress to.
        limit: u64,
    },

    /// The data goes on where it should have ended.
    #[error(
        "{path}: the header promises {promised} bytes in all, but the file goes on after \
         them; it is not what its header says"
    )]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// The length of header and data that the header implies.
        promised: u64,
    },

    /// The array is larger than this machine can address or has memory for.
    #[error("{path}: an array of shape {shape:?} does not fit into memory")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The shape that the header gives.
        shape: Vec<usize>,
    },

    /// The file does not begin as an IDX file does.
    #[error(
        "{path}: not an IDX file: it begins with the bytes {found:02x?}, \
         expected [00, 00, element type, number of dimensions]"
    )]
    IdxMagic {
        /// The file.
        path: PathBuf,
        /// Its first four bytes.
        found: [u8; 4],
    },

    /// Byte 2 of an IDX file is none of the format's element types.
    #[error(
        "{path}: byte 2 gives the element type 0x{code:02x}, which IDX does not have \
         (08 u8, 09 i8, 0b i16, 0c i32, 0d f32, 0e f64)"
    )]
    IdxType {
        /// The file.
        path: PathBuf,
        /// The code found.
        code: u8,
    },

    /// The header of a `.npy` file cannot be used.
    #[error("{path}: unusable .npy header at byte {position}: {problem}")]
    NpyHeader {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        position: usize,
        /// What was expected and found.
        problem: String,
    },

    /// The PNG decoder refused the file.
    #[error("{path}: not a readable PNG: {cause}")]
    Png {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        cause: png::DecodingError,
    },

    /// A PNG file cannot hold the pixels that its header promises, or they exceed the memory.
    #[error(
        "{path}: the PNG header promises {width} x {height} pixels, which the file cannot hold"
    )]
    PngSize {
        /// The file.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },

    /// Two PNG files of one data set differ in size.
    #[error(
        "{path} is {} x {} pixels (width x height), but {first} is {} x {}; all images must \
         have one size",
        size.0, size.1, first_size.0, first_size.1
    )]
    PngSizesDiffer {
        /// The file that differs.
        path: PathBuf,
        /// Its width and height.
        size: (u32, u32),
        /// The first file of the folder.
        first: PathBuf,
        /// Its width and height.
        first_size: (u32, u32),
    },

    /// The class folders cannot be numbered 0 to 255.
    #[error("{path}: {problem}; labels are whole numbers from 0 to 255")]
    ClassFolders {
        /// The folder that holds the class folders.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },

    /// The array is no set of images.
    #[error("{path}: {problem}")]
    Images {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: InvalidImages,
    },

    /// Too few images to hold every tenth of them out.
    #[error(
        "{path}: every tenth image is held out for testing, and {count} images are too few \
         for that; at least 10 are needed"
    )]
    TooFewToSplit {
        /// The file or folder.
        path: PathBuf,
        /// How many images there are.
        count: usize,
    },

    /// The labels are not one list.
    #[error("{path}: labels must have one dimension, found the shape {shape:?}")]
    LabelShape {
        /// The file.
        path: PathBuf,
        /// The shape found.
        shape: Vec<usize>,
    },

    /// The labels are not whole numbers.
    #[error("{path}: labels must be integers, found {element}")]
    LabelType {
        /// The file.
        path: PathBuf,
        /// The element type found.
        element: &'static str,
    },

    /// A label lies outside 0 to 255.
    #[error("{path}: label {index} is {value}; labels must lie between 0 and 255")]
    LabelRange {
        /// The file.
        path: PathBuf,
        /// Which label, from 0.
        index: usize,
        /// Its value.
        value: String,
    },

    /// Images and labels differ in number.
    #[error(
        "{path} holds {images} images, but {labels_path} holds {labels} labels; they do not \
         belong together"
    )]
    CountMismatch {
        /// The images' file.
        path: PathBuf,
        /// How many images.
        images: usize,
        /// The labels' file.
        labels_path: PathBuf,
        /// How many labels.
        labels: usize,
    },
}

impl DataError {
    pub(super) fn io(path: &Path, cause: io::Error) -> Self {
        let path = path.to_path_buf();
        match cause.kind() {
            io::ErrorKind::NotFound => DataError::MissingFile { path },
            _ => DataError::Io { path, cause },
        }
    }

    pub(super) fn images(path: &Path) -> impl FnOnce(InvalidImages) -> Self {
        let path = path.to_path_buf();
        move |problem| DataError::Images { path, problem }
    }
}
