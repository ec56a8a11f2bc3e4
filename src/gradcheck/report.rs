//! What a gradient check found, and what is probably wrong.

use std::fmt;

use super::derivative::Estimate;

/// The relative error that a right gradient stays below in f64.
pub const TOLERANCE: f64 = 1e-8;
/// An element's error is relative to at least this share of the largest element of its tensor.
const FLOOR: f64 = 1e-3;
/// A difference that is no larger than the quotient's own error is none, if that error is at most
/// this share of the tensor's largest element.
const RESOLUTION: f64 = 1e-6;
/// Wrong elements are wrong by one factor f if each agrees with it to this share of its size, and
/// to a hundredth of f - 1.
const SAME_FACTOR: f64 = 1e-4;

/// What was found about one tensor.
#[derive(Clone, Debug)]
pub struct Check {
    /// The tensor's name.
    pub tensor: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How many of its elements were compared.
    pub elements: usize,
    /// The difference quotient of each of them.
    pub quotients: Vec<f64>,
    /// The relative error of each of them, in the same order; 0 for one at a kink.
    ///
    /// It is |analytic - numeric| / max(|analytic|, |numeric|, 10⁻³ of the tensor's largest, r),
    /// where r is the size of which the quotient's own error would be [`TOLERANCE`]: what the loss's
    /// rounding hides is not counted, as long as that is less than 10⁻⁶ of the tensor's largest.
    pub errors: Vec<f64>,
    /// The largest of these; NaN if the gradient or the loss is.
    pub max_relative_error: f64,
    /// Where that is.
    pub index: Vec<usize>,
    /// The gradient under test there.
    pub analytic: f64,
    /// The difference quotient there.
    pub numeric: f64,
    /// The finest step that went into the quotient.
    pub step: f64,
    /// The relative error of the derivative along one random direction through all elements of the
    /// tensor, where only some were compared one by one.
    pub direction_error: Option<f64>,
    /// What is probably the matter.
    pub verdict: Verdict,
}

/// What a tensor's errors look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Every element is within [`TOLERANCE`].
    Right,
    /// So is every element at which the loss has a derivative. At `count` others it has a kink, with
    /// the slopes `left` and `right` at the first of them, and the gradient lies between its slopes.
    Kink {
        /// Elements at a kink.
        count: usize,
        /// The slope on the left.
        left: f64,
        /// The slope on the right.
        right: f64,
    },
    /// Where it is wrong, the gradient is minus the right one.
    WrongSign {
        /// How many elements are wrong.
        wrong: usize,
    },
    /// Where it is wrong, the gradient is this multiple of the right one.
    WrongScale {
        /// analytic / numeric.
        factor: f64,
        /// How many elements are wrong.
        wrong: usize,
    },
    /// Where it is wrong, the gradient is zero.
    Missing {
        /// How many elements are wrong.
        wrong: usize,
    },
    /// What is wrong cannot be told from how badly the loss lets its slope be measured: it is rough
    /// or noisy here, or rounds too coarsely. Neither right nor wrong.
    Undecided {
        /// How many elements are so.
        elements: usize,
    },
    /// It is wrong with no such pattern.
    Wrong {
        /// How many elements are wrong; 0 if only the direction through all of them shows it.
        wrong: usize,
    },
    /// The gradient or the loss is NaN or infinite.
    NotFinite,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        matches!(self, Verdict::Right | Verdict::Kink { .. })
    }
}

/// One element that was compared.
pub(super) struct Element {
    pub(super) place: Vec<usize>,
    pub(super) analytic: f64,
    pub(super) numeric: Estimate,
}

/// What comparing one element came to.
#[derive(Clone, Copy)]
struct Judged {
    error: f64,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Right,
    Kink([f64; 2]),
    Undecided,
    Wrong,
    NotFinite,
}

