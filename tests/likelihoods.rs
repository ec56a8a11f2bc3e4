//! The pixel likelihoods: PyTorch's numbers, closed forms, what sums or integrates to one, and logits
//! of any size. Their gradients are checked in `tests/gradients/main.rs` as well.

use elbo::{
    distributions::{
        Likelihood,
        any::{AnyLikelihood, LikelihoodKind},
        discretised_logistic::{DiscretisedLogistic, LOG_SCALE_BOUND},
        shared_variance::SharedVariance,
    },
    parameters::Parameters,
    random::{self, Purpose},
    real::Real,
};
use ndarray::{Array1, Array2, ArrayD, arr1, arr2, concatenate};
use proptest::prelude::*;
use safetensors::SafeTensors;

const VARIANCE: f64 = 0.3;

/// 1/255, the distance of two grey levels.
const LEVEL: f64 = 1.0 / 255.0;

/// log p of each row and the gradient of `d_loss` · Σ -log p at the logits, where NaN stood before.
fn log_prob<T: Real, L: Likelihood<T>>(
    likelihood: &L,
    x: &Array2<T>,
    logits: &Array2<T>,
    d_loss: T,
) -> (Array1<T>, Array2<T>) {
    let nan = T::from_f64(f64::NAN);
    let (mut log_prob, mut d) = (Array1::from_elem(logits.nrows(), nan), logits.mapv(|_| nan));
    likelihood.log_prob(x, logits, d_loss, &mut log_prob, &mut d);
    (log_prob, d)
}

/// The gradient of Σ `weights` · -log p for the likelihood's own parameters.
fn d_parameters<T: Real, L: Likelihood<T>>(
    likelihood: &L,
    x: &Array2<T>,
    logits: &Array2<T>,
    weights: &Array1<T>,
) -> Vec<T> {
    let mut d = likelihood.clone();
    d.tensors_mut().for_each(|mut t| t.fill(T::from_f64(f64::NAN)));
    likelihood.backward_parameters(x, logits, weights, &mut d);
    d.tensors().flat_map(|t| t.iter().copied().collect::<Vec<_>>()).collect()
}

fn mean<T: Real, L: Likelihood<T>>(likelihood: &L, logits: &Array2<T>, pixels: usize) -> Array2<T> {
    let mut mean = Array2::from_elem((logits.nrows(), pixels), T::from_f64(f64::NAN));
    likelihood.mean(logits, &mut mean);
    mean
}

/// log p of one image of one pixel.
fn pixel(likelihood: &impl Likelihood<f64>, x: f64, logits: &[f64]) -> f64 {
    let logits = Array2::from_shape_fn((1, logits.len()), |(_, j)| logits[j]);
    log_prob(likelihood, &arr2(&[[x]]), &logits, 1.0).0[0]
}

/// Standard normal numbers, others for each `index`.
fn normal(rows: usize, columns: usize, index: usize) -> Array2<f64> {
    let mut values = Array2::zeros((1, rows * columns));
    random::fill_normal(&mut values, 2019, Purpose::Prior, 0, [index]);
    values.into_shape_with_order((rows, columns)).unwrap()
}

/// Images of 256 grey levels, black and white among them.
fn images(count: usize, pixels: usize) -> Array2<f64> {
    normal(count, pixels, 0).mapv(|v| ((0.5 + 0.6 * v).clamp(0.0, 1.0) * 255.0).round() / 255.0)
}

#[track_caller]
fn assert_close(ours: f64, truth: f64, tolerance: f64) {
    let error = (ours - truth).abs() / truth.abs().max(1.0);
    assert!(error <= tolerance, "{ours} for {truth}: off by {error:.1e}");
}

