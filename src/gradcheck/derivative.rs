//! The derivative of a function of one number, from its values alone.

use super::TOLERANCE;

/// The first and largest step, relative to max(1, |θ|).
const FIRST_STEP: f64 = 0.5;
/// How many times it is halved: down to 3·10⁻⁸.
const HALVINGS: usize = 24;
/// Extrapolations of a higher order than this only amplify rounding.
const ORDERS: usize = 7;
/// The relative error of f, a sum of many terms: a few roundings.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// At a kink, left and right derivatives are both known to this share of their distance.
const SURE: f64 = 1e-7;

/// What is known of a derivative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// f′(θ); at a kink the mean of both sides; NaN where nothing is known.
    pub(super) value: f64,
    /// How far it may be off.
    pub(super) error: f64,
    /// The finest step that went into it.
    pub(super) step: f64,
    /// f′ from the left and from the right, where they differ.
    pub(super) kink: Option<[f64; 2]>,
}

/// f′(θ) by the scheme that the [module above](super) describes.
pub(super) fn derivative(theta: f64, mut f: impl FnMut(f64) -> f64) -> Estimate {
    let first = FIRST_STEP * theta.abs().max(1.0);
    let middle = f(theta);
    if !middle.is_finite() {
        return Sweep::new(2).best();
    }
    let mut sweeps = [Sweep::new(2), Sweep::new(1), Sweep::new(1)];
    for k in 0..=HALVINGS {
        let h = first / f64::from(1 << k);
        // What is really added, after rounding.
        let (above, below) = (theta + h, theta - h);
        let (f_above, f_below) = (f(above), f(below));
        let rounding = ROUNDING * f_above.abs().max(f_below.abs()).max(middle.abs()) / h;
        let [central, left, right] = &mut sweeps;
        central.add(h, (f_above - f_below) / (above - below), rounding);
        left.add(h, (middle - f_below) / (theta - below), 2.0 * rounding);
        right.add(h, (f_above - middle) / (above - theta), 2.0 * rounding);
    }
    let [central, left, right] = sweeps.map(|sweep| sweep.best());
    if is_kink(&left, &right) {
        return Estimate {
            value: (left.value + right.value) / 2.0,
            error: left.error + right.error,
            step: left.step.min(right.step),
            kink: Some([left.value, right.value]),
        };
    }
    [left, right].into_iter().fold(central, |a, b| if b.error < a.error { b } else { a })
}

fn is_kink(left: &Estimate, right: &Estimate) -> bool {
    let apart = (left.value - right.value).abs();
    let size = left.value.abs().max(right.value.abs());
    apart > TOLERANCE * size && left.error.max(right.error) < SURE * apart
}

/// A difference quotient or an extrapolation, and what the rounding of f adds to it.
#[derive(Clone, Copy)]
struct Quotient {
    value: f64,
    rounding: f64,
}

/// Difference quotients at halved steps, extrapolated to the step 0.
struct Sweep {
    /// The quotient's error is a series in h to this power.
    power: i32,
    /// The plain quotients, from the widest step to the finest.
    plain: Vec<Quotient>,
    /// The quotient at the last step, and its extrapolations with one step before it, with two, ..
    row: Vec<Quotient>,
    /// Every extrapolation, with the number of plain quotients up to its finest step.
    candidates: Vec<(Estimate, usize)>,
}

impl Sweep {
    fn new(power: i32) -> Self {
        Self { power, plain: vec![], row: vec![], candidates: vec![] }
    }

    /// A further quotient, at half the step of the one before.
    ///
    /// Each extrapolation takes away one more term of the series: with the ratio r = 2^(power·m) of
    /// that term between two steps, (r·D(h/2) - D(h)) / (r - 1) no longer has it. Two estimates
    /// that both lead here and disagree with the result show how far it may be off. With only one
    /// extrapolation behind it, the agreement may be an accident of two steps.
    fn add(&mut self, step: f64, value: f64, rounding: f64) {
        let plain = Quotient { value, rounding };
        self.plain.push(plain);
        let before = std::mem::replace(&mut self.row, vec![plain]);
        for (m, coarser) in before.into_iter().take(ORDERS).enumerate() {
            let finer = self.row[m];
            let ratio = 2f64.powi(self.power * (m as i32 + 1));
            let value = finer.value + (finer.value - coarser.value) / (ratio - 1.0);
            let rounding = (ratio * finer.rounding + coarser.rounding) / (ratio - 1.0);
            let error = (value - finer.value).abs().max((value - coarser.value).abs()) + rounding;
            if m > 0 && error.is_finite() {
                let estimate = Estimate { value, error, step, kink: None };
                self.candidates.push((estimate, self.plain.len()));
            }
            self.row.push(Quotient { value, rounding });
        }
    }

    /// The candidate that is surest of itself, and that no finer quotient contradicts.
    fn best(mut self) -> Estimate {
        self.candidates.sort_by(|a, b| a.0.error.total_cmp(&b.0.error));
        let agreed = self.candidates.iter().find(|(estimate, n)| self.agrees(estimate, *n));
        let unknown =
            Estimate { value: f64::NAN, error: f64::INFINITY, step: f64::NAN, kink: None };
        agreed.map_or(unknown, |(estimate, _)| *estimate)
    }

