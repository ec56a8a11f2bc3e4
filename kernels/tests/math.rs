//! The error bounds that the documentation of `math` states, and the ends of every range.

use elbo_kernels::{Scalar, math};

/// The stated bounds in units in the last place, in f32 and in f64.
const BOUNDS: [(&str, f64, f64); 7] = [
    ("exp", 1.1, 1.1),
    ("exp_m1", 1.7, 2.3),
    ("ln_1p", 1.6, 1.5),
    ("ln", 1.2, 0.7),
    ("sigmoid", 2.1, 2.1),
    ("softplus", 2.1, 2.1),
    ("tanh", 2.1, 2.2),
];

/// Whether `name` is defined at `x`.
fn is_defined(name: &str, x: f64) -> bool {
    match name {
        "ln_1p" => (0.0..=1.0).contains(&x),
        "ln" => x >= 1.0,
        _ => true,
    }
}

fn evaluate<T: Scalar>(name: &str, x: T) -> T {
    match name {
        "exp" => math::exp(x),
        "exp_m1" => math::exp_m1(x),
        "ln_1p" => math::ln_1p(x),
        "ln" => math::ln(x),
        "sigmoid" => math::sigmoid(x),
        "softplus" => math::softplus(x),
        "tanh" => math::tanh(x),
        _ => panic!("no function {name}"),
    }
}

/// The same functions in f64, from the standard library: the truth for f32.
fn truth(name: &str, x: f64) -> f64 {
    match name {
        "exp" => x.exp(),
        "exp_m1" => x.exp_m1(),
        "ln_1p" => x.ln_1p(),
        "ln" => x.ln(),
        "sigmoid" if x < 0.0 => x.exp() / (1.0 + x.exp()),
        "sigmoid" => 1.0 / (1.0 + (-x).exp()),
        "softplus" => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        "tanh" => x.tanh(),
        _ => panic!("no function {name}"),
    }
}

/// The distance between neighbouring f32 at `y`.
fn ulp_f32(y: f64) -> f64 {
    2f64.powi((y.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor() as i32) - 23)
}

/// The distance between neighbouring f64 at a normal `y`.
fn ulp_f64(y: f64) -> f64 {
    f64::from_bits(y.abs().to_bits() + 1) - y.abs()
}

#[test]
fn f32_errors_stay_within_the_stated_bounds_over_all_magnitudes() {
    for (name, bound, _) in BOUNDS {
        let (mut worst, mut at) = (0.0, 0.0);
        // Every 997th float, of both signs: all exponents, 4 million arguments.
        for x in (0..=u32::MAX).step_by(997).map(f32::from_bits) {
            if !x.is_finite() || !is_defined(name, f64::from(x)) {
                continue;
            }
            let (found, expected) = (evaluate(name, x), truth(name, f64::from(x)));
            if expected.abs() >= 2f64.powi(128) - 2f64.powi(103) {
                assert!(found.is_infinite(), "{name}({x}) = {found}, not infinite");
                continue;
            }
            let error = (f64::from(found) - expected).abs() / ulp_f32(expected);
            assert!(!error.is_nan(), "{name}({x}) = {found}");
            if error > worst {
                (worst, at) = (error, x);
            }
        }
        println!("{name}: {worst:.3} ulp at {at}");
        assert!(worst <= bound, "{name}: {worst} ulp at {at}");
    }
}

#[test]
fn f32_errors_stay_within_the_stated_bounds_where_networks_live() {
    for (name, bound, _) in BOUNDS {
        let mut worst: f64 = 0.0;
        for i in -2_000_000..2_000_000 {
            let x = i as f32 * 1.0e-5;
            if !is_defined(name, f64::from(x)) {
                continue;
            }
            let expected = truth(name, f64::from(x));
            let error = (f64::from(evaluate(name, x)) - expected).abs() / ulp_f32(expected);
            assert!(!error.is_nan(), "{name} at {x}");
            worst = worst.max(error);
        }
        println!("{name}: {worst:.3} ulp");
        assert!(worst <= bound, "{name}: {worst} ulp");
    }
}

