//! The linear probe: multinomial logistic regression.
//!
//! With features x that are standardised, logits ℓ = x·W + b of C classes and
//! p(y = c|x) = exp ℓ_c / Σ_j exp ℓ_j, it is the most probable (W, b) where each weight has the prior
//! N(0, 1/τ) and the biases any value at all. In nats per image, what is minimised is
//!
//! L = -(1/N) Σₙ log p(yₙ|xₙ) + (τ/2N) Σ W².
//!
//! # Its gradient
//!
//! -log p(y|x) = log Σ_j exp ℓ_j - ℓ_y, and so ∂L/∂ℓₙ_c = (p(c|xₙ) - \[c = yₙ\])/N. From there on it is
//! the way back through a [`Dense`] layer, and of the penalty (τ/N)·W.
//!
//! # How it is minimised
//!
//! L is convex. The second derivative of -log p by the logits is diag(p) - p·pᵀ ≤ ½, so that of L is at
//! most ½·λ + τ/N, λ being the largest eigenvalue of (1/N) Σₙ [xₙ 1]ᵀ·[xₙ 1]; and as standardised
//! features have mean 0, λ is that of their covariance, or 1 where that is less. Steps of one over
//! this bound never overshoot: no step size is to be chosen. They are Nesterov's accelerated ones,
//! which begin anew when they go uphill.
//!
//! Sources: Bishop 2006, *Pattern Recognition and Machine Learning*, equations 4.104 to 4.109; Böhning
//! 1992, *Multinomial logistic regression algorithm*, for the bound; Nesterov 1983; O'Donoghue & Candès
//! 2015, *Adaptive restart for accelerated gradient schemes*, section 3.2.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use crate::{
    evaluation::pca::Pca,
    layers::{Dense, Layer},
    parameters::Parameters,
};

/// The steps end where no element of the gradient is larger.
const TOLERANCE: f64 = 1e-6;
/// They end here in any case; thousands are needed only where classes can be told apart without error
/// and the penalty is next to nothing.
const MOST_STEPS: usize = 5000;

/// A linear probe that has learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The labels that it has seen, in rising order: its classes.
    pub labels: Vec<u8>,
    /// The mean of each feature, (features).
    pub mean: Array1<f64>,
    /// The standard deviation of each, (features); 1 where a feature does not vary.
    pub deviation: Array1<f64>,
    /// W (features, classes) and b, of standardised features.
    pub dense: Dense<f64>,
    /// How many steps it took.
    pub steps: usize,
    /// The largest element of the gradient then, by magnitude.
    pub largest_slope: f64,
}

/// Logits and their gradient, (images, classes) each.
#[derive(Clone, Debug)]
pub struct Scratch {
    logits: Array2<f64>,
    d_logits: Array2<f64>,
}

impl Scratch {
    /// For so many images and classes.
    pub fn new(images: usize, classes: usize) -> Self {
        let logits = Array2::zeros((images, classes));
        Self { d_logits: logits.clone(), logits }
    }
}

/// L of the [module](self), at `dense` and for standardised features `x` (images, features) with the class
/// of each image, counted from 0; its gradient is written to `d`.
///
/// # Panics
///
/// If the shapes do not fit together, or a class is none of the logits'.
pub fn loss(
    dense: &Dense<f64>,
    x: &Array2<f64>,
    classes: &[usize],
    penalty: f64,
    s: &mut Scratch,
    d: &mut Dense<f64>,
) -> f64 {
    let n = x.nrows() as f64;
    assert_eq!(x.nrows(), classes.len(), "a class for each image");
    dense.forward(x, &mut s.logits, &mut ());
    let mut sum = 0.0;
    let rows = s.logits.rows().into_iter().zip(s.d_logits.rows_mut()).zip(classes);
    for ((logits, mut d_logits), &class) in rows {
        // No exponent is positive, and one of them is 0.
        let largest = logits.fold(f64::NEG_INFINITY, |largest, &v| largest.max(v));
        d_logits.zip_mut_with(&logits, |p, &v| *p = (v - largest).exp());
        let total = d_logits.sum();
        sum += largest + total.ln() - logits[class];
        d_logits.mapv_inplace(|p| p / total / n);
        d_logits[class] -= 1.0 / n;
    }
    dense.backward_parameters(x, &s.d_logits, d);
    d.weight.scaled_add(penalty / n, &dense.weight);
    sum / n + penalty / (2.0 * n) * dense.weight.iter().map(|w| w * w).sum::<f64>()
}

