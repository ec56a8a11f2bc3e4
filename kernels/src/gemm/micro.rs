//! Loop 0: the micro-kernel.

use crate::scalar::Scalar;

/// Continues the chains of an H × NR micro-tile of C over a micro-panel of A (depth × H, the H
/// elements of one p together) and one of B (depth × NR).
///
/// Written as plain arrays: the loops over `i` and `j` unroll, `j` becomes vectors, and `acc`
/// lives in registers from the first step to the last. Per step that is NR/lanes loads of B, H
/// broadcasts of A and H·NR/lanes fused multiply-adds.
#[inline(always)]
pub(super) fn chain<T: Scalar, const H: usize, const NR: usize>(
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
