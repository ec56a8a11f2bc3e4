//! From bytes in memory to a batch of floats.

use elbo_kernels::{passes, team};
use ndarray::Array2;

use super::{Images, Pixels};
use crate::real::{Real, flat_mut};

/// Images below which a second thread does not pay.
const IMAGES_PER_PART: usize = 8;

impl Images {
    /// Row n of `x` becomes image `indices[n]`, pixels scaled to \[0, 1\] (a byte is divided by
    /// 255).
    ///
    /// # Panics
    ///
    /// If `x` is not (indices, pixels), or an index is out of range.
    pub fn gather<T: Real>(&self, indices: &[usize], x: &mut Array2<T>) {
        let pixels = self.pixels_per_image();
        assert_eq!(x.dim(), (indices.len(), pixels), "the batch has another shape");
        let images = indices.len().div_ceil(team::part_count(indices.len(), IMAGES_PER_PART));
        let rows = flat_mut(x).chunks_mut((images * pixels).max(1));
        team::share(rows.zip(indices.chunks(images.max(1))), |(rows, indices)| {
            for (row, &index) in rows.chunks_exact_mut(pixels).zip(indices) {
                self.copy(index, row);
            }
        });
    }

    /// One image.
    fn copy<T: Real>(&self, index: usize, row: &mut [T]) {
        let image = index * row.len()..(index + 1) * row.len();
        match self.pixels() {
            Pixels::Bytes(bytes) => passes::bytes_to_unit(&bytes[image], row),
            Pixels::Floats(floats) => {
                for (x, &v) in row.iter_mut().zip(&floats[image]) {
                    *x = T::from_f64(f64::from(v));
                }
            }
        }
    }
}
