//! Optimisers, and what changes while they run.
//!
//! | what | where |
//! | --- | --- |
//! | how the weights move, given the gradient | [`Adam`], [`Sgd`], [`RmsProp`]; [`Optimiser`] is any of them |
//! | what does not move | [`Frozen`] |
//! | a limit on the gradient | [`clip_norm`] |
//! | the learning rate, epoch by epoch | [`Schedule`] |

mod adam;
mod clip;
mod frozen;
mod one_moment;
mod optimiser;
mod schedule;

pub use adam::{Adam, Decay};
pub use clip::clip_norm;
pub use frozen::Frozen;
pub use one_moment::{RmsProp, Sgd};
pub use optimiser::{Kind, Optimiser, Settings};
pub use schedule::{Schedule, Stage};
