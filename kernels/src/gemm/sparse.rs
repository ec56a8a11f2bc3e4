//! A left operand that is full of zeros: for each strip, a list of the steps that matter.
//!
//! A step whose elements are 0 in all rows of a strip adds nothing to its chains. The micro-kernel
//! goes through the list of the other steps, and reads their elements where they lie.

use std::ops::Range;

use super::Blocks;
use super::left::{ByHeight, Left, Strip, Strips, by_height};
use crate::isa::{Kernel, KnownIsa};
use crate::mat::Mat;
use crate::scalar::Scalar;
use crate::team;

/// Those steps of a strip that are not all zero. Only [`Sparse`] makes one: its `steps` increase.
#[derive(Clone, Copy)]
pub(super) struct Listed<'a, S> {
    strip: S,
    steps: &'a [u32],
}

// SAFETY: the steps increase, and `is_whole` has found the last one inside the strip.
unsafe impl<T, S: Strip<T>> Strip<T> for Listed<'_, S> {
    #[inline(always)]
    fn is_whole(&self, height: usize, depth: usize) -> bool {
        let inside = self.steps.last().is_none_or(|&last| (last as usize) < depth);
        inside && self.strip.is_whole(height, depth)
    }

    #[inline(always)]
    fn depth(&self, _depth: usize) -> usize {
        self.steps.len()
    }

    #[inline(always)]
    unsafe fn at(&self, i: usize, p: usize) -> T {
        // SAFETY: the caller promises that `p` is below the number of steps, which are all inside
        // the strip, and that `i` is.
        unsafe { self.strip.at(i, self.step(p)) }
    }

    #[inline(always)]
    unsafe fn step(&self, p: usize) -> usize {
        // SAFETY: the caller promises that `p` is below the number of steps.
        unsafe { *self.steps.get_unchecked(p) as usize }
    }
}

/// A, with the list of the steps of all its strips.
#[derive(Clone, Copy)]
pub(super) struct Sparse<'a, A> {
    pub(super) a: A,
    pub(super) lists: Lists<'a>,
    /// The number of the block that is read.
    pub(super) number: usize,
}

impl<'a, T, A: Left<T>> Left<T> for Sparse<'a, A> {
    type Strip = Listed<'a, A::Strip>;

    fn block(self, number: usize, depth: &Range<usize>) -> Self {
        Self { a: self.a.block(number, depth), number, ..self }
    }

    #[inline(always)]
    fn strip(&self, i: usize) -> Self::Strip {
        Listed { strip: self.a.strip(i), steps: self.lists.steps(i, self.number) }
    }
}

/// For each strip, the number of steps listed up to the end of each block of the depth, and then
/// these steps, counted from the start of their block. Only [`list_steps`] makes one, so that they
/// increase.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a> {
    index: &'a [u32],
    depth: usize,
    blocks: usize,
}

impl<'a> Lists<'a> {
    /// The length of the index of `strips` strips over `depth` steps in `blocks` blocks.
    pub(super) fn len(strips: usize, depth: usize, blocks: usize) -> usize {
        strips * (blocks + depth)
    }

    /// The steps of strip `i` in a block.
    #[inline(always)]
    fn steps(&self, i: usize, block: usize) -> &'a [u32] {
        let index = &self.index[Self::len(i, self.depth, self.blocks)..];
        let (ends, steps) = index.split_at(self.blocks);
        let first = if block == 0 { 0 } else { ends[block - 1] };
        &steps[first as usize..ends[block] as usize]
    }
}

/// Lists the steps of `a` that are not zero, over some blocks of the depth. The threads share the
/// `parts` of the strips.
pub(super) fn list_steps<'a, T: Scalar, I: KnownIsa, const MR: usize>(
    a: Mat<'_, T>,
    strips: Strips,
    parts: impl Iterator<Item = Range<usize>>,
    blocks: Blocks,
    index: &'a mut [u32],
) -> Lists<'a> {
    let (depth, count) = (a.cols(), blocks.clone().count());
    let index = &mut index[..Lists::len(strips.count, depth, count)];
    let mut rest = &mut *index;
    let parts = parts.map(|range| {
        let len = Lists::len(range.len(), depth, count);
        let index = rest.split_off_mut(..len).expect("it has all strips");
        let a = a.block(strips.start(range.start)..strips.start(range.end), 0..depth);
        ListSteps::<T, MR> { a, strips, range, index, blocks: blocks.clone() }
    });
    team::share(parts, |part| I::run(part));
    Lists { index, depth, blocks: count }
}

/// Makes the lists of some strips of `a`.
struct ListSteps<'a, T, const MR: usize> {
    /// The rows of these strips.
    a: Mat<'a, T>,
    strips: Strips,
    range: Range<usize>,
    index: &'a mut [u32],
    /// The blocks of the depth.
    blocks: Blocks,
}

