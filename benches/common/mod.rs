//! What the benchmarks share: a process for each number of threads, and figures that hold on a
//! machine that others use too.

use std::{
    collections::BTreeSet,
    env,
    num::NonZero,
    process::{Command, exit},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use criterion::Criterion;
use elbo_kernels::{Isa, peak};

/// How many threads matrixmultiply may use; it reads this once in a process.
const THREADS_VARIABLE: &str = "MATMUL_NUM_THREADS";

/// Calls `measure` with 1 thread and with as many as there are processors, each in a process of
/// its own; or, where `MATMUL_NUM_THREADS` is set, with that number alone.
///
/// Rayon's global pool, with the calling thread in it, and matrixmultiply both have that number.
pub fn with_each_thread_count(measure: impl FnOnce(usize)) {
    let Some(threads) = env::var_os(THREADS_VARIABLE) else {
        let all = available_parallelism().map_or(1, NonZero::get);
        BTreeSet::from([1, all]).into_iter().for_each(run_in_a_process);
        return;
    };
    let threads = threads.to_str().and_then(|t| t.parse().ok()).filter(|&t| t > 0);
    let threads = threads.expect("MATMUL_NUM_THREADS is a positive number");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    pool.build_global().expect("the pool is built once");
    measure(threads);
}

fn run_in_a_process(threads: usize) {
    let program = env::current_exe().expect("a benchmark knows its own file");
    let mut command = Command::new(program);
    command.args(env::args_os().skip(1)).env(THREADS_VARIABLE, threads.to_string());
    if !command.status().expect("a benchmark can start itself").success() {
        exit(1);
    }
}

/// Criterion as the command line has it, with timings short enough to run all of them often.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
        .without_plots()
        .configure_from_args()
}

/// Whether times are asked for, or only the checks: `cargo test --benches` leaves out `--bench`.
pub fn is_timed() -> bool {
    let given = |argument: &str| env::args().any(|a| a == argument);
    given("--bench") && !given("--test")
}

/// Rounds in which [`rounds`] measures.
const ROUNDS: usize = 61;
/// What one call's share of a round lasts, if the call is not longer: less than the scheduler's
/// slice of a processor, so that most rounds go by undisturbed.
const ROUND: f64 = 1.5e-3;

/// The seconds that each of `calls` takes, in each of many short rounds.
///
/// Within a round the calls take turns, in alternating order, so that whatever else the machine
/// does meets all of them alike: a ratio is to be taken within a round.
pub fn rounds<const N: usize>(mut calls: [&mut (dyn FnMut() + Send); N]) -> [Vec<f64>; N] {
    let repeats = calls.each_mut().map(|call| {
        let trials: Vec<_> = (0..5).map(|_| seconds(call, 1)).collect();
        (ROUND / best(&trials)).ceil() as usize
    });
    let mut times = [const { Vec::new() }; N];
    for round in 0..ROUNDS {
        for i in 0..N {
            let i = if round % 2 == 0 { i } else { N - 1 - i };
            times[i].push(seconds(calls[i], repeats[i]));
        }
    }
    times
}

/// The mean seconds of a call over `repeats` calls.
fn seconds(call: &mut dyn FnMut(), repeats: usize) -> f64 {
    let start = Instant::now();
    (0..repeats).for_each(|_| call());
    start.elapsed().as_secs_f64() / repeats as f64
}

/// The fastest round.
pub fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
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
    println!("times are the best of {ROUNDS} rounds, ratios the median over rounds of both");
}
