//! Loops 4 to 1: a tile of C on one thread, and the sizes of micro-tiles.

use std::marker::PhantomData;
use std::ops::Range;

use crate::isa::{Avx2, Avx512, Isa, KnownIsa, Portable};
use crate::mat::{Mat, MatMut};
use crate::peak::multiply_add;
use crate::scalar::Scalar;
use crate::simd::Vector;

use super::left::{ByHeight, Left, Packed, Rows, Steps, Strips, by_height};
use super::micro::{Column, MicroTiles};
use super::right::{PackPanel, Panel, registers};
use super::sparse::{Lists, Sparse};
use super::{Blocks, Call, Grid, Output, product};

/// Bytes of a panel of B that loop 4 cuts, KC × NR: it stays in the L1 cache beside a strip of A.
/// The second is for registers of 64 bytes, whose machines mostly have 48 KiB of it.
const PANEL_BYTES: [usize; 2] = [26 << 10, 34 << 10];
/// Bytes of the block of A that loop 3 cuts, MC × KC: at most half of a 512 KiB L2 cache.
const BLOCK_BYTES: usize = 256 << 10;
/// Strips that must read a panel of B, whose rows are contiguous, for its packing to pay.
const PACKING_STRIPS: usize = 3;

/// A as the tiles of a slab read it.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a, T> {
    /// Where it lies.
    InPlace(Mat<'a, T>),
    Packed(Packed<'a, T>),
    /// Where it lies, through lists of steps.
    Sparse(Mat<'a, T>, Lists<'a>),
}

/// A tile of C, some strips by some panels, and what it is the product of.
pub(super) struct Tile<'a, T> {
    pub(super) a: Operand<'a, T>,
    pub(super) strips: Strips,
    /// The numbers of the tile's strips.
    pub(super) range: Range<usize>,
    /// The columns of B that the tile covers.
    pub(super) b: Mat<'a, T>,
    pub(super) output: Output<'a, T>,
    pub(super) plus_zero: bool,
    pub(super) c: MatMut<'a, T>,
}

/// Cuts loop 4.
pub(super) fn depth_blocks<T, V: Vector<T>>(depth: usize) -> Blocks {
    let width = 2 * V::LANES * size_of::<T>();
    Blocks::new(depth, PANEL_BYTES[usize::from(width == 128)] / width, 1)
}

/// Cuts loop 3, in strips of at most `height`.
fn strip_blocks<T>(
    range: Range<usize>,
    height: usize,
    depth: usize,
) -> impl Iterator<Item = Range<usize>> + Clone {
    let strips = BLOCK_BYTES / (height * depth * size_of::<T>());
    let blocks = Blocks::new(range.len(), strips.max(1), 1);
    blocks.map(move |block| range.start + block.start..range.start + block.end)
}

impl<T: Scalar> Tile<'_, T> {
    /// The tiles of `grid`, cut between strips and between panels of `width` columns.
    pub(super) fn cut(self, grid: Grid, width: usize) -> impl Iterator<Item = Self> {
        let Self { a, strips, range, b, output, plus_zero, c } = self;
        let (panels, mut below) = (b.cols().div_ceil(width), Some(c));
        (0..grid.rows).flat_map(move |row| {
            let start = range.start + range.len() * row / grid.rows;
            let end = range.start + range.len() * (row + 1) / grid.rows;
            let rows = strips.start(end) - strips.start(start);
            let (upper, lower) = below.take().expect("put back below").split_rows(rows);
            below = Some(lower);
            let mut right = Some(upper);
            (0..grid.cols).map(move |col| {
                let cols = panels * col / grid.cols * width
                    ..(panels * (col + 1) / grid.cols * width).min(b.cols());
                let (c, others) = right.take().expect("put back below").split_cols(cols.len());
                right = Some(others);
                let output = output.columns(cols.clone());
                let b = b.block(0..b.rows(), cols);
                Self { a, strips, range: start..end, b, output, plus_zero, c }
            })
        })
    }

    /// The length of the buffer for packed panels that [`compute`](Self::compute) needs: one
    /// panel, or all of them where loop 3 comes back to them.
    pub(super) fn panels_len<V: Vector<T>, const MR: usize>(
        strips: usize,
        depth: usize,
        cols: usize,
    ) -> usize {
        let depth = depth_blocks::<T, V>(depth).size;
        let again = strip_blocks::<T>(0..strips, MR, depth).count() > 1;
        depth * V::LANES * if again { registers::<T, V>(cols) } else { 2 }
    }

    /// Loops 4 to 1, with micro-tiles of two registers' width and at most MR rows.
    pub(super) fn compute<I: KnownIsa, V: Vector<T>, const MR: usize>(self, panels: &mut [T]) {
        let strips = self.strips;
        match self.a {
            Operand::InPlace(a) if a.has_contiguous_rows() => {
                self.loops::<I, V, _, MR>(Rows { a, strips }, panels);
            }
            Operand::InPlace(a) => self.loops::<I, V, _, MR>(Steps { a, strips }, panels),
            Operand::Packed(a) => self.loops::<I, V, _, MR>(a, panels),
            Operand::Sparse(a, lists) if a.has_contiguous_rows() => {
                let a = Sparse { a: Rows { a, strips }, lists, number: 0 };
                self.loops::<I, V, _, MR>(a, panels);
            }
            Operand::Sparse(a, lists) => {
                let a = Sparse { a: Steps { a, strips }, lists, number: 0 };
                self.loops::<I, V, _, MR>(a, panels);
            }
        }
    }

    fn loops<I: KnownIsa, V: Vector<T>, A: Left<T>, const MR: usize>(
        mut self,
        a: A,
        panels: &mut [T],
    ) {
        let b_in_place = self.b.has_contiguous_rows() && self.range.len() < PACKING_STRIPS;
        // Loop 4.
        let depths = depth_blocks::<T, V>(self.b.rows());
        let last = depths.clone().count() - 1;
        for (block, depth) in depths.enumerate() {
            let a = a.block(block, &depth);
            let output = if block == 0 { self.output } else { Output::Accumulate };
            let plus_zero = self.plus_zero && block == last;
            let strip_blocks = strip_blocks::<T>(self.range.clone(), MR, depth.len());
            let again = strip_blocks.clone().count() > 1;
            // Loop 3.
            for range in strip_blocks {
                // Loop 2.
                for cols in Blocks::cut(self.b.cols(), 2 * V::LANES) {
                    let source = self.b.block(depth.clone(), cols.clone());
                    let width = registers::<T, V>(cols.len()) * V::LANES;
                    let b: Panel<'_, T, V> = if b_in_place && cols.len() == width {
                        Panel::in_place(source)
                    } else {
                        let start = if again { cols.start * depth.len() } else { 0 };
                        let panel = &mut panels[start..][..width * depth.len()];
                        if range.start == self.range.start {
                            let register = PhantomData::<V>;
                            I::run(PackPanel { source, width, panel, register });
                        }
                        Panel::packed(panel, depth.len(), width)
                    };
                    let output = output.columns(cols.clone());
                    // Loop 1.
                    for (height, range) in self.strips.by_height(range.clone()) {
                        if range.is_empty() {
                            continue;
                        }
                        let c = self.c_block(&range, &cols);
                        let tiles = Column { a, range, b, output, plus_zero, c };
                        by_height::<MR>(height, Loop1 { isa: PhantomData::<I>, tiles });
                    }
                }
            }
        }
    }

    /// The part of C for some of the tile's strips and some columns.
    fn c_block(&mut self, range: &Range<usize>, cols: &Range<usize>) -> MatMut<'_, T> {
        let [first, start, end] =
            [self.range.start, range.start, range.end].map(|i| self.strips.start(i));
        self.c.block(start - first..end - first, cols.clone())
    }
}

