//! The inverse of the standard normal distribution function.

/// The quantile z with Φ(z) = p, where Φ is the distribution function of N(0, 1).
///
/// Evenly spaced p give z that cover the prior evenly, which is how a two-dimensional latent space
/// is laid out as a manifold of images.
///
/// `p = 0` gives −∞ and `p = 1` gives ∞; anything outside [0, 1], and NaN, gives NaN.
///
/// The method is Wichura's PPND16: rational approximations of degree 7 over 7, in (p − ½)² near
/// the middle and in √(−ln min(p, 1 − p)) in the tails, with a relative error of about 1e-16.
///
/// Source: M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution",
/// Applied Statistics 37 (1988), 477–484. The coefficients are the paper's, rounded to `f64`.
///
/// ```
/// use elbo::distributions::normal_quantile::normal_quantile;
///
/// assert_eq!(normal_quantile(0.5), 0.0);
/// assert!((normal_quantile(0.975) - 1.959963984540054).abs() < 1e-15);
/// ```
pub fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let from_middle = p - 0.5;
    if from_middle.abs() <= 0.425 {
        let r = 0.425 * 0.425 - from_middle * from_middle;
        return from_middle * horner(&MIDDLE.0, r) / horner(&MIDDLE.1, r);
    }
    let tail = p.min(1.0 - p);
    if tail == 0.0 {
        return f64::INFINITY.copysign(from_middle);
    }
    let r = (-tail.ln()).sqrt();
    let z = if r <= 5.0 {
        horner(&TAIL.0, r - 1.6) / horner(&TAIL.1, r - 1.6)
    } else {
        horner(&FAR_TAIL.0, r - 5.0) / horner(&FAR_TAIL.1, r - 5.0)
    };
    z.copysign(from_middle)
}

/// The polynomial with these coefficients, the constant first, at `x`.
fn horner(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &coefficient| sum * x + coefficient)
}

/// Coefficients of a numerator and a denominator, the constant first.
type Rational = ([f64; 8], [f64; 8]);

/// |p − ½| ≤ 0.425, in r = 0.425² − (p − ½)²: the paper's a and b.
const MIDDLE: Rational = (
    [
        3.3871328727963665,
        133.14166789178438,
        1971.5909503065513,
        13731.69376550946,
        45921.95393154987,
        67265.7709270087,
        33430.57558358813,
        2509.0809287301227,
    ],
    [
        1.0,
        42.31333070160091,
        687.1870074920579,
        5394.196021424751,
        21213.794301586597,
        39307.89580009271,
        28729.085735721943,
        5226.495278852854,
    ],
);

/// √(−ln p) ≤ 5, in √(−ln p) − 1.6: the paper's c and d.
const TAIL: Rational = (
    [
        1.4234371107496835,
        4.630337846156546,
        5.769497221460691,
        3.6478483247632045,
        1.2704582524523684,
        0.2417807251774506,
        0.022723844989269184,
        0.0007745450142783414,
    ],
    [
        1.0,
        2.053191626637759,
        1.6763848301838038,
        0.6897673349851,
        0.14810397642748008,
        0.015198666563616457,
        0.0005475938084995345,
        1.0507500716444169e-09,
    ],
);

/// √(−ln p) > 5, in √(−ln p) − 5: the paper's e and f.
const FAR_TAIL: Rational = (
    [
        6.657904643501103,
        5.463784911164114,
        1.7848265399172913,
        0.29656057182850487,
        0.026532189526576124,
        0.0012426609473880784,
        2.7115555687434876e-05,
        2.0103343992922881e-07,
    ],
    [
        1.0,
        0.599832206555888,
        0.1369298809227358,
        0.014875361290850615,
        0.0007868691311456133,
        1.8463183175100548e-05,
        1.421511758316446e-07,
        2.0442631033899397e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::{PI, SQRT_2};

    /// Φ(z) for z ≤ 0, from the power series near 0 and from Laplace's continued fraction
    /// φ(z) / (|z| + 1/(|z| + 2/(|z| + 3/(|z| + ...)))) further out.
    fn lower_cdf(z: f64) -> f64 {
        let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
        // Below, 0.5 and the sum would cancel more digits than the fraction loses.
        if z > -1.0 {
            let terms = (1..100).scan(z, |term, k| {
                let current = *term;
                *term *= z * z / f64::from(2 * k + 1);
                Some(current)
            });
            0.5 + density * terms.sum::<f64>()
        } else {
            density / (1..=400).rev().fold(-z, |rest, k| -z + f64::from(k) / rest)
        }
    }

    #[test]
    fn known_values_to_the_last_digits() {
        // 20 digits by Newton's method in 50-digit arithmetic.
        let known = [
            (0.975, 1.9599639845400538),
            (0.9, 1.2815515655446006),
            (0.6, 0.2533471031357997),
            (0.925, 1.4395314709384561),
            (0.5625, 0.1573106846101707),
            (0.075, -1.439531470938456),
            (0.07, -1.4757910281791706),
            (0.01, -2.326347874040841),
            (1e-6, -4.753424308822899),
            (1e-11, -6.706023155495136),
            (1.3e-11, -6.667611456510741),
            (1e-20, -9.262340089798407),
            (1e-100, -21.273453560965326),
            (1e-300, -37.0470962993612),
        ];
        for (p, z) in known {
            let got = normal_quantile(p);
            assert!((got - z).abs() <= 4.0 * f64::EPSILON * f64::abs(z), "{p}: {got}, not {z}");
        }
    }

    #[test]
    fn the_edges_are_infinite_and_beyond_them_there_is_nothing() {
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert_eq!(normal_quantile(0.5), 0.0);
        for p in [-1e-300, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(normal_quantile(p).is_nan(), "{p}");
        }
        assert!(normal_quantile(f64::MIN_POSITIVE).is_finite());
        assert!(normal_quantile(1.0 - f64::EPSILON / 2.0).is_finite());
    }

    #[test]
    fn the_oracle_knows_one_sigma() {
        // Φ(-1) and Φ(-√2 erfinv(½)) = 1/4
        assert!((lower_cdf(-1.0) - 0.158_655_253_931_457_05).abs() < 1e-16);
        assert!((lower_cdf(-SQRT_2 * 0.476_936_276_204_469_9) - 0.25).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn the_distribution_function_leads_back(exponent in 0.31..300.0_f64) {
            let p = 10_f64.powf(-exponent);
            let z = normal_quantile(p);
            // Φ'/Φ is about |z| far out, so an error of one ulp in z is z² ulps in Φ.
            let tolerance = 8.0 * f64::EPSILON * (1.0 + z * z);
            let relative = (lower_cdf(z) - p).abs() / p;
            prop_assert!(relative <= tolerance, "{}: off by {}", p, relative);
        }

        #[test]
        fn it_is_odd_about_one_half(numerator in 1_u32..=1 << 19) {
            let p = f64::from(numerator) / f64::from(1_u32 << 20);
            prop_assert_eq!(normal_quantile(p), -normal_quantile(1.0 - p));
        }

        #[test]
        fn it_grows_with_p(a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
            prop_assume!(a < b);
            prop_assert!(normal_quantile(a) <= normal_quantile(b));
        }
    }
}
