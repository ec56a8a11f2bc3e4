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
    /// 2.
    const TWO: Self;
    /// 1/2.
    const HALF: Self;
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
    /// |self| with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;

    /// For `t = n + MATH.rounder` with an integer n: 2^⌊n/2⌋, 2^⌈n/2⌉ and 2^-⌈n/2⌉.
    ///
    /// Two factors, because 2^n itself may be out of range where a product with it is not.
    fn powers_of_two(t: Self) -> [Self; 3];

    /// (k, m) with `u = 2^k · m` and √½ ≤ m < √2, for a positive normal `u`.
    fn split_exponent(u: Self) -> (Self, Self);
}

/// The constants of one element type's polynomials.
#[derive(Clone, Copy, Debug)]
pub struct MathConstants<T: 'static> {
    /// 1.5 · 2^(mantissa bits): adding it rounds a small number to an integer, which then stands
    /// in the low bits of the sum.
    pub rounder: T,
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
    /// 1/2!, 1/3!, …: eʳ = 1 + r + r²·Σᵢ cᵢ·rⁱ for |r| ≤ ln(2)/2.
    pub exp_terms: &'static [T],
    /// 2/3, 2/5, …: 2·atanh(s) = 2s + s·Σᵢ cᵢ·s²⁽ⁱ⁺¹⁾ for |s| ≤ 3 − 2√2.
    pub atanh_terms: &'static [T],
}

macro_rules! scalar {
    ($T:ident, $Bits:ident, $math:expr) => {
        impl Scalar for $T {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const TWO: Self = 2.0;
            const HALF: Self = 0.5;
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
            fn copysign(self, sign: Self) -> Self {
                $T::copysign(self, sign)
            }

            #[inline(always)]
            fn powers_of_two(t: Self) -> [Self; 3] {
                const MANTISSA_BITS: u32 = $T::MANTISSA_DIGITS - 1;
                const BIAS: $Bits = $T::MAX_EXP as $Bits - 1;
                let n = t.to_bits().wrapping_sub(Self::MATH.rounder.to_bits());
                // Both halves of n + 2·BIAS are biased exponents, and never negative, so that
                // the shift need not be an arithmetic one (AVX2 has none for 64 bits).
                let twice_biased = n.wrapping_add(2 * BIAS);
                let floor = twice_biased >> 1;
                let ceil = twice_biased.wrapping_sub(floor);
                [floor, ceil, (2 * BIAS).wrapping_sub(ceil)]
                    .map(|exponent| Self::from_bits(exponent << MANTISSA_BITS))
            }

            #[inline(always)]
            fn split_exponent(u: Self) -> (Self, Self) {
                const MANTISSA_BITS: u32 = $T::MANTISSA_DIGITS - 1;
                const MANTISSA: $Bits = (1 << MANTISSA_BITS) - 1;
                const BIAS: $Bits = $T::MAX_EXP as $Bits - 1;
                const SQRT_HALF: $Bits = std::$T::consts::FRAC_1_SQRT_2.to_bits();
                // Shifts √½ to 1, so that the exponent field changes at √½ and √2.
                let shifted = u.to_bits().wrapping_add((1.0 as $T).to_bits() - SQRT_HALF);
                let k = (shifted >> MANTISSA_BITS).wrapping_sub(BIAS);
                let rounder = Self::MATH.rounder;
                let k = Self::from_bits(rounder.to_bits().wrapping_add(k)) - rounder;
                (k, Self::from_bits((shifted & MANTISSA) + SQRT_HALF))
            }
        }
    };
}

scalar!(
    f32,
    u32,
    MathConstants {
        rounder: 12_582_912.0,
        log2_e: std::f32::consts::LOG2_E,
        ln_2_hi: 0.693_145_75,
        ln_2_lo: 1.428_606_8e-6,
        exp_min: -105.0,
        exp_max: 89.0,
        exp_terms: &[1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0],
        atanh_terms: &[2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0],
    }
);

scalar!(
    f64,
    u64,
    MathConstants {
        rounder: 6_755_399_441_055_744.0,
        log2_e: std::f64::consts::LOG2_E,
        ln_2_hi: 6.931_471_803_691_238e-1,
        ln_2_lo: 1.908_214_929_270_587_7e-10,
        exp_min: -746.0,
        exp_max: 710.0,
        exp_terms: &[
            1.0 / 2.0,
            1.0 / 6.0,
            1.0 / 24.0,
            1.0 / 120.0,
            1.0 / 720.0,
            1.0 / 5_040.0,
            1.0 / 40_320.0,
            1.0 / 362_880.0,
            1.0 / 3_628_800.0,
            1.0 / 39_916_800.0,
            1.0 / 479_001_600.0,
            1.0 / 6_227_020_800.0,
        ],
        atanh_terms: &[
            2.0 / 3.0,
            2.0 / 5.0,
            2.0 / 7.0,
            2.0 / 9.0,
            2.0 / 11.0,
            2.0 / 13.0,
            2.0 / 15.0,
            2.0 / 17.0,
            2.0 / 19.0,
            2.0 / 21.0,
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
    fn powers_of_two_multiply_to_the_whole_power() {
        for n in -150_i32..=128 {
            let [floor, ceil, inverse] = f32::powers_of_two(n as f32 + f32::MATH.rounder);
            assert_eq!(f64::from(floor) * f64::from(ceil), 2f64.powi(n));
            assert_eq!(ceil * inverse, 1.0);
        }
        for n in -1076_i32..=1024 {
            let [floor, ceil, inverse] = f64::powers_of_two(f64::from(n) + f64::MATH.rounder);
            assert_eq!((floor.log2(), ceil.log2()), ((n >> 1).into(), (n - (n >> 1)).into()));
            assert_eq!(ceil * inverse, 1.0);
        }
    }

    #[test]
    fn split_exponent_gives_back_its_argument() {
        for n in -120_i32..=120 {
            for m in [0.71_f64, 0.99, 1.0, 1.01, 1.41] {
                let u = m * 2f64.powi(n);
                assert_eq!(f64::split_exponent(u), (n.into(), m));
                assert_eq!(f32::split_exponent(u as f32), (n as f32, m as f32));
            }
        }
    }
}
