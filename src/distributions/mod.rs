//! Densities, their gradients and their quantiles.

pub mod normal_quantile;
