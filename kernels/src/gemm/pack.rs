//! Packing: copying operands into micro-panels that the micro-kernel reads from front to back.

use std::ops::Range;

use crate::isa::{Kernel, KnownIsa};
use crate::mat::Mat;
use crate::scalar::Scalar;

use super::{PARALLEL_PACKING, join};

/// How the rows of A, or the columns of B, are grouped into micro-panels: as few as possible, and
/// as equal as multiples of a unit allow, so that no panel is much narrower than the others. What
/// is missing to a whole unit at the end is padded with zeros.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    len: usize,
    count: usize,
    unit: usize,
}

impl Panels {
    /// Panels of at most `max`, a multiple of `unit`.
    pub(super) fn new(len: usize, max: usize, unit: usize) -> Self {
        Self { len, count: len.div_ceil(max), unit }
    }

    /// How many elements one step of the depth takes in all panels.
    pub(super) fn padded_len(self) -> usize {
        self.len.next_multiple_of(self.unit)
    }

    /// Where panel `i` starts; for `i` = count, where the last one ends. Counts the padding.
    #[inline(always)]
    fn padded_start(self, i: usize) -> usize {
        self.len.div_ceil(self.unit) * i / self.count * self.unit
    }

    /// [`padded_start`](Self::padded_start) without the padding.
    #[inline(always)]
    fn start(self, i: usize) -> usize {
        self.len.min(self.padded_start(i))
    }
}

/// A packed operand, or a range of its micro-panels. A micro-panel is depth × width: the elements
/// of one step of the depth stand together.
#[derive(Clone)]
pub(super) struct Packed<'a, T> {
    data: &'a [T],
    depth: usize,
    panels: Panels,
    range: Range<usize>,
}

impl<'a, T> Packed<'a, T> {
    /// All panels of an operand that [`pack`] has packed.
    pub(super) fn new(data: &'a [T], depth: usize, panels: Panels) -> Self {
        Self { data, depth, panels, range: 0..panels.count }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The numbers of its panels.
    #[inline(always)]
    pub(super) fn panels(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The rows or columns of panel `i`, counted from the first that this range covers.
    #[inline(always)]
    pub(super) fn extent(&self, i: usize) -> Range<usize> {
        let first = self.panels.start(self.range.start);
        self.panels.start(i) - first..self.panels.start(i + 1) - first
    }

    /// The steps `depth` of panel `i`.
    #[inline(always)]
    pub(super) fn panel(&self, i: usize, depth: &Range<usize>) -> &'a [T] {
        let start = self.panels.padded_start(i);
        let width = self.panels.padded_start(i + 1) - start;
        &self.data[start * self.depth..][depth.start * width..depth.end * width]
    }

    /// The two halves of its panels, and the number of rows or columns of the first.
    pub(super) fn halve(self) -> (Self, Self, usize) {
        let mid = self.range.start + self.range.len() / 2;
        let extent = self.panels.start(mid) - self.panels.start(self.range.start);
        let one = Self { range: self.range.start..mid, ..self };
        (one, Self { range: mid..self.range.end, ..self }, extent)
    }
}

/// Packs `source` (depth × the panels' extent) into micro-panels of at most W, in units of UNIT,
/// on several threads if `in_parallel` and there is enough of it.
///
/// A is packed by its transpose, so that both operands are depth × something.
pub(super) fn pack<T: Scalar, I: KnownIsa, const W: usize, const UNIT: usize>(
    in_parallel: bool,
    source: Mat<'_, T>,
    panels: Panels,
    packed: &mut [T],
) {
    let whole = Pack::<T, W, UNIT> { source, panels, range: 0..panels.count, packed };
    whole.share::<I>(in_parallel);
}

/// The packing of a range of panels.
struct Pack<'a, T, const W: usize, const UNIT: usize> {
    source: Mat<'a, T>,
    panels: Panels,
    range: Range<usize>,
    packed: &'a mut [T],
}

