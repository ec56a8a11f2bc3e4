//! General matrix multiplication.
//!
//! # The promise
//! Element (i, j) of the result is one chain of fused multiply-adds over p = 0, 1, …, k − 1,
//! whatever the shape, the strides, the instruction set and the number of threads:
//!
//! ```text
//! acc = 0, c[i][j] or row[j];  for p in 0..k { acc = a[i][p].mul_add(b[p][j], acc) };  c[i][j] = acc
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
//! loop 6  over k by SLAB_DEPTH    ┐ a slab of A is packed whole, if it is packed at all
//! loop 5  over m by SLAB_ROWS     ┘
//!         ── the threads share the tiles of C under a slab ──
//! loop 4  over k by KC            a panel of B, KC × NR, stays in the L1 cache
//! loop 3  over m by MC            a block of A, MC × KC, stays in the L2 cache
//! loop 2  over n by NR            the panel is packed when it is first needed
//! loop 1  over m by MR            the micro-tile of C, MR × NR, stays in the registers
//! loop 0  over k by 1             the chain
//! ```
//!
//! # What is packed
//! The products of a training step are thin: packing both operands whole, as the classical five
//! loops do, took a sixth of the time of a step of 784-400-20.
//!
//! - B is read by whole registers, so its columns must be contiguous. A panel is packed by the tile
//!   that needs it, just before it needs it, and is then in the L1 cache. A panel that few strips
//!   read, and whose rows are contiguous, is read where it lies.
//! - A is read by single elements, broadcast to a register, so that any layout will do. It is packed
//!   where it is read so often that its scattered cache lines cost more than packing.
//! - An A full of zeros ([`gemm_sparse`]) is read where it lies, through a list of the steps that
//!   are not zero in all rows of a strip. The arithmetic of the others is never done.

mod left;
mod micro;
mod right;
mod scratch;
mod sparse;
mod tile;

use std::ops::Range;

use crate::isa::{Isa, KnownIsa};
use crate::mat::{Mat, MatMut};
use crate::scalar::Scalar;
use crate::simd::Vector;
use crate::team;
use left::{PackStrips, Packed, Strips};
use scratch::{Lengths, Scratch};
use sparse::{Lists, is_sparse, list_steps};
use tile::{Operand, Tile, depth_blocks};

pub(crate) use tile::Tiled;

/// What the chains of the result start from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output<'a, T> {
    /// C = A·B. C is never read, so it may hold anything, NaN included.
    Overwrite,
    /// C += A·B, the chain of each element starting from its former value.
    Accumulate,
    /// C = row + A·B, the same row for every row of C, the chain of an element starting from the
    /// row's. C is never read.
    AddRow(&'a [T]),
}

impl<T> Output<'_, T> {
    /// The same for the columns `cols` of C.
    fn columns(self, cols: Range<usize>) -> Self {
        match self {
            Self::AddRow(row) => Self::AddRow(&row[cols]),
            other => other,
        }
    }
}

/// Cuts loop 5: the rows of A packed at once.
const SLAB_ROWS: usize = 1024;
/// Cuts loop 6: the depth to which they are packed. With the above: 4 MiB in f32.
const SLAB_DEPTH: usize = 1024;

/// Fused multiply-adds below which a second thread costs more than it saves.
const PARALLEL_WORK: usize = 1 << 17;
/// Fused multiply-adds that a tile has at least, where there is enough for all threads.
const TILE_WORK: usize = 1 << 16;
/// Tiles per thread, so that a thread that was late or slow leaves little to wait for.
const TILES_PER_THREAD: usize = 4;
/// Columns of C from which it pays to pack A: each strip is read once for each panel.
const PACKING_COLS: usize = 512;

/// C = A·B, C += A·B or C = row + A·B for A (m × k), B (k × n) and C (m × n). Either of A and B
/// may be a transposed view.
///
/// The work is split over the threads of the current [`team`](crate::team::team()) or rayon pool
/// when there is enough of it. Packing scratch is kept by the calling thread, so that from the
/// second call of a size on nothing is allocated, provided that the caller runs inside a pool
/// (`ThreadPool::install`): from outside, rayon itself may allocate to hand the work over.
///
/// # Panics
/// When the shapes don't agree.
pub fn gemm<T: Scalar>(a: Mat<'_, T>, b: Mat<'_, T>, output: Output<'_, T>, c: MatMut<'_, T>) {
    checked(a, b, output, c, false);
}

