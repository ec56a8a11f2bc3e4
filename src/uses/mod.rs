//! What trained models are good for, one room for each use.

pub mod probe;
pub mod semi;
