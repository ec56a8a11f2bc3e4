//! The oracle that every rung is held against, and the clock.

use std::time::{Duration, Instant};

use elbo_kernels::{Isa, Kernel};

use crate::ladder::Rung;
use crate::rungs::Product;

/// u for f32: half the distance from 1 to the next number.
const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;

/// How closely a rung must agree with the oracle.
#[derive(Clone, Copy, PartialEq)]
pub enum Agreement {
    /// In every bit: its arithmetic is the oracle's.
    Exact,
    /// To 2·γₖ·Σ|a·b|, where γₖ = k·u / (1 − k·u) and u = 2⁻²⁴: a sum of k products is within
    /// γₖ·Σ|a·b| of its true value, however it is rounded on the way (Higham, "Accuracy and
    /// Stability of Numerical Algorithms", 2002, §3.1), and so are the rung's and the oracle's.
    Rounding,
}

/// Random operands of one shape, a place for C, and what it should be.
pub struct Problem {
    m: usize,
    k: usize,
    n: usize,
    a: Aligned,
    b: Aligned,
    c: Aligned,
    expected: Expected,
}

/// For each element of C: the chain of fused multiply-adds over p = 0, 1, …; and Σ|a·b|.
struct Expected {
    chain: Vec<f32>,
    magnitude: Vec<f64>,
}

impl Problem {
    pub fn new([m, k, n]: [usize; 3]) -> Self {
        let (a, b) = (Aligned::random(m * k, 1), Aligned::random(k * n, 2));
        let expected = Isa::active().run(Oracle { m, k, n, a: a.elements(), b: b.elements() });
        Self { m, k, n, a, b, c: Aligned::random(m * n, 3), expected }
    }

    pub fn multiply_adds(&self) -> usize {
        self.m * self.k * self.n
    }

    /// The mean seconds of a call of `rung`, over as many calls as [`READING`] takes.
    fn time(&mut self, rung: &Rung) -> f64 {
        let Self { m, k, n, ref a, ref b, ref mut c, .. } = *self;
        rung.enter(|| {
            let start = Instant::now();
            let mut calls = 0;
            while start.elapsed() < READING {
                let (a, b, c) = (a.elements(), b.elements(), c.elements_mut());
                (rung.run)(Product { m, k, n, a, b, c });
                calls += 1;
            }
            start.elapsed().as_secs_f64() / f64::from(calls)
        })
    }

    /// Calls `rung` and holds its result against the oracle; returns the seconds it took.
    pub fn check(&mut self, rung: &Rung) -> Result<f64, String> {
        self.c.elements_mut().fill(f32::NAN);
        let seconds = self.time(rung);
        let rounding = self.k as f64 * UNIT_ROUNDOFF;
        let tolerance = 2.0 * rounding / (1.0 - rounding);
        let Expected { chain, magnitude } = &self.expected;
        for (i, &found) in self.c.elements().iter().enumerate() {
            let expected = chain[i];
            let agrees = match rung.agreement {
                Agreement::Exact => found.to_bits() == expected.to_bits(),
                Agreement::Rounding => {
                    let difference = f64::from(found) - f64::from(expected);
                    difference.abs() <= tolerance * magnitude[i]
                }
            };
            if !agrees {
                let (name, row, col) = (&rung.name, i / self.n, i % self.n);
                return Err(format!("{name}: c[{row}][{col}] is {found:e}, not {expected:e}"));
            }
        }
        Ok(seconds)
    }
}

/// The definition once more, in the arithmetic of rung 3 and above.
struct Oracle<'a> {
    m: usize,
    k: usize,
    n: usize,
    a: &'a [f32],
    b: &'a [f32],
}

impl Kernel for Oracle<'_> {
    type Output = Expected;

    #[inline(always)]
    fn run(self) -> Expected {
        let Self { m, k, n, a, b } = self;
        let mut expected = Expected { chain: Vec::new(), magnitude: Vec::new() };
        for i in 0..m {
            for j in 0..n {
                let (mut chain, mut magnitude) = (0.0f32, 0.0);
                for p in 0..k {
                    let (a, b) = (a[i * k + p], b[p * n + j]);
                    chain = a.mul_add(b, chain);
                    magnitude += f64::from(a).abs() * f64::from(b).abs();
                }
                expected.chain.push(chain);
                expected.magnitude.push(magnitude);
            }
        }
        expected
    }
}

/// Elements that start on a cache line, in a buffer with room to spare: a vector that lies across
/// two lines costs a second access, which would blur what a rung gains.
struct Aligned {
    buffer: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` elements from −½ to ½: the upper bits of a linear congruential generator (Knuth's
    /// MMIX).
    fn random(len: usize, seed: u64) -> Self {
        const LINE: usize = 64;
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let buffer: Vec<_> = (0..len + LINE / size_of::<f32>()).map(|_| next()).collect();
        let start = buffer.as_ptr().align_offset(LINE);
        Self { buffer, start, len }
    }

    fn elements(&self) -> &[f32] {
        &self.buffer[self.start..][..self.len]
    }

    fn elements_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[self.start..][..self.len]
    }
}

/// How long each rung is measured, in all.
const BUDGET: Duration = Duration::from_millis(1200);
/// How long a rung is measured before it is the next one's turn.
const TURN: Duration = Duration::from_millis(20);
/// What a single call must take, or several together, for the clock to resolve it.
const READING: Duration = Duration::from_micros(100);

/// Checks every rung, then returns the seconds that the fastest call of each took.
///
/// The rungs take turns, so that whatever else the machine does meets all of them alike. Before
/// each round, `between` is called.
pub fn best_times(
    problem: &mut Problem,
    rungs: &[Rung],
    mut between: impl FnMut(),
) -> Result<Vec<f64>, String> {
    let mut best = rungs.iter().map(|rung| problem.check(rung)).collect::<Result<Vec<_>, _>>()?;
    let mut spent = vec![Duration::ZERO; rungs.len()];
    while spent.iter().any(|&spent| spent < BUDGET) {
        between();
        for (i, rung) in rungs.iter().enumerate() {
            if spent[i] >= BUDGET {
                continue;
            }
            let start = Instant::now();
            while start.elapsed() < TURN {
                best[i] = best[i].min(problem.time(rung));
            }
            spent[i] += start.elapsed();
        }
    }
    Ok(best)
}
