//! Views of matrices: what [`gemm`](crate::gemm()) reads and writes.

use std::marker::PhantomData;
use std::ops::Range;

/// A read-only view of a matrix: element (i, j) is `data[i·row_stride + j·col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Copy> Mat<'a, T> {
    /// The `rows` × `cols` matrix whose rows follow each other in `data`.
    ///
    /// # Panics
    /// When `data` is too short.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// The `rows` × `cols` matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// When `data` ends before the last element.
    pub fn with_row_stride(data: &'a [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        check_extent("a matrix to read", data.len(), rows, cols, row_stride);
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns it has.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The rows `rows` of the columns `cols`.
    pub(crate) fn block(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows outside the matrix");
        assert!(cols.start <= cols.end && cols.end <= self.cols, "columns outside the matrix");
        let empty = rows.is_empty() || cols.is_empty();
        let start =
            if empty { 0 } else { rows.start * self.row_stride + cols.start * self.col_stride };
        Self { data: &self.data[start..], rows: rows.len(), cols: cols.len(), ..self }
    }

    /// Element (i, j).
    #[inline(always)]
    pub(crate) fn at(&self, i: usize, j: usize) -> T {
        self.data[i * self.row_stride + j * self.col_stride]
    }

    /// Whether the elements of a row follow each other in memory.
    #[inline(always)]
    pub(crate) fn has_contiguous_rows(&self) -> bool {
        self.col_stride == 1
    }

    /// The elements from the first on, and the distance from row to row where rows are
    /// contiguous, from column to column where columns are.
    #[inline(always)]
    pub(crate) fn lines(&self) -> (&'a [T], usize) {
        let stride = if self.has_contiguous_rows() { self.row_stride } else { self.col_stride };
        (self.data, stride)
    }

    /// Row `i`, where rows are contiguous.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'a [T] {
        debug_assert!(self.has_contiguous_rows());
        &self.data[i * self.row_stride..][..self.cols]
    }
}

/// A view of a matrix to write: row-major, with `row_stride` elements from row to row.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    // A pointer rather than a slice: two blocks side by side interleave in memory, and each must
    // be writable from its own thread.
    data: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: a `MatMut` is an exclusive borrow of its elements, as `&mut [T]` is: the constructors
// take one, and `split_rows` and `split_cols` give each element to one of two views.
unsafe impl<T: Send> Send for MatMut<'_, T> {}

impl<'a, T: Copy> MatMut<'a, T> {
    /// The `rows` × `cols` matrix whose rows follow each other in `data`.
    ///
    /// # Panics
    /// When `data` is too short.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// The `rows` × `cols` matrix whose rows start `row_stride` elements apart; what lies between
    /// the rows is never touched.
    ///
    /// # Panics
    /// When `data` ends before the last element, or rows overlap (`row_stride < cols`).
    pub fn with_row_stride(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        check_extent("a matrix to write", data.len(), rows, cols, row_stride);
        assert!(
            rows <= 1 || row_stride >= cols,
            "a matrix to write: its rows overlap, with {cols} columns and a row stride of {row_stride}"
        );
        // Without elements every offset must be 0.
        let row_stride = if rows == 0 || cols == 0 { 0 } else { row_stride };
        Self { data: data.as_mut_ptr(), rows, cols, row_stride, borrow: PhantomData }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns it has.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The same view, borrowed for a shorter time.
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { data: self.data, borrow: PhantomData, ..*self }
    }

