//! Images in memory, and from files of MNIST's own format and two that everybody has.
//!
//! [`load`] reads a [`Dataset`] from a folder. A [`View`] is what a model sees of it: one [`Part`], its
//! pixels [treated](Treatment) in some way, some of them [hidden](Hidden).
//!
//! Images stay as they are, bytes or floats; to make floats of bytes is left to whoever makes
//! batches.

mod batches;
#[cfg(feature = "files")]
mod fingerprint;
#[cfg(feature = "files")]
mod formats;
mod hidden;
mod images;
mod stratified;
mod view;

use std::fmt;

#[cfg(feature = "files")]
pub use fingerprint::Fingerprint;
#[cfg(feature = "files")]
pub use formats::{DataError, idx, load, npy, png_folder};
pub use hidden::Hidden;
pub use images::{Dataset, Images, InvalidImages, OtherSize, Pixels, UnusableLabels};
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
