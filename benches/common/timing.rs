//! Figures that hold on a machine that others use too.

use std::time::Instant;

use elbo_kernels::{Isa, peak, team::team};
use elbo_peers::Peer;
use rayon::ThreadPool;

/// Something to be timed: the mean seconds of so many repetitions of it.
pub type Call<'a> = Box<dyn FnMut(usize) -> f64 + Send + 'a>;

/// Calls of `run` from this thread.
pub fn alone<'a>(mut run: impl FnMut() + Send + 'a) -> Call<'a> {
    Box::new(move |repeats| mean_seconds(&mut run, repeats))
}

/// Calls of `run` while a team of the current pool stands by, as the trainer has it. The team does
/// not outlast the round: its helpers would be in the way of a peer that takes the next turn.
pub fn in_team<'a>(mut run: impl FnMut() + Send + 'a) -> Call<'a> {
    Box::new(move |repeats| team(|| mean_seconds(&mut run, repeats)))
}

/// The same with a team of `pool`.
pub fn in_team_of<'a>(pool: &'a ThreadPool, run: impl FnMut() + Send + 'a) -> Call<'a> {
    let mut call = in_team(run);
    Box::new(move |repeats| pool.install(|| call(repeats)))
}

/// One call more comes first and does not count: the last turn was another's, so that operands
/// have left the caches, and threads have gone to sleep.
fn mean_seconds(run: &mut impl FnMut(), repeats: usize) -> f64 {
    run();
    let start = Instant::now();
    (0..repeats).for_each(|_| run());
    start.elapsed().as_secs_f64() / repeats as f64
}

/// Rounds that let a median settle, where a call takes a few milliseconds at most.
pub const ROUNDS: usize = 61;
/// What one call's share of a round lasts, if the call is not longer: less than the scheduler's
/// slice of a processor, so that most rounds go by undisturbed.
const ROUND: f64 = 1.5e-3;

/// The seconds that each of `calls` takes, in each of `count` rounds.
///
/// Within a round the calls take turns, in alternating order, so that whatever else the machine
/// does meets all of them alike: a ratio is to be taken within a round.
pub fn rounds(count: usize, mut calls: Vec<Call<'_>>) -> Vec<Vec<f64>> {
    let repeats: Vec<usize> = calls.iter_mut().map(repeats).collect();
    let mut times = vec![vec![]; calls.len()];
    for round in 0..count {
        for i in 0..calls.len() {
            let i = if round % 2 == 0 { i } else { calls.len() - 1 - i };
            times[i].push(calls[i](repeats[i]));
        }
    }
    times
}

/// How many times a call fits a round, once its first calls have warmed it up.
fn repeats(call: &mut Call<'_>) -> usize {
    let mut trials = vec![];
    while trials.len() < 5 && trials.iter().sum::<f64>() < 20.0 * ROUND {
        trials.push(call(1));
    }
    (ROUND / best(&trials)).ceil() as usize
}

/// The fastest round.
pub fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The speed of `own` over that of `peer`: the median over the rounds of both.
pub fn speed_ratio(own: &[f64], peer: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = peer.iter().zip(own).map(|(peer, own)| peer / own).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// [`speed_ratio`] of the first of `times` over each of the others.
pub fn speed_ratios(times: &[Vec<f64>]) -> Vec<f64> {
    times[1..].iter().map(|peer| speed_ratio(&times[0], peer)).collect()
}

/// GFLOP/s, a fused multiply-add being two operations.
pub fn gflops(multiply_adds: usize, seconds: f64) -> f64 {
    2e-9 * multiply_adds as f64 / seconds
}

/// The most GFLOP/s in f32 that `threads` threads of this machine reach, from registers alone.
pub fn measured_peak(threads: usize) -> f64 {
    peak::gflops::<f32>(Isa::active(), threads)
}

/// The heading of a table of figures.
pub fn print_heading(what: &str, threads: usize, peak: f64) {
    println!("\n{what}, f32, {threads} thread(s), {} kernels", Isa::active());
    println!("measured FMA peak of {threads} thread(s): {peak:.1} GFLOP/s");
}

/// The headings of a column for each peer.
pub fn peer_headings() -> String {
    Peer::ALL.iter().map(|peer| format!(" {:>1$}", peer.name(), width(*peer))).collect()
}

/// A ratio to each peer, below [`peer_headings`].
pub fn peer_columns(ratios: &[f64]) -> String {
    let peers = Peer::ALL.iter().zip(ratios);
    peers.map(|(peer, ratio)| format!(" {ratio:>0$.2}", width(*peer))).collect()
}

fn width(peer: Peer) -> usize {
    peer.name().len().max(6)
}
