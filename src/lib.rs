//! Variational autoencoders on a CPU, every layer and gradient written by hand.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod data;
