//! The passes: equal to their element's formula, on every instruction set and number of threads.

use elbo_kernels::{
    AdamStep, AdamTensor, Isa, MomentTensor, RmsPropStep, Scalar, SgdStep, adam, math, one_moment,
    one_moment::Update, passes,
};
use proptest::prelude::*;

fn bits<T: Scalar>(x: &[T]) -> Vec<u64> {
    x.iter().map(|x| x.to_f64().to_bits()).collect()
}

/// Finite numbers of both signs with all their mantissa's bits, within ±20.
fn numbers<T: Scalar>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        T::from_f64(((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * 20.0)
    };
    (0..len).map(|_| next()).collect()
}

/// `result` for every instruction set and for 1, 2, 3 and 8 threads, which must all agree.
fn everywhere<R: PartialEq + Send>(result: impl Fn() -> R + Sync) -> R {
    let mut first = None;
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for isa in Isa::available() {
            let found = pool.install(|| isa.scope(&result));
            let same = first.as_ref().is_none_or(|first| *first == found);
            assert!(same, "{isa} on {threads} threads differs from portable on one");
            first.get_or_insert(found);
        }
    }
    first.unwrap()
}

/// Lengths on both sides of the chunks, the lanes and the thresholds; few, as each is run often.
const LENGTHS: [usize; 6] = [0, 1, 15, 100, 4097, 70_003];

macro_rules! passes_equal_their_formula {
    ($($test:ident: $pass:ident, |$x:ident| $formula:expr;)*) => {$(
        #[test]
        fn $test() {
            fn check<T: Scalar>() {
                let formula = |$x: T| -> T { $formula };
                for len in LENGTHS {
                    let x = numbers::<T>(len, 7);
                    let expected: Vec<T> = x.iter().map(|&x| formula(x)).collect();
                    let found = everywhere(|| {
                        let mut y = x.clone();
                        passes::$pass(&mut y);
                        bits(&y)
                    });
                    assert!(found == bits(&expected), "{len} elements");
                }
            }
            check::<f32>();
            check::<f64>();
        }
    )*};
}

passes_equal_their_formula! {
    exp_is_the_scalar_exp_everywhere: exp, |x| math::exp(x);
    tanh_is_the_scalar_tanh_everywhere: tanh, |x| math::tanh(x);
    sigmoid_is_the_scalar_sigmoid_everywhere: sigmoid, |x| math::sigmoid(x);
    softplus_is_the_scalar_softplus_everywhere: softplus, |x| math::softplus(x);
    relu_is_the_scalar_relu_everywhere: relu, |x| math::relu(x);
}

macro_rules! backward_passes_equal_their_formula {
    ($($test:ident: $pass:ident, |$y:ident, $d:ident| $formula:expr;)*) => {$(
        #[test]
        fn $test() {
            fn check<T: Scalar>() {
                let formula = |$y: T, $d: T| -> T { $formula };
                for len in LENGTHS {
                    let (y, d) = (numbers::<T>(len, 3), numbers::<T>(len, 4));
                    let expected: Vec<T> =
                        y.iter().zip(&d).map(|(&y, &d)| formula(y, d)).collect();
                    let found = everywhere(|| {
                        let mut d = d.clone();
                        passes::$pass(&y, &mut d);
                        bits(&d)
                    });
                    assert!(found == bits(&expected), "{len} elements");
                }
            }
            check::<f32>();
            check::<f64>();
        }
    )*};
}

backward_passes_equal_their_formula! {
    relu_backward_stops_the_gradient_where_the_output_is_0:
        relu_backward, |y, d| if y > T::ZERO { d } else { T::ZERO };
    tanh_backward_multiplies_by_1_minus_y_squared:
        tanh_backward, |y, d| d * (-y).mul_add(y, T::ONE);
    sigmoid_backward_multiplies_by_y_times_1_minus_y:
        sigmoid_backward, |y, d| d * (y * (T::ONE - y));
    softplus_backward_multiplies_by_1_minus_exp_of_minus_y:
        softplus_backward, |y, d| d * -math::exp_m1(-y);
}