/// What `tests/golden/likelihoods.py` wrote.
struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        Self(std::fs::read("tests/golden/likelihoods.safetensors").unwrap())
    }

    fn tensor(&self, name: &str) -> ArrayD<f64> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(name).unwrap();
        let values = tensor.data().chunks_exact(8).map(f64::from_le_slice).collect();
        ArrayD::from_shape_vec(tensor.shape(), values).unwrap()
    }

    fn vector<T: Real>(&self, name: &str) -> Array1<T> {
        self.tensor(name).into_dimensionality().unwrap().mapv(T::from_f64)
    }

    fn matrix<T: Real>(&self, name: &str) -> Array2<T> {
        self.tensor(name).into_dimensionality().unwrap().mapv(T::from_f64)
    }

    /// Errors are relative to the largest element of a tensor.
    fn assert_close<'a, T: Real>(
        &self,
        name: &str,
        ours: impl IntoIterator<Item = &'a T>,
        tolerance: f64,
    ) {
        let theirs = self.tensor(name);
        let largest = theirs.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        let ours: Vec<_> = ours.into_iter().collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.into_iter().zip(&theirs) {
            let error = (ours.to_f64() - theirs).abs() / largest;
            assert!(error <= tolerance, "{name}: {ours} for {theirs}, off by {error:.1e}");
        }
    }
}

fn agrees_with_pytorch<T: Real>(tolerance: f64) {
    let golden = Golden::read();
    let (x, d_loss) = (golden.matrix::<T>("x"), golden.vector("d_loss")[0]);
    // `tests/golden.rs` has the Bernoulli likelihood.
    for kind in LikelihoodKind::ALL.into_iter().filter(|&k| k != LikelihoodKind::Bernoulli) {
        let name = kind_name(kind);
        let likelihood = kind.build::<T>(VARIANCE);
        let logits = golden.matrix::<T>(&format!("{name}.logits"));
        let (log_prob, d) = log_prob(&likelihood, &x, &logits, d_loss);
        golden.assert_close(&format!("{name}.log_prob"), &log_prob, tolerance);
        golden.assert_close(&format!("{name}.d_logits"), &d, tolerance);
        let d = d_parameters(&likelihood, &x, &logits, &golden.vector("weights"));
        assert_eq!(d.len(), kind.parameter_count());
        for (parameter, d) in likelihood.tensors().zip(d) {
            golden.assert_close(&format!("{name}.parameter"), parameter, 1e-7);
            golden.assert_close(&format!("{name}.d_parameter"), [&d], tolerance);
        }
    }
}

#[test]
fn log_densities_and_all_gradients_agree_with_pytorch() {
    agrees_with_pytorch::<f64>(1e-12);
    agrees_with_pytorch::<f32>(1e-5);
}

fn kind_name(kind: LikelihoodKind) -> String {
    serde_json::to_value(kind).unwrap().as_str().unwrap().into()
}

#[test]
fn a_kind_says_without_building_what_is_built() {
    let names = [
        "bernoulli",
        "continuous-bernoulli",
        "gaussian",
        "gaussian-shared",
        "gaussian-per-pixel",
        "gaussian-optimal",
        "discretised-logistic",
    ];
    assert_eq!(LikelihoodKind::ALL.map(kind_name), names);
    for kind in LikelihoodKind::ALL {
        let built = kind.build::<f32>(VARIANCE);
        assert_eq!(built.parameter_count(), kind.parameter_count());
        assert_eq!(built.names().len(), built.tensors().count());
        assert_eq!(built.clone().tensors_mut().count(), built.tensors().count());
        assert_eq!(Some(built.outputs(7)), kind.outputs(7));
        assert_eq!(built.factorises(), kind.factorises());
    }
}

#[test]
fn k_samples_are_as_good_as_k_calls() {
    let x = images(4, 5);
    for kind in LikelihoodKind::ALL.into_iter().filter(|kind| kind.factorises()) {
        let likelihood = kind.build::<f64>(VARIANCE);
        let samples = [1, 2, 3].map(|k| 2.0 * normal(4, likelihood.outputs(5), k));
        let [a, b, c] = &samples;
        let together = log_prob(&likelihood, &x, &concatenate![ndarray::Axis(0), *a, *b, *c], 0.4);
        for (k, sample) in samples.iter().enumerate() {
            let alone = log_prob(&likelihood, &x, sample, 0.4);
            let rows = ndarray::s![4 * k..4 * k + 4];
            assert_eq!(together.0.slice(rows), alone.0, "{kind:?}");
            assert_eq!(together.1.slice(ndarray::s![4 * k..4 * k + 4, ..]), alone.1, "{kind:?}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let x = images(64, 784).mapv(|x| x as f32);
    for kind in LikelihoodKind::ALL {
        let likelihood = kind.build::<f32>(VARIANCE);
        let logits = normal(128, likelihood.outputs(784), 1).mapv(|l| l as f32);
        let weights = Array1::from_elem(128, 0.7);
        let results = [1, 2, 3, 8].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let d = d_parameters(&likelihood, &x, &logits, &weights);
                let (log_prob, d_logits) = log_prob(&likelihood, &x, &logits, 0.5);
                (log_prob, d_logits, d, mean(&likelihood, &logits, 784))
            })
        });
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{kind:?}");
    }
}

