//! Reductions over a fixed tree: what is added to what depends on the length alone.

use super::LIGHT;
use crate::isa::{Isa, Kernel};
use crate::scalar::Scalar;

/// Partial sums that run side by side, as many as fill the vectors of any instruction set.
const LANES: usize = 16;
/// Elements summed lane by lane; longer slices are halved at multiples of it.
const LEAF: usize = 4096;
/// Elements above which halves are given to two threads.
const PARALLEL: usize = 2 * LIGHT;

/// Σᵢ xᵢ; 0 for an empty slice.
///
/// More than 4096 elements are halved at a multiple of 4096. Of fewer, lane l sums elements l,
/// l + 16, l + 32, …, and the 16 lanes are added pairwise: lane l takes lane l + 8, then l + 4,
/// l + 2 and l + 1.
pub fn sum<T: Scalar>(x: &[T]) -> T {
    sum_tree(Isa::active(), x)
}

fn sum_tree<T: Scalar>(isa: Isa, x: &[T]) -> T {
    if x.len() <= LEAF {
        return isa.run(Sum { x });
    }
    let (one, other) = x.split_at(x.len().div_ceil(LEAF) / 2 * LEAF);
    let (one, other) = if x.len() > PARALLEL {
        rayon::join(|| sum_tree(isa, one), || sum_tree(isa, other))
    } else {
        (sum_tree(isa, one), sum_tree(isa, other))
    };
    one + other
}

struct Sum<'a, T> {
    x: &'a [T],
}

impl<T: Scalar> Kernel for Sum<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run(self) -> T {
        sum_lanes(self.x)
    }
}

/// The sum of at most `LEAF` elements, in the order that [`sum`] documents.
#[inline(always)]
pub(super) fn sum_lanes<T: Scalar>(x: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += x;
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
    }
    lanes[0]
}

/// Whether no element is NaN or infinite.
pub fn all_finite<T: Scalar>(x: &[T]) -> bool {
    finite_tree(Isa::active(), x)
}

fn finite_tree<T: Scalar>(isa: Isa, x: &[T]) -> bool {
    if x.len() <= PARALLEL {
        return isa.run(AllFinite { x });
    }
    let (one, other) = x.split_at(x.len() / 2);
    let (one, other) = rayon::join(|| finite_tree(isa, one), || finite_tree(isa, other));
    one && other
}

struct AllFinite<'a, T> {
    x: &'a [T],
}

impl<T: Scalar> Kernel for AllFinite<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        // Without a branch inside a chunk, so that it vectorises.
        self.x
            .chunks(LEAF)
            .all(|chunk| chunk.iter().fold(true, |finite, x| finite & (x.abs() < T::INFINITY)))
    }
}
