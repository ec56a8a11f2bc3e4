//! A limit on the norm of the gradient.

use elbo_kernels::passes;

use super::Frozen;
use crate::{
    parameters::{Parameters, elements},
    real::Real,
};

/// Scales the gradient `d` by c/‖d‖ if its norm ‖d‖, over all parameters together that are not frozen, is
/// above c. Returns ‖d‖ as it was.
///
/// The direction stays, so that one bad batch makes a step of bounded length and no other. A norm that is
/// not finite leaves the gradient as it is: whatever broke it is to be seen.
///
/// Source: Pascanu, Mikolov & Bengio 2013, algorithm 1.
pub fn clip_norm<T: Real, M: Parameters<T>>(d: &mut M, max_norm: f64, frozen: &Frozen) -> f64 {
    let squares = frozen.rest(d.tensors()).map(|t| passes::sum_squares(elements(&t)).to_f64());
    let norm = squares.sum::<f64>().sqrt();
    if norm > max_norm && norm.is_finite() {
        let scale = T::from_f64(max_norm / norm);
        frozen.rest(d.tensors_mut()).for_each(|mut t| t.mapv_inplace(|g| g * scale));
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        layers::{Dense, Init},
        random::{self, Purpose},
    };

    /// A gradient whose elements are all ±2: twelve of them, of the norm √48.
    fn gradient() -> Dense<f64> {
        let mut d = Dense::new(3, 3, Init::Glorot, &mut random::rng(0, Purpose::Init, 0, 0));
        let mut sign = 2.0;
        d.tensors_mut().for_each(|mut t| {
            t.iter_mut().for_each(|v| {
                *v = sign;
                sign = -sign;
            });
        });
        d
    }

    #[test]
    fn a_gradient_above_the_limit_is_brought_to_it_in_its_direction() {
        let mut d = gradient();
        assert!((clip_norm(&mut d, 1.5, &Frozen::default()) - 48f64.sqrt()).abs() < 1e-12);
        let scale = 1.5 / 48f64.sqrt();
        for (clipped, whole) in d.tensors().zip(gradient().tensors()) {
            assert!((&clipped - &whole * scale).iter().all(|v| v.abs() < 1e-12));
        }
        assert!((clip_norm(&mut d, 9.0, &Frozen::default()) - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_gradient_below_the_limit_and_one_that_is_not_finite_stay_as_they_are() {
        let mut d = gradient();
        clip_norm(&mut d, 7.0, &Frozen::default());
        assert_eq!(d, gradient());
        d.bias[0] = f64::INFINITY;
        let broken = d.clone();
        assert_eq!(clip_norm(&mut d, 1.0, &Frozen::default()), f64::INFINITY);
        assert_eq!(d, broken);
    }
    #[test]
    fn what_is_frozen_counts_in_no_norm_and_is_not_scaled() {
        let (mut d, whole) = (gradient(), gradient());
        let frozen = Frozen::new(&d, |name| name == "weight");
        // Three elements are left, of the norm √12.
        assert!((clip_norm(&mut d, 1.5, &frozen) - 12f64.sqrt()).abs() < 1e-12);
        assert_eq!(d.weight, whole.weight);
        assert!((d.bias[0] - whole.bias[0] * 1.5 / 12f64.sqrt()).abs() < 1e-12);
    }
}