/// Whether log p of every finite logit is a number of type T: the square of a large error may not be.
fn is_always_finite<T: Real>(kind: LikelihoodKind) -> bool {
    use LikelihoodKind::{Gaussian, GaussianPerPixel, GaussianShared};
    T::from_f64(1e60) < T::INFINITY || !matches!(kind, Gaussian | GaussianShared | GaussianPerPixel)
}

fn at_any_logit<T: Real>() {
    let x = images(1, 9).mapv(T::from_f64);
    for kind in LikelihoodKind::ALL {
        let likelihood = kind.build::<T>(VARIANCE);
        let outputs = likelihood.outputs(9);
        for size in [0.0, 1e-30, 1.0, 100.0, 1e4, 1e30] {
            let signs = normal(1, outputs, 1).mapv(f64::signum);
            for logits in
                [signs.mapv(|s| T::from_f64(s * size)), signs.mapv(|s| T::from_f64(-s * size))]
            {
                let (log_prob, d) = log_prob(&likelihood, &x, &logits, T::ONE);
                let d_own = d_parameters(&likelihood, &x, &logits, &arr1(&[T::ONE]));
                let of = format!("{kind:?} at {size:e}: {log_prob} {d} {d_own:?}");
                assert!(!log_prob[0].to_f64().is_nan() && log_prob[0] < T::INFINITY, "{of}");
                assert!(!d.iter().chain(&d_own).any(|d| d.to_f64().is_nan()), "{of}");
                let finite = |v: &T| v.to_f64().is_finite();
                if is_always_finite::<T>(kind) {
                    assert!(log_prob.iter().chain(&d).chain(&d_own).all(finite), "{of}");
                }
                assert!(mean(&likelihood, &logits, 9).iter().all(finite), "{of}");
                if kind.is_discrete() {
                    assert!(log_prob[0] <= T::ZERO, "{of}");
                }
            }
        }
        let (log_prob, _) =
            log_prob(&likelihood, &x, &Array2::from_elem((1, outputs), T::NAN), T::ONE);
        assert!(log_prob[0].to_f64().is_nan(), "{kind:?} hides a broken run");
    }
}

#[test]
fn logits_of_any_size_leave_no_nan_and_nan_stays() {
    at_any_logit::<f32>();
    at_any_logit::<f64>();
}

#[test]
fn the_partition_function_is_exact_across_the_change_to_its_series() {
    let golden = Golden::read();
    let [l, value, slope] =
        ["l", "value", "slope"].map(|name| golden.vector::<f64>(&format!("partition.{name}")));
    let likelihood = LikelihoodKind::ContinuousBernoulli.build::<f64>(VARIANCE);
    for ((&l, &value), &slope) in l.iter().zip(&value).zip(&slope) {
        // At x = 0, log p = -A(l), and the gradient is A′(l).
        let (log_prob, d) = log_prob(&likelihood, &arr2(&[[0.0]]), &arr2(&[[l]]), 1.0);
        assert!((log_prob[0] + value).abs() <= 4e-16 * value.abs().max(1.0), "A({l}): {log_prob}");
        assert!((d[[0, 0]] - slope).abs() <= 5e-16, "A'({l}): {d} for {slope}");
        assert_eq!(mean(&likelihood, &arr2(&[[l]]), 1), d);
        // At x = ½ only the even part is left, to its own precision near 0.
        let even = pixel(&likelihood, 0.5, &[l]);
        assert!((even - (l / 2.0 - value)).abs() <= 4e-16 * value.abs().max(1.0), "at {l}");
    }
    for l in [1e-3, 1e-8, 1e-30f64] {
        assert_close(pixel(&likelihood, 0.5, &[l]) / (-l * l / 24.0), 1.0, 1e-7);
    }
}

