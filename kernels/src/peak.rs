//! The speed of light of this machine: how many fused multiply-adds it does when nothing else is
//! asked of it. For benchmarks, which report their share of it.

use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::Barrier;
use std::thread::available_parallelism;
use std::time::Instant;

use crate::isa::{Isa, Kernel, KnownIsa};
use crate::scalar::Scalar;
use crate::simd::Vector;

/// The most GFLOP/s (a fused multiply-add counts as two) that `threads` threads reached together
/// in the best of several short runs, on values that never leave the registers. More threads than
/// the machine runs at once reach no more than those, and are not started.
///
/// # Panics
/// When this machine cannot run `isa`, or `threads` is 0.
pub fn gflops<T: Scalar>(isa: Isa, threads: usize) -> f64 {
    assert!(threads > 0, "peak: no threads");
    const RUNS: usize = 7;
    let threads = available_parallelism().map_or(threads, |most| threads.min(most.get()));
    (0..RUNS).map(|_| one_run::<T>(isa, threads)).fold(0.0, f64::max)
}

fn one_run<T: Scalar>(isa: Isa, threads: usize) -> f64 {
    const STEPS: usize = 1 << 18;
    let barrier = Barrier::new(threads);
    let timed = || {
        barrier.wait();
        let start = Instant::now();
        let flops = T::multiply_add(isa, STEPS);
        flops as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(timed)).collect();
        let own = timed();
        own + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// Chains of multiply-adds that don't depend on each other, each in a register of its own: enough
/// of them to hide the latency, for two a cycle that take four or five keep ten under way.
const CHAINS: usize = 12;

/// Runs `steps` rounds of chains on the registers V of the instruction set I; returns the
/// floating-point operations.
pub(crate) fn multiply_add<T: Scalar, I: KnownIsa, V: Vector<T>>(steps: usize) -> usize {
    I::run(Chains::<T, V> { steps, registers: PhantomData });
    2 * steps * CHAINS * V::LANES
}

struct Chains<T, V> {
    steps: usize,
    registers: PhantomData<(T, V)>,
}

impl<T: Scalar, V: Vector<T>> Kernel for Chains<T, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // SAFETY: this runs inside the shell of V's instruction set, whose registers hold at most 16
        // elements.
        unsafe {
            let factor = V::splat(black_box(T::HALF));
            let mut acc = [factor; CHAINS];
            for _ in 0..self.steps {
                for acc in &mut acc {
                    *acc = acc.mul_add(factor, factor);
                }
            }
            for acc in acc {
                acc.store(black_box(&mut [T::ZERO; 16]).as_mut_ptr());
            }
        }
    }
}
