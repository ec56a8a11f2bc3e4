//! What trained models are good for, one room for each use.

pub mod anomaly;
pub mod completion;
pub mod probe;
pub mod repair;
pub mod semi;