#[test]
fn backward_passes_are_the_derivatives_of_their_forward_passes() {
    type Forward = fn(&mut [f64]);
    type Backward = fn(&[f64], &mut [f64]);
    let pairs: [(&str, Forward, Backward); 4] = [
        ("relu", passes::relu, passes::relu_backward),
        ("tanh", passes::tanh, passes::tanh_backward),
        ("sigmoid", passes::sigmoid, passes::sigmoid_backward),
        ("softplus", passes::softplus, passes::softplus_backward),
    ];
    let h = 1e-5;
    for (name, forward, backward) in pairs {
        for x in numbers::<f64>(200, 5).into_iter().map(|x| x / 4.0) {
            let mut y = [x - h, x, x + h];
            forward(&mut y);
            let mut d = [1.0, 3.0, 1.0];
            backward(&y, &mut d);
            let difference = 3.0 * (y[2] - y[0]) / (2.0 * h);
            let error = (d[1] - difference).abs();
            assert!(
                error <= 1e-9 + 1e-8 * difference.abs(),
                "{name} at {x}: {} {difference}",
                d[1]
            );
        }
    }
}

#[test]
fn relu_keeps_nan_and_infinity() {
    let mut x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 2.0];
    passes::relu(&mut x);
    assert!(x[0].is_nan());
    assert_eq!(x[1..], [f32::INFINITY, 0.0, 0.0, 2.0]);
}

#[test]
fn bytes_become_the_nearest_value_to_their_255th_part() {
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let single = everywhere(|| {
        let mut unit = vec![f32::NAN; bytes.len()];
        passes::bytes_to_unit(&bytes, &mut unit);
        bits(&unit)
    });
    let double = everywhere(|| {
        let mut unit = vec![f64::NAN; bytes.len()];
        passes::bytes_to_unit(&bytes, &mut unit);
        bits(&unit)
    });
    for ((&byte, single), double) in bytes.iter().zip(single).zip(double) {
        assert_eq!(f64::from_bits(double), f64::from(byte) / 255.0);
        assert_eq!(f64::from_bits(single), f64::from((f64::from(byte) / 255.0) as f32));
    }
}

#[test]
fn sum_rows_adds_rows_in_order() {
    for (rows, columns) in [(0, 3), (3, 0), (1, 1), (7, 33), (130, 784), (70_000, 2)] {
        let x = numbers::<f32>(rows * columns, 2);
        let expected: Vec<f32> =
            (0..columns).map(|j| (0..rows).fold(0.0, |sum, i| sum + x[i * columns + j])).collect();
        let sums = everywhere(|| {
            let mut sums = vec![f32::NAN; columns];
            passes::sum_rows(&x, &mut sums);
            bits(&sums)
        });
        assert!(sums == bits(&expected), "{rows} x {columns}");
    }
}

/// The tree that `sum` documents, written as a recursion.
fn sum_by_the_documented_tree(x: &[f64]) -> f64 {
    if x.len() > 4096 {
        let (one, other) = x.split_at(x.len().div_ceil(4096) / 2 * 4096);
        return sum_by_the_documented_tree(one) + sum_by_the_documented_tree(other);
    }
    let lane = |l: usize| x.iter().skip(l).step_by(16).fold(0.0, |sum, x| sum + x);
    fn tree(lane: &dyn Fn(usize) -> f64, l: usize, width: usize) -> f64 {
        if width == 16 {
            lane(l)
        } else {
            tree(lane, l, 2 * width) + tree(lane, l + width, 2 * width)
        }
    }
    tree(&lane, 0, 1)
}

#[test]
fn sum_follows_its_fixed_tree_everywhere() {
    for len in [0, 1, 17, 4096, 4097, 12_289, 200_001] {
        let x = numbers::<f64>(len, 9);
        let found = everywhere(|| passes::sum(&x).to_bits());
        assert_eq!(f64::from_bits(found), sum_by_the_documented_tree(&x), "{len} elements");
    }
}

#[test]
fn all_finite_finds_a_single_nan_or_infinity_wherever_it_stands() {
    let mut x = numbers::<f32>(150_000, 9);
    assert!(everywhere(|| passes::all_finite(&x)));
    assert!(passes::all_finite::<f32>(&[]));
    for (at, wrong) in [(0, f32::NAN), (4096, f32::INFINITY), (149_999, f32::NEG_INFINITY)] {
        let kept = std::mem::replace(&mut x[at], wrong);
        assert!(!everywhere(|| passes::all_finite(&x)));
        x[at] = kept;
    }
}

/// `logistic_loss` as (losses, gradient).
fn logistic<T: Scalar>(x: &[T], logits: &[T], columns: usize, scale: T) -> (Vec<T>, Vec<T>) {
    let mut d_logits = vec![T::NAN; x.len()];
    let mut losses = vec![T::NAN; x.len() / columns];
    passes::logistic_loss(x, logits, columns, scale, &mut d_logits, &mut losses);
    (losses, d_logits)
}

