//! The two element types, and what the polynomials of [`math`](crate::math) need to know of each.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::gemm::Tiled;

/// An element type of the kernels: [`f32`] or [`f64`]. Sealed.
pub trait Scalar:
    Tiled
    + Copy
    + Default
    + Debug
    + Display
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// 1/2.
    const HALF: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// The distance from 1 to the next number.
    const EPSILON: Self;
    /// +∞.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// What the polynomials need to know of this type.
    const MATH: MathConstants<Self>;

    /// The nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same value as an [`f64`].
    fn to_f64(self) -> f64;
    /// The same value, exactly.
    fn from_u8(x: u8) -> Self;
    /// `self · a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// √self, correctly rounded.
    fn sqrt(self) -> Self;
    /// |self|.
    fn abs(self) -> Self;
    /// −|self| if `sign` has a minus sign, else self.
    fn or_sign(self, sign: Self) -> Self;

    /// 2ⁿ⁺ᵏ for `t = MATH.rounder + k + n` with integers n and k, where that is a normal number.
    fn power_of_two(t: Self) -> Self;
    /// (n, m) with `self` = 2ⁿ·m and 1 ≤ m < 2, of a positive normal number.
    fn split(self) -> (Self, Self);
}

/// The constants of one element type's polynomials.
#[derive(Clone, Copy, Debug)]
pub struct MathConstants<T: 'static> {
    /// 1.5 · 2^(mantissa bits) + the exponent's bias: adding it to a small number rounds that to
    /// an integer n, and the low bits of the sum are the exponent field of 2ⁿ.
    pub rounder: T,
    /// k, by which exponents are moved to keep them in range.
    pub shift: T,
    /// 2ᵏ.
    pub up: T,
    /// 2⁻ᵏ.
    pub down: T,
    /// log₂ e.
    pub log2_e: T,
    /// The leading bits of ln 2, so few that an exponent times it is exact.
    pub ln_2_hi: T,
    /// ln 2 − `ln_2_hi`.
    pub ln_2_lo: T,
    /// eˣ rounds to 0 here and below.
    pub exp_min: T,
    /// eˣ overflows to ∞ here and above.
    pub exp_max: T,
    /// σ(x) rounds to 1 here and above.
    pub sigmoid_one: T,
    /// tanh(x/2) rounds to −1 here and below.
    pub tanh_min: T,
    /// eʳ = 1 + r + r²·Σᵢ cᵢ·rⁱ for |r| ≤ ln(2)/2; see `tests/golden/coefficients.py`.
    pub exp_terms: &'static [T],
    /// ln(1 + x) = x + x²·Σᵢ cᵢ·xⁱ for x in [0, 1]; see `tests/golden/coefficients.py`.
    pub ln_1p_terms: &'static [T],
    /// coth(x/2)/2 − 1/x = x·Σᵢ cᵢ·x²ⁱ for |x| < 1: Taylor's cᵢ = B₂ᵢ₊₂/(2i + 2)!, with B Bernoulli's
    /// numbers.
    pub langevin_terms: &'static [T],
    /// ln(sinh(x/2)/(x/2)) = x²·Σᵢ cᵢ·x²ⁱ for |x| < 1: the integral of the former.
    pub ln_sinhc_terms: &'static [T],
}

macro_rules! scalar {
    ($T:ident, $math:expr) => {
        impl Scalar for $T {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const HALF: Self = 0.5;
            const MIN_POSITIVE: Self = $T::MIN_POSITIVE;
            const EPSILON: Self = $T::EPSILON;
            const INFINITY: Self = $T::INFINITY;
            const NAN: Self = $T::NAN;
            const MATH: MathConstants<Self> = $math;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as Self
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn from_u8(x: u8) -> Self {
                Self::from(x)
            }

            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $T::mul_add(self, a, b)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                $T::sqrt(self)
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $T::abs(self)
            }

            #[inline(always)]
            fn or_sign(self, sign: Self) -> Self {
                Self::from_bits(self.to_bits() | (sign.to_bits() & (-0.0 as Self).to_bits()))
            }

            #[inline(always)]
            fn power_of_two(t: Self) -> Self {
                Self::from_bits(t.to_bits() << ($T::MANTISSA_DIGITS - 1))
            }

            #[inline(always)]
            fn split(self) -> (Self, Self) {
                const MANTISSA: u32 = $T::MANTISSA_DIGITS - 1;
                const EXPONENT_BITS: $T = $T::INFINITY;
                // A number whose last bits count ones: with the exponent's field there, it is that
                // much larger.
                let counter: $T = (1u64 << MANTISSA) as $T;
                let field = self.to_bits() >> MANTISSA;
                let bias = ($T::MAX_EXP - 1) as $T;
                let n = Self::from_bits(counter.to_bits() | field) - (counter + bias);
                let m = self.to_bits() & !EXPONENT_BITS.to_bits();
                (n, Self::from_bits(m | (1.0 as $T).to_bits()))
            }
        }
    };
}