/// [`gemm`] for an A that may be full of zeros, as images are: where a sample says that it is,
/// products with zeros are left out.
///
/// A strip of A's rows skips a step k where all of them are 0: adding 0·b to a chain changes
/// nothing but, perhaps, the sign of a zero, and so every chain ends with + 0, which makes −0
/// to 0. The results are therefore the same bits whether zeros are skipped or not, as long as B is
/// finite. (0·∞ is NaN: of a B that is not finite, some or all of that may not be seen.)
///
/// # Panics
/// When the shapes don't agree.
pub fn gemm_sparse<T: Scalar>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    output: Output<'_, T>,
    c: MatMut<'_, T>,
) {
    checked(a, b, output, c, true);
}

/// A call of [`gemm`] or [`gemm_sparse`] whose arguments were checked.
pub struct Call<'a, T> {
    isa: Isa,
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    output: Output<'a, T>,
    c: MatMut<'a, T>,
    may_be_sparse: bool,
}

fn checked<T: Scalar>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    output: Output<'_, T>,
    mut c: MatMut<'_, T>,
    may_be_sparse: bool,
) {
    let (m, k, n) = (a.rows(), a.cols(), b.cols());
    assert!(
        b.rows() == k && c.rows() == m && c.cols() == n,
        "gemm: A is {m} x {k}, B is {} x {n} and C is {} x {}",
        b.rows(),
        c.rows(),
        c.cols()
    );
    if let Output::AddRow(row) = output {
        assert!(row.len() == n, "gemm: a row of {} elements for {n} columns", row.len());
    }
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        for i in 0..m {
            let c = c.row_mut(i);
            match output {
                Output::Overwrite => c.fill(T::ZERO),
                Output::Accumulate => {}
                Output::AddRow(row) => c.copy_from_slice(row),
            }
            if may_be_sparse {
                c.iter_mut().for_each(|c| *c += T::ZERO);
            }
        }
        return;
    }
    T::gemm_tiled(Call { isa: Isa::active(), a, b, output, c, may_be_sparse });
}

/// How C is cut into tiles: groups of strips by groups of panels.
#[derive(Clone, Copy)]
struct Grid {
    rows: usize,
    cols: usize,
}

impl Grid {
    /// As many tiles as keep all threads busy, split first over panels, since those are packed
    /// by each tile for itself, and only then over strips.
    fn new(work: usize, strips: usize, panels: usize) -> Self {
        let threads = team::threads();
        if threads == 1 || work < PARALLEL_WORK {
            return Self { rows: 1, cols: 1 };
        }
        let most = (threads * TILES_PER_THREAD).min(team::MAX_PARTS);
        let tiles = (work / TILE_WORK).clamp(1, most);
        let cols = panels.min(tiles);
        Self { rows: (tiles / cols).min(strips), cols }
    }
}