impl<T: Scalar, const W: usize, const UNIT: usize> Pack<'_, T, W, UNIT> {
    fn share<I: KnownIsa>(self, in_parallel: bool) {
        if in_parallel && self.packed.len() >= PARALLEL_PACKING && self.range.len() > 1 {
            let (one, other) = self.halve();
            join(true, || one.share::<I>(true), || other.share::<I>(true));
        } else {
            I::run(self);
        }
    }

    fn halve(self) -> (Self, Self) {
        let Self { source, panels, range, packed } = self;
        let mid = range.start + range.len() / 2;
        let len = panels.padded_start(mid) - panels.padded_start(range.start);
        let (one, other) = packed.split_at_mut(len * source.rows());
        (
            Self { source, panels, range: range.start..mid, packed: one },
            Self { source, panels, range: mid..range.end, packed: other },
        )
    }
}

impl<T: Scalar, const W: usize, const UNIT: usize> Kernel for Pack<'_, T, W, UNIT> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let depth = self.source.rows();
        let mut rest = self.packed;
        for i in self.range {
            let extent = self.panels.start(i)..self.panels.start(i + 1);
            let source = self.source.block(0..depth, extent);
            let width = self.panels.padded_start(i + 1) - self.panels.padded_start(i);
            let (panel, others) = rest.split_at_mut(width * depth);
            rest = others;
            by_width::<W, UNIT>(width, PackPanel { source, panel });
        }
    }
}

/// Steps of the depth that are transposed together: enough to use whole cache lines of the
/// source, few enough for the lines written to stay in the L1 cache.
const TRANSPOSE_DEPTH: usize = 16;

/// Copies `source` (depth × W) to `panel`, the W elements of each step together.
#[inline(always)]
fn pack_panel<T: Scalar, const W: usize>(source: Mat<'_, T>, panel: &mut [T]) {
    let (steps, _) = panel.as_chunks_mut::<W>();
    if source.has_contiguous_rows() {
        for (p, step) in steps.iter_mut().enumerate() {
            step.copy_from_slice(source.row(p));
        }
    } else {
        // Then columns are contiguous.
        let lanes: [&[T]; W] = std::array::from_fn(|w| source.t().row(w));
        let mut first = 0;
        for steps in steps.chunks_mut(TRANSPOSE_DEPTH) {
            for (w, lane) in lanes.iter().enumerate() {
                for (step, &x) in steps.iter_mut().zip(&lane[first..]) {
                    step[w] = x;
                }
            }
            first += TRANSPOSE_DEPTH;
        }
    }
}

/// [`pack_panel`] for a source narrower than W: the missing elements are zeros, whose products
/// land outside C.
#[inline(always)]
fn pack_padded_panel<T: Scalar, const W: usize>(source: Mat<'_, T>, panel: &mut [T]) {
    let (steps, _) = panel.as_chunks_mut::<W>();
    for (p, step) in steps.iter_mut().enumerate() {
        *step = std::array::from_fn(|w| if w < source.cols() { source.at(p, w) } else { T::ZERO });
    }
}

struct PackPanel<'a, T> {
    source: Mat<'a, T>,
    panel: &'a mut [T],
}

impl<T: Scalar> ByWidth for PackPanel<'_, T> {
    #[inline(always)]
    fn run<const W: usize>(self) {
        if self.source.cols() == W {
            pack_panel::<T, W>(self.source, self.panel);
        } else {
            pack_padded_panel::<T, W>(self.source, self.panel);
        }
    }
}

/// Something to do to a micro-panel whose width (of A: its height) is known when compiling.
pub(super) trait ByWidth {
    fn run<const W: usize>(self);
}

/// Runs `job` for a width that is a multiple of UNIT and at most MAX.
#[inline(always)]
pub(super) fn by_width<const MAX: usize, const UNIT: usize>(width: usize, job: impl ByWidth) {
    // The guards are constants: only the widths that occur are compiled, at most four per
    // micro-kernel. Each of them unrolls to hundreds of instructions.
    macro_rules! cases {
        ($($w:literal)*) => {
            match width {
                $($w if const { $w <= MAX && $w % UNIT == 0 } => job.run::<$w>(),)*
                _ => unreachable!("a micro-panel of width {width}, of at most {MAX} by {UNIT}"),
            }
        };
    }
    cases!(2 3 4 6 8 9 12 16 32)
}
