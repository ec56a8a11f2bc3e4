//! Passes over slices: element-wise functions, their backward halves, and reductions.
//!
//! A matrix is a slice of rows that follow each other; the row's length comes from another
//! argument. Backward passes take the *output* y of their forward pass and multiply the arriving
//! gradient `d` by the derivative, in place.

mod elementwise;
mod logistic;
mod reductions;
mod rows;
mod split;

pub use elementwise::{
    bytes_to_unit, continuous_bernoulli_mean, exp, exp_m1, relu, relu_backward, sigmoid,
    sigmoid_backward, softplus, softplus_backward, tanh, tanh_backward,
};
pub use logistic::{continuous_bernoulli_loss, logistic_loss};
pub use reductions::{all_finite, sum, sum_squares};
pub use rows::sum_rows;

pub(crate) use split::{Pass, dispatch};

/// Elements per task of a pass that computes little, and so waits for memory.
pub(crate) const LIGHT: usize = 1 << 13;
/// Elements per task of a pass that evaluates an elementary function.
pub(crate) const HEAVY: usize = 1 << 11;
/// Elements that a pass of several loops takes through all of them at a time: few enough to stay
/// in the first cache, with what is kept between the loops.
const BLOCK: usize = 512;
