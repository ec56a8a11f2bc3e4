//! A limit on the norm of the gradient.

use elbo_kernels::passes;

use crate::{
    parameters::{Parameters, elements},
    real::Real,
};

/// Scales the gradient `d` by c/‖d‖ if its norm ‖d‖, over all parameters together, is above c.
/// Returns ‖d‖ as it was.
///
/// The direction stays, so that one bad batch makes a step of bounded length and no other. A norm that is
/// not finite leaves the gradient as it is: whatever broke it is to be seen.
///
/// Source: Pascanu, Mikolov & Bengio 2013, algorithm 1.
pub fn clip_norm<T: Real, M: Parameters<T>>(d: &mut M, max_norm: f64) -> f64 {
    let squares = d.tensors().map(|t| passes::sum_squares(elements(&t)).to_f64());
    let norm = squares.sum::<f64>().sqrt();
    if norm > max_norm && norm.is_finite() {
        let scale = T::from_f64(max_norm / norm);
        d.tensors_mut().for_each(|mut t| t.mapv_inplace(|g| g * scale));
    }
    norm
}