    /// Whether the quotients at steps finer than the first `n` come to `estimate`. Without this, wide
    /// steps that all miss a narrow bump, or span whole periods of a wave, would agree on 0. How far
    /// a quotient is off still shows in how far it is from the one before it.
    fn agrees(&self, estimate: &Estimate, n: usize) -> bool {
        self.plain[n - 1..].windows(2).all(|pair| {
            let [before, finer] = [pair[0], pair[1]];
            let truncation = (finer.value - before.value).abs();
            let off = (finer.value - estimate.value).abs();
            off <= estimate.error + 2.0 * truncation + finer.rounding + before.rounding
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_at(theta: f64, f: fn(f64) -> f64, exact: f64) -> f64 {
        (derivative(theta, f).value / exact - 1.0).abs()
    }

    #[test]
    fn the_derivative_of_smooth_functions_is_right_to_eleven_digits() {
        assert!(error_at(0.7, f64::sin, 0.7f64.cos()) < 1e-12);
        assert!(error_at(-3.0, f64::exp, (-3.0f64).exp()) < 1e-12);
        assert!(error_at(250.0, |x| x.powi(3), 3.0 * 250.0f64.powi(2)) < 1e-12);
        assert!(error_at(0.1, |x| (40.0 * x).sin(), 40.0 * 4f64.cos()) < 1e-11);
        assert!(error_at(1e5, f64::sin, 1e5f64.cos()) < 1e-8);
    }

    #[test]
    fn wide_steps_that_span_periods_or_miss_a_bump_are_not_believed() {
        use std::f64::consts::PI;
        let wave = |x: f64| (4.0 * PI * x).sin();
        assert!(error_at(0.1, wave, 4.0 * PI * (0.4 * PI).cos()) < 1e-9);
        let fast = |x: f64| (16.0 * PI * x).sin();
        assert!(error_at(0.1, fast, 16.0 * PI * (1.6 * PI).cos()) < 1e-9);
        let bump = |x: f64| (-0.5 * (x / 0.02).powi(2)).exp();
        assert!(error_at(0.02, bump, -50.0 * (-0.5f64).exp()) < 1e-9);
        assert!(
            error_at(0.001, |x| 3.0 + (-0.5 * (x / 1e-3).powi(2)).exp(), -1000.0 * (-0.5f64).exp())
                < 1e-7
        );
    }

    #[test]
    fn wide_steps_into_overflow_or_out_of_the_domain_do_no_harm() {
        assert!(error_at(0.0, |x| (2000.0 * x).exp(), 2000.0) < 1e-9);
        assert!(error_at(0.01, f64::sqrt, 5.0) < 1e-9);
        assert!(error_at(0.5, f64::ln, 2.0) < 1e-10);
        assert!(error_at(1e-5, f64::ln, 1e5) < 1e-8);
        assert!(error_at(100.0, f64::exp, 100f64.exp()) < 1e-10);
        assert!(derivative(-1.0, f64::sqrt).value.is_nan());
        assert!(derivative(0.0, |x| x.sin() / x).value.is_nan(), "no value at 0 itself");
    }

    #[test]
    fn the_error_that_is_told_is_not_too_small() {
        /// Where, of what, and the derivative there.
        type Known = (f64, fn(f64) -> f64, f64);
        let exact: [Known; 5] = [
            (0.7, f64::sin, 0.7f64.cos()),
            (0.3, |x| 1e6 + x.sin(), 0.3f64.cos()),
            (0.3, |x| 1e12 + x.sin(), 0.3f64.cos()),
            (1e-5, f64::ln, 1e5),
            (2.0, |x| (3.0 * x).tanh(), 3.0 * (1.0 - 6f64.tanh().powi(2))),
        ];
        for (theta, f, exact) in exact {
            let found = derivative(theta, f);
            assert!((found.value - exact).abs() <= found.error, "{theta}: {found:?}, {exact}");
        }
    }

    #[test]
    fn a_kink_close_by_is_stepped_around() {
        let near_kink = |x: f64| 3.0 * x.max(0.0) + x.sin();
        for distance in [1e-1, 1e-2, 1e-3, 1e-4, 1e-5] {
            for (theta, slope) in [(distance, 3.0), (-distance, 0.0)] {
                let found = derivative(theta, near_kink);
                assert!((found.value - slope - theta.cos()).abs() < 1e-10, "{theta}: {found:?}");
                assert!(found.kink.is_none(), "{theta}: {found:?}");
            }
        }
    }

    #[test]
    fn at_a_kink_both_sides_are_told() {
        for jump in [3.0, 5e-4] {
            let found = derivative(0.0, |x| jump * x.max(0.0) + x.sin());
            let [left, right] = found.kink.unwrap();
            assert!((left - 1.0).abs() < 1e-10 && (right - 1.0 - jump).abs() < 1e-10, "{found:?}");
        }
        for smooth in [f64::cos, |x: f64| x.powi(2), |x: f64| 5.0 + 0.0 * x] {
            let found = derivative(0.0, smooth);
            assert!(found.kink.is_none() && found.value.abs() < 1e-12, "{found:?}");
        }
    }
}