/// A column of micro-tiles, before its height is known.
struct Loop1<'a, T, V, A, I> {
    isa: PhantomData<I>,
    tiles: Column<'a, T, V, A>,
}

impl<T: Scalar, V: Vector<T>, A: Left<T>, I: KnownIsa> ByHeight for Loop1<'_, T, V, A, I> {
    #[inline(always)]
    fn run<const H: usize>(self) {
        if self.tiles.c.cols() > V::LANES {
            I::run(MicroTiles::<_, H, 2>(self.tiles));
        } else {
            I::run(MicroTiles::<_, H, 1>(self.tiles));
        }
    }
}

/// Chooses the size of the micro-tile: as many accumulators as the registers hold beside two of B
/// and a broadcast element of A, in enough chains to hide the latency of the multiply-adds.
///
/// Cannot be named outside this crate, and so seals [`Scalar`].
pub trait Tiled: Sized {
    #[doc(hidden)]
    fn gemm_tiled(call: Call<'_, Self>);
    /// See [`peak`](crate::peak).
    #[doc(hidden)]
    fn multiply_add(isa: Isa, steps: usize) -> usize;
}

impl Tiled for f32 {
    fn gemm_tiled(call: Call<'_, Self>) {
        match call.isa {
            Isa::Avx512 => product::<Self, Avx512, <Avx512 as KnownIsa>::F32, 12>(call),
            Isa::Avx2 => product::<Self, Avx2, <Avx2 as KnownIsa>::F32, 6>(call),
            Isa::Portable => product::<Self, Portable, <Portable as KnownIsa>::F32, 6>(call),
        }
    }

    fn multiply_add(isa: Isa, steps: usize) -> usize {
        match isa {
            Isa::Avx512 => multiply_add::<Self, Avx512, <Avx512 as KnownIsa>::F32>(steps),
            Isa::Avx2 => multiply_add::<Self, Avx2, <Avx2 as KnownIsa>::F32>(steps),
            Isa::Portable => multiply_add::<Self, Portable, <Portable as KnownIsa>::F32>(steps),
        }
    }
}

impl Tiled for f64 {
    fn gemm_tiled(call: Call<'_, Self>) {
        match call.isa {
            Isa::Avx512 => product::<Self, Avx512, <Avx512 as KnownIsa>::F64, 12>(call),
            Isa::Avx2 => product::<Self, Avx2, <Avx2 as KnownIsa>::F64, 6>(call),
            Isa::Portable => product::<Self, Portable, <Portable as KnownIsa>::F64, 6>(call),
        }
    }

    fn multiply_add(isa: Isa, steps: usize) -> usize {
        match isa {
            Isa::Avx512 => multiply_add::<Self, Avx512, <Avx512 as KnownIsa>::F64>(steps),
            Isa::Avx2 => multiply_add::<Self, Avx2, <Avx2 as KnownIsa>::F64>(steps),
            Isa::Portable => multiply_add::<Self, Portable, <Portable as KnownIsa>::F64>(steps),
        }
    }
}
