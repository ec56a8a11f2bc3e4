//! The derivative of a function of one number, from its values alone.

/// The first and largest step, relative to max(1, |θ|).
const FIRST_STEP: f64 = 0.5;
/// How many times it is halved: down to about 10⁻⁶.
const HALVINGS: usize = 19;
/// Extrapolations of a higher order than this only amplify rounding.
const ORDERS: usize = 7;
/// The relative error of f, a sum of many terms: a few roundings.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// Left and right derivatives that are further apart than this share of their size, and each known
/// to far more digits, belong to a kink.
const KINK: f64 = 1e-3;

/// What is known of a derivative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// f′(θ); at a kink the mean of both sides.
    pub(super) value: f64,
    /// The finest step that went into it.
    pub(super) step: f64,
    /// How far the rounding of f takes it off.
    pub(super) rounding: f64,
    /// f′ from the left and from the right, where they differ.
    pub(super) kink: Option<[f64; 2]>,
}

/// f′(θ) by the scheme that the [module above](super) describes.
pub(super) fn derivative(theta: f64, mut f: impl FnMut(f64) -> f64) -> Estimate {
    let first = FIRST_STEP * theta.abs().max(1.0);
    let middle = f(theta);
    let mut sweeps = [Sweep::new(2), Sweep::new(1), Sweep::new(1)];
    let mut largest = middle.abs();
    for k in 0..=HALVINGS {
        let h = first / f64::from(1 << k);
        // What is really added, after rounding.
        let (above, below) = (theta + h, theta - h);
        let (f_above, f_below) = (f(above), f(below));
        largest = largest.max(f_above.abs()).max(f_below.abs());
        let [central, left, right] = &mut sweeps;
        let rounding = ROUNDING * largest / h;
        central.add(h, (f_above - f_below) / (above - below), rounding);
        left.add(h, (middle - f_below) / (theta - below), 2.0 * rounding);
        right.add(h, (f_above - middle) / (above - theta), 2.0 * rounding);
    }
    let [central, left, right] = sweeps.map(|sweep| sweep.best);
    if is_kink(&left, &right) {
        let (value, step) = ((left.value + right.value) / 2.0, left.step.min(right.step));
        let rounding = ROUNDING * largest / step;
        return Estimate { value, step, rounding, kink: Some([left.value, right.value]) };
    }
    let best = [central, left, right].into_iter().min_by(|a, b| a.error.total_cmp(&b.error));
    let Best { value, step, .. } = best.unwrap_or(central);
    Estimate { value, step, rounding: ROUNDING * largest / step, kink: None }
}

fn is_kink(left: &Best, right: &Best) -> bool {
    let apart = (left.value - right.value).abs();
    let size = left.value.abs().max(right.value.abs());
    apart > KINK * size && left.error.max(right.error) < 1e-7 * apart
}

/// An estimate with how far it may be off.
#[derive(Clone, Copy)]
struct Best {
    value: f64,
    error: f64,
    step: f64,
}

/// Difference quotients at halved steps, extrapolated to the step 0.
struct Sweep {
    /// The quotient's error is a series in h to this power.
    power: i32,
    /// The quotient at the last step, and its extrapolations with one step before it, with two, ..
    row: Vec<f64>,
    best: Best,
}

impl Sweep {
    fn new(power: i32) -> Self {
        let best = Best { value: f64::NAN, error: f64::INFINITY, step: f64::NAN };
        Self { power, row: vec![], best }
    }

    /// A further quotient, at half the step of the one before.
    ///
    /// Each extrapolation takes away one more term of the series: with the ratio r = 2^(power·m) of
    /// that term between two steps, (r·D(h/2) - D(h)) / (r - 1) no longer has it. Two estimates
    /// that both lead here and disagree with the result show how far it may be off.
    fn add(&mut self, step: f64, quotient: f64, rounding: f64) {
        let before = std::mem::replace(&mut self.row, vec![quotient]);
        for (m, coarser) in before.into_iter().take(ORDERS).enumerate() {
            let finer = self.row[m];
            let ratio = 2f64.powi(self.power * (m as i32 + 1));
            let value = finer + (finer - coarser) / (ratio - 1.0);
            let error = (value - finer).abs().max((value - coarser).abs()) + rounding;
            if error < self.best.error {
                self.best = Best { value, error, step };
            }
            self.row.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_at(theta: f64, f: fn(f64) -> f64, exact: f64) -> f64 {
        (derivative(theta, f).value / exact - 1.0).abs()
    }

    #[test]
    fn the_derivative_of_smooth_functions_is_right_to_twelve_digits() {
        assert!(error_at(0.7, f64::sin, 0.7f64.cos()) < 1e-12);
        assert!(error_at(-3.0, f64::exp, (-3.0f64).exp()) < 1e-12);
        assert!(error_at(250.0, |x| x.powi(3), 3.0 * 250.0f64.powi(2)) < 1e-12);
        assert!(error_at(0.1, |x| (40.0 * x).sin(), 40.0 * 4f64.cos()) < 1e-11);
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
        let found = derivative(0.0, |x| 3.0 * x.max(0.0) + x.sin());
        let [left, right] = found.kink.unwrap();
        assert!((left - 1.0).abs() < 1e-10 && (right - 4.0).abs() < 1e-10, "{found:?}");
        for smooth in [f64::cos, |x: f64| x.powi(2), |x: f64| 5.0 + 0.0 * x] {
            let found = derivative(0.0, smooth);
            assert!(found.kink.is_none() && found.value.abs() < 1e-12, "{found:?}");
        }
    }
}
