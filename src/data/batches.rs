//! From bytes in memory to a batch of floats.

use elbo_kernels::passes;
use ndarray::Array2;

use super::{Images, Pixels};
use crate::real::{Real, flat_mut};

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
        let rows = flat_mut(x).chunks_exact_mut(pixels);
        for (row, &index) in rows.zip(indices) {
            let image = index * pixels..(index + 1) * pixels;
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
}