/// Loops 6 and 5, with micro-tiles of two registers' width and at most MR rows.
fn product<T: Scalar, I: KnownIsa, V: Vector<T>, const MR: usize>(call: Call<'_, T>) {
    let Call { a, b, output, mut c, may_be_sparse, .. } = call;
    let (m, k, n) = (a.rows(), a.cols(), b.cols());
    let depth_slabs = Blocks::new(k, SLAB_DEPTH, 1);
    let row_slabs = Blocks::new(m, SLAB_ROWS, MR);
    let strips = Strips::new(row_slabs.size.min(m), MR);
    let sparse = may_be_sparse && is_sparse(a, Strips::new(m, MR));
    let pack = !sparse && n >= PACKING_COLS;
    let width = 2 * V::LANES;
    let work = strips.start(strips.count) * depth_slabs.size * n;
    let grid = Grid::new(work, strips.count, n.div_ceil(width));
    let cols_per_tile = n.div_ceil(width).div_ceil(grid.cols) * width;
    let strips_per_tile = strips.count.div_ceil(grid.rows);
    let blocks = depth_blocks::<T, V>(depth_slabs.size).count();
    // Enough whether A is sparse or not: that can change from call to call.
    let lengths = Lengths {
        strips: if n >= PACKING_COLS { row_slabs.size * depth_slabs.size } else { 0 },
        index: if may_be_sparse { Lists::len(strips.count, depth_slabs.size, blocks) } else { 0 },
        panels: Tile::<T>::panels_len::<V, MR>(
            strips_per_tile,
            depth_slabs.size,
            cols_per_tile.min(n),
        ),
        threads: if grid.rows * grid.cols == 1 { 1 } else { team::threads() },
    };
    scratch::with(lengths, |scratch| {
        let Scratch { strips: packed, index, panels } = scratch;
        for depth in depth_slabs {
            let output = if depth.start == 0 { output } else { Output::Accumulate };
            let plus_zero = may_be_sparse && depth.end == k;
            for rows in row_slabs.clone() {
                let a = a.block(rows.clone(), depth.clone());
                let b = b.block(depth.clone(), 0..n);
                let c = c.block(rows, 0..n);
                let strips = Strips::new(a.rows(), MR);
                let left = if sparse {
                    let (parts, blocks) = (shares(strips, grid), depth_blocks::<T, V>(a.cols()));
                    Operand::Sparse(a, list_steps::<T, I, MR>(a, strips, parts, blocks, index))
                } else if pack {
                    Operand::Packed(pack_left::<T, I, MR>(a, strips, grid, packed))
                } else {
                    Operand::InPlace(a)
                };
                let slab =
                    Tile { a: left, strips, range: 0..strips.count, b, output, plus_zero, c };
                let compute = |tile: Tile<'_, T>| {
                    tile.compute::<I, V, MR>(&mut panels.take());
                };
                if grid.rows * grid.cols == 1 {
                    compute(slab);
                } else {
                    team::share(slab.cut(grid, width), compute);
                }
            }
        }
    });
}

/// Packs all of `a`, on as many threads as the grid has use for.
fn pack_left<'a, T: Scalar, I: KnownIsa, const MR: usize>(
    a: Mat<'a, T>,
    strips: Strips,
    grid: Grid,
    packed: &'a mut [T],
) -> Packed<'a, T> {
    let depth = a.cols();
    let packed = &mut packed[..a.rows() * depth];
    let mut rest = &mut *packed;
    let parts = shares(strips, grid).map(|range| {
        let rows = strips.start(range.start)..strips.start(range.end);
        let data = rest.split_off_mut(..rows.len() * depth).expect("it has all rows");
        PackStrips::<T, MR> { a: a.block(rows, 0..depth), strips, range, data }
    });
    team::share(parts, |part| I::run(part));
    Packed { data: packed, depth, strips, first: 0 }
}

/// The strips, divided among as many parts as the grid has tiles.
fn shares(strips: Strips, grid: Grid) -> impl Iterator<Item = Range<usize>> {
    let parts = (grid.rows * grid.cols).min(strips.count);
    (0..parts).map(move |part| strips.count * part / parts..strips.count * (part + 1) / parts)
}

/// Consecutive ranges of a length.
#[derive(Clone, Debug)]
struct Blocks {
    next: usize,
    len: usize,
    size: usize,
}

impl Blocks {
    /// The ranges that cut `0..len` into as few blocks of at most `max` (rounded up to a multiple
    /// of `unit`) as possible, of sizes as equal as such multiples allow: 784 by 512 is 392 + 392,
    /// where 512 + 272 would leave the second block's loops half full.
    fn new(len: usize, max: usize, unit: usize) -> Self {
        let size = len.div_ceil(len.div_ceil(max).max(1)).next_multiple_of(unit);
        Self { next: 0, len, size }
    }

    /// Ranges of `size`, the last of what remains.
    fn cut(len: usize, size: usize) -> Self {
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