#[test]
fn logistic_loss_is_the_negative_log_likelihood_and_its_gradient() {
    let (rows, columns, scale) = (50, 784, 0.25);
    let logits = numbers::<f64>(rows * columns, 11);
    let x: Vec<f64> = numbers::<f64>(rows * columns, 12).iter().map(|x| x / 40.0 + 0.5).collect();
    let (losses, d_logits) = logistic(&x, &logits, columns, scale);
    for (i, loss) in losses.into_iter().enumerate() {
        let row = i * columns..(i + 1) * columns;
        let expected: f64 = x[row.clone()]
            .iter()
            .zip(&logits[row])
            .map(|(x, l)| {
                let p = 1.0 / (1.0 + (-l).exp());
                let not_p = 1.0 / (1.0 + l.exp());
                -(x * p.ln() + (1.0 - x) * not_p.ln())
            })
            .sum();
        assert!((loss - expected).abs() < 1e-12 * expected, "row {i}");
    }
    for ((d, x), l) in d_logits.iter().zip(&x).zip(&logits) {
        let expected = scale * (1.0 / (1.0 + (-l).exp()) - x);
        assert!((d - expected).abs() < 1e-15, "{d} {expected}");
    }
}

#[test]
fn logistic_loss_has_the_same_bits_everywhere() {
    for (rows, columns) in [(1, 1), (3, 17), (40, 784), (2, 5000), (5000, 3)] {
        let logits = numbers::<f32>(rows * columns, 1);
        let x: Vec<f32> =
            numbers::<f32>(rows * columns, 2).iter().map(|x| x / 40.0 + 0.5).collect();
        everywhere(|| {
            let (losses, d_logits) = logistic(&x, &logits, columns, 0.125);
            (bits(&losses), bits(&d_logits))
        });
    }
}

#[test]
fn logistic_loss_is_exact_at_extreme_logits() {
    let cases = [
        // x, logit, loss, gradient
        (1.0, 100.0, 0.0, 0.0),
        (0.0, 100.0, 100.0, 1.0),
        (0.0, -1e30, 0.0, 0.0),
        (1.0, -1e30, 1e30, -1.0),
        (0.5, 1e4, 5e3, 0.5),
        (0.0, f32::MAX, f32::MAX, 1.0),
    ];
    for (x, l, loss, gradient) in cases {
        let (losses, d_logits) = logistic(&[x], &[l], 1, 1.0);
        assert_eq!(d_logits, [gradient], "x = {x}, l = {l}");
        assert!((losses[0] - loss).abs() < 1e-40 || losses[0] == loss, "x = {x}, l = {l}");
    }
    assert!(logistic(&[1.0], &[f32::NAN], 1, 1.0).0[0].is_nan());
}

#[test]
fn no_slope_at_a_logit_is_so_small_that_its_products_are_subnormal() {
    let least = f32::MIN_POSITIVE / f32::EPSILON;
    let logits: Vec<f32> = (-20_000..=20_000).map(|i| i as f32 / 100.0).collect();
    for x in [0.0, 1.0] {
        let x = vec![x; logits.len()];
        for (_, d_logits) in [logistic(&x, &logits, 1, 0.01), continuous(&x, &logits, 1, 0.01)] {
            assert!(d_logits.iter().all(|&d| d == 0.0 || d.abs() >= least));
        }
    }
    let (_, d_logits) = logistic(&vec![0.0; logits.len()], &logits, 1, 0.01);
    for (d, l) in d_logits.into_iter().zip(logits) {
        let expected = 0.01 / (1.0 + (-f64::from(l)).exp());
        let error = (f64::from(d) - expected).abs();
        assert!(error <= f64::from(least) + 1e-6 * expected, "{l}: {d} {expected}");
    }
}

/// `continuous_bernoulli_loss` as (losses, gradient).
fn continuous<T: Scalar>(x: &[T], logits: &[T], columns: usize, scale: T) -> (Vec<T>, Vec<T>) {
    let mut d_logits = vec![T::NAN; x.len()];
    let mut losses = vec![T::NAN; x.len() / columns];
    passes::continuous_bernoulli_loss(x, logits, columns, scale, &mut d_logits, &mut losses);
    (losses, d_logits)
}

