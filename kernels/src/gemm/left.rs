//! The left operand: strips of A, as high as a micro-tile.
//!
//! The micro-kernel takes single elements of A, so that it can read them where they lie. Packing
//! pays where a strip is read many times.

use std::ops::Range;

use crate::isa::Kernel;
use crate::mat::Mat;
use crate::scalar::Scalar;

/// How rows are grouped into strips: as few as possible of at most `max` rows, as equal as possible,
/// the higher ones first.
#[derive(Clone, Copy)]
pub(super) struct Strips {
    pub(super) count: usize,
    /// The height of the lower ones.
    height: usize,
    /// How many are one row higher.
    higher: usize,
}

impl Strips {
    pub(super) fn new(rows: usize, max: usize) -> Self {
        let count = rows.div_ceil(max);
        Self { count, height: rows / count, higher: rows % count }
    }

    /// Where strip `i` starts; for `i` = count, where the last one ends.
    #[inline(always)]
    pub(super) fn start(self, i: usize) -> usize {
        i * self.height + i.min(self.higher)
    }

    /// The parts of `range` whose strips have the same height, with it.
    pub(super) fn by_height(self, range: Range<usize>) -> [(usize, Range<usize>); 2] {
        let middle = self.higher.clamp(range.start, range.end);
        [(self.height + 1, range.start..middle), (self.height, middle..range.end)]
    }
}

/// What the micro-kernel reads of A: H rows, step by step.
///
/// # Safety
/// Where [`is_whole`](Self::is_whole) says yes, [`at`](Self::at) reads inside the strip for all i
/// below `height` and p below [`depth`](Self::depth), and [`step`](Self::step) is below `depth`.
pub(super) unsafe trait Strip<T>: Copy {
    /// Whether it has `height` rows and multiplies no other rows of B than the first `depth`.
    fn is_whole(&self, height: usize, depth: usize) -> bool;

    /// Its number of steps over a panel with `depth` rows.
    fn depth(&self, depth: usize) -> usize;

    /// Element (i, p) of the strip.
    ///
    /// # Safety
    /// `i` and `p` are inside a strip that [`is_whole`](Self::is_whole).
    unsafe fn at(&self, i: usize, p: usize) -> T;

    /// The row of B that step `p` multiplies.
    ///
    /// # Safety
    /// As of [`at`](Self::at).
    unsafe fn step(&self, p: usize) -> usize;
}

/// A strip of contiguous rows, where they lie: element (i, p) at `data[i·stride + p]`.
#[derive(Clone, Copy)]
pub(super) struct ByRow<'a, T> {
    pub(super) data: &'a [T],
    pub(super) stride: usize,
}

// SAFETY: `is_whole` compares the place of the last element with the length of `data`.
unsafe impl<T: Copy> Strip<T> for ByRow<'_, T> {
    #[inline(always)]
    fn is_whole(&self, height: usize, depth: usize) -> bool {
        (height - 1) * self.stride + depth <= self.data.len()
    }

    #[inline(always)]
    fn depth(&self, depth: usize) -> usize {
        depth
    }

    #[inline(always)]
    unsafe fn at(&self, i: usize, p: usize) -> T {
        // SAFETY: the caller promises that `i` and `p` are inside a whole strip.
        unsafe { *self.data.get_unchecked(i * self.stride + p) }
    }

    #[inline(always)]
    unsafe fn step(&self, p: usize) -> usize {
        p
    }
}

/// A strip whose steps are contiguous, packed or where they lie: element (i, p) at
/// `data[p·stride + i]`.
#[derive(Clone, Copy)]
pub(super) struct ByStep<'a, T> {
    pub(super) data: &'a [T],
    pub(super) stride: usize,
}

// SAFETY: `is_whole` compares the place of the last element with the length of `data`.
unsafe impl<T: Copy> Strip<T> for ByStep<'_, T> {
    #[inline(always)]
    fn is_whole(&self, height: usize, depth: usize) -> bool {
        (depth - 1) * self.stride + height <= self.data.len()
    }

    #[inline(always)]
    fn depth(&self, depth: usize) -> usize {
        depth
    }

    #[inline(always)]
    unsafe fn at(&self, i: usize, p: usize) -> T {
        // SAFETY: the caller promises that `i` and `p` are inside a whole strip.
        unsafe { *self.data.get_unchecked(p * self.stride + i) }
    }

    #[inline(always)]
    unsafe fn step(&self, p: usize) -> usize {
        p
    }
}

/// A, as strips.
pub(super) trait Left<T>: Copy {
    /// What its strips are.
    type Strip: Strip<T>;

    /// The same over the block number `number` of the depth, its steps `depth`.
    fn block(self, number: usize, depth: &Range<usize>) -> Self;

    /// Strip `i`.
    fn strip(&self, i: usize) -> Self::Strip;
}

/// Contiguous rows, where they lie.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) a: Mat<'a, T>,
    pub(super) strips: Strips,
}

impl<'a, T: Copy> Left<T> for Rows<'a, T> {
    type Strip = ByRow<'a, T>;

