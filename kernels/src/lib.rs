//! The numeric kernels of `elbo`: matrix multiplication, elementary functions, fused passes over
//! slices, and Adam's update. They know nothing of what they are used for.
//!
//! In reading order:
//!
//! - [`isa`]: one body of code, compiled for several instruction sets and chosen at run time;
//! - [`scalar`]: the two element types, `f32` and `f64`;
//! - [`math`]: exp, ln(1 + x), tanh, … as polynomials with stated error bounds;
//! - [`passes`]: those functions and others over slices, shared between threads;
//! - [`mod@gemm`]: C = A·B, blocked, packed where it pays; [`mat`]: the views it takes;
//! - [`mod@adam`], [`mod@one_moment`]: the optimisers' updates, each in one pass;
//! - [`mod@team`]: the threads that all of these share their work between;
//! - [`peak`]: what this machine could do at best, to measure against.
//!
//! # One result
//! Every function gives the same bits on any number of threads and any instruction set (where a
//! result is NaN it is NaN on all of them, with unspecified payload). Matrix products accumulate
//! in one fixed order, sums run over a fixed tree, and the functions are polynomials of explicit
//! fused multiply-adds.
//!
//! # Threads and memory
//! Large inputs are split over the current [`team`](mod@team) or, where there is none, over the
//! current rayon pool by `rayon::join`. Called from inside a pool,
//! nothing is allocated from the second call of a size on. Below a threshold, named beside each
//! kernel, a call stays on its thread.
//!
//! # Panics
//! Shapes that don't fit together are errors of the program and panic, before any output is
//! written (of several tensors, before any of that tensor's). Empty inputs are fine.

#![warn(missing_docs)]

pub mod adam;
pub mod gemm;
pub mod isa;
pub mod mat;
pub mod math;
pub mod one_moment;
pub mod passes;
pub mod peak;
pub mod scalar;
mod simd;
pub mod team;

pub use adam::{AdamStep, AdamTensor, adam};
pub use gemm::{Output, gemm, gemm_sparse};
pub use isa::{Isa, IsaError, Kernel};
pub use mat::{Mat, MatMut};
pub use one_moment::{MomentTensor, RmsPropStep, SgdStep, one_moment};
pub use scalar::Scalar;
