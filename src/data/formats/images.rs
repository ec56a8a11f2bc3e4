//! Images from an array.

use crate::data::{Images, InvalidImages, Pixels};

/// Images from an array in C order, by the meaning of its dimensions.
///
/// (n, h, w), (n, h, w, 1) and (n, 1, h, w) are n images of h x w; (n, d) is n images of
/// √d x √d if d is a perfect square, of 1 x d otherwise.
pub(super) fn from_array(shape: &[usize], pixels: Pixels) -> Result<Images, InvalidImages> {
    let (count, height, width) = match *shape {
        [count, size] => match size.isqrt() {
            side if side * side == size => (count, side, side),
            _ => (count, 1, size),
        },
        [count, height, width] | [count, height, width, 1] | [count, 1, height, width] => {
            (count, height, width)
        }
        _ => return Err(InvalidImages::Shape { shape: shape.to_vec() }),
    };
    if pixels.is_empty() {
        return Err(InvalidImages::Empty { count, height, width });
    }
    Images::new(height, width, pixels)
}