impl Probe {
    /// The probe of these features, (images, features), and labels, with the penalty τ.
    ///
    /// # Panics
    ///
    /// If there are no images, or not a label for each.
    pub fn fit(features: ArrayView2<f64>, labels: &[u8], penalty: f64) -> Self {
        let seen: Vec<u8> = labels.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let class = |label| seen.binary_search(label).expect("it has been seen");
        let classes: Vec<usize> = labels.iter().map(class).collect();
        let mean = features.mean_axis(Axis(0)).expect("there are images");
        let mut deviation = features.std_axis(Axis(0), 0.0);
        deviation.zip_mut_with(&mean, |v, mean| {
            // What rounding leaves of no variation at all.
            if *v <= 1e-12 * mean.abs() {
                *v = 1.0;
            }
        });
        let x = (&features - &mean) / &deviation;
        let (weight, bias) = (Array2::zeros((x.ncols(), seen.len())), Array1::zeros(seen.len()));
        let start = Dense { weight, bias };
        let (dense, steps, largest_slope) = minimise(start, &x, &classes, penalty);
        Self { labels: seen, mean, deviation, dense, steps, largest_slope }
    }

    /// The most probable label of each image, by its features (images, features); of several, the
    /// smallest.
    pub fn predict(&self, features: ArrayView2<f64>) -> Vec<u8> {
        let x = (&features - &self.mean) / &self.deviation;
        let mut logits = Array2::zeros((x.nrows(), self.dense.outputs()));
        self.dense.forward(&x, &mut logits, &mut ());
        let label = |logits: ndarray::ArrayView1<f64>| {
            let best = (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            self.labels[best.expect("there is a class")]
        };
        logits.rows().into_iter().map(label).collect()
    }
}

/// The least L from `start` on, with how many steps led there and the largest slope that is left.
///
/// With x₀ = y₀ and t₀ = 1: xₖ₊₁ = yₖ - ∇L(yₖ)/bound, tₖ₊₁ = (1 + √(1 + 4·tₖ²))/2,
/// yₖ₊₁ = xₖ₊₁ + (tₖ - 1)/tₖ₊₁·(xₖ₊₁ - xₖ); t is 1 again where ∇L(yₖ)·(xₖ₊₁ - xₖ) > 0.
fn minimise(
    start: Dense<f64>,
    x: &Array2<f64>,
    classes: &[usize],
    penalty: f64,
) -> (Dense<f64>, usize, f64) {
    let step = 1.0 / (0.5 * largest_eigenvalue(x) + penalty / x.nrows() as f64);
    let mut s = Scratch::new(x.nrows(), start.outputs());
    let (mut d, mut at, mut ahead, mut t) = (start.zeros_like(), start.clone(), start, 1.0_f64);
    for steps in 0.. {
        loss(&ahead, x, classes, penalty, &mut s, &mut d);
        let slopes = d.tensors().flat_map(|slopes| slopes.into_owned());
        let largest = slopes.fold(0.0, |largest, v| v.abs().max(largest));
        if largest <= TOLERANCE || steps == MOST_STEPS {
            return (ahead, steps, largest);
        }
        let next_t = (1.0 + (1.0 + 4.0 * t * t).sqrt()) / 2.0;
        let momentum = (t - 1.0) / next_t;
        let mut uphill = 0.0;
        for ((at, ahead), d) in at.tensors_mut().zip(ahead.tensors_mut()).zip(d.tensors()) {
            Zip::from(at).and(ahead).and(d).for_each(|at, ahead, &d| {
                let next = *ahead - step * d;
                uphill += d * (next - *at);
                *ahead = next + momentum * (next - *at);
                *at = next;
            });
        }
        t = next_t;
        if uphill > 0.0 {
            (ahead, t) = (at.clone(), 1.0);
        }
    }
    unreachable!("the last step returns")
}

/// Of (1/N) Σₙ [xₙ 1]ᵀ·[xₙ 1], for features with mean 0.
fn largest_eigenvalue(x: &Array2<f64>) -> f64 {
    let n = x.nrows() as f64;
    let covariance = Pca::fit(x.view(), 1).variances;
    covariance.first().map_or(1.0, |&variance| (variance * (n - 1.0) / n).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn without_features_it_learns_how_frequent_the_classes_are() {
        let labels = [0, 2, 2, 0, 2, 2, 2, 1];
        let probe = Probe::fit(Array2::from_elem((8, 3), 7.0).view(), &labels, 1.0);
        assert!(probe.dense.weight.iter().all(|&w| w == 0.0));
        let e = probe.dense.bias.mapv(f64::exp);
        let shares = &e / e.sum();
        for (share, expected) in shares.iter().zip([2.0, 1.0, 5.0]) {
            assert!((share - expected / 8.0).abs() < 1e-5, "{shares}");
        }
        assert_eq!(probe.predict(array![[7.0, 7.0, 7.0]].view()), [2]);
    }

    /// By symmetry W = (-w, w) and b is alike for both: L = log(1 + exp(-2w)) + (τ/2)·w² with N = 2
    /// images, whose slope is zero where τ·w·(1 + exp 2w) = 2.
    #[test]
    fn two_images_have_the_weights_that_a_bisection_finds() {
        for penalty in [0.01, 1.0, 30.0] {
            let (mut low, mut high) = (0.0, 10.0);
            for _ in 0..60 {
                let w = 0.5 * (low + high);
                let too_far = penalty * w * (1.0 + f64::exp(2.0 * w)) > 2.0;
                (low, high) = if too_far { (low, w) } else { (w, high) };
            }
            // Standardised, these are -1 and 1.
            let probe = Probe::fit(array![[3.0], [5.0]].view(), &[0, 1], penalty);
            let found = probe.dense.weight[[0, 1]];
            assert!((found - low).abs() < 1e-3 * low, "{penalty}: {found} {low}");
            assert!((found + probe.dense.weight[[0, 0]]).abs() < 1e-9);
        }
    }

    #[test]
    fn a_shift_and_a_scale_of_the_features_change_nothing() {
        let x = array![[0.1, 2.0], [0.4, -1.0], [0.9, 0.5], [-0.3, 0.2], [0.0, 1.5]];
        let labels = [0, 1, 1, 0, 2];
        let moved = &x * &array![100.0, 0.01] + &array![-7.0, 3.0];
        let (a, b) = (Probe::fit(x.view(), &labels, 1.0), Probe::fit(moved.view(), &labels, 1.0));
        assert_eq!(a.predict(x.view()), b.predict(moved.view()));
        let difference = &a.dense.weight - &b.dense.weight;
        assert!(difference.iter().all(|v| v.abs() < 1e-9), "{difference}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The loss is convex, so where it does not slope it is least.
        #[test]
        fn no_slope_is_left_and_no_step_aside_is_lower(
            x in proptest::collection::vec(-3.0..3.0_f64, 36),
            labels in proptest::collection::vec(0..4_u8, 12),
        ) {
            let x = Array2::from_shape_vec((12, 3), x).unwrap();
            let probe = Probe::fit(x.view(), &labels, 1.0);
            prop_assert!(probe.largest_slope <= TOLERANCE, "{probe:?}");
            let x = (&x - &probe.mean) / &probe.deviation;
            let class = |label| probe.labels.binary_search(label).unwrap();
            let classes: Vec<usize> = labels.iter().map(class).collect();
            let (mut s, mut d) = (Scratch::new(12, probe.dense.outputs()), probe.dense.zeros_like());
            let mut at = |dense: &Dense<f64>| loss(dense, &x, &classes, 1.0, &mut s, &mut d);
            let least = at(&probe.dense);
            for (i, size) in [(0, 0.1), (1, -0.1), (2, 0.01)] {
                let mut aside = probe.dense.clone();
                aside.weight[[i, 0]] += size;
                prop_assert!(at(&aside) > least);
            }
        }
    }

    #[test]
    fn labels_need_not_begin_at_0_nor_follow_each_other() {
        let probe = Probe::fit(array![[0.0], [1.0], [5.0], [6.0]].view(), &[200, 200, 7, 7], 1.0);
        assert_eq!((&probe.labels[..], probe.dense.outputs()), (&[7, 200][..], 2));
        assert_eq!(probe.predict(array![[0.5], [5.5]].view()), [200, 7]);
    }
}
