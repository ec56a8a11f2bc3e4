//! The right operand: panels of B, as wide as a micro-tile.

use std::marker::PhantomData;

use crate::isa::Kernel;
use crate::mat::Mat;
use crate::scalar::Scalar;
use crate::simd::Vector;

/// Some columns of B: row p starts at `data[p·stride]`.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a, T, V> {
    data: &'a [T],
    stride: usize,
    depth: usize,
    register: PhantomData<V>,
}

impl<'a, T: Scalar, V: Vector<T>> Panel<'a, T, V> {
    /// The columns of `b`, whose rows are contiguous, where they lie.
    pub(super) fn in_place(b: Mat<'a, T>) -> Self {
        let (data, stride) = b.lines();
        Self { data, stride, depth: b.rows(), register: PhantomData }
    }

    /// The columns that [`PackPanel`] has packed, `width` with their padding.
    pub(super) fn packed(data: &'a [T], depth: usize, width: usize) -> Self {
        Self { data, stride: width, depth, register: PhantomData }
    }

    #[inline(always)]
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether every row has the width of `registers`.
    #[inline(always)]
    pub(super) fn is_whole(&self, registers: usize) -> bool {
        let (depth, width) = (self.depth, registers * V::LANES);
        depth > 0 && (depth - 1) * self.stride + width <= self.data.len()
    }

    /// Where row `p` starts.
    ///
    /// # Safety
    /// `p` is below the depth.
    #[inline(always)]
    pub(super) unsafe fn row(&self, p: usize) -> *const T {
        // SAFETY: row p starts inside `data`.
        unsafe { self.data.as_ptr().add(p * self.stride) }
    }
}

/// How many registers hold `cols` columns.
pub(super) fn registers<T, V: Vector<T>>(cols: usize) -> usize {
    cols.div_ceil(V::LANES)
}

/// Copies the columns of `source` (depth × at most `width`) to `panel` (depth × `width`, a whole
/// number of registers); what is missing becomes 0.
pub(super) struct PackPanel<'a, T, V> {
    pub(super) source: Mat<'a, T>,
    pub(super) width: usize,
    pub(super) panel: &'a mut [T],
    pub(super) register: PhantomData<V>,
}

impl<T: Scalar, V: Vector<T>> Kernel for PackPanel<'_, T, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { source, width, panel, .. } = self;
        assert!(panel.len() == source.rows() * width, "a panel of another size");
        if source.cols() < width {
            for (p, row) in panel.chunks_exact_mut(width).enumerate() {
                for (j, to) in row.iter_mut().enumerate() {
                    *to = if j < source.cols() { source.at(p, j) } else { T::ZERO };
                }
            }
        } else if source.has_contiguous_rows() {
            match width / V::LANES {
                1 => copy::<T, V, 1>(source, panel),
                2 => copy::<T, V, 2>(source, panel),
                registers => unreachable!("a panel of {registers} registers"),
            }
        } else {
            transpose::<T, V>(source, width, panel);
        }
    }
}

/// [`PackPanel`] from contiguous rows of NV registers.
#[inline(always)]
fn copy<T: Scalar, V: Vector<T>, const NV: usize>(source: Mat<'_, T>, panel: &mut [T]) {
    let (rows, stride) = source.lines();
    let (depth, width) = (source.rows(), NV * V::LANES);
    assert!(depth > 0 && (depth - 1) * stride + width <= rows.len(), "rows outside their matrix");
    assert!(panel.len() == depth * width, "a panel of another size");
    let (from, to) = (rows.as_ptr(), panel.as_mut_ptr());
    for p in 0..depth {
        for v in 0..NV {
            // SAFETY: this runs inside the shell of V's instruction set; row p has NV registers'
            // width on both sides, as asserted.
            unsafe {
                V::load(from.add(p * stride + v * V::LANES)).store(to.add(p * width + v * V::LANES))
            };
        }
    }
}

/// [`PackPanel`] from contiguous columns.
#[inline(always)]
fn transpose<T: Scalar, V: Vector<T>>(source: Mat<'_, T>, width: usize, panel: &mut [T]) {
    let depth = source.rows();
    let (columns, stride) = source.lines();
    assert!((width - 1) * stride + depth <= columns.len(), "columns outside their matrix");
    let whole = depth - depth % V::SIDE;
    for p in (0..whole).step_by(V::SIDE) {
        for j in (0..width).step_by(V::SIDE) {
            // SAFETY: this runs inside the shell of V's instruction set. SIDE divides LANES, which
            // divides the width, so that the block's columns are among the `width` and its rows
            // among the `whole`: of the source as asserted, of the panel as PackPanel has asserted.
            unsafe {
                let from = columns.as_ptr().add(j * stride + p);
                V::transpose(from, stride, panel.as_mut_ptr().add(p * width + j), width);
            }
        }
    }
    for (p, to) in panel.chunks_exact_mut(width).enumerate().skip(whole) {
        for (j, to) in to.iter_mut().enumerate() {
            *to = source.at(p, j);
        }
    }
}
