//! What a gradient check found, and what is probably wrong.

use std::fmt;

use super::derivative::Estimate;

/// An element's error is relative to at least this share of the largest element of its tensor.
const FLOOR: f64 = 1e-3;
/// The relative error that a right gradient stays below in f64.
pub const TOLERANCE: f64 = 1e-8;
/// Wrong elements that are all the same multiple of the right ones, to this relative precision, are
/// wrong by that factor.
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
    /// The largest relative error of an element; NaN if the gradient or the loss is. Kinks don't
    /// count.
    ///
    /// It is |analytic - numeric| / max(|analytic|, |numeric|, 10⁻³ of the tensor's largest, r),
    /// where r is the size below which the loss's own rounding, ε|f|/h, is more than [`TOLERANCE`].
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

impl Element {
    /// The kink's slopes, if the gradient lies between them.
    fn kink(&self) -> Option<[f64; 2]> {
        let slopes @ [left, right] = self.numeric.kink?;
        let margin = TOLERANCE * (right - left).abs();
        let between = left.min(right) - margin..=left.max(right) + margin;
        between.contains(&self.analytic).then_some(slopes)
    }
}

/// The relative error of [`Check::max_relative_error`], in a tensor whose largest element is about
/// `scale`.
fn relative_error(analytic: f64, numeric: &Estimate, scale: f64) -> f64 {
    let size = analytic.abs().max(numeric.value.abs());
    let floor = (FLOOR * scale).max(numeric.rounding / TOLERANCE);
    (analytic - numeric.value).abs() / size.max(floor).max(f64::MIN_POSITIVE)
}

impl Check {
    /// From the elements that were compared, and the analytic and the numeric derivative along a
    /// direction of length 1.
    pub(super) fn new(
        tensor: String,
        shape: Vec<usize>,
        elements: &[Element],
        direction: Option<(f64, Estimate)>,
    ) -> Self {
        let sizes = elements.iter().flat_map(|e| [e.analytic.abs(), e.numeric.value.abs()]);
        let scale = sizes.fold(0.0, f64::max);
        let judged: Vec<(&Element, f64)> = elements
            .iter()
            .filter(|e| e.kink().is_none())
            .map(|e| (e, relative_error(e.analytic, &e.numeric, scale)))
            .collect();
        // A NaN is the worst of all.
        let key = |error: f64| if error.is_nan() { f64::INFINITY } else { error };
        let worst = judged.iter().max_by(|a, b| key(a.1).total_cmp(&key(b.1)));
        let shown = worst.map(|(element, _)| *element).or(elements.first());
        let direction_error =
            direction.map(|(analytic, numeric)| relative_error(analytic, &numeric, scale));
        Self {
            tensor,
            shape,
            elements: elements.len(),
            quotients: elements.iter().map(|element| element.numeric.value).collect(),
            max_relative_error: worst.map_or(0.0, |(_, error)| *error),
            index: shown.map_or(vec![], |element| element.place.clone()),
            analytic: shown.map_or(0.0, |element| element.analytic),
            numeric: shown.map_or(0.0, |element| element.numeric.value),
            step: shown.map_or(0.0, |element| element.numeric.step),
            direction_error,
            verdict: verdict(elements, &judged, direction_error),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        self.verdict.is_right()
    }
}

fn verdict(
    elements: &[Element],
    judged: &[(&Element, f64)],
    direction_error: Option<f64>,
) -> Verdict {
    if judged.iter().any(|(_, error)| !error.is_finite()) {
        return Verdict::NotFinite;
    }
    let wrong: Vec<&Element> = judged
        .iter()
        .filter(|(_, error)| *error > TOLERANCE)
        .map(|(element, _)| *element)
        .collect();
    if wrong.is_empty() {
        if direction_error.is_some_and(|error| error.is_nan() || error > TOLERANCE) {
            return Verdict::Wrong { wrong: 0 };
        }
        let kinks: Vec<[f64; 2]> = elements.iter().filter_map(Element::kink).collect();
        return match kinks.first() {
            Some(&[left, right]) => Verdict::Kink { count: kinks.len(), left, right },
            None => Verdict::Right,
        };
    }
    let (count, factor) = (wrong.len(), common_factor(&wrong));
    match factor {
        Some(0.0) => Verdict::Missing { wrong: count },
        Some(factor) if (factor + 1.0).abs() < SAME_FACTOR => Verdict::WrongSign { wrong: count },
        Some(factor) => Verdict::WrongScale { factor, wrong: count },
        None => Verdict::Wrong { wrong: count },
    }
}

/// The f with analytic = f · numeric in every one of these elements, if there is one.
fn common_factor(wrong: &[&Element]) -> Option<f64> {
    let size = |e: &Element| e.analytic.abs().max(e.numeric.value.abs());
    let largest = wrong.iter().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    let factor = largest.analytic / largest.numeric.value;
    let same = |e: &&Element| {
        let scale = size(e).max(FLOOR * size(largest));
        (e.analytic - factor * e.numeric.value).abs() <= SAME_FACTOR * scale
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

/// A table, a line for each tensor.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.checks.iter().map(|check| check.tensor.len()).max().unwrap_or(0).max(6);
        write!(f, "{:longest$} {:>10} {:>6} ", "tensor", "shape", "tried")?;
        write!(
            f,
            "{:>8} {:>10} {:>12} {:>12} {:>7} ",
            "error", "at", "analytic", "numeric", "step"
        )?;
        writeln!(f, "{:>9}  verdict", "direction")?;
        for check in &self.checks {
            write!(f, "{:longest$} {}", check.tensor, Row(check))?;
        }
        Ok(())
    }
}

struct Row<'a>(&'a Check);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { shape, elements, max_relative_error, index, analytic, numeric, .. } = self.0;
        let Check { step, direction_error, verdict, .. } = self.0;
        let joined = |numbers: &[usize], separator| {
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
        };
        write!(f, "{:>10} {elements:>6} ", joined(shape, "x"))?;
        write!(f, "{max_relative_error:>8.0e} {:>10} ", joined(index, ","))?;
        write!(f, "{analytic:>12.4e} {numeric:>12.4e} {step:>7.0e} ")?;
        let direction = direction_error.map_or("-".into(), |error| format!("{error:.0e}"));
        writeln!(f, "{direction:>9}  {verdict}")
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
