//! The two precisions: `f32` trains, `f64` checks, and both run the same code.

use elbo_kernels::{Mat, MatMut, Scalar};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// A floating-point type that the whole house is generic over.
///
/// Arithmetic, fused multiply-add and conversions come from [`Scalar`]; this trait adds what only
/// the layers above the kernels need.
pub trait Real: Scalar {
    /// Appends the little-endian bytes of `values` to `bytes`.
    fn extend_le_bytes(values: impl IntoIterator<Item = Self>, bytes: &mut Vec<u8>);

    /// The value of one little-endian element, `bytes` being exactly as long as the type.
    fn from_le_slice(bytes: &[u8]) -> Self;
}

macro_rules! impl_real {
    ($t:ty) => {
        impl Real for $t {
            fn extend_le_bytes(values: impl IntoIterator<Item = Self>, bytes: &mut Vec<u8>) {
                values.into_iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
            }

            fn from_le_slice(bytes: &[u8]) -> Self {
                let mut element = [0; size_of::<$t>()];
                element.copy_from_slice(bytes);
                Self::from_le_bytes(element)
            }
        }
    };
}

impl_real!(f32);
impl_real!(f64);

/// The kernels' view of a whole row-major array.
pub(crate) fn mat<T: Real>(a: &Array2<T>) -> Mat<'_, T> {
    Mat::new(flat(a), a.nrows(), a.ncols())
}

/// The kernels' mutable view of a whole row-major array.
pub(crate) fn mat_mut<T: Real>(a: &mut Array2<T>) -> MatMut<'_, T> {
    let (rows, columns) = a.dim();
    MatMut::new(flat_mut(a), rows, columns)
}

/// The elements of a row-major array as one slice.
///
/// Every array that the house allocates is row-major, so the check cannot fail on them.
pub(crate) fn flat<T: Real>(a: &Array2<T>) -> &[T] {
    a.as_slice().expect("arrays of this crate are row-major")
}

/// The elements of a row-major array as one mutable slice.
pub(crate) fn flat_mut<T: Real>(a: &mut Array2<T>) -> &mut [T] {
    a.as_slice_mut().expect("arrays of this crate are row-major")
}

/// `a` converted element by element to another precision.
pub fn cast<A: Real, B: Real>(a: ArrayView2<'_, A>) -> Array2<B> {
    a.mapv(|v| B::from_f64(v.to_f64()))
}

/// `source` copied into `target`, converted element by element.
pub(crate) fn assign_cast<A: Real, B: Real>(
    source: ArrayView2<'_, A>,
    mut target: ArrayViewMut2<'_, B>,
) {
    target.zip_mut_with(&source, |t, &s| *t = B::from_f64(s.to_f64()));
}