#[test]
fn continuous_bernoulli_loss_is_the_negative_log_density_and_its_gradient() {
    let (rows, columns, scale) = (50, 784, 0.25);
    let logits = numbers::<f64>(rows * columns, 11);
    let x: Vec<f64> = numbers::<f64>(rows * columns, 12).iter().map(|x| x / 40.0 + 0.5).collect();
    let (losses, d_logits) = continuous(&x, &logits, columns, scale);
    for (i, loss) in losses.into_iter().enumerate() {
        let row = i * columns..(i + 1) * columns;
        let cost = |(x, l): (&f64, &f64)| (l.exp_m1() / l).ln() - x * l;
        let expected: f64 = x[row.clone()].iter().zip(&logits[row]).map(cost).sum();
        assert!((loss - expected).abs() < 1e-11, "row {i}: {loss} {expected}");
    }
    for ((d, x), l) in d_logits.iter().zip(&x).zip(&logits) {
        let expected = scale * (-1.0 / (-l).exp_m1() - 1.0 / l - x);
        // Near 0 the two fractions cancel.
        assert!((d - expected).abs() < 1e-15 * (1.0 + 1.0 / l.abs()), "{d} {expected} at {l}");
    }
}

#[test]
fn continuous_bernoulli_loss_and_mean_have_the_same_bits_everywhere() {
    for (rows, columns) in [(1, 1), (3, 17), (40, 784), (2, 5000), (5000, 3)] {
        let logits: Vec<f32> = numbers::<f32>(rows * columns, 1).iter().map(|l| l / 5.0).collect();
        let (_, gradient) = everywhere(|| {
            let (losses, d_logits) = continuous(&vec![0.0; logits.len()], &logits, columns, 1.0);
            (bits(&losses), bits(&d_logits))
        });
        // At x = 0 the gradient is the mean.
        let mean = everywhere(|| {
            let mut mean = logits.clone();
            passes::continuous_bernoulli_mean(&mut mean);
            bits(&mean)
        });
        assert!(mean == gradient, "{rows} x {columns}");
    }
}

#[test]
fn continuous_bernoulli_loss_is_exact_at_extreme_logits() {
    let ln = |x: f64| x.ln() as f32;
    let cases = [
        // x, logit, loss, gradient
        (0.5, 0.0, 0.0, 0.0),
        (1.0, -0.0, 0.0, -0.5),
        (0.5, 1e-30, 0.0, 0.0),
        (1.0, 1e30, -ln(1e30), 0.0),
        (0.0, 1e30, 1e30, 1.0),
        (0.0, -1e30, -ln(1e30), 1e-30),
        (1.0, -1e30, 1e30, -1.0),
        (0.0, f32::MAX, f32::MAX, 1.0),
    ];
    for (x, l, loss, gradient) in cases {
        let (losses, d_logits) = continuous(&[x], &[l], 1, 1.0);
        assert_eq!(d_logits, [gradient], "x = {x}, l = {l}");
        assert!((losses[0] - loss).abs() <= 1e-7 * loss.abs(), "x = {x}, l = {l}: {losses:?}");
    }
    let (losses, d_logits) = continuous(&[1.0], &[f32::NAN], 1, 1.0);
    assert!(losses[0].is_nan() && d_logits[0].is_nan());
    for (l, gradient) in [(f32::INFINITY, 0.75), (-f32::INFINITY, -0.25)] {
        assert_eq!(continuous(&[0.25], &[l], 1, 1.0).1, [gradient]);
    }
}

fn adam_step<T: Scalar>() -> AdamStep<T> {
    let [rest1, beta2, rest2, step_size, epsilon] =
        [0.1, 0.999, 0.001, 0.01, 1e-8].map(T::from_f64);
    AdamStep { rest1, beta2, rest2, step_size, epsilon, penalty: T::ZERO, decay: T::ZERO }
}

#[test]
fn adam_follows_its_equations_everywhere() {
    let step = AdamStep { penalty: 0.03, decay: 0.002, ..adam_step() };
    for len in LENGTHS {
        let (param, grad) = (numbers::<f64>(len, 1), numbers::<f64>(len, 2));
        let m = numbers::<f64>(len, 3);
        let v: Vec<f64> = numbers::<f64>(len, 4).iter().map(|v| v.abs()).collect();
        let found = everywhere(|| {
            let (mut param, mut m, mut v) = (param.clone(), m.clone(), v.clone());
            adam(&step, [AdamTensor { param: &mut param, grad: &grad, m: &mut m, v: &mut v }]);
            (bits(&param), bits(&m), bits(&v))
        });
        for i in 0..len {
            let g = grad[i] + step.penalty * param[i];
            let m = 0.9 * m[i] + step.rest1 * g;
            let v = step.beta2 * v[i] + step.rest2 * g * g;
            let p = (1.0 - step.decay) * param[i] - step.step_size * m / (v.sqrt() + step.epsilon);
            let close = |bits: u64, expected: f64| (f64::from_bits(bits) - expected).abs() < 1e-13;
            assert!(close(found.0[i], p) && close(found.1[i], m) && close(found.2[i], v));
        }
    }
}

