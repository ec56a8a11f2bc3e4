//! Hand-written gradients against difference quotients.
//!
//! # In three lines
//!
//! Whoever writes a [`Layer`] or an [`Objective`] checks it by [`layer`] or [`objective`]; [`model`](model())
//! checks a whole model, [`parameters`] and [`input`] anything else:
//!
//! ```
//! use elbo::{gradcheck, layers::{Activation, Init, Mlp}, random::{self, Purpose}};
//!
//! let rng = &mut random::rng(0, Purpose::Init, 0, 0);
//! let report = gradcheck::layer(&Mlp::new(3, &[4, 2], Activation::Tanh, Init::Glorot, rng), 5);
//! println!("{report}");
//! report.assert_right();
//! ```
//!
//! The [`Report`] has a line for each tensor: the worst element with its place, the gradient under
//! test, the numeric one, their relative error and the step; and a [`Verdict`], which tells a
//! wrong sign from a wrong scale from a kink.
//!
//! # The numeric derivative
//!
//! A gradient is checked in f64, element by element, against
//!
//! D(h) = (f(θ+h) - f(θ-h)) / 2h = f′(θ) + h² f‴(θ)/6 + O(h⁴).
//!
//! The step that suits one element is too coarse or too fine for another, so a sequence of halved
//! steps is tried. Richardson's extrapolation removes the terms in h², h⁴, .. from neighbouring
//! steps. What truncation is left shows in how far the extrapolations disagree, what rounding does
//! is about ε|f|/h: where the sum of both is least, and no finer step contradicts it, the value is
//! taken, with that sum as its error. The choice never looks at the gradient under test, so it
//! cannot favour it. Where a difference is within an error too large to tell, the verdict is
//! [`Verdict::Undecided`].
//!
//! The same is done with the differences on the left, (f(θ) - f(θ-h)) / h, and on the right. Close
//! to a kink, as a ReLU has, the side away from it still has wide steps without one, and wins. At a
//! kink left and right are each sure of another slope: the loss then has no derivative, and a
//! gradient between the two slopes is right.
//!
//! # Large tensors
//!
//! With [`Elements::Some`], of a tensor with more elements than so many a random choice is compared,
//! among them the largest element of the gradient, and beside them the derivative along one random
//! direction, which every element has a part in.
//!
//! Source for the extrapolation and the choice of the step: C. J. F. Ridders 1982, *Accurate
//! computation of F′(x) and F′(x) F″(x)*.

mod derivative;
mod report;

pub use report::{Check, Report, TOLERANCE, Verdict};

use ndarray::{Array1, Array2, ArrayD, ArrayViewMutD, Axis, Dimension, IxDyn};
use rand::seq::index;

use crate::{
    distributions::{Likelihood, gaussian},
    layers::Layer,
    models::Model,
    objectives::{Objective, Signals},
    parameters::Parameters,
    random::{self, Purpose},
};
use derivative::derivative;
use report::Element;

/// How many elements of each tensor are compared one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// Every one.
    All,
    /// At most so many, at least one.
    Some(usize),
}

impl Elements {
    /// The places to compare in a tensor with the gradient `d`.
    fn of(self, d: &ArrayD<f64>, stream: u64) -> Vec<Vec<usize>> {
        let places: Vec<Vec<usize>> =
            d.indexed_iter().map(|(place, _)| place.slice().to_vec()).collect();
        let Elements::Some(most) = self else { return places };
        if places.len() <= most {
            return places;
        }
        let size = |place: &Vec<usize>| d[IxDyn(place)].abs();
        let largest =
            (0..places.len()).max_by(|&a, &b| size(&places[a]).total_cmp(&size(&places[b])));
        let rng = &mut random::rng(0, Purpose::Check, 0, stream);
        let others =
            index::sample(rng, places.len(), most).into_iter().filter(|&i| Some(i) != largest);
        let chosen = largest.into_iter().chain(others).take(most.max(1));
        chosen.map(|i| places[i].clone()).collect()
    }
}

