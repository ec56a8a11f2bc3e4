//! Hand-written gradients against central differences.
//!
//! A gradient is checked in f64, element by element, against
//!
//! D(h) = (f(θ+h) - f(θ-h)) / 2h = f′(θ) + h² f‴(θ)/6 + O(h⁴).
//!
//! The step that suits one element is too coarse or too fine for another, so a sequence of halved
//! steps is tried. Richardson's extrapolation removes the terms in h² and h⁴ from neighbouring
//! steps. What truncation is left shows in how far the extrapolations of successive steps
//! disagree, what rounding does is about ε|f|/h: where the sum of both is least, the value is
//! taken. The same choice steps around kinks: while θ±h straddles the kink of a ReLU, successive
//! estimates disagree; once h is smaller than the distance to it, they agree. The choice never
//! looks at the gradient under test, so it cannot favour it.
//!
//! ```
//! use elbo::{gradcheck, layers::{Activation, Init, Layer, Mlp}, random::{self, Purpose}};
//! use ndarray::Array2;
//!
//! let rng = &mut random::rng(0, Purpose::Init, 0, 0);
//! let mlp = Mlp::<f64>::new(3, &[4, 2], Activation::Tanh, Init::Glorot, rng);
//! let x = Array2::from_elem((5, 3), 0.3);
//! let (mut y, mut cache, mut d) = (Array2::zeros((5, 2)), mlp.cache(5), mlp.clone());
//! mlp.forward(&x, &mut y, &mut cache);
//! // The loss is ½ Σ y², so the gradient that arrives at y is y itself.
//! mlp.backward(&x, &y.clone(), &mut y, None, &mut cache, &mut d);
//!
//! let checks = gradcheck::parameters(&mlp, &d, |mlp| {
//!     mlp.forward(&x, &mut y, &mut cache);
//!     0.5 * y.mapv(|v| v * v).sum()
//! });
//! assert!(checks.iter().all(|check| check.max_relative_error < 1e-8));
//! ```

use std::fmt;

use ndarray::Array2;

use crate::parameters::{Parameters, elements, elements_mut};

/// The first and largest step, relative to max(1, |θ|).
const FIRST_STEP: f64 = 1e-2;
/// How many times it is halved.
const HALVINGS: usize = 11;
/// An element's error is relative to the larger of its own size and this share of the largest
/// element of its tensor: below that, the difference quotient holds only rounding.
const FLOOR: f64 = 1e-3;

/// The verdict on one tensor.
#[derive(Clone, Debug)]
pub struct Check {
    /// The tensor's name.
    pub tensor: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// max over elements of |analytic - numeric| / max(|analytic|, |numeric|, 10⁻³ of the
    /// tensor's largest); NaN if the gradient or the loss is.
    pub max_relative_error: f64,
    /// Where the largest error is, counted in memory order.
    pub index: usize,
    /// The gradient under test there.
    pub analytic: f64,
    /// The difference quotient there.
    pub numeric: f64,
    /// The finest step that went into the quotient.
    pub step: f64,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { tensor, shape, max_relative_error, index, analytic, numeric, step } = self;
        write!(
            f,
            "{tensor} {shape:?}: largest relative error {max_relative_error:.1e} at element \
             {index} (analytic {analytic:.12e}, numeric {numeric:.12e}, step {step:.0e})"
        )
    }
}

/// Checks every tensor of the gradient `d` of `loss` at `model`.
///
/// `loss` must be deterministic: freeze whatever noise it uses.
pub fn parameters<P: Parameters<f64>>(
    model: &P,
    d: &P,
    mut loss: impl FnMut(&P) -> f64,
) -> Vec<Check> {
    let mut moved = model.clone();
    let shapes: Vec<Vec<usize>> = model.tensors().map(|t| t.shape().to_vec()).collect();
    let gradients: Vec<Vec<f64>> = d.tensors().map(|t| elements(&t).to_vec()).collect();
    let tensors = model.names().into_iter().zip(shapes).zip(&gradients).enumerate();
    tensors
        .map(|(k, ((name, shape), analytic))| {
            let origin: Vec<f64> = model.tensors().nth(k).map_or(vec![], |t| elements(&t).to_vec());
            tensor(name, shape, &origin, analytic, |i, value| {
                set(&mut moved, k, i, value);
                let loss = loss(&moved);
                set(&mut moved, k, i, origin[i]);
                loss
            })
        })
        .collect()
}

/// Sets element `i` of tensor `k`.
fn set<P: Parameters<f64>>(model: &mut P, k: usize, i: usize, value: f64) {
    if let Some(tensor) = model.tensors_mut().nth(k) {
        elements_mut(tensor)[i] = value;
    }
}

/// Checks the gradient `d_x` of `loss` at an input `x`.
pub fn input(
    name: &str,
    x: &Array2<f64>,
    d_x: &Array2<f64>,
    mut loss: impl FnMut(&Array2<f64>) -> f64,
) -> Check {
    let mut moved = x.clone();
    let origin: Vec<f64> = x.iter().copied().collect();
    let analytic: Vec<f64> = d_x.iter().copied().collect();
    let columns = x.ncols();
    tensor(name.into(), x.shape().to_vec(), &origin, &analytic, |i, value| {
        let at = [i / columns, i % columns];
        moved[at] = value;
        let loss = loss(&moved);
        moved[at] = origin[i];
        loss
    })
}

