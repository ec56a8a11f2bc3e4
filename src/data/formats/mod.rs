//! Images from files.

mod error;
mod folder;
pub mod idx;
mod images;
mod labels;
pub mod npy;
pub mod png_folder;
mod source;

pub use error::DataError;
pub use folder::load;

use super::Part;

impl Part {
    /// Whether the image at `index` belongs to this part where every tenth image is held out.
    fn has(self, index: usize) -> bool {
        (index % 10 == 9) == (self == Part::Test)
    }
}
