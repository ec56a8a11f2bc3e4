//! General matrix multiplication.
//!
//! # The promise
//! Element (i, j) of the result is one chain of fused multiply-adds over p = 0, 1, …, k − 1,
//! whatever the shape, the strides, the instruction set and the number of threads:
//!
//! ```text
//! acc = 0 or c[i][j];  for p in 0..k { acc = a[i][p].mul_add(b[p][j], acc) };  c[i][j] = acc
//! ```
//!
//! Blocking along k keeps the promise because a block continues from the elements of C that the
//! block before it has stored: storing and loading rounds nothing. (A result that is NaN is NaN
//! everywhere; which of the many NaNs is not promised.)
//!
//! # The loops
//! After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), and
//! BLIS. From the outside in, with the constant that cuts each:
//!
//! ```text
//! loop 7  over n by SLAB_COLS     ┐ slabs of A and B are packed whole, in parallel;
//! loop 6  over k by SLAB_DEPTH    │ sized so that both fit a share of the L3 cache
//! loop 5  over m by SLAB_ROWS     ┘
//!         ── the threads share the tiles of C under one pair of slabs ──
//! loop 4  over k by KC            a micro-panel of B, KC × NR, stays in the L1 cache
//! loop 3  over m by MC            a block of A, MC × KC, stays in the L2 cache
//! loop 2  over n by NR            ┐ the micro-tile of C, MR × NR, stays in the registers
//! loop 1  over m by MR            ┘
//! loop 0  over k by 1             the chain
//! ```
//!
//! The slabs are what differs from the classical five loops: packing all that a phase needs at
//! once leaves the threads two meeting points per phase rather than two per block of k.

mod micro;
mod pack;
mod scratch;
mod tile;

use std::marker::PhantomData;
use std::ops::Range;

use crate::isa::{Isa, KnownIsa};
use crate::mat::{Mat, MatMut};
use crate::scalar::Scalar;
use pack::{Packed, Panels, pack};
use tile::{Call, Tile};

pub(crate) use tile::Tiled;

/// What becomes of the former content of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// C = A·B. C is never read, so it may hold anything, NaN included.
    Overwrite,
    /// C += A·B, the chain of each element starting from its former value.
    Accumulate,
}

/// Cuts loop 5: the rows of A packed at once.
const SLAB_ROWS: usize = 1024;
/// Cuts loop 7: the columns of B packed at once.
const SLAB_COLS: usize = 1024;
/// Cuts loop 6: the depth to which both are packed. With the two above: 4 MiB each in f32.
const SLAB_DEPTH: usize = 1024;

/// Fused multiply-adds below which waking a second thread costs more than it saves.
const PARALLEL_WORK: usize = 1 << 21;
/// Elements below which packing stays on one thread.
const PARALLEL_PACKING: usize = 1 << 16;
/// Tiles per thread, so that a thread that was late or slow leaves little to wait for.
const TILES_PER_THREAD: usize = 4;

/// C = A·B or C += A·B for A (m × k), B (k × n) and C (m × n). Either of A and B may be a
/// transposed view.
///
/// The work is split over the threads of the current rayon pool when there is enough of it.
/// Packing scratch is kept by the calling thread, so that from the second call of a size on
/// nothing is allocated, provided that the caller runs inside a pool (`ThreadPool::install`):
/// from outside, rayon itself may allocate to hand the work over.
///
/// # Panics
/// When the shapes don't agree.
pub fn gemm<T: Scalar>(a: Mat<'_, T>, b: Mat<'_, T>, output: Output, mut c: MatMut<'_, T>) {
    let (m, k, n) = (a.rows(), a.cols(), b.cols());
    assert!(
        b.rows() == k && c.rows() == m && c.cols() == n,
        "gemm: A is {m} x {k}, B is {} x {n} and C is {} x {}",
        b.rows(),
        c.rows(),
        c.cols()
    );
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if output == Output::Overwrite {
            (0..m).for_each(|i| c.row_mut(i).fill(T::ZERO));
        }
        return;
    }
    let isa = Isa::active();
    let work = m.saturating_mul(n).saturating_mul(k);
    let threads = if work < PARALLEL_WORK { 1 } else { rayon::current_num_threads() };
    T::gemm_tiled(Call { isa, threads, a, b, output, c });
}