/// One step on every instruction set and number of threads, against the equations of one element.
fn follows_everywhere(update: &impl Update<f64>, by_hand: impl Fn(f64, f64, f64) -> (f64, f64)) {
    for len in LENGTHS {
        let (param, grad) = (numbers::<f64>(len, 1), numbers::<f64>(len, 2));
        let moment: Vec<f64> = numbers::<f64>(len, 4).iter().map(|v| v.abs()).collect();
        let found = everywhere(|| {
            let (mut param, mut moment) = (param.clone(), moment.clone());
            let tensor = MomentTensor { param: &mut param, grad: &grad, moment: &mut moment };
            one_moment(update, [tensor]);
            (bits(&param), bits(&moment))
        });
        for i in 0..len {
            let (p, m) = by_hand(param[i], grad[i], moment[i]);
            let close = |bits: u64, expected: f64| (f64::from_bits(bits) - expected).abs() < 1e-13;
            assert!(close(found.0[i], p) && close(found.1[i], m));
        }
    }
}

#[test]
fn sgd_follows_its_equations_everywhere() {
    let step = SgdStep { step_size: 0.01, momentum: 0.9, penalty: 0.03 };
    follows_everywhere(&step, |p, g, b| {
        let b = 0.9 * b + g + 0.03 * p;
        (p - 0.01 * b, b)
    });
}

#[test]
fn rmsprop_follows_its_equations_everywhere() {
    let step = RmsPropStep { step_size: 0.01, rho: 0.99, rest: 0.01, epsilon: 1e-8, penalty: 0.03 };
    follows_everywhere(&step, |p, g, v| {
        let g = g + 0.03 * p;
        let v = 0.99 * v + 0.01 * g * g;
        (p - 0.01 * g / (v.sqrt() + 1e-8), v)
    });
}

#[test]
fn a_sum_of_squares_is_the_same_everywhere_and_close_to_the_exact_one() {
    for len in LENGTHS {
        let x = numbers::<f32>(len, 5);
        let found = everywhere(|| passes::sum_squares(&x).to_bits());
        let exact: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        assert!((f64::from(f32::from_bits(found)) - exact).abs() <= 1e-5 * exact, "{len} elements");
    }
}

#[test]
fn adam_lets_no_moment_stay_subnormal() {
    let tiny = f32::MIN_POSITIVE;
    let step = adam_step();
    let found = everywhere(|| {
        let mut param = [1.0_f32; 20];
        let mut m: Vec<f32> = (0..20).map(|i| 0.2 * i as f32 * tiny - 2.0 * tiny).collect();
        let mut v: Vec<f32> = (0..20).map(|i| 0.2 * i as f32 * tiny).collect();
        let grad = [0.0; 20];
        adam(&step, [AdamTensor { param: &mut param, grad: &grad, m: &mut m, v: &mut v }]);
        assert_eq!(param, [1.0; 20]);
        [m, v]
    });
    for moment in found.iter().flatten() {
        assert!(*moment == 0.0 || moment.is_normal(), "{moment:e}");
    }
    assert!(found.iter().all(|m| m.contains(&0.0) && m.iter().any(|m| m.is_normal())));
}

#[test]
fn adam_keeps_a_moment_that_is_not_a_number() {
    let step = adam_step();
    let [mut param, mut m, mut v] = [[0.0_f32; 9]; 3];
    let grad = [f32::NAN; 9];
    adam(&step, [AdamTensor { param: &mut param, grad: &grad, m: &mut m, v: &mut v }]);
    assert!([param, m, v].as_flattened().iter().all(|x| x.is_nan()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_length_gives_the_same_bits_on_every_instruction_set(len in 0..200usize, seed: u64) {
        let x = numbers::<f32>(len, seed);
        let results = Isa::available().into_iter().map(|isa| {
            isa.scope(|| {
                let mut y = x.clone();
                passes::softplus(&mut y);
                let mut d = x.clone();
                passes::tanh_backward(&y, &mut d);
                (bits(&y), bits(&d), passes::sum(&x).to_bits())
            })
        });
        let results: Vec<_> = results.collect();
        prop_assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
#[should_panic(expected = "a backward pass: the lengths of y and d")]
fn lengths_that_differ_are_refused() {
    passes::tanh_backward(&[0.0; 3], &mut [0.0; 4]);
}

#[test]
#[should_panic(expected = "7 elements are no whole number of rows of 2")]
fn a_broken_row_is_refused() {
    passes::sum_rows(&[0.0; 7], &mut [0.0; 2]);
}
