//! Loops 4 to 1: a tile of C on one thread, and the sizes of micro-tiles.

use crate::isa::{Isa, Kernel};
use crate::mat::MatMut;
use crate::scalar::Scalar;

use super::micro::chain;
use super::pack::{ByHeight, Packed, by_height};
use super::{Blocks, Call, Output, gemm_slabs};

/// Cuts loop 4: KC steps of a micro-panel of B (16 columns of f32: 24 KiB) fit the L1 cache.
const KC: usize = 384;
/// Bytes of the block of A that loop 3 cuts, MC × KC: at most half of a 512 KiB L2 cache.
const A_BLOCK_BYTES: usize = 192 << 10;

/// A tile of C, and the packed panels of A and B that it is the product of.
pub(super) struct Tile<'a, T, const MR: usize, const NR: usize> {
    pub(super) a: Packed<'a, T>,
    pub(super) b: Packed<'a, T>,
    pub(super) output: Output,
    pub(super) c: MatMut<'a, T>,
}

impl<T: Scalar, const MR: usize, const NR: usize> Tile<'_, T, MR, NR> {
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
        let Self { a, b, output, c } = self;
        if a.panels().len() > 1 && (c.rows() >= c.cols() || b.panels().len() == 1) {
            let (upper_a, lower_a, rows) = a.halve();
            let (upper_c, lower_c) = c.split_rows(rows);
            let upper = Self { a: upper_a, b: b.clone(), output, c: upper_c };
            (upper, Self { a: lower_a, b, output, c: lower_c })
        } else {
            let (left_b, right_b, cols) = b.halve();
            let (left_c, right_c) = c.split_cols(cols);
            let left = Self { a: a.clone(), b: left_b, output, c: left_c };
            (left, Self { a, b: right_b, output, c: right_c })
        }
    }
}

impl<T: Scalar, const MR: usize, const NR: usize> Kernel for Tile<'_, T, MR, NR> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, b, output, mut c } = self;
        // Loop 4.
        for depth in Blocks::new(a.depth(), KC, 1) {
            let output = if depth.start == 0 { output } else { Output::Accumulate };
            let block_panels = (A_BLOCK_BYTES / (depth.len() * MR * size_of::<T>())).max(1);
            // Loop 3.
            for block in Blocks::new(a.panels().len(), block_panels, 1) {
                let first = a.panels().start;
                // Loop 2.
                for j in b.panels() {
                    let (b_panel, cols) = (b.panel(j, &depth), b.extent(j));
                    // Loop 1.
                    for i in first + block.start..first + block.end {
                        let (a_panel, rows) = (a.panel(i, &depth), a.extent(i));
                        let height = rows.len();
                        let c = c.block(rows, cols.clone());
                        by_height::<MR>(height, MicroTile::<T, NR> { a_panel, b_panel, output, c });
                    }
                }
            }
        }
    }
}

/// One micro-tile of C with its micro-panels.
struct MicroTile<'a, T, const NR: usize> {
    a_panel: &'a [T],
    b_panel: &'a [T],
    output: Output,
    c: MatMut<'a, T>,
}

impl<T: Scalar, const NR: usize> ByHeight for MicroTile<'_, T, NR> {
    #[inline(always)]
    fn run<const H: usize>(self) {
        let Self { a_panel, b_panel, output, mut c } = self;
        if c.cols() == NR {
            let mut acc = [[T::ZERO; NR]; H];
            if output == Output::Accumulate {
                for (i, acc) in acc.iter_mut().enumerate() {
                    acc.copy_from_slice(c.row_mut(i));
                }
            }
            let acc = chain::<T, H, NR>(a_panel, b_panel, acc);
            for (i, acc) in acc.iter().enumerate() {
                c.row_mut(i).copy_from_slice(acc);
            }
        } else {
            // A narrow micro-tile goes through a buffer of full width.
            let width = c.cols();
            let mut buffer = [[T::ZERO; NR]; H];
            if output == Output::Accumulate {
                for (i, buffer) in buffer.iter_mut().enumerate() {
                    buffer[..width].copy_from_slice(c.row_mut(i));
                }
            }
            let buffer = chain::<T, H, NR>(a_panel, b_panel, buffer);
            for (i, buffer) in buffer.iter().enumerate() {
                c.row_mut(i).copy_from_slice(&buffer[..width]);
            }
        }
    }
}

/// Chooses the size of the micro-tile: as many accumulators as the registers hold beside a row of
/// B and a broadcast element of A, in enough chains to hide the latency of the multiply-adds.
pub trait Tiled: Sized {
    #[doc(hidden)]
    fn gemm_tiled(call: Call<'_, Self>);
}

impl Tiled for f32 {
    fn gemm_tiled(call: Call<'_, Self>) {
        match call.isa {
            Isa::Avx512 => gemm_slabs::<Self, 12, 32>(call),
            Isa::Avx2 => gemm_slabs::<Self, 6, 16>(call),
            Isa::Portable => gemm_slabs::<Self, 8, 8>(call),
        }
    }
}

impl Tiled for f64 {
    fn gemm_tiled(call: Call<'_, Self>) {
        match call.isa {
            Isa::Avx512 => gemm_slabs::<Self, 12, 16>(call),
            Isa::Avx2 => gemm_slabs::<Self, 6, 8>(call),
            Isa::Portable => gemm_slabs::<Self, 8, 4>(call),
        }
    }
}
