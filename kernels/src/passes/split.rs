//! How passes are split over threads.

use crate::isa::{Isa, Kernel};

/// A pass over some units (elements, rows or columns) that don't depend on each other.
pub(crate) trait Pass: Kernel<Output = ()> + Send + Sized {
    /// The number of units.
    fn units(&self) -> usize;

    /// The first `mid` units, and the others.
    fn split_at(self, mid: usize) -> (Self, Self);
}

/// Runs `pass` on the active instruction set, in tasks of at most `task` units on the threads of
/// the pool if there are at least two tasks.
pub(crate) fn dispatch(pass: impl Pass, task: usize) {
    let isa = Isa::active();
    if pass.units() < 2 * task || rayon::current_num_threads() == 1 {
        isa.run(pass);
    } else {
        share(isa, pass, task);
    }
}

fn share(isa: Isa, pass: impl Pass, task: usize) {
    let tasks = pass.units().div_ceil(task);
    if tasks <= 1 {
        isa.run(pass);
    } else {
        let (one, other) = pass.split_at(tasks / 2 * task);
        rayon::join(|| share(isa, one, task), || share(isa, other, task));
    }
}