    fn block(self, _number: usize, depth: &Range<usize>) -> Self {
        Self { a: self.a.block(0..self.a.rows(), depth.clone()), ..self }
    }

    #[inline(always)]
    fn strip(&self, i: usize) -> ByRow<'a, T> {
        let (data, stride) = self.a.lines();
        ByRow { data: &data[self.strips.start(i) * stride..], stride }
    }
}

/// Contiguous columns, where they lie.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a, T> {
    pub(super) a: Mat<'a, T>,
    pub(super) strips: Strips,
}

impl<'a, T: Copy> Left<T> for Steps<'a, T> {
    type Strip = ByStep<'a, T>;

    fn block(self, _number: usize, depth: &Range<usize>) -> Self {
        Self { a: self.a.block(0..self.a.rows(), depth.clone()), ..self }
    }

    #[inline(always)]
    fn strip(&self, i: usize) -> ByStep<'a, T> {
        let (data, stride) = self.a.lines();
        ByStep { data: &data[self.strips.start(i)..], stride }
    }
}

/// All strips of A over some depth, packed: strip i is depth × height.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a, T> {
    pub(super) data: &'a [T],
    pub(super) depth: usize,
    pub(super) strips: Strips,
    /// The first step that is read.
    pub(super) first: usize,
}

impl<'a, T: Copy> Left<T> for Packed<'a, T> {
    type Strip = ByStep<'a, T>;

    fn block(self, _number: usize, depth: &Range<usize>) -> Self {
        Self { first: depth.start, ..self }
    }

    #[inline(always)]
    fn strip(&self, i: usize) -> ByStep<'a, T> {
        let (start, end) = (self.strips.start(i), self.strips.start(i + 1));
        let stride = end - start;
        let strip = &self.data[start * self.depth..end * self.depth];
        ByStep { data: &strip[self.first * stride..], stride }
    }
}

/// Packs some strips of `a`.
pub(super) struct PackStrips<'a, T, const MR: usize> {
    /// The rows of these strips.
    pub(super) a: Mat<'a, T>,
    pub(super) strips: Strips,
    pub(super) range: Range<usize>,
    pub(super) data: &'a mut [T],
}

impl<T: Scalar, const MR: usize> Kernel for PackStrips<'_, T, MR> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, strips, range, mut data } = self;
        let depth = a.cols();
        let first = strips.start(range.start);
        for i in range {
            let (start, end) = (strips.start(i), strips.start(i + 1));
            let a = a.block(start - first..end - first, 0..depth);
            let (strip, others) = data.split_at_mut((end - start) * depth);
            data = others;
            by_height::<MR>(end - start, PackStrip { a, strip });
        }
    }
}

/// Steps that are packed together: enough to use whole cache lines of a row, few enough for the
/// lines written to stay in the L1 cache.
const CHUNK: usize = 16;

/// Packs one strip.
struct PackStrip<'a, T> {
    a: Mat<'a, T>,
    strip: &'a mut [T],
}

impl<T: Scalar> ByHeight for PackStrip<'_, T> {
    #[inline(always)]
    fn run<const H: usize>(self) {
        let Self { a, strip } = self;
        let (steps, _) = strip.as_chunks_mut::<H>();
        if a.has_contiguous_rows() {
            let rows: [&[T]; H] = std::array::from_fn(|i| a.row(i));
            for (chunk, steps) in steps.chunks_mut(CHUNK).enumerate() {
                for (i, row) in rows.iter().enumerate() {
                    for (step, &x) in steps.iter_mut().zip(&row[chunk * CHUNK..]) {
                        step[i] = x;
                    }
                }
            }
        } else {
            let a = a.t();
            for (p, step) in steps.iter_mut().enumerate() {
                step.copy_from_slice(a.row(p));
            }
        }
    }
}

/// Something to do to a strip whose height is known when compiling.
pub(super) trait ByHeight {
    fn run<const H: usize>(self);
}

/// Runs `job` for a height of 1 to MAX.
#[inline(always)]
pub(super) fn by_height<const MAX: usize>(height: usize, job: impl ByHeight) {
    // The guards are constants: only heights up to MAX are compiled.
    macro_rules! cases {
        ($($h:literal)*) => {
            match height {
                $($h if const { $h <= MAX } => job.run::<$h>(),)*
                _ => unreachable!("a strip of height {height}, of at most {MAX}"),
            }
        };
    }
    cases!(1 2 3 4 5 6 7 8 9 10 11 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_cover_all_rows_in_at_most_two_heights() {
        for rows in 1..100 {
            let strips = Strips::new(rows, 12);
            assert_eq!((strips.start(0), strips.start(strips.count)), (0, rows));
            let heights = strips.by_height(0..strips.count);
            assert_eq!(
                heights.iter().map(|(height, range)| height * range.len()).sum::<usize>(),
                rows
            );
            for (height, range) in heights {
                assert!(range.is_empty() || height <= 12);
                assert!(range.clone().all(|i| strips.start(i + 1) - strips.start(i) == height));
            }
        }
    }
}
