//! Optimisers, and what changes while they run.
//!
//! | what | where |
//! | --- | --- |
//! | how the weights move, given the gradient | [`Adam`], [`Sgd`], [`RmsProp`]; [`Optimiser`] is any of them |
//! | a limit on the gradient | [`clip_norm`] |
//! | the learning rate, epoch by epoch | [`Schedule`] |
//! | the weight of the divergence | [`WarmUp`] |

mod adam;
mod clip;
mod one_moment;
mod optimiser;
mod schedule;
mod warm_up;

pub use adam::{Adam, Decay};
pub use clip::clip_norm;
pub use one_moment::{RmsProp, Sgd};
pub use optimiser::{Kind, Optimiser, Settings};
pub use schedule::{Schedule, Stage};
pub use warm_up::WarmUp;
