//! The sum of the rows of a matrix.

use super::{LIGHT, Pass, dispatch};
use crate::isa::Kernel;
use crate::scalar::Scalar;

/// `out[j]` ← Σᵢ `x[i, j]` for x (batch × out.len()), from the first row to the last.
///
/// # Panics
/// When `x` is no whole number of rows.
pub fn sum_rows<T: Scalar>(x: &[T], out: &mut [T]) {
    check_rows("sum_rows", x.len(), out.len());
    let stride = out.len();
    let rows = x.len().checked_div(stride).unwrap_or(0);
    // A task is some columns, of which a cache line is the least.
    let task = LIGHT.div_ceil(rows.max(1)).next_multiple_of(16);
    dispatch(SumRows { x, stride, first: 0, out }, task);
}

/// Checks that `len` elements are a whole number of rows of `columns`.
pub(super) fn check_rows(what: &str, len: usize, columns: usize) {
    let whole = if columns == 0 { len == 0 } else { len.is_multiple_of(columns) };
    assert!(whole, "{what}: {len} elements are no whole number of rows of {columns}");
}

struct SumRows<'a, T> {
    x: &'a [T],
    stride: usize,
    /// The column of `x` that `out[0]` sums.
    first: usize,
    out: &'a mut [T],
}

impl<T: Scalar> Kernel for SumRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.out.fill(T::ZERO);
        for row in self.x.chunks_exact(self.stride.max(1)) {
            for (sum, &x) in self.out.iter_mut().zip(&row[self.first..]) {
                *sum += x;
            }
        }
    }
}

impl<T: Scalar> Pass for SumRows<'_, T> {
    fn units(&self) -> usize {
        self.out.len()
    }

    fn split_at(self, mid: usize) -> (Self, Self) {
        let (out, other_out) = self.out.split_at_mut(mid);
        (Self { out, ..self }, Self { out: other_out, first: self.first + mid, ..self })
    }
}