#[test]
fn f64_errors_stay_within_the_stated_bounds() {
    for (name, _, bound) in BOUNDS {
        let (mut worst, mut at, mut count) = (0.0, 0.0, 0);
        for line in include_str!("golden/math.csv").lines() {
            let fields: Vec<&str> = line.split(',').collect();
            if fields[0] != name {
                continue;
            }
            let [x, nearest, rest] = [1, 2, 3].map(|i| fields[i].parse::<f64>().unwrap());
            let error = ((evaluate(name, x) - nearest) - rest).abs() / ulp_f64(nearest);
            assert!(!error.is_nan(), "{name}({x})");
            count += 1;
            if error > worst {
                (worst, at) = (error, x);
            }
        }
        println!("{name}: {worst:.3} ulp at {at}");
        assert!(count > 100, "{name}: only {count} values");
        assert!(worst <= bound, "{name}: {worst} ulp at {at}");
    }
}

fn special_values<T: Scalar>() {
    let value = T::from_f64;
    let (zero, minus_zero, infinity) = (T::ZERO, -T::ZERO, T::INFINITY);
    let cases = [
        ("exp", zero, T::ONE),
        ("exp", minus_zero, T::ONE),
        ("exp", infinity, infinity),
        ("exp", -infinity, zero),
        ("exp", value(1e30), infinity),
        ("exp", value(-1e30), zero),
        ("exp_m1", zero, zero),
        ("exp_m1", minus_zero, minus_zero),
        ("exp_m1", infinity, infinity),
        ("exp_m1", -infinity, -T::ONE),
        ("exp_m1", value(1e30), infinity),
        ("exp_m1", value(-100.0), -T::ONE),
        ("ln_1p", zero, zero),
        ("ln", T::ONE, zero),
        ("ln", infinity, infinity),
        ("sigmoid", zero, T::HALF),
        ("sigmoid", minus_zero, T::HALF),
        ("sigmoid", value(100.0), T::ONE),
        ("sigmoid", infinity, T::ONE),
        ("sigmoid", -infinity, zero),
        ("sigmoid", value(-1e30), zero),
        ("softplus", value(100.0), value(100.0)),
        ("softplus", value(1e30), value(1e30)),
        ("softplus", value(-1e30), zero),
        ("softplus", infinity, infinity),
        ("softplus", -infinity, zero),
        ("tanh", zero, zero),
        ("tanh", minus_zero, minus_zero),
        ("tanh", value(100.0), T::ONE),
        ("tanh", value(-100.0), -T::ONE),
        ("tanh", infinity, T::ONE),
        ("tanh", -infinity, -T::ONE),
        ("tanh", value(-1e30), -T::ONE),
        ("relu", minus_zero, minus_zero),
    ];
    for (name, x, expected) in cases {
        let found = if name == "relu" { math::relu(x) } else { evaluate(name, x) };
        let same = found.to_f64().to_bits() == expected.to_f64().to_bits();
        let both_nan = found.to_f64().is_nan() && expected.to_f64().is_nan();
        assert!(same || both_nan, "{name}({x}) = {found}, not {expected}");
    }
    for (name, ..) in BOUNDS {
        assert!(evaluate(name, T::NAN).to_f64().is_nan(), "{name} of NaN");
    }
}

#[test]
fn zeros_infinities_nan_and_huge_arguments_are_exact_in_f32() {
    special_values::<f32>();
}

#[test]
fn zeros_infinities_nan_and_huge_arguments_are_exact_in_f64() {
    special_values::<f64>();
}

#[test]
fn exp_fades_through_the_subnormal_numbers_and_overflows_where_it_should() {
    for x in (-7460..=-7080).map(|x| f64::from(x) / 10.0) {
        let error = math::exp(x) - x.exp();
        assert!(error.abs() <= 2.0 * f64::from_bits(1), "exp({x})");
    }
    assert_eq!(math::exp(-745.2_f64), 0.0);
    assert_eq!(math::exp(-745.1_f64), f64::from_bits(1));
    assert!(math::exp(709.78_f64).is_finite());
    assert_eq!(math::exp(709.79_f64), f64::INFINITY);
    assert_eq!(math::exp(-104.0_f32), 0.0);
    assert_eq!(math::exp(-103.9_f32), f32::from_bits(1));
    assert!(math::exp(88.72_f32).is_finite());
    assert_eq!(math::exp(88.73_f32), f32::INFINITY);
}