impl Element {
    /// Holds the analytic value against the numeric one, in a tensor whose largest element is about
    /// `scale`.
    fn judge(&self, scale: f64) -> Judged {
        let Self { analytic, numeric, .. } = self;
        if let Some(slopes @ [left, right]) = numeric.kink {
            let margin = numeric.error + TOLERANCE * (right - left).abs();
            let between = left.min(right) - margin..=left.max(right) + margin;
            if between.contains(analytic) {
                return Judged { error: 0.0, outcome: Outcome::Kink(slopes) };
            }
        }
        let off = (analytic - numeric.value).abs();
        let resolved = numeric.error <= RESOLUTION * scale;
        let floor = if resolved { numeric.error / TOLERANCE } else { 0.0 };
        let size = analytic.abs().max(numeric.value.abs()).max(FLOOR * scale).max(floor);
        let error = off / size.max(f64::MIN_POSITIVE);
        let outcome = match error {
            _ if !error.is_finite() => Outcome::NotFinite,
            _ if error <= TOLERANCE => Outcome::Right,
            _ if off <= numeric.error => Outcome::Undecided,
            _ => Outcome::Wrong,
        };
        Judged { error, outcome }
    }
}

impl Check {
    /// From the elements that were compared, and the derivative along a direction of length 1.
    pub(super) fn new(
        tensor: String,
        shape: Vec<usize>,
        elements: &[Element],
        direction: Option<Element>,
    ) -> Self {
        let finite = |v: f64| if v.is_finite() { v.abs() } else { 0.0 };
        let sizes = elements.iter().flat_map(|e| [finite(e.analytic), finite(e.numeric.value)]);
        let scale = sizes.fold(0.0, f64::max);
        let judged: Vec<Judged> = elements.iter().map(|element| element.judge(scale)).collect();
        let direction = direction.map(|direction| direction.judge(scale));
        // A NaN is the worst of all.
        let key =
            |judged: &Judged| if judged.error.is_nan() { f64::INFINITY } else { judged.error };
        let worst = (0..judged.len()).max_by(|&a, &b| key(&judged[a]).total_cmp(&key(&judged[b])));
        let shown = worst.map(|i| &elements[i]);
        Self {
            tensor,
            shape,
            elements: elements.len(),
            quotients: elements.iter().map(|element| element.numeric.value).collect(),
            errors: judged.iter().map(|judged| judged.error).collect(),
            max_relative_error: worst.map_or(0.0, |i| judged[i].error),
            index: shown.map_or(vec![], |element| element.place.clone()),
            analytic: shown.map_or(0.0, |element| element.analytic),
            numeric: shown.map_or(0.0, |element| element.numeric.value),
            step: shown.map_or(0.0, |element| element.numeric.step),
            direction_error: direction.map(|direction| direction.error),
            verdict: verdict(elements, &judged, direction),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        self.verdict.is_right()
    }
}

fn verdict(elements: &[Element], judged: &[Judged], direction: Option<Judged>) -> Verdict {
    let count = |outcome| judged.iter().filter(|judged| judged.outcome == outcome).count();
    let all = || judged.iter().chain(&direction);
    if all().any(|judged| judged.outcome == Outcome::NotFinite) {
        return Verdict::NotFinite;
    }
    if count(Outcome::Wrong) > 0 {
        let pairs = elements.iter().zip(judged);
        let wrong = pairs.filter(|(_, judged)| judged.outcome == Outcome::Wrong);
        return fault(&wrong.map(|(element, _)| element).collect::<Vec<_>>());
    }
    match direction.map(|direction| direction.outcome) {
        Some(Outcome::Wrong) => return Verdict::Wrong { wrong: 0 },
        found if found == Some(Outcome::Undecided) || count(Outcome::Undecided) > 0 => {
            return Verdict::Undecided { elements: count(Outcome::Undecided) };
        }
        _ => {}
    }
    let slopes = |judged: &Judged| match judged.outcome {
        Outcome::Kink(slopes) => Some(slopes),
        _ => None,
    };
    let kinks: Vec<[f64; 2]> = judged.iter().filter_map(slopes).collect();
    match kinks.first() {
        Some(&[left, right]) => Verdict::Kink { count: kinks.len(), left, right },
        None => Verdict::Right,
    }
}

/// What these elements have in common.
fn fault(wrong: &[&Element]) -> Verdict {
    let count = wrong.len();
    match common_factor(wrong) {
        Some(0.0) => Verdict::Missing { wrong: count },
        Some(factor) if (factor + 1.0).abs() < SAME_FACTOR => Verdict::WrongSign { wrong: count },
        // A single element has some factor, whatever is the matter with it.
        Some(factor) if count > 1 => Verdict::WrongScale { factor, wrong: count },
        _ => Verdict::Wrong { wrong: count },
    }
}

/// The f with analytic = f · numeric in every one of these elements, if there is one.
fn common_factor(wrong: &[&Element]) -> Option<f64> {
    let size = |e: &Element| e.analytic.abs().max(e.numeric.value.abs());
    let largest = wrong.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    let factor = largest.analytic / largest.numeric.value;
    let share = SAME_FACTOR.min((factor - 1.0).abs() / 100.0);
    let same = |e: &&Element| {
        let scale = size(e).max(FLOOR * size(largest));
        (e.analytic - factor * e.numeric.value).abs() <= share * scale + e.numeric.error
    };
    (factor.is_finite() && wrong.iter().all(same)).then_some(factor)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |wrong: &usize| format!("{wrong} element{}", if *wrong == 1 { "" } else { "s" });
        match self {
            Verdict::Right => f.write_str("right"),
            Verdict::Kink { count, left, right } => {
                write!(f, "right; {} at a kink, slopes {left:.3e} and {right:.3e}", of(count))
            }
            Verdict::WrongSign { wrong } => write!(f, "wrong sign in {}", of(wrong)),
            Verdict::WrongScale { factor, wrong } => {
                write!(f, "wrong by a factor of {factor:.5} in {}", of(wrong))
            }
            Verdict::Missing { wrong } => write!(f, "missing: zero in {}", of(wrong)),
            Verdict::Undecided { elements: 0 } => f.write_str("undecided: too rough a loss"),
            Verdict::Undecided { elements } => {
                write!(f, "undecided in {}: too rough a loss", of(elements))
            }
            Verdict::Wrong { wrong: 0 } => f.write_str("wrong in elements not compared one by one"),
            Verdict::Wrong { wrong } => write!(f, "wrong in {}", of(wrong)),
            Verdict::NotFinite => f.write_str("NaN or infinite"),
        }
    }
}

