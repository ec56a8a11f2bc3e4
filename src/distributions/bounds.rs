//! The range of a logarithm of a scale that a likelihood learns.

use crate::real::Real;

/// (s, ∂s/∂v) with s = clamp(v, low, high): the derivative is 1 within the bounds and 0 outside.
///
/// Whoever uses s in place of v throughout has a function of s, finite wherever v is led. NaN stays
/// NaN, so that a broken run is seen.
#[inline]
pub(super) fn clamp<T: Real>(v: T, low: T, high: T) -> (T, T) {
    // Two selections without branches, so that a loop over pixels vectorises.
    let at_least = if v < low { low } else { v };
    let s = if at_least > high { high } else { at_least };
    (s, if (v < low) | (v > high) { T::ZERO } else { T::ONE })
}

/// The standard deviation of a pixel that is known to one of the 256 grey levels, as a variance:
/// 1/255². Densities that learn a variance do not go below it: of data in steps of 1/255 nothing finer
/// can be said, while a density's logarithm grows without end as its variance falls to zero.
pub(super) const GREY_LEVEL_VARIANCE: f64 = 1.0 / (255.0 * 255.0);