/// Loops 7 to 5, with micro-tiles of MR × NR, or of fewer rows by multiples of UNIT.
fn gemm_slabs<T: Scalar, I: KnownIsa, const MR: usize, const UNIT: usize, const NR: usize>(
    call: Call<'_, T>,
) {
    let Call { threads, a, b, output, mut c, .. } = call;
    let (m, k, n) = (a.rows(), a.cols(), b.cols());
    let row_slabs = Blocks::new(m, SLAB_ROWS, MR);
    let depth_slabs = Blocks::new(k, SLAB_DEPTH, 1);
    let col_slabs = Blocks::new(n, SLAB_COLS, NR);
    let a_len = row_slabs.size * depth_slabs.size;
    let b_len = depth_slabs.size * col_slabs.size;
    scratch::with(a_len, b_len, |packed_a, packed_b| {
        for cols in col_slabs {
            for depth in depth_slabs.clone() {
                let output = if depth.start == 0 { output } else { Output::Accumulate };
                let b = b.block(depth.clone(), cols.clone());
                for rows in row_slabs.clone() {
                    let a = a.block(rows.clone(), depth.clone());
                    let fresh_b = (rows.start == 0).then_some(b);
                    let row_panels = Panels::new(rows.len(), MR, UNIT);
                    let col_panels = Panels::new(cols.len(), NR, NR);
                    let packed_a = &mut packed_a[..row_panels.padded_len() * depth.len()];
                    let packed_b = &mut packed_b[..col_panels.padded_len() * depth.len()];
                    let in_parallel = threads > 1;
                    join(
                        in_parallel,
                        || pack::<T, I, MR, UNIT>(in_parallel, a.t(), row_panels, packed_a),
                        || {
                            if let Some(b) = fresh_b {
                                pack::<T, I, NR, NR>(in_parallel, b, col_panels, packed_b);
                            }
                        },
                    );
                    let tile = Tile::<T, I, MR, UNIT, NR> {
                        isa: PhantomData,
                        a: Packed::new(packed_a, depth.len(), row_panels),
                        b: Packed::new(packed_b, depth.len(), col_panels),
                        output,
                        c: c.block(rows, cols.clone()),
                    };
                    share(if in_parallel { threads * TILES_PER_THREAD } else { 1 }, tile);
                }
            }
        }
    });
}

/// Splits `tile` into about `count` tiles and computes them on the threads of the pool.
fn share<T: Scalar, I: KnownIsa, const MR: usize, const UNIT: usize, const NR: usize>(
    count: usize,
    tile: Tile<'_, T, I, MR, UNIT, NR>,
) {
    if count > 1 && tile.work() >= PARALLEL_WORK / TILES_PER_THREAD && tile.is_divisible() {
        let (one, other) = tile.halve();
        rayon::join(|| share(count / 2, one), || share(count - count / 2, other));
    } else {
        tile.compute();
    }
}

/// Both closures, on two threads if `in_parallel`.
fn join(in_parallel: bool, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    if in_parallel {
        rayon::join(a, b);
    } else {
        a();
        b();
    }
}

/// The ranges that cut `0..len` into as few blocks of at most `max` (rounded up to a multiple of
/// `unit`) as possible, of sizes as equal as such multiples allow: 784 by 512 is 392 + 392, where 512 + 272 would leave the second
/// block's loops half full.
#[derive(Clone)]
struct Blocks {
    next: usize,
    len: usize,
    size: usize,
}

impl Blocks {
    fn new(len: usize, max: usize, unit: usize) -> Self {
        let size = len.div_ceil(len.div_ceil(max).max(1)).next_multiple_of(unit);
        Self { next: 0, len, size }
    }
}

impl Iterator for Blocks {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.next;
        self.next = self.len.min(start + self.size);
        (start < self.len).then_some(start..self.next)
    }
}