/// The checks of all tensors of a model, or of all inputs of a function.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One for each tensor, in the order of the parameters.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        self.checks.iter().all(Check::is_right)
    }

    /// The largest relative error of all tensors, directions included; NaN if any is.
    pub fn max_relative_error(&self) -> f64 {
        let errors = self
            .checks
            .iter()
            .flat_map(|check| [check.max_relative_error, check.direction_error.unwrap_or(0.0)]);
        errors.fold(0.0, |a: f64, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
    }

    /// Panics with the whole table unless everything is right: for tests.
    #[track_caller]
    pub fn assert_right(&self) {
        assert!(self.is_right(), "a gradient is wrong\n{self}");
    }
}

/// A table, a line for each tensor, and under a line that is not simply right, the verdict.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.checks.iter().map(|check| check.tensor.len()).max().unwrap_or(0).max(6);
        write!(f, "{:longest$} {:>8} {:>5} {:>6} ", "tensor", "shape", "tried", "error")?;
        write!(f, "{:>8} {:>11} {:>11} {:>6} ", "at", "analytic", "numeric", "step")?;
        writeln!(f, "{:>6}", "along")?;
        for check in &self.checks {
            writeln!(f, "{:longest$} {}", check.tensor, Row(check))?;
            if check.verdict != Verdict::Right {
                writeln!(f, "    {}", check.verdict)?;
            }
        }
        Ok(())
    }
}

struct Row<'a>(&'a Check);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { shape, elements, max_relative_error, index, analytic, numeric, .. } = self.0;
        let Check { step, direction_error, .. } = self.0;
        let joined = |numbers: &[usize], separator| {
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
        };
        write!(f, "{:>8} {elements:>5} ", joined(shape, "x"))?;
        write!(f, "{max_relative_error:>6.0e} {:>8} ", joined(index, ","))?;
        write!(f, "{analytic:>11.3e} {numeric:>11.3e} {step:>6.0e} ")?;
        let direction = direction_error.map_or("-".into(), |error| format!("{error:.0e}"));
        let word = match self.0.verdict {
            Verdict::Undecided { .. } => "undecided",
            verdict if verdict.is_right() => "right",
            _ => "WRONG",
        };
        write!(f, "{direction:>6}  {word}")
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { tensor, shape, max_relative_error, index, analytic, numeric, step, .. } = self;
        write!(
            f,
            "{tensor} {shape:?}: {}; largest relative error {max_relative_error:.1e} at {index:?} \
             (analytic {analytic:.12e}, numeric {numeric:.12e}, step {step:.0e})",
            self.verdict
        )
    }
}