#[test]
fn the_continuous_bernoulli_s_constant_is_that_of_the_paper() {
    let likelihood = LikelihoodKind::ContinuousBernoulli.build::<f64>(VARIANCE);
    for lambda in [1e-3, 0.01, 0.2, 0.45, 0.499, 0.4999, 0.5, 0.5001, 0.501, 0.7, 0.99, 0.999] {
        let (odds, away): (f64, f64) = (lambda / (1.0 - lambda), lambda - 0.5);
        let log_c = if away.abs() < 2e-3 {
            2f64.ln() + 4.0 / 3.0 * away.powi(2) + 104.0 / 45.0 * away.powi(4)
        } else {
            (2.0 * (-2.0 * away).atanh() / (-2.0 * away)).ln()
        };
        for x in [0.0f64, 0.3, 1.0] {
            let truth = x * lambda.ln() + (1.0 - x) * (1.0 - lambda).ln() + log_c;
            assert_close(pixel(&likelihood, x, &[odds.ln()]), truth, 1e-12);
        }
    }
}

/// ∫ f by Simpson's rule.
fn integral(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let intervals = 20_000;
    let h = (high - low) / f64::from(intervals);
    let weight = |i| if i == 0 || i == intervals { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
    (0..=intervals).map(|i| weight(i) * f(low + h * f64::from(i))).sum::<f64>() * h / 3.0
}

#[test]
fn densities_integrate_to_one_and_their_mean_is_the_mean() {
    let continuous = LikelihoodKind::ContinuousBernoulli.build::<f64>(VARIANCE);
    for l in [0.0, 1e-5, -0.5, 0.999, -1.001, 7.0, -40.0, 200.0] {
        let density = |x| pixel(&continuous, x, &[l]).exp();
        assert_close(integral(0.0, 1.0, density), 1.0, 1e-10);
        let of_x = integral(0.0, 1.0, |x| x * density(x));
        assert_close(mean(&continuous, &arr2(&[[l]]), 1)[[0, 0]], of_x, 1e-10);
    }
    // The last two are beyond the bounds on log σ².
    for log_var in [0.0, -5.0, 3.0f64, -40.0, 25.0] {
        let shared = SharedVariance { log_var: arr1(&[log_var]) };
        let per_pixel = LikelihoodKind::GaussianPerPixel.build::<f64>(VARIANCE);
        let edge = 12.0 * (log_var.clamp(2.0 * LEVEL.ln(), 20.0) / 2.0).exp();
        let (low, high) = (0.4 - edge, 0.4 + edge);
        assert_close(integral(low, high, |x| pixel(&shared, x, &[0.4]).exp()), 1.0, 1e-10);
        let density = |x| pixel(&per_pixel, x, &[0.4, log_var]).exp();
        assert_close(integral(low, high, density), 1.0, 1e-10);
        assert_eq!(mean(&per_pixel, &arr2(&[[0.4, log_var]]), 1), arr2(&[[0.4]]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn the_probabilities_of_the_256_levels_sum_to_one(
        l in prop_oneof![-0.2..1.2f64, -50.0..50.0f64],
        log_scale in -12.0..12.0f64,
    ) {
        let likelihood = DiscretisedLogistic { log_scale: arr1(&[log_scale]) };
        let levels = (0..256).map(|k| f64::from(k) / 255.0);
        let log_probs = levels.clone().map(|x| pixel(&likelihood, x, &[l]));
        let total: f64 = log_probs.clone().map(f64::exp).sum();
        // Each argument of σ is the difference from l over s, rounded.
        let rounding = 1e-15 * (1.0 + l.abs()) / log_scale.max(-LOG_SCALE_BOUND).exp();
        prop_assert!((total - 1.0).abs() < 1e-12 + rounding, "{}", total);

        let expected: f64 = levels.zip(log_probs).map(|(x, p)| x * p.exp()).sum();
        let mean = mean(&likelihood, &arr2(&[[l]]), 1)[[0, 0]];
        prop_assert!((mean - expected).abs() <= 0.5 * LEVEL + 1e-9, "{} for {}", mean, expected);
    }
}

#[test]
fn a_level_far_from_its_mean_costs_its_distance_in_scales() {
    let (s, x) = (0.01f64, 128.0 / 255.0);
    let likelihood = DiscretisedLogistic { log_scale: arr1(&[s.ln()]) };
    let log_width = (-(-LEVEL / s).exp_m1()).ln();
    for scales in [50.0, 100.0, 1000.0, 1e6] {
        // σ(u) = eᵘ and σ(-v) = 1 to all digits.
        let truth = -scales + 0.5 * LEVEL / s + log_width;
        assert_close(pixel(&likelihood, x, &[x + scales * s]), truth, 1e-13);
        assert_close(pixel(&likelihood, x, &[x - scales * s]), truth, 1e-13);
        // The open bins: black far below its mean, and white at a mean far above.
        let open = -scales + 0.5 * LEVEL / s;
        assert_close(pixel(&likelihood, 0.0, &[scales * s]), open, 1e-13);
        let white = pixel(&likelihood, 1.0, &[1.0 + scales * s]);
        assert_close(white, -(-scales - 0.5 * LEVEL / s).exp(), 1e-30);
    }
}

#[test]
fn a_logistic_variable_starts_with_the_variance_that_was_asked_for() {
    let log_scale = DiscretisedLogistic::<f64>::with_variance(0.2).log_scale[0];
    let density = |t: f64| {
        let e = (-t.abs() / log_scale.exp()).exp();
        e / (log_scale.exp() * (1.0 + e).powi(2))
    };
    let variance = 2.0 * integral(0.0, 20.0, |t| t * t * density(t));
    assert_close(variance, 0.2, 1e-10);
    assert_close(SharedVariance::<f64>::new(0.2).log_var[0].exp(), 0.2, 1e-14);
}

#[test]
fn the_shared_variance_rests_at_the_mean_squared_error() {
    let (x, l) = (images(5, 7), normal(15, 7, 1));
    let errors = Array2::from_shape_fn(l.dim(), |(r, j)| (x[[r % 5, j]] - l[[r, j]]).powi(2));
    let (at_rest, ones) = (SharedVariance::new(errors.mean().unwrap()), Array1::ones(15));
    assert!(d_parameters(&at_rest, &x, &l, &ones)[0].abs() < 1e-11);
    let larger = SharedVariance::new(2.0 * errors.mean().unwrap());
    assert!(d_parameters(&larger, &x, &l, &ones)[0] > 1.0, "too large a variance is to fall");
}

#[test]
fn the_optimal_variance_is_best_and_costs_what_its_formula_says() {
    let (x, l) = (images(5, 7), normal(15, 7, 1));
    let errors = Array2::from_shape_fn(l.dim(), |(r, j)| (x[[r % 5, j]] - l[[r, j]]).powi(2));
    let (variance, numbers) = (errors.mean().unwrap(), errors.len() as f64);
    let total =
        |kind: LikelihoodKind, variance| log_prob(&kind.build(variance), &x, &l, 1.0).0.sum();
    let optimal = total(LikelihoodKind::GaussianOptimal, f64::NAN);
    let formula = -numbers / 2.0 * ((2.0 * std::f64::consts::PI * variance).ln() + 1.0);
    assert_close(optimal, formula, 1e-13);
    for factor in [0.5, 0.9, 1.1, 2.0] {
        assert!(total(LikelihoodKind::Gaussian, factor * variance) < optimal);
    }
}

#[test]
fn a_perfect_reconstruction_is_worth_a_finite_number_of_nats() {
    let x = images(3, 4);
    let nats = -4.0 * (LEVEL.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln());
    let (optimal, d) = log_prob(&LikelihoodKind::GaussianOptimal.build(1.0), &x, &x, 1.0);
    assert_eq!(d, Array2::<f64>::zeros((3, 4)));
    let shared = log_prob(&SharedVariance { log_var: arr1(&[-50.0]) }, &x, &x, 1.0).0;
    let both = Array2::from_shape_fn((3, 8), |(n, j)| if j < 4 { x[[n, j]] } else { -50.0 });
    let (per_pixel, d) = log_prob(&LikelihoodKind::GaussianPerPixel.build(1.0), &x, &both, 1.0);
    assert_eq!(d, Array2::<f64>::zeros((3, 8)));
    optimal.iter().chain(&shared).chain(&per_pixel).for_each(|&v| assert_close(v, nats, 1e-14));
}

#[test]
fn beyond_its_bounds_a_parameter_has_no_gradient() {
    let (x, l, ones) = (images(3, 4), normal(3, 4, 1), Array1::ones(3));
    for beyond in [-30.0, 30.0] {
        let shared: AnyLikelihood<f64> =
            AnyLikelihood::GaussianShared(SharedVariance { log_var: arr1(&[beyond]) });
        let logistic: AnyLikelihood<f64> =
            AnyLikelihood::DiscretisedLogistic(DiscretisedLogistic { log_scale: arr1(&[beyond]) });
        assert_eq!(d_parameters(&shared, &x, &l, &ones), [0.0]);
        assert_eq!(d_parameters(&logistic, &x, &l, &ones), [0.0]);
    }
}

/// Uniform numbers on an even grid are as good as any number of draws: the share of them at or below x is the
/// distribution function, and the mean of what they become E[x|z].
#[test]
fn quantiles_of_uniform_numbers_have_the_likelihood_s_own_probabilities() {
    const DRAWS: usize = 20_000;
    let (log_scale, l) = (arr1(&[-1.5_f64]), 0.3);
    let draws = |likelihood: &AnyLikelihood<f64>, logits: &[f64]| {
        let outputs = Array2::from_shape_fn((DRAWS, logits.len()), |(_, j)| logits[j]);
        let mut x = Array2::from_shape_fn((DRAWS, 1), |(i, _)| (i as f64 + 0.5) / DRAWS as f64);
        likelihood.quantile(&outputs, &mut x);
        let mut expected = Array2::zeros((DRAWS, 1));
        likelihood.mean(&outputs, &mut expected);
        assert!(x.iter().is_sorted(), "{likelihood:?}");
        (x, expected[[0, 0]])
    };
    for kind in LikelihoodKind::ALL.into_iter().filter(|kind| kind.factorises()) {
        let mut likelihood = kind.build::<f64>(VARIANCE);
        if let AnyLikelihood::DiscretisedLogistic(logistic) = &mut likelihood {
            logistic.log_scale.assign(&log_scale);
        }
        for l in [-40.0, -1.2, 0.0, l, 2.5, 60.0] {
            let logits = &[l, -0.7][..likelihood.outputs(1)];
            let (x, expected) = draws(&likelihood, logits);
            let mean = x.mean().unwrap();
            assert!((mean - expected).abs() < 2e-3, "{kind:?} at {l}: {mean} for {expected}");
            // The share in steps of 1/510 and the sum or integral of exp log p over them.
            let density = |at: f64| pixel(&likelihood, at, logits).exp();
            let share = |low: f64, high: f64| {
                x.iter().filter(|&&x| low < x && x <= high).count() as f64 / DRAWS as f64
            };
            if kind == LikelihoodKind::Bernoulli {
                assert!((share(0.5, 1.5) - density(1.0)).abs() < 1e-4);
            } else if kind.is_discrete() {
                for level in [0, 1, 100, 255] {
                    let at = f64::from(level) * LEVEL;
                    let found = share(at - LEVEL / 2.0, at + LEVEL / 2.0);
                    assert!((found - density(at)).abs() < 1e-3, "{kind:?} {l}: {level}");
                }
            } else {
                for cell in 0..10 {
                    let (low, width) = (f64::from(cell) / 10.0, 0.1);
                    let points = (0..200).map(|i| low + width * (f64::from(i) + 0.5) / 200.0);
                    let truth = points.map(density).sum::<f64>() * width / 200.0;
                    let found = share(low, low + width);
                    assert!((found - truth).abs() < 2e-3, "{kind:?} {l} {cell}: {found} {truth}");
                }
            }
        }
    }
}
