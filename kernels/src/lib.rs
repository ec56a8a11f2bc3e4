//! Numeric kernels.
#![warn(missing_docs)]
