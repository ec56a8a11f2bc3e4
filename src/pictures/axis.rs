//! One axis of a plot: its range, its ticks and their labels.

use std::ops::{Range, RangeInclusive};

use plotters::coord::ranged1d::{
    KeyPointHint, KeyPointWeight, NoDefaultFormatting, Ranged, ValueFormatter,
};

/// Beyond this, differences of two numbers may overflow.
const LARGEST: f64 = 1e300;
/// Below this, numbers lose digits.
const SMALLEST: f64 = 1e-300;
/// Space between the outermost points and the frame, as a share of the range.
const PADDING: f64 = 0.04;
/// On a logarithmic axis of fewer decades, 2 and 5 times a power of ten are ticks, too.
const FEW_DECADES: f64 = 2.0;

/// Whether a number has a place on an axis: not NaN, nor infinite, nor near it.
pub(super) fn is_drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// Whether a number has a place on a logarithmic axis.
pub(super) fn is_drawable_on_log(value: f64) -> bool {
    (SMALLEST..=LARGEST).contains(&value)
}

/// A range with round numbers in it, evenly spaced in their values or in their logarithms.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The ends: values, or the decimal logarithms of values.
    from: f64,
    to: f64,
    /// 1, 2 or 5 times a power of ten, in the same units.
    step: f64,
    logarithmic: bool,
}

impl Axis {
    /// An axis that shows all of `values`, with at most about `ticks` ticks.
    pub(super) fn over(values: impl Iterator<Item = f64>, ticks: usize) -> Axis {
        let (low, high) = extremes(values).into_inner();
        // Values that agree to nine digits are drawn as one, in the middle of a range around it.
        let agree = (1e-9 * low.abs().max(high.abs())).max(SMALLEST);
        let padding =
            if high - low > agree { PADDING * (high - low) } else { (0.1 * low.abs()).max(0.5) };
        let (from, to) = (low - padding, high + padding);
        Axis { from, to, step: round_step((to - from) / ticks as f64), logarithmic: false }
    }

    /// As [`Axis::over`], with ticks at whole numbers only.
    pub(super) fn over_counts(values: impl Iterator<Item = f64>, ticks: usize) -> Axis {
        let axis = Axis::over(values, ticks);
        Axis { step: axis.step.max(1.0), ..axis }
    }

    /// A logarithmic axis of at least one decade that shows all of `values` that are positive.
    pub(super) fn over_log(values: impl Iterator<Item = f64>, ticks: usize) -> Axis {
        let drawable = values.filter(|&value| is_drawable_on_log(value));
        let Axis { from, to, step, .. } = Axis::over(drawable.map(f64::log10), ticks);
        let missing = (1.0 - (to - from)).max(0.0) / 2.0;
        // Its padding must not lead an axis of hundreds of decades to infinity or zero.
        let (from, to) = (from - missing, to + missing);
        let (from, to) = (from.max(SMALLEST.log10()), to.min(LARGEST.log10()));
        Axis { from, to, step: step.max(1.0), logarithmic: true }
    }

    /// Where a value lies, in the units of the ends.
    fn place(&self, value: f64) -> f64 {
        if self.logarithmic { value.log10() } else { value }
    }

    /// The value that lies there.
    fn value(&self, place: f64) -> f64 {
        if self.logarithmic { 10_f64.powf(place) } else { place }
    }

