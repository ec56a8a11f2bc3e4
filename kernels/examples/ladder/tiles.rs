//! Rungs 5 to 7: C in tiles that stay in registers, and operands packed for them.
//!
//! After "Anatomy of High-Performance Matrix Multiplication" (Goto and van de Geijn 2008) and
//! "BLIS: A Framework for Rapidly Instantiating BLAS Functionality" (Van Zee and van de Geijn
//! 2015), without the latter's blocks of columns, which only matter to matrices wider than these.

use std::array;

use elbo_kernels::{Isa, Kernel};

use crate::rungs::{Product, RowByRow};

/// The micro-tile of C that stays in registers, m_R × n_R in BLIS. It is made for AVX2 and its 16
/// registers of 8 elements: 12 for the tile, 2 for a row of B, 1 for an element of A. (AVX-512
/// holds it in 6 registers, too few chains to hide the latency.)
const TILE_ROWS: usize = 6;
const TILE_COLS: usize = 16;
type Tile = [[f32; TILE_COLS]; TILE_ROWS];

/// k_C in BLIS: this many rows of B, each as wide as a tile, are 16 KiB and stay in the L1
/// cache while the tiles below each other use them.
const DEPTH_BLOCK: usize = 256;
/// m_C in BLIS: this many rows of A, of `DEPTH_BLOCK` elements, are 96 KiB and stay in the
/// L2 cache while all columns of B pass.
const ROWS_BLOCK: usize = 16 * TILE_ROWS;

/// Rung 5: C in tiles that stay in registers for a whole block of the depth; A and B as they are.
pub fn tiled(Product { m, k, n, a, b, c }: Product) {
    let isa = Isa::active();
    let (rows, cols) = (m - m % TILE_ROWS, n - n % TILE_COLS);
    c.fill(0.0);
    for p in (0..k).step_by(DEPTH_BLOCK) {
        let depth = DEPTH_BLOCK.min(k - p);
        for block in (0..rows).step_by(ROWS_BLOCK) {
            for j in (0..cols).step_by(TILE_COLS) {
                for i in (block..rows.min(block + ROWS_BLOCK)).step_by(TILE_ROWS) {
                    let (a, b) = (&a[i * k + p..], &b[p * n + j..]);
                    isa.run(Unpacked { a, k, b, n, depth, c: &mut c[i * n + j..] });
                }
            }
        }
    }
    edges(rows, cols, Product { m, k, n, a, b, c });
}

/// What whole tiles leave over: the rows from `rows` on and, above them, the columns from `cols`.
fn edges(rows: usize, cols: usize, Product { m, k, n, a, b, c }: Product) {
    let isa = Isa::active();
    isa.run(RowByRow { k, n, a, b, c, rows: rows..m, depth: 0..k, cols: 0..n });
    isa.run(RowByRow { k, n, a, b, c, rows: 0..rows, depth: 0..k, cols: cols..n });
}

/// Adds to a tile the product of `depth` columns of A and rows of B.
struct Unpacked<'a> {
    a: &'a [f32],
    k: usize,
    b: &'a [f32],
    n: usize,
    depth: usize,
    c: &'a mut [f32],
}

impl Kernel for Unpacked<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, k, b, n, depth, c } = self;
        let a = rows_of_a(a, k, depth);
        let mut tile = load(c, n);
        for (p, b) in (0..depth).zip(b.chunks(n)) {
            step(&mut tile, a.map(|row| row[p]), tile_row(b));
        }
        store(tile, c, n);
    }
}

/// Rung 6: rung 5 with each block of B packed into panels, as wide as a tile, before it is used.
pub fn packed_b(Product { m, k, n, a, b, c }: Product) {
    let isa = Isa::active();
    let (rows, cols) = (m - m % TILE_ROWS, n - n % TILE_COLS);
    let mut panels_of_b = Vec::with_capacity(DEPTH_BLOCK * cols / TILE_COLS);
    c.fill(0.0);
    for p in (0..k).step_by(DEPTH_BLOCK) {
        let depth = DEPTH_BLOCK.min(k - p);
        pack_b(&b[p * n..], n, depth, cols, &mut panels_of_b);
        for block in (0..rows).step_by(ROWS_BLOCK) {
            for (j, b) in (0..cols).step_by(TILE_COLS).zip(panels_of_b.chunks(depth)) {
                for i in (block..rows.min(block + ROWS_BLOCK)).step_by(TILE_ROWS) {
                    isa.run(PackedB { a: &a[i * k + p..], k, b, c: &mut c[i * n + j..], n });
                }
            }
        }
    }
    edges(rows, cols, Product { m, k, n, a, b, c });
}

/// One step of a panel of B, exactly a cache line.
#[repr(align(64))]
struct StepOfB([f32; TILE_COLS]);