    /// Row `i`.
    #[inline(always)]
    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "row outside the matrix");
        // SAFETY: row `i` exists (asserted above), the constructor checked that all rows lie
        // inside the slice that this view borrows exclusively (without elements it made the
        // stride 0), and `&mut self` keeps others away.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(i * self.row_stride), self.cols) }
    }

    /// Element (0, 0), and the distance from row to row: element (i, j) stands at i·stride + j.
    #[inline(always)]
    pub(crate) fn as_mut_ptr(&mut self) -> (*mut T, usize) {
        (self.data, self.row_stride)
    }

    /// The rows before `mid`, and the others.
    pub(crate) fn split_rows(self, mid: usize) -> (Self, Self) {
        assert!(mid <= self.rows, "split outside the matrix");
        let offset = if mid == self.rows { 0 } else { mid * self.row_stride };
        // SAFETY: row `mid` is in the matrix, or the offset is 0: inside the borrowed slice, as
        // the constructor checked (without elements it made the stride 0).
        let below = unsafe { self.data.add(offset) };
        (Self { rows: mid, ..self }, Self { data: below, rows: self.rows - mid, ..self })
    }

    /// The columns before `mid`, and the others.
    pub(crate) fn split_cols(self, mid: usize) -> (Self, Self) {
        assert!(mid <= self.cols, "split outside the matrix");
        let offset = if self.rows == 0 { 0 } else { mid };
        // SAFETY: `mid` is at most the length of the first row, or the offset is 0: inside the
        // borrowed slice or one past its end.
        let right = unsafe { self.data.add(offset) };
        (Self { cols: mid, ..self }, Self { data: right, cols: self.cols - mid, ..self })
    }

    /// The rows `rows` of the columns `cols`.
    pub(crate) fn block(&mut self, rows: Range<usize>, cols: Range<usize>) -> MatMut<'_, T> {
        let (above, _) = self.reborrow().split_rows(rows.end);
        let (_, block) = above.split_rows(rows.start);
        let (left, _) = block.split_cols(cols.end);
        left.split_cols(cols.start).1
    }
}

/// Checks that element (rows − 1, cols − 1) lies inside `len` elements.
fn check_extent(what: &str, len: usize, rows: usize, cols: usize, row_stride: usize) {
    if rows == 0 || cols == 0 {
        return;
    }
    let needed = (rows - 1).checked_mul(row_stride).and_then(|start| start.checked_add(cols));
    assert!(
        needed.is_some_and(|needed| needed <= len),
        "{what}: {rows} x {cols} with a row stride of {row_stride} does not fit in {len} elements"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_view_swaps_its_indices() {
        let data = [1, 2, 3, 0, 4, 5, 6];
        let view = Mat::with_row_stride(&data, 2, 3, 4);
        for (i, j) in [(0, 0), (1, 0), (0, 2), (1, 2)] {
            assert_eq!(view.at(i, j), view.t().at(j, i));
        }
        assert_eq!((view.at(1, 2), view.t().rows(), view.t().cols()), (6, 3, 2));
    }

    #[test]
    fn a_split_gives_each_element_to_one_side() {
        let mut data = [0; 4 * 5];
        let (mut top, bottom) = MatMut::with_row_stride(&mut data, 4, 3, 5).split_rows(1);
        let (mut left, mut right) = bottom.split_cols(2);
        top.row_mut(0).fill(1);
        (0..3).for_each(|i| left.row_mut(i).fill(2));
        (0..3).for_each(|i| right.row_mut(i).fill(3));
        assert_eq!(data, [1, 1, 1, 0, 0, 2, 2, 3, 0, 0, 2, 2, 3, 0, 0, 2, 2, 3, 0, 0]);
    }

    #[test]
    #[should_panic(expected = "3 x 4 with a row stride of 5 does not fit in 13 elements")]
    fn a_view_beyond_its_data_is_refused() {
        Mat::with_row_stride(&[0.0; 13], 3, 4, 5);
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn an_extent_that_overflows_is_refused() {
        MatMut::with_row_stride(&mut [0.0; 4], usize::MAX, 2, usize::MAX);
    }

    #[test]
    #[should_panic(expected = "rows overlap")]
    fn overlapping_rows_are_refused() {
        MatMut::with_row_stride(&mut [0.0; 9], 3, 3, 2);
    }
}
