//! Loops 4 to 1: a tile of C on one thread, and the sizes of micro-tiles.

use std::marker::PhantomData;

use crate::isa::{Avx2, Avx512, Isa, KnownIsa, Portable};
use crate::mat::{Mat, MatMut};
use crate::scalar::Scalar;

use super::micro::MicroTile;
use super::pack::{ByWidth, Packed, by_width};
use super::{Blocks, Output, gemm_slabs};

/// Cuts loop 4: KC steps of a micro-panel of B are 24 KiB with AVX2, which fits the L1 cache, and
/// 48 KiB with AVX-512, which fills it where it has 48 KiB.
const KC: usize = 384;
/// Bytes of the block of A that loop 3 cuts, MC × KC: at most half of a 512 KiB L2 cache.
const A_BLOCK_BYTES: usize = 192 << 10;

/// A tile of C, and the packed panels of A and B that it is the product of.
pub(super) struct Tile<'a, T, I, const MR: usize, const UNIT: usize, const NR: usize> {
    pub(super) isa: PhantomData<I>,
    pub(super) a: Packed<'a, T>,
    pub(super) b: Packed<'a, T>,
    pub(super) output: Output,
    pub(super) c: MatMut<'a, T>,
}

impl<T: Scalar, I: KnownIsa, const MR: usize, const UNIT: usize, const NR: usize>
    Tile<'_, T, I, MR, UNIT, NR>
{
    /// Its number of fused multiply-adds.
    pub(super) fn work(&self) -> usize {
        self.c.rows() * self.c.cols() * self.a.depth()
    }

    /// Whether it has more than one micro-panel, of A or of B.
    pub(super) fn is_divisible(&self) -> bool {
        self.a.panels().len() > 1 || self.b.panels().len() > 1
    }

    /// Two halves of a divisible tile, cut between micro-panels across the longer side.
    pub(super) fn halve(self) -> (Self, Self) {
        let Self { isa, a, b, output, c } = self;
        if a.panels().len() > 1 && (c.rows() >= c.cols() || b.panels().len() == 1) {
            let (upper_a, lower_a, rows) = a.halve();
            let (upper_c, lower_c) = c.split_rows(rows);
            let upper = Self { isa, a: upper_a, b: b.clone(), output, c: upper_c };
            (upper, Self { isa, a: lower_a, b, output, c: lower_c })
        } else {
            let (left_b, right_b, cols) = b.halve();
            let (left_c, right_c) = c.split_cols(cols);
            let left = Self { isa, a: a.clone(), b: left_b, output, c: left_c };
            (left, Self { isa, a, b: right_b, output, c: right_c })
        }
    }

    /// Loops 4 to 1.
    pub(super) fn compute(self) {
        let Self { isa, a, b, output, mut c } = self;
        // Loop 4.
        for depth in Blocks::new(a.depth(), KC, 1) {
            let output = if depth.start == 0 { output } else { Output::Accumulate };
            let block_panels = (A_BLOCK_BYTES / (depth.len() * MR * size_of::<T>())).max(1);
            // Loop 3.
            for block in Blocks::new(a.panels().len(), block_panels, 1) {
                let first = a.panels().start;
                // Loop 2.
                for j in b.panels() {
                    let (b, cols) = (b.panel(j, &depth), b.extent(j));
                    // Loop 1.
                    for i in first + block.start..first + block.end {
                        let (a, rows) = (a.panel(i, &depth), a.extent(i));
                        let height = a.len() / depth.len();
                        let c = c.block(rows, cols.clone());
                        by_width::<MR, UNIT>(
                            height,
                            WithHeight::<T, I, NR> { isa, a, b, output, c },
                        );
                    }
                }
            }
        }
    }
}

/// One micro-tile of C with its micro-panels.
struct WithHeight<'a, T, I, const NR: usize> {
    isa: PhantomData<I>,
    a: &'a [T],
    b: &'a [T],
    output: Output,
    c: MatMut<'a, T>,
}

impl<T: Scalar, I: KnownIsa, const NR: usize> ByWidth for WithHeight<'_, T, I, NR> {
    #[inline(always)]
    fn run<const H: usize>(self) {
        let Self { a, b, output, mut c, .. } = self;
        if c.rows() == H && c.cols() == NR {
            return I::run(MicroTile::<T, H, NR> { a, b, output, c });
        }
        // A micro-tile at the edge of C goes through a buffer of full size.
        let width = c.cols();
        let mut buffer = [[T::ZERO; NR]; H];
        if output == Output::Accumulate {
            for (i, row) in buffer[..c.rows()].iter_mut().enumerate() {
                row[..width].copy_from_slice(c.row_mut(i));
            }
        }
        let whole = MatMut::new(buffer.as_flattened_mut(), H, NR);
        I::run(MicroTile::<T, H, NR> { a, b, output, c: whole });
        for (i, row) in buffer[..c.rows()].iter().enumerate() {
            c.row_mut(i).copy_from_slice(&row[..width]);
        }
    }
}

/// A call of [`gemm`](super::gemm) whose arguments were checked.
pub struct Call<'a, T> {
    pub(super) isa: Isa,
    pub(super) threads: usize,
    pub(super) a: Mat<'a, T>,
    pub(super) b: Mat<'a, T>,
    pub(super) output: Output,
    pub(super) c: MatMut<'a, T>,
}

/// Chooses the size of the micro-tile: as many accumulators as the registers hold beside a row of
/// B and a broadcast element of A, in enough chains to hide the latency of the multiply-adds.
///
/// The heights in use are the multiples of UNIT up to MR. Those of AVX-512 are multiples of 3
/// because the compiler finds no 512-bit vectors in a micro-tile of 7 or 8 rows of f32.
///
/// Cannot be named outside this crate, and so seals [`Scalar`].
pub trait Tiled: Sized {
    #[doc(hidden)]
    fn gemm_tiled(call: Call<'_, Self>);
}

impl Tiled for f32 {
    fn gemm_tiled(call: Call<'_, Self>) {
        match call.isa {
            Isa::Avx512 => gemm_slabs::<Self, Avx512, 12, 3, 32>(call),
            Isa::Avx2 => gemm_slabs::<Self, Avx2, 6, 2, 16>(call),
            Isa::Portable => gemm_slabs::<Self, Portable, 8, 4, 8>(call),
        }
    }
}

impl Tiled for f64 {
    fn gemm_tiled(call: Call<'_, Self>) {
        match call.isa {
            Isa::Avx512 => gemm_slabs::<Self, Avx512, 12, 3, 16>(call),
            Isa::Avx2 => gemm_slabs::<Self, Avx2, 6, 2, 8>(call),
            Isa::Portable => gemm_slabs::<Self, Portable, 8, 4, 4>(call),
        }
    }
}