/// Copies depth × cols of B into panels of depth steps.
fn pack_b(b: &[f32], n: usize, depth: usize, cols: usize, panels: &mut Vec<StepOfB>) {
    panels.clear();
    for j in (0..cols).step_by(TILE_COLS) {
        panels.extend((0..depth).map(|p| StepOfB(*tile_row(&b[p * n + j..]))));
    }
}

/// Adds to a tile the product of rows of A and a panel of B.
struct PackedB<'a> {
    a: &'a [f32],
    k: usize,
    b: &'a [StepOfB],
    c: &'a mut [f32],
    n: usize,
}

impl Kernel for PackedB<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, k, b, c, n } = self;
        let a = rows_of_a(a, k, b.len());
        let mut tile = load(c, n);
        for (p, StepOfB(b)) in b.iter().enumerate() {
            step(&mut tile, a.map(|row| row[p]), b);
        }
        store(tile, c, n);
    }
}

/// Rung 7: rung 6 with each block of A packed, too, into panels as high as a tile.
pub fn packed(Product { m, k, n, a, b, c }: Product) {
    let isa = Isa::active();
    let (rows, cols) = (m - m % TILE_ROWS, n - n % TILE_COLS);
    let mut panels_of_a = Vec::with_capacity(DEPTH_BLOCK * ROWS_BLOCK / TILE_ROWS);
    let mut panels_of_b = Vec::with_capacity(DEPTH_BLOCK * cols / TILE_COLS);
    c.fill(0.0);
    for p in (0..k).step_by(DEPTH_BLOCK) {
        let depth = DEPTH_BLOCK.min(k - p);
        pack_b(&b[p * n..], n, depth, cols, &mut panels_of_b);
        for block in (0..rows).step_by(ROWS_BLOCK) {
            let block = block..rows.min(block + ROWS_BLOCK);
            pack_a(&a[block.start * k + p..], k, block.len(), depth, &mut panels_of_a);
            for (j, b) in (0..cols).step_by(TILE_COLS).zip(panels_of_b.chunks(depth)) {
                let tiles = block.clone().step_by(TILE_ROWS);
                for (i, a) in tiles.zip(panels_of_a.chunks(depth)) {
                    isa.run(Packed { a, b, c: &mut c[i * n + j..], n });
                }
            }
        }
    }
    edges(rows, cols, Product { m, k, n, a, b, c });
}

/// Copies rows × depth of A into panels of depth steps, a column of a tile each.
fn pack_a(a: &[f32], k: usize, rows: usize, depth: usize, panels: &mut Vec<[f32; TILE_ROWS]>) {
    panels.clear();
    for i in (0..rows).step_by(TILE_ROWS) {
        let rows = rows_of_a(&a[i * k..], k, depth);
        panels.extend((0..depth).map(|p| rows.map(|row| row[p])));
    }
}

/// Adds to a tile the product of a panel of A and one of B: the micro-kernel of BLIS.
struct Packed<'a> {
    a: &'a [[f32; TILE_ROWS]],
    b: &'a [StepOfB],
    c: &'a mut [f32],
    n: usize,
}

impl Kernel for Packed<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, b, c, n } = self;
        let mut tile = load(c, n);
        for (&a, StepOfB(b)) in a.iter().zip(b) {
            step(&mut tile, a, b);
        }
        store(tile, c, n);
    }
}

/// One step of the depth: adds a column of A times a row of B to the tile.
#[inline(always)]
fn step(tile: &mut Tile, a: [f32; TILE_ROWS], b: &[f32; TILE_COLS]) {
    for i in 0..TILE_ROWS {
        for j in 0..TILE_COLS {
            tile[i][j] = a[i].mul_add(b[j], tile[i][j]);
        }
    }
}

/// The tile at the start of `c`, whose rows start n elements apart.
#[inline(always)]
fn load(c: &[f32], n: usize) -> Tile {
    array::from_fn(|i| *tile_row(&c[i * n..]))
}

/// The inverse of [`load`].
#[inline(always)]
fn store(tile: Tile, c: &mut [f32], n: usize) {
    for (i, row) in tile.iter().enumerate() {
        c[i * n..][..TILE_COLS].copy_from_slice(row);
    }
}

/// The first elements of `row`, as many as a tile has columns.
#[inline(always)]
fn tile_row(row: &[f32]) -> &[f32; TILE_COLS] {
    row.first_chunk().expect("a whole tile")
}

/// The first `depth` elements of as many rows of A as a tile has.
#[inline(always)]
fn rows_of_a(a: &[f32], k: usize, depth: usize) -> [&[f32]; TILE_ROWS] {
    array::from_fn(|i| &a[i * k..][..depth])
}
