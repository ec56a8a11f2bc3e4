//! What the benchmarks share.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub mod products;
pub mod timing;
pub mod workloads;

use std::{
    collections::BTreeSet,
    env,
    num::NonZero,
    process::{Command, exit},
    thread::available_parallelism,
    time::Duration,
};

use criterion::Criterion;

/// How many threads matrixmultiply may use; it reads this once in a process.
const THREADS_VARIABLE: &str = "MATMUL_NUM_THREADS";

/// Calls `measure` with 1 thread and with as many as there are processors, each in a process of
/// its own; or, where `MATMUL_NUM_THREADS` is set, with that number alone.
///
/// Rayon's global pool, with the calling thread in it, and matrixmultiply both have that number.
pub fn with_each_thread_count(measure: impl FnOnce(usize)) {
    let Some(threads) = env::var_os(THREADS_VARIABLE) else {
        BTreeSet::from([1, processors()]).into_iter().for_each(run_in_a_process);
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

/// How many threads run at once here.
pub fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Criterion as the command line has it, with timings short enough to run all of them often.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .sample_size(20)
        .without_plots()
        .configure_from_args()
}

/// Whether times are asked for, or only the checks: `cargo test --benches` leaves out `--bench`.
pub fn is_timed() -> bool {
    let given = |argument: &str| env::args().any(|a| a == argument);
    given("--bench") && !given("--test")
}