/// Checks every tensor of the gradient `d` of `loss` at `model`.
///
/// `loss` must be deterministic: freeze whatever noise it uses.
///
/// # Panics
///
/// If `d` has other tensors than `model`.
pub fn parameters<P: Parameters<f64>>(
    model: &P,
    d: &P,
    tried: Elements,
    mut loss: impl FnMut(&P) -> f64,
) -> Report {
    let shapes = |p: &P| p.tensors().map(|t| t.shape().to_vec()).collect::<Vec<_>>();
    assert_eq!(shapes(model), shapes(d), "the gradient has the model's tensors");
    assert_eq!(model.names().len(), shapes(model).len(), "every tensor has a name");
    let mut moved = model.clone();
    let tensors = model.names().into_iter().zip(model.tensors()).zip(d.tensors()).enumerate();
    let checks = tensors.map(|(k, ((name, theta), d))| {
        let theta = theta.to_owned();
        tensor(name, &theta, &d.to_owned(), tried, k as u64, |step| {
            change(&mut moved, k, |tensor| step.take(tensor));
            let loss = loss(&moved);
            change(&mut moved, k, |tensor| step.undo(tensor, &theta));
            loss
        })
    });
    Report { checks: checks.collect() }
}

/// Changes tensor `k` of a model.
fn change<P: Parameters<f64>>(model: &mut P, k: usize, f: impl FnOnce(ArrayViewMutD<'_, f64>)) {
    model.tensors_mut().nth(k).map(f);
}

/// Checks the gradient `d_x` of `loss` at an input `x`, in every element row by row.
pub fn input(
    name: &str,
    x: &Array2<f64>,
    d_x: &Array2<f64>,
    mut loss: impl FnMut(&Array2<f64>) -> f64,
) -> Check {
    let (mut moved, theta) = (x.clone(), x.clone().into_dyn());
    tensor(name.into(), &theta, &d_x.clone().into_dyn(), Elements::All, 0, |step| {
        step.take(moved.view_mut().into_dyn());
        let loss = loss(&moved);
        step.undo(moved.view_mut().into_dyn(), &theta);
        loss
    })
}

/// Checks all parameters and the input `x` of a layer, on random values and with a random gradient
/// arriving at its output.
///
/// # Panics
///
/// If the batch is empty.
pub fn layer<N: Layer<f64>>(layer: &N, batch: usize) -> Report {
    assert!(batch > 0, "a batch has at least one row");
    let x = normal(batch, layer.inputs(), 0);
    // The loss is Σ r·y, so r is what arrives.
    let r = normal(batch, layer.outputs(), 1);
    let (mut y, mut cache) = (Array2::zeros(r.dim()), layer.cache(batch));
    // What stood there before must not matter.
    let (mut d, mut d_x) = (not_numbers(layer), Array2::from_elem(x.dim(), f64::NAN));
    layer.forward(&x, &mut y, &mut cache);
    layer.backward(&x, &y.clone(), &mut r.clone(), Some(&mut d_x), &mut cache, &mut d);

    let mut report = parameters(layer, &d, Elements::All, |layer| {
        layer.forward(&x, &mut y, &mut cache);
        (&r * &y).sum()
    });
    report.checks.push(input("x", &x, &d_x, |x| {
        layer.forward(x, &mut y, &mut cache);
        (&r * &y).sum()
    }));
    report
}

/// Checks the gradients that an objective writes at `logits`, and at `mu` and `log_var` or at
/// `log_ratio`, on the signals of four random images of six pixels, black, white and grey, with three
/// latent dimensions and two samples.
pub fn objective(objective: &impl Objective<f64>, likelihood: &impl Likelihood<f64>) -> Report {
    let outputs = likelihood.outputs(6);
    let mut s = Signals::with_samples(4, 2, 6, 3, outputs);
    s.x = normal(4, 6, 0).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
    s.logits = 2.0 * normal(8, outputs, 1);
    (s.mu, s.log_var, s.eps) = (normal(4, 3, 2), normal(4, 3, 3), normal(8, 3, 4));
    gaussian::sample(&s.mu, &s.log_var, &s.eps, &mut s.sigma, &mut s.z);
    gaussian::log_ratio(&s.log_var, &s.eps, &s.z, &mut s.log_ratio);
    objective_at(objective, likelihood, &s)
}

/// The same on given signals: `x`, `mu`, `log_var`, `eps`, `sigma`, `z`, `logits` and `log_ratio` are
/// read.
pub fn objective_at(
    objective: &impl Objective<f64>,
    likelihood: &impl Likelihood<f64>,
    signals: &Signals<f64>,
) -> Report {
    let mut at = signals.clone();
    for written in [&mut at.d_logits, &mut at.d_mu, &mut at.d_log_var] {
        written.fill(f64::NAN);
    }
    objective.evaluate(likelihood, &mut at);
    let mut moved = signals.clone();
    let mut check = |name, d: &Array2<f64>, signal: fn(&mut Signals<f64>) -> &mut Array2<f64>| {
        let x = signal(&mut moved).clone();
        let check = input(name, &x, d, |x| {
            signal(&mut moved).assign(x);
            -objective.evaluate(likelihood, &mut moved).objective
        });
        signal(&mut moved).assign(&x);
        check
    };
    let logits = check("logits", &at.d_logits, |s| &mut s.logits);
    if !objective.sampled() {
        let mu = check("mu", &at.d_mu, |s| &mut s.mu);
        return Report {
            checks: vec![logits, mu, check("log_var", &at.d_log_var, |s| &mut s.log_var)],
        };
    }
    let column = |values: &Array1<f64>| values.clone().insert_axis(Axis(1));
    let d_log_ratio = column(&at.weights) * -at.ratio_weight;
    let log_ratio = input("log_ratio", &column(&signals.log_ratio), &d_log_ratio, |log_ratio| {
        moved.log_ratio.assign(&log_ratio.column(0));
        -objective.evaluate(likelihood, &mut moved).objective
    });
    Report { checks: vec![logits, log_ratio] }
}

/// Checks the gradient of a whole model for each of its parameters, on the images `x`
/// (batch, pixels) with the noise `eps` (samples x batch, noise). A model of labelled images is told that
/// image n is of class n modulo the classes.
pub fn model<M: Model<f64>>(
    model: &M,
    objective: &impl Objective<f64>,
    x: &Array2<f64>,
    eps: &Array2<f64>,
    tried: Elements,
) -> Report {
    let mut w = model.workspace_for(x.nrows(), eps.nrows() / x.nrows());
    let mut d = not_numbers(model);
    let s = M::signals(&mut w);
    s.x.assign(x);
    s.eps.assign(eps);
    let classes = model.classes();
    let labels = s.y.indexed_iter_mut().filter(|_| classes > 0);
    labels.for_each(|((n, class), y)| {
        *y = f64::from(u8::from(class == n % classes));
    });
    model.gradient(objective, &mut w, &mut d);
    parameters(model, &d, tried, |model| -model.evaluate(objective, &mut w).objective)
}

/// A gradient of `model` with NaN everywhere, to be overwritten.
fn not_numbers<P: Parameters<f64>>(model: &P) -> P {
    let mut d = model.zeros_like();
    d.tensors_mut().for_each(|mut t| t.fill(f64::NAN));
    d
}

/// Standard normal numbers, others for each `stream`.
fn normal(rows: usize, columns: usize, stream: usize) -> Array2<f64> {
    let mut values = Array2::zeros((1, rows * columns));
    random::fill_normal(&mut values, 0, Purpose::Check, 0, [stream]);
    Array2::from_shape_fn((rows, columns), |(i, j)| values[[0, i * columns + j]])
}

/// A step away from a tensor's values θ.
enum Step<'a> {
    /// One element to another value.
    Element(&'a [usize], f64),
    /// θ + t·v.
    Along(&'a ArrayD<f64>, f64),
}

impl Step<'_> {
    /// Takes the step from θ.
    fn take(&self, mut tensor: ArrayViewMutD<'_, f64>) {
        match *self {
            Step::Element(place, value) => tensor[IxDyn(place)] = value,
            Step::Along(v, t) => tensor.scaled_add(t, v),
        }
    }

    /// Back to θ.
    fn undo(&self, mut tensor: ArrayViewMutD<'_, f64>, theta: &ArrayD<f64>) {
        match *self {
            Step::Element(place, _) => tensor[IxDyn(place)] = theta[IxDyn(place)],
            Step::Along(..) => tensor.assign(theta),
        }
    }
}

/// Checks one tensor with values `theta`, whose gradient is said to be `d`; `loss` is the loss after
/// a step away from it.
fn tensor(
    name: String,
    theta: &ArrayD<f64>,
    d: &ArrayD<f64>,
    tried: Elements,
    stream: u64,
    mut loss: impl FnMut(Step<'_>) -> f64,
) -> Check {
    let places = tried.of(d, stream);
    let direction = (places.len() < d.len()).then(|| {
        let v = normal(1, d.len(), stream as usize).into_shape_with_order(d.raw_dim());
        let mut v = v.expect("as many elements");
        v /= v.mapv(|v| v * v).sum().sqrt();
        let numeric = derivative(0.0, |t| loss(Step::Along(&v, t)));
        Element { place: vec![], analytic: (&v * d).sum(), numeric }
    });
    let compare = |place: Vec<usize>| {
        let numeric = derivative(theta[IxDyn(&place)], |v| loss(Step::Element(&place, v)));
        Element { analytic: d[IxDyn(&place)], place, numeric }
    };
    let elements: Vec<Element> = places.into_iter().map(compare).collect();
    Check::new(name, theta.shape().to_vec(), &elements, direction)
}

#[cfg(test)]
mod tests;
