//! Reductions over a fixed tree: what is added to what depends on the length alone.

use std::iter::zip;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::LIGHT;
use crate::isa::{Isa, Kernel};
use crate::scalar::Scalar;
use crate::team::{MAX_PARTS, part_count, share};

/// Partial sums that run side by side, as many as fill the vectors of any instruction set.
const LANES: usize = 16;
/// Elements summed lane by lane; longer slices are halved at multiples of it.
const LEAF: usize = 4096;

/// Σᵢ xᵢ; 0 for an empty slice.
///
/// More than 4096 elements are halved at a multiple of 4096. Of fewer, lane l sums elements l,
/// l + 16, l + 32, …, and the 16 lanes are added pairwise: lane l takes lane l + 8, then l + 4,
/// l + 2 and l + 1.
pub fn sum<T: Scalar>(x: &[T]) -> T {
    reduce(x, |isa, x| isa.run(Sum { x }))
}

/// Σᵢ xᵢ², added up like [`sum`]; 0 for an empty slice.
pub fn sum_squares<T: Scalar>(x: &[T]) -> T {
    reduce(x, |isa, x| isa.run(SumSquares { x }))
}

/// The sum over the tree of what `leaf` makes of at most [`LEAF`] elements each.
fn reduce<T: Scalar>(x: &[T], leaf: impl Fn(Isa, &[T]) -> T + Sync) -> T {
    let isa = Isa::active();
    // The nodes of one level of the tree. All of them have more than a leaf, so that the level
    // above is made of their pairs.
    let mut nodes = [x; MAX_PARTS];
    let mut count = 1;
    while 2 * count <= part_count(x.len(), LIGHT) {
        for i in (0..count).rev() {
            (nodes[2 * i], nodes[2 * i + 1]) = halve(nodes[i]);
        }
        count *= 2;
    }
    let mut sums = [T::ZERO; MAX_PARTS];
    share(zip(&nodes[..count], &mut sums), |(node, sum)| *sum = sum_tree(isa, node, &leaf));
    while count > 1 {
        count /= 2;
        for i in 0..count {
            sums[i] = sums[2 * i] + sums[2 * i + 1];
        }
    }
    sums[0]
}

/// The two halves of more than `LEAF` elements.
fn halve<T>(x: &[T]) -> (&[T], &[T]) {
    x.split_at(x.len().div_ceil(LEAF) / 2 * LEAF)
}

fn sum_tree<T: Scalar>(isa: Isa, x: &[T], leaf: &impl Fn(Isa, &[T]) -> T) -> T {
    if x.len() <= LEAF {
        return leaf(isa, x);
    }
    let (one, other) = halve(x);
    sum_tree(isa, one, leaf) + sum_tree(isa, other, leaf)
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

struct SumSquares<'a, T> {
    x: &'a [T],
}

impl<T: Scalar> Kernel for SumSquares<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run(self) -> T {
        accumulate_lanes(self.x, |sum, x| x.mul_add(x, sum))
    }
}

/// The sum of at most `LEAF` elements, in the order that [`sum`] documents.
#[inline(always)]
pub(super) fn sum_lanes<T: Scalar>(x: &[T]) -> T {
    accumulate_lanes(x, |sum, x| sum + x)
}

/// The same with any way to take an element into a lane's sum.
#[inline(always)]
fn accumulate_lanes<T: Scalar>(x: &[T], add: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = add(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = add(*lane, x);
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
    let isa = Isa::active();
    let part = x.len().div_ceil(part_count(x.len(), LIGHT)).max(1);
    let finite = AtomicBool::new(true);
    share(x.chunks(part), |x| {
        if !isa.run(AllFinite { x }) {
            finite.store(false, Relaxed);
        }
    });
    finite.into_inner()
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