/// Checks one tensor; `loss(i, v)` is the loss with element `i` at `v` and the others in place.
fn tensor(
    tensor: String,
    shape: Vec<usize>,
    origin: &[f64],
    analytic: &[f64],
    mut loss: impl FnMut(usize, f64) -> f64,
) -> Check {
    let numeric: Vec<Estimate> = origin
        .iter()
        .enumerate()
        .map(|(i, &theta)| derivative(theta, |value| loss(i, value)))
        .collect();
    let largest = analytic
        .iter()
        .copied()
        .chain(numeric.iter().map(|n| n.value))
        .fold(f64::MIN_POSITIVE, |a, v| a.max(v.abs()));
    let mut worst = Check {
        tensor,
        shape,
        max_relative_error: 0.0,
        index: 0,
        analytic: 0.0,
        numeric: 0.0,
        step: 0.0,
    };
    for (index, (&analytic, n)) in analytic.iter().zip(&numeric).enumerate() {
        let scale = analytic.abs().max(n.value.abs()).max(FLOOR * largest);
        let error = (analytic - n.value).abs() / scale;
        // A NaN is the worst of all, and stays so.
        if index == 0 || error > worst.max_relative_error || error.is_nan() {
            worst.max_relative_error = error;
            (worst.index, worst.analytic) = (index, analytic);
            (worst.numeric, worst.step) = (n.value, n.step);
        }
        if error.is_nan() {
            break;
        }
    }
    worst
}

/// A derivative and the finest step behind it.
#[derive(Clone, Copy)]
struct Estimate {
    value: f64,
    step: f64,
}

/// f′(θ) by the scheme that the module describes.
fn derivative(theta: f64, mut f: impl FnMut(f64) -> f64) -> Estimate {
    let first = FIRST_STEP * theta.abs().max(1.0);
    let steps: Vec<f64> = (0..=HALVINGS).map(|k| first / f64::from(1 << k)).collect();
    let mut largest = 0.0f64;
    let central: Vec<f64> = steps
        .iter()
        .map(|h| {
            // What was really added, after rounding.
            let (above, below) = (theta + h, theta - h);
            let (f_above, f_below) = (f(above), f(below));
            largest = largest.max(f_above.abs()).max(f_below.abs());
            (f_above - f_below) / (above - below)
        })
        .collect();
    // D(h/2) + (D(h/2) - D(h))/3 has no term in h²; one level more, with 15, none in h⁴.
    let extrapolate = |d: &[f64], weight: f64| -> Vec<f64> {
        d.windows(2).map(|w| w[1] + (w[1] - w[0]) / weight).collect()
    };
    let second = extrapolate(&central, 3.0);
    let third = extrapolate(&second, 15.0);
    let mut best = Estimate { value: f64::NAN, step: f64::NAN };
    let mut least = f64::INFINITY;
    for k in 1..third.len() {
        let step = steps[k + 2];
        let truncation = (third[k] - third[k - 1]).abs().max((third[k] - second[k + 1]).abs());
        let error = truncation + f64::EPSILON * largest / step;
        if error < least {
            least = error;
            best = Estimate { value: third[k], step };
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_at(theta: f64, f: fn(f64) -> f64, exact: f64) -> f64 {
        (derivative(theta, f).value / exact - 1.0).abs()
    }

    #[test]
    fn the_derivative_of_smooth_functions_is_right_to_ten_digits() {
        assert!(error_at(0.7, f64::sin, 0.7f64.cos()) < 1e-10);
        assert!(error_at(-3.0, f64::exp, (-3.0f64).exp()) < 1e-10);
        assert!(error_at(250.0, |x| x.powi(3), 3.0 * 250.0f64.powi(2)) < 1e-10);
    }

    #[test]
    fn a_kink_close_by_is_stepped_around() {
        let near_kink = |x: f64| 3.0 * x.max(0.0) + x * x;
        for distance in [1e-2, 1e-3, 1e-4] {
            assert!(error_at(distance, near_kink, 3.0 + 2.0 * distance) < 1e-8, "{distance}");
            assert!(error_at(-distance, near_kink, -2.0 * distance) < 1e-6, "{distance}");
        }
    }

    #[test]
    fn a_wrong_element_is_found_and_named() {
        let x = Array2::from_shape_fn((3, 4), |(i, j)| (i * 4 + j) as f64 / 7.0);
        let mut d_x = x.mapv(f64::cos);
        let loss = |x: &Array2<f64>| x.mapv(f64::sin).sum();
        assert!(input("x", &x, &d_x, loss).max_relative_error < 1e-9);
        d_x[[1, 2]] *= 1.0 + 1e-5;
        let check = input("x", &x, &d_x, loss);
        assert!((check.max_relative_error - 1e-5).abs() < 1e-7, "{check}");
        assert_eq!(check.index, 6);
        d_x[[2, 0]] = f64::NAN;
        assert!(input("x", &x, &d_x, loss).max_relative_error.is_nan());
    }
}
