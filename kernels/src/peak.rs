//! The speed of light of this machine: how many fused multiply-adds it does when nothing else is
//! asked of it. For benchmarks, which report their share of it.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread::available_parallelism;
use std::time::Instant;

use crate::isa::{Isa, Kernel};
use crate::scalar::Scalar;

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
        let flops = multiply_add::<T>(isa, STEPS);
        flops as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(timed)).collect();
        let own = timed();
        own + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// Runs `steps` rounds of 12 vectors of the instruction set; returns the floating-point operations.
fn multiply_add<T: Scalar>(isa: Isa, steps: usize) -> usize {
    match (isa, size_of::<T>()) {
        (Isa::Avx512, 4) => isa.run(Chains::<T, 12, 16> { steps, seed: T::HALF }),
        (Isa::Avx512, _) | (Isa::Avx2, 4) => isa.run(Chains::<T, 12, 8> { steps, seed: T::HALF }),
        _ => isa.run(Chains::<T, 12, 4> { steps, seed: T::HALF }),
    }
}

/// Chains of multiply-adds that don't depend on each other: CHAINS vectors of LANES elements, all
/// in registers, enough of them to hide the latency.
struct Chains<T, const CHAINS: usize, const LANES: usize> {
    steps: usize,
    seed: T,
}

impl<T: Scalar, const CHAINS: usize, const LANES: usize> Kernel for Chains<T, CHAINS, LANES> {
    /// The number of floating-point operations.
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let factor = black_box([self.seed; LANES]);
        let mut acc = [[self.seed; LANES]; CHAINS];
        for _ in 0..self.steps {
            for acc in &mut acc {
                for l in 0..LANES {
                    acc[l] = acc[l].mul_add(factor[l], factor[l]);
                }
            }
        }
        black_box(acc);
        2 * self.steps * CHAINS * LANES
    }
}
