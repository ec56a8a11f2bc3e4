//! What trained models are put to: one file or folder per use.

pub mod anomaly;
