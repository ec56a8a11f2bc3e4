//! Images from files: MNIST's own format and two that everybody has.
//!
//! [`load`] looks into a folder and reads one [`Part`] of what it finds, as a [`Dataset`]. The
//! first row of this table that fits the folder is taken:
//!
//! | format | training images | test images | labels (optional) |
//! | --- | --- | --- | --- |
//! | [IDX](idx), plain or gzipped | `train-images-idx3-ubyte` | `t10k-images-idx3-ubyte` | `train-labels-idx1-ubyte`, `t10k-labels-idx1-ubyte` |
//! | [NumPy](npy) | `train-images.npy` | `test-images.npy` | `train-labels.npy`, `test-labels.npy` |
//! | NumPy, one array | `images.npy`: the rest | `images.npy`: every tenth | `labels.npy` |
//! | [PNG](png_folder) | `train/*.png` | `test/*.png` | |
//! | PNG in class folders | `train/CLASS/*.png` | `test/CLASS/*.png` | `CLASS` |
//! | PNG, one folder | `*.png`: the rest | `*.png`: every tenth by name | |
//!
//! - An IDX name may end in `.gz` (beside a plain file of the same name, it is ignored), have
//!   `.idx3` for `-idx3`, `test` for `t10k`, and a prefix ending in `-` or `_`
//!   (`emnist-letters-train-images-idx3-ubyte.gz`); the labels have the prefix of their images.
//! - Arrays of images have the shape (images, height, width), with or without a dimension of one
//!   channel after the first or last, or (images, pixels). There, a number of pixels that is a
//!   perfect square makes square images, any other makes images one pixel high. Elements are u8, or
//!   f32 or f64 between 0 and 1.
//! - Arrays of labels have one dimension and any integer type; the labels lie between 0 and 255.
//! - Every tenth means the images 9, 19, 29, ..., counted from 0.
//! - If every `CLASS` is a number, it is the label; otherwise the label is its place, from 0, among
//!   the sorted names of the folders in `train` and `test` together.
//! - Files and folders whose names begin with a dot are ignored.
//!
//! Images stay as they are, bytes or floats; to make floats of bytes is left to whoever makes
//! batches.

mod batches;
mod error;
mod folder;
mod hidden;
pub mod idx;
mod images;
mod labels;
pub mod npy;
pub mod png_folder;
mod source;
mod stratified;
mod view;

use std::fmt;

pub use error::{DataError, InvalidImages};
pub use folder::load;
pub use hidden::Hidden;
pub use images::{Dataset, Fingerprint, Images, OtherSize, Pixels, UnusableLabels};
pub use stratified::{TooFewLabels, stratified};
pub use view::{Treatment, View};

/// The part of a data set that a model learns from, or the part that it is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// To learn from.
    Train,
    /// To be judged by.
    Test,
}

impl Part {
    /// Whether the image at `index` belongs to this part where every tenth image is held out.
    fn has(self, index: usize) -> bool {
        (index % 10 == 9) == (self == Part::Test)
    }

    fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Test => "test",
        }
    }
}

/// `train` or `test`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}