scalar!(
    f32,
    MathConstants {
        rounder: 12_582_912.0 + 127.0,
        shift: 64.0,
        up: 1.844_674_4e19,
        down: 5.421_011e-20,
        log2_e: std::f32::consts::LOG2_E,
        ln_2_hi: 0.693_145_75,
        ln_2_lo: 1.428_606_8e-6,
        exp_min: -105.0,
        exp_max: 89.0,
        sigmoid_one: 18.0,
        tanh_min: -20.0,
        exp_terms: &[0.499_999_97, 0.166_665_43, 0.041_667_2, 0.008_366_514, 0.001_388_253_2],
        ln_1p_terms: &[
            -0.499_999_3,
            0.333_304_64,
            -0.249_580_19,
            0.196_921_02,
            -0.153_448_8,
            0.106_611_28,
            -0.057_457_23,
            0.020_086_242,
            -0.003_290_468_6
        ],
        langevin_terms: &[
            8.333_333_6e-2,
            -1.388_888_9e-3,
            3.306_878_4e-5,
            -8.267_196e-7,
            2.087_675_6e-8
        ],
        ln_sinhc_terms: &[
            4.166_666_8e-2,
            -3.472_222_3e-4,
            5.511_463_8e-6,
            -1.033_399_5e-7,
            2.087_675_6e-9
        ],
    }
);

scalar!(
    f64,
    MathConstants {
        rounder: 6_755_399_441_055_744.0 + 1023.0,
        shift: 512.0,
        up: 1.340_780_792_994_259_7e154,
        down: 7.458_340_731_200_207e-155,
        log2_e: std::f64::consts::LOG2_E,
        ln_2_hi: 6.931_471_803_691_238e-1,
        ln_2_lo: 1.908_214_929_270_587_7e-10,
        exp_min: -746.0,
        exp_max: 710.0,
        sigmoid_one: 38.0,
        tanh_min: -40.0,
        exp_terms: &[
            0.500_000_000_000_000_6,
            0.166_666_666_666_665_9,
            0.041_666_666_666_576_826,
            0.008_333_333_333_389_45,
            0.001_388_888_893_153_832,
            0.000_198_412_697_192_202_76,
            2.480_150_530_828_513_2e-5,
            2.755_740_737_633_297_7e-6,
            2.762_602_336_854_447e-7,
            2.505_381_643_484_867_7e-8
        ],
        ln_1p_terms: &[
            -0.499_999_999_999_994_6,
            0.333_333_333_332_352_54,
            -0.249_999_999_936_855_6,
            0.199_999_997_915_273_62,
            -0.166_666_625_013_974_56,
            0.142_856_589_250_098_1,
            -0.124_994_798_040_677_34,
            0.111_075_069_770_300_28,
            -0.099_810_187_721_086_44,
            0.090_131_654_304_629_44,
            -0.080_812_399_477_784_18,
            0.070_355_966_779_054_52,
            -0.057_502_842_570_311_33,
            0.042_301_095_195_586_58,
            -0.026_744_853_081_385_123,
            0.013_839_197_521_758_658,
            -0.005_543_411_472_239_519,
            0.001_595_844_840_206_337_8,
            -0.000_291_783_119_853_241_2,
            2.533_208_484_718_764e-5
        ],
        langevin_terms: &[
            8.333_333_333_333_333e-2,
            -1.388_888_888_888_889e-3,
            3.306_878_306_878_307e-5,
            -8.267_195_767_195_768e-7,
            2.087_675_698_786_81e-8,
            -5.284_190_138_687_493e-10,
            1.338_253_653_068_467_9e-11,
            -3.389_680_296_322_582_7e-13,
            8.586_062_056_277_845e-15,
            -2.174_868_698_558_062e-16
        ],
        ln_sinhc_terms: &[
            4.166_666_666_666_666_4e-2,
            -3.472_222_222_222_222_4e-4,
            5.511_463_844_797_178_5e-6,
            -1.033_399_470_899_471e-7,
            2.087_675_698_786_81e-9,
            -4.403_491_782_239_578e-11,
            9.558_954_664_774_77e-13,
            -2.118_550_185_201_614_2e-14,
            4.770_034_475_709_914e-16,
            -1.087_434_349_279_031e-17
        ],
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    /// n · ln_2_hi is exact for every exponent n that occurs, as the reduction of exp needs.
    #[test]
    fn an_exponent_times_the_leading_bits_of_ln_2_is_exact() {
        assert!(f32::MATH.ln_2_hi.to_bits().trailing_zeros() >= 8);
        assert!(f64::MATH.ln_2_hi.to_bits().trailing_zeros() >= 11);
        let sum = f64::from(f32::MATH.ln_2_hi) + f64::from(f32::MATH.ln_2_lo);
        assert!((sum - std::f64::consts::LN_2).abs() < 2f64.powi(-43));
        assert_eq!(f64::MATH.ln_2_hi + f64::MATH.ln_2_lo, std::f64::consts::LN_2);
    }

    #[test]
    fn a_number_splits_into_its_power_of_two_and_the_rest() {
        for n in -126_i32..=127 {
            for m in [1.0, 1.25, 1.999_999_9_f32] {
                assert_eq!((m * 2f32.powi(n)).split(), (n as f32, m));
            }
        }
        for n in -1022_i32..=1023 {
            for m in [1.0, 1.25, 2.0 - f64::EPSILON] {
                assert_eq!((m * 2f64.powi(n)).split(), (f64::from(n), m));
            }
        }
    }

    #[test]
    fn a_power_of_two_is_made_of_a_rounded_sum() {
        for n in -126_i32..=127 {
            let t = n as f32 + 0.3 + f32::MATH.rounder;
            assert_eq!(f64::from(f32::power_of_two(t)), 2f64.powi(n));
        }
        for n in -1022_i32..=1023 {
            let t = f64::from(n) - 0.3 + f64::MATH.rounder;
            assert_eq!(f64::power_of_two(t), 2f64.powi(n));
        }
        assert_eq!((f32::MATH.up, f32::MATH.down), (2f32.powi(64), 2f32.powi(-64)));
        assert_eq!((f64::MATH.up, f64::MATH.down), (2f64.powi(512), 2f64.powi(-512)));
    }
}
