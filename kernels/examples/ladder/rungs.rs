//! Rungs 1 to 4: the definition, and its loops in a better order; and the engine itself.
//!
//! From rung 3 on, every element of C is one chain of fused multiply-adds over p = 0, 1, …, k − 1,
//! as it is in `gemm`: a block of the depth continues from what the block before it left in C. So
//! all of these agree bit for bit.

use std::ops::Range;

use elbo_kernels::{Isa, Kernel, Mat, MatMut, Output, gemm};

/// C = A·B to be computed: A is m × k, B is k × n and C is m × n, with at least one element each,
/// row after row in memory. What C holds before doesn't matter.
pub struct Product<'a> {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub c: &'a mut [f32],
}

/// Rung 1: the definition, `c[i][j] = Σₚ a[i][p]·b[p][j]`, in three loops i, j, p.
pub fn naive(Product { m, k, n, a, b, c }: Product) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for p in 0..k {
                sum += a[i * k + p] * b[p * n + j];
            }
            c[i * n + j] = sum;
        }
    }
}

/// Rung 2: the loops in the order i, p, j. Row i of C collects multiples of the rows of B.
pub fn reordered(Product { k, n, a, b, c, .. }: Product) {
    c.fill(0.0);
    for (a, c) in a.chunks(k).zip(c.chunks_mut(n)) {
        for (&a, b) in a.iter().zip(b.chunks(n)) {
            for (c, &b) in c.iter_mut().zip(b) {
                *c += a * b;
            }
        }
    }
}

/// Rung 3: rung 2 with fused multiply-adds, compiled for the active instruction set.
pub fn fused(Product { m, k, n, a, b, c }: Product) {
    c.fill(0.0);
    Isa::active().run(RowByRow { k, n, a, b, c, rows: 0..m, depth: 0..k, cols: 0..n });
}

/// The loops of rung 3 on a part of the product: adds to rows × cols of C the product of
/// rows × depth of A and depth × cols of B.
pub struct RowByRow<'a> {
    pub k: usize,
    pub n: usize,
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub c: &'a mut [f32],
    pub rows: Range<usize>,
    pub depth: Range<usize>,
    pub cols: Range<usize>,
}

impl Kernel for RowByRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { k, n, a, b, c, rows, depth, cols } = self;
        for i in rows {
            let a = &a[i * k..][depth.clone()];
            let c = &mut c[i * n..][cols.clone()];
            for (&a, b) in a.iter().zip(b[depth.start * n..].chunks(n)) {
                for (c, &b) in c.iter_mut().zip(&b[cols.clone()]) {
                    *c = a.mul_add(b, *c);
                }
            }
        }
    }
}

/// Rung 4: rung 3 on one block of B after the other, each for all rows of A.
pub fn blocked(Product { m, k, n, a, b, c }: Product) {
    /// A block of 64 × 1024 is 256 KiB, which leaves room in an L2 cache of 512 KiB. It is long
    /// rather than high: in short rows of C, loads wait for the stores of the step before.
    const DEPTH: usize = 64;
    const COLS: usize = 1024;

    c.fill(0.0);
    for p in (0..k).step_by(DEPTH) {
        for j in (0..n).step_by(COLS) {
            let (depth, cols) = (p..k.min(p + DEPTH), j..n.min(j + COLS));
            Isa::active().run(RowByRow { k, n, a, b, c, rows: 0..m, depth, cols });
        }
    }
}

/// Rungs 8 and 9: the crate's engine, on the threads of the current pool.
pub fn engine(Product { m, k, n, a, b, c }: Product) {
    gemm(Mat::new(a, m, k), Mat::new(b, k, n), Output::Overwrite, MatMut::new(c, m, n));
}
