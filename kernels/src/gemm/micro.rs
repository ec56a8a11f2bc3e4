//! Loops 1 and 0: the micro-kernel, over a column of micro-tiles.

// Loops of constant length that index arrays are unrolled before the compiler decides what lives in
// registers; with iterators the larger micro-tiles stayed in memory.
#![allow(clippy::needless_range_loop, reason = "the loops are to be unrolled")]

use std::ops::Range;

use super::Output;
use super::left::{Left, Strip};
use super::right::Panel;
use crate::isa::Kernel;
use crate::mat::MatMut;
use crate::scalar::Scalar;
use crate::simd::Vector;

/// A column of C, as wide as a panel of B: micro-tiles below each other, one for each strip of A.
pub(super) struct Column<'a, T, V, A> {
    pub(super) a: A,
    /// The numbers of the strips, all of the same height.
    pub(super) range: Range<usize>,
    pub(super) b: Panel<'a, T, V>,
    pub(super) output: Output<'a, T>,
    /// Whether each chain ends with + 0, which turns −0 into 0.
    pub(super) plus_zero: bool,
    /// The rows of these strips.
    pub(super) c: MatMut<'a, T>,
}

/// Starts or continues the chains of a column whose strips are H rows high, and whose panel is NV
/// registers wide.
///
/// The accumulators of a micro-tile live in registers from its first step to its last. Per step
/// that is NV loads of B, H broadcasts of A and H·NV fused multiply-adds.
pub(super) struct MicroTiles<C, const H: usize, const NV: usize>(pub(super) C);

impl<T: Scalar, V: Vector<T>, A: Left<T>, const H: usize, const NV: usize> Kernel
    for MicroTiles<Column<'_, T, V, A>, H, NV>
{
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Column { a, range, b, output, plus_zero, mut c } = self.0;
        assert!(c.rows() == H * range.len(), "a column of another height");
        assert!(c.cols() <= NV * V::LANES, "a column of another width");
        let cols = c.cols();
        let start = match output {
            Output::AddRow(row) => {
                assert!(row.len() == cols, "a row of another width");
                // SAFETY: as asserted.
                [unsafe { load(row.as_ptr(), cols) }; H]
            }
            // SAFETY: this runs inside the shell of V's instruction set.
            Output::Overwrite | Output::Accumulate => [[unsafe { V::splat(T::ZERO) }; NV]; H],
        };
        let (mut tile, stride) = c.as_mut_ptr();
        for strip in range {
            let mut acc = start;
            if output == Output::Accumulate {
                for i in 0..H {
                    // SAFETY: the strips' rows of `c`, as asserted, of which this is one.
                    acc[i] = unsafe { load(tile.add(i * stride), cols) };
                }
            }
            acc = chains(a.strip(strip), b, acc);
            if plus_zero {
                acc = add_zero(acc);
            }
            // SAFETY: as above; the last tile may be followed by nothing, but is not read then.
            unsafe {
                store(acc, tile, stride, cols);
                tile = tile.wrapping_add(H * stride);
            }
        }
    }
}

/// Loop 0: takes the chains `acc` through all steps.
#[inline(always)]
fn chains<T: Scalar, V: Vector<T>, const H: usize, const NV: usize>(
    a: impl Strip<T>,
    b: Panel<'_, T, V>,
    mut acc: [[V; NV]; H],
) -> [[V; NV]; H] {
    assert!(a.is_whole(H, b.depth()), "a strip of another size");
    assert!(b.is_whole(NV), "a panel of another size");
    for p in 0..a.depth(b.depth()) {
        // SAFETY: this runs inside the shell of V's instruction set. Below `a`'s depth, p and the
        // step that it stands for are inside strip and panel, as `is_whole` has found.
        unsafe {
            let row = b.row(a.step(p));
            let mut b = [V::splat(T::ZERO); NV];
            for v in 0..NV {
                b[v] = V::load(row.add(v * V::LANES));
            }
            for i in 0..H {
                let a = V::splat(a.at(i, p));
                for v in 0..NV {
                    acc[i][v] = a.mul_add(b[v], acc[i][v]);
                }
            }
        }
    }
    acc
}

/// acc + 0: −0 becomes 0, all else stays.
#[inline(always)]
fn add_zero<T: Scalar, V: Vector<T>, const H: usize, const NV: usize>(
    mut acc: [[V; NV]; H],
) -> [[V; NV]; H] {
    for i in 0..H {
        for v in 0..NV {
            // SAFETY: this runs inside the shell of V's instruction set.
            acc[i][v] = unsafe { acc[i][v].add(V::splat(T::ZERO)) };
        }
    }
    acc
}

/// A row of a micro-tile: the `cols` elements at `row`, and zeros after them.
///
/// # Safety
/// As many elements can be read.
#[inline(always)]
unsafe fn load<T: Scalar, V: Vector<T>, const NV: usize>(row: *const T, cols: usize) -> [V; NV] {
    // SAFETY: this runs inside the shell of V's instruction set; the caller promises the row, and
    // `padded` has NV registers' width, of which fewer are copied.
    unsafe {
        let mut registers = [V::splat(T::ZERO); NV];
        // A copy, because registers that were pointed to would not be registers.
        let mut padded = registers;
        let mut from = row;
        if cols < NV * V::LANES {
            padded.as_mut_ptr().cast::<T>().copy_from(row, cols);
            from = padded.as_ptr().cast();
        }
        for v in 0..NV {
            registers[v] = V::load(from.add(v * V::LANES));
        }
        registers
    }
}

/// Writes a micro-tile to `tile`, `stride` elements from row to row. What stands in columns from
/// `cols` on is dropped.
///
/// # Safety
/// H rows of `cols` elements can be written.
#[inline(always)]
unsafe fn store<T: Scalar, V: Vector<T>, const H: usize, const NV: usize>(
    acc: [[V; NV]; H],
    tile: *mut T,
    stride: usize,
    cols: usize,
) {
    // SAFETY: this runs inside the shell of V's instruction set; the caller promises the rows, and
    // `padded` has NV registers' width, of which fewer are copied.
    unsafe {
        if cols < NV * V::LANES {
            let padded = acc;
            for (i, padded) in padded.iter().enumerate() {
                padded.as_ptr().cast::<T>().copy_to(tile.add(i * stride), cols);
            }
        } else {
            for i in 0..H {
                for v in 0..NV {
                    acc[i][v].store(tile.add(i * stride + v * V::LANES));
                }
            }
        }
    }
}