    /// The values at multiples of the step within the range.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic && self.to - self.from < FEW_DECADES {
            return self.ticks_within_decades();
        }
        let first = (self.from / self.step).ceil();
        let count = ((self.to / self.step).floor() - first) as usize;
        // Adding zero turns -0 into 0.
        (0..=count).map(|i| self.value((first + i as f64) * self.step + 0.0)).collect()
    }

    /// 1, 2 and 5 times the powers of ten within the range.
    fn ticks_within_decades(&self) -> Vec<f64> {
        let decades = self.from.floor() as i32..=self.to.floor() as i32;
        let ticks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(decade)));
        ticks.filter(|tick| (self.from..=self.to).contains(&tick.log10())).collect()
    }

    /// A tick in as many decimals as tell it from its neighbours.
    fn label(&self, tick: f64) -> String {
        if self.logarithmic {
            // Of a power of ten that rounding left a hair below it, too.
            let decade = (tick.log10() + 1e-9).floor();
            let decimals = (-decade).max(0.0) as usize;
            let plain = (-3.0..=4.0).contains(&decade);
            return if plain { format!("{tick:.decimals$}") } else { format!("{tick:.0e}") };
        }
        if self.step < 1e-4 || self.from.abs().max(self.to.abs()) >= 1e6 {
            return format!("{tick:.2e}");
        }
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        format!("{tick:.decimals$}")
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = (self.place(*value) - self.from) / (self.to - self.from);
        start + (f64::from(end - start) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight() {
            KeyPointWeight::Bold => self.ticks(),
            KeyPointWeight::Any => Vec::new(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.value(self.from)..self.value(self.to)
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, tick: &f64) -> String {
        self.label(*tick)
    }
}

/// The smallest and the largest of the drawable values; 0 and 1 if there are none.
fn extremes(values: impl Iterator<Item = f64>) -> RangeInclusive<f64> {
    values
        .filter(|&value| is_drawable(value))
        .map(|value| (value, value))
        .reduce(|(low, high), (value, _)| (low.min(value), high.max(value)))
        .map_or(0.0..=1.0, |(low, high)| low..=high)
}

/// The smallest of 1, 2 and 5 times a power of ten that is not less than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least);
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|tick| axis.label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_numbers_with_the_decimals_they_need() {
        let axis = Axis::over([-190.3, -151.0].into_iter(), 6);
        assert_eq!(labels(&axis), ["-190", "-180", "-170", "-160", "-150"]);
        let axis = Axis::over([-0.2, 0.21].into_iter(), 6);
        assert_eq!(labels(&axis), ["-0.2", "-0.1", "0.0", "0.1", "0.2"]);
    }

    #[test]
    fn epochs_are_whole_however_few() {
        assert_eq!(labels(&Axis::over_counts([1.0].into_iter(), 6)), ["1"]);
        assert_eq!(labels(&Axis::over_counts([1.0, 2.0].into_iter(), 6)), ["1", "2"]);
        let many = Axis::over_counts((1..=3000).map(f64::from), 6);
        assert_eq!(labels(&many), ["0", "1000", "2000", "3000"]);
    }

    #[test]
    fn without_drawable_values_there_is_still_an_axis() {
        let none = Axis::over([f64::NAN, f64::INFINITY, f64::MAX].into_iter(), 5);
        assert_eq!((none.from, none.to), (-PADDING, 1.0 + PADDING));
    }

    #[test]
    fn ticks_of_a_logarithmic_axis_are_powers_of_ten_and_their_halves_and_fifths_if_few() {
        let axis = Axis::over_log([2e-3, 3e4].into_iter(), 8);
        assert_eq!(labels(&axis), ["0.01", "0.1", "1", "10", "100", "1000", "10000"]);
        let axis = Axis::over_log([3.0, 70.0].into_iter(), 8);
        assert_eq!(labels(&axis), ["5", "10", "20", "50"]);
        let axis = Axis::over_log([1e-9, 1e-6, -1.0, 0.0, f64::NAN].into_iter(), 8);
        assert_eq!(labels(&axis), ["1e-9", "1e-8", "1e-7", "1e-6"]);
        assert_eq!(labels(&Axis::over_log([100.0].into_iter(), 8)), ["50", "100", "200"]);
        assert_eq!(labels(&Axis::over_log([].into_iter(), 8)), ["1", "2", "5", "10"]);
    }

    proptest! {
        #[test]
        fn a_logarithmic_axis_holds_the_positive_values_and_has_a_few_ticks(
            values in proptest::collection::vec(proptest::num::f64::ANY, 1..10),
            wanted in 3..8_usize,
        ) {
            let axis = Axis::over_log(values.iter().copied(), wanted);
            for value in values.into_iter().filter(|&value| is_drawable_on_log(value)) {
                let place = axis.place(value);
                prop_assert!(axis.from <= place && place <= axis.to);
            }
            let ticks = axis.ticks();
            prop_assert!(ticks.iter().all(|&tick| is_drawable(tick) && tick > 0.0), "{:?}", ticks);
            prop_assert!((1..=wanted.max(6) + 1).contains(&ticks.len()), "{:?}", ticks);
        }

        #[test]
        fn the_range_holds_the_values_and_the_ticks_and_there_are_a_few_of_these(
            values in proptest::collection::vec(proptest::num::f64::ANY, 1..10),
            wanted in 3..8_usize,
        ) {
            let axis = Axis::over(values.iter().copied(), wanted);
            let ticks = axis.ticks();
            for &value in values.iter().filter(|&&value| is_drawable(value)) {
                prop_assert!(axis.from <= value && value <= axis.to);
            }
            let margin = 1e-9 * (axis.to - axis.from);
            for &tick in &ticks {
                prop_assert!(axis.from - margin <= tick && tick <= axis.to + margin);
            }
            prop_assert!((1..=wanted + 1).contains(&ticks.len()), "{:?}", ticks);
        }
    }
}