impl<T: Scalar, const MR: usize> Kernel for ListSteps<'_, T, MR> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, strips, range, index, blocks } = self;
        let depth = a.cols();
        let first = strips.start(range.start);
        let len = Lists::len(1, depth, blocks.clone().count());
        for (i, index) in range.zip(index.chunks_exact_mut(len)) {
            let (start, end) = (strips.start(i), strips.start(i + 1));
            let a = a.block(start - first..end - first, 0..depth);
            by_height::<MR>(end - start, ListStrip { a, index, blocks: blocks.clone() });
        }
    }
}

/// Makes the list of one strip.
struct ListStrip<'a, T> {
    a: Mat<'a, T>,
    index: &'a mut [u32],
    blocks: Blocks,
}

/// Steps that are looked at together.
const CHUNK: usize = 32;

impl<T: Scalar> ByHeight for ListStrip<'_, T> {
    #[inline(always)]
    fn run<const H: usize>(self) {
        let Self { a, index, blocks } = self;
        let (ends, steps) = index.split_at_mut(blocks.clone().count());
        let mut count = 0;
        for (block, end) in blocks.zip(ends) {
            for first in block.clone().step_by(CHUNK) {
                let chunk = first..block.end.min(first + CHUNK);
                let nonzero = nonzero_steps::<T, H>(a, chunk.clone());
                // Every step is written, and written over by the next unless it is to be listed:
                // branches would be mispredicted at every edge of an image.
                for (p, nonzero) in chunk.zip(nonzero) {
                    steps[count] = (p - block.start) as u32;
                    count += usize::from(nonzero);
                }
            }
            *end = count as u32;
        }
    }
}

/// Which of at most CHUNK steps of `a` are not zero in all of its H rows.
#[inline(always)]
fn nonzero_steps<T: Scalar, const H: usize>(a: Mat<'_, T>, steps: Range<usize>) -> [bool; CHUNK] {
    let mut nonzero = [false; CHUNK];
    if a.has_contiguous_rows() {
        for i in 0..H {
            for (nonzero, &x) in nonzero.iter_mut().zip(&a.row(i)[steps.clone()]) {
                *nonzero |= x != T::ZERO;
            }
        }
    } else {
        for (nonzero, p) in nonzero.iter_mut().zip(steps) {
            let step: &[T; H] = a.t().row(p).as_array().expect("H rows");
            *nonzero = step.iter().fold(false, |any, &x| any | (x != T::ZERO));
        }
    }
    nonzero
}

/// Whether leaving out the steps that are all zero saves more than finding them costs, judged by a
/// sample of the strips and their steps.
pub(super) fn is_sparse<T: Scalar>(a: Mat<'_, T>, strips: Strips) -> bool {
    const SAMPLE: usize = 64;
    let zero = |s: usize| {
        // Odd multipliers, so that the sample meets all parts of both dimensions.
        let (i, p) = (s * 37 % strips.count, (s * a.cols() / SAMPLE + s * 13) % a.cols());
        (strips.start(i)..strips.start(i + 1)).all(|row| a.at(row, p) == T::ZERO)
    };
    4 * (0..SAMPLE).filter(|&s| zero(s)).count() >= SAMPLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::left::Rows;
    use crate::isa::Portable;

    /// 60 × 784, zero but for a stretch of columns.
    fn stretch(columns: Range<usize>) -> Vec<f32> {
        (0..60 * 784).map(|i| if columns.contains(&(i % 784)) { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn the_sample_finds_zeros_in_every_orientation_and_none_where_there_are_none() {
        for (columns, sparse) in
            [(0..784, false), (0..10, true), (400..784, true), (60..784, false)]
        {
            let data = stretch(columns);
            let a = Mat::new(&data, 60, 784);
            assert_eq!(is_sparse(a, Strips::new(60, 6)), sparse);
            assert_eq!(is_sparse(a.t(), Strips::new(784, 6)), sparse);
        }
    }

    #[test]
    fn the_lists_hold_the_steps_that_are_not_all_zero_block_by_block() {
        let data = stretch(300..500);
        let (strips, blocks) = (Strips::new(60, 6), Blocks::new(784, 400, 1));
        let transposed: Vec<f32> = (0..784 * 60).map(|i| data[i % 60 * 784 + i / 60]).collect();
        for a in [Mat::new(&data, 60, 784), Mat::new(&transposed, 784, 60).t()] {
            let mut index = vec![u32::MAX; Lists::len(10, 784, 2)];
            let (parts, blocks) = ([0..4, 4..10].into_iter(), blocks.clone());
            let lists = list_steps::<_, Portable, 6>(a, strips, parts, blocks, &mut index);
            for (number, steps) in [300..392, 0..108].into_iter().enumerate() {
                let a = Rows { a: Mat::new(&data, 60, 784), strips };
                let sparse = Sparse { a, lists, number: 0 };
                let sparse = sparse.block(number, &(number * 392..number * 392 + 392));
                for i in 0..10 {
                    let strip = sparse.strip(i);
                    assert!(strip.is_whole(6, 392));
                    assert!(strip.steps.iter().copied().eq(steps.clone()));
                    // SAFETY: the strip is whole, and `p` is one of its steps.
                    let at = |p| unsafe { strip.at(5, p) };
                    assert!((0..strip.steps.len()).all(|p| at(p) == 1.0));
                }
            }
        }
    }
}
