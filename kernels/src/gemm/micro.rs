//! Loop 0: the micro-kernel.

use super::Output;
use crate::isa::Kernel;
use crate::mat::MatMut;
use crate::scalar::Scalar;

/// Starts or continues the chains of `c`, an H × NR micro-tile, over a micro-panel of A
/// (depth × H) and one of B (depth × NR).
///
/// Written as plain arrays: the loops over `i` and `j` unroll, `j` becomes vectors, and `acc`
/// lives in registers from the first step to the last. Per step that is NR/lanes loads of B, H
/// broadcasts of A and H·NR/lanes fused multiply-adds. It is a function of its own, and the loops
/// around it are not part of it, because the compiler finds the vectors only in small functions.
pub(super) struct MicroTile<'a, T, const H: usize, const NR: usize> {
    pub(super) a: &'a [T],
    pub(super) b: &'a [T],
    pub(super) output: Output,
    pub(super) c: MatMut<'a, T>,
}

impl<T: Scalar, const H: usize, const NR: usize> Kernel for MicroTile<'_, T, H, NR> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, b, output, mut c } = self;
        // Known here, so that the rows need no further checks.
        assert!(c.rows() == H && c.cols() == NR, "a micro-tile of another size");
        let mut start = [[T::ZERO; NR]; H];
        if output == Output::Accumulate {
            for (i, start) in start.iter_mut().enumerate() {
                start.copy_from_slice(c.row_mut(i));
            }
        }
        let done = chain(a, b, start);
        for (i, done) in done.iter().enumerate() {
            c.row_mut(i).copy_from_slice(done);
        }
    }
}

/// Takes the chains `acc` through all steps. `acc` is an array of this function's own, indexed by
/// nothing but the unrolled loops: any other access would keep it in memory.
#[inline(always)]
fn chain<T: Scalar, const H: usize, const NR: usize>(
    a: &[T],
    b: &[T],
    mut acc: [[T; NR]; H],
) -> [[T; NR]; H] {
    let (a, _) = a.as_chunks::<H>();
    let (b, _) = b.as_chunks::<NR>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..H {
            for j in 0..NR {
                acc[i][j] = a[i].mul_add(b[j], acc[i][j]);
            }
        }
    }
    acc
}
