//! How near `gemm` comes to the machine's measured peak, and how it compares with the
//! `matrixmultiply` crate, on the shapes of a small network's training step.
//!
//! Each product is checked against the naive chain before the clock starts. Run it with
//! `cargo run --release -p elbo-kernels --example gemm_share -- [THREADS]`.

use std::time::Instant;

use elbo_kernels::{Isa, Mat, MatMut, Output, gemm, peak};

/// m, k, n, whether A and B are stored transposed.
const SHAPES: [(usize, usize, usize, bool, bool); 8] = [
    (1024, 1024, 1024, false, false),
    (128, 784, 256, false, false),
    (128, 784, 256, false, true),
    (784, 128, 256, true, false),
    (128, 256, 784, false, false),
    (20, 784, 200, false, false),
    (128, 256, 2, false, false),
    (48, 48, 48, false, false),
];

fn main() {
    let threads = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
    let isa = Isa::active();
    let peak = peak::gflops::<f32>(isa, threads);
    println!("{isa}, {threads} threads, measured peak {peak:.1} GFLOP/s in f32");
    println!("| m x k x n | GFLOP/s | share of peak | matrixmultiply, 1 thread | ratio |");
    println!("| --- | --- | --- | --- | --- |");
    for (m, k, n, a_transposed, b_transposed) in SHAPES {
        let a_data = numbers(m * k, 1);
        let b_data = numbers(k * n, 2);
        let a = if a_transposed { Mat::new(&a_data, k, m).t() } else { Mat::new(&a_data, m, k) };
        let b = if b_transposed { Mat::new(&b_data, n, k).t() } else { Mat::new(&b_data, k, n) };
        let mut c = vec![f32::NAN; m * n];
        let flops = 2.0 * (m * k * n) as f64;
        let own = pool
            .install(|| best_seconds(|| gemm(a, b, Output::Overwrite, MatMut::new(&mut c, m, n))));
        let element =
            |data: &[f32], cols: usize, rows: usize, transposed: bool, i: usize, j: usize| {
                if transposed { data[j * rows + i] } else { data[i * cols + j] }
            };
        for (i, j) in [(0, 0), (m / 2, n / 3), (m - 1, n - 1)] {
            let chain = (0..k).fold(0.0f32, |acc, p| {
                let a = element(&a_data, k, m, a_transposed, i, p);
                a.mul_add(element(&b_data, n, k, b_transposed, p, j), acc)
            });
            assert_eq!(c[i * n + j].to_bits(), chain.to_bits(), "element ({i}, {j})");
        }
        let (ars, acs) = if a_transposed { (1, m) } else { (k, 1) };
        let (brs, bcs) = if b_transposed { (1, k) } else { (n, 1) };
        let peer = best_seconds(|| {
            // SAFETY: the pointers are to vectors of m·k, k·n and m·n elements, which these
            // strides address.
            unsafe {
                matrixmultiply::sgemm(
                    m,
                    k,
                    n,
                    1.0,
                    a_data.as_ptr(),
                    ars as isize,
                    acs as isize,
                    b_data.as_ptr(),
                    brs as isize,
                    bcs as isize,
                    0.0,
                    c.as_mut_ptr(),
                    n as isize,
                    1,
                );
            }
        });
        println!(
            "| {m} x {k} x {n}{}{} | {:.1} | {:.0} % | {:.1} | {:.2} |",
            if a_transposed { ", A transposed" } else { "" },
            if b_transposed { ", B transposed" } else { "" },
            flops / own / 1e9,
            100.0 * flops / own / 1e9 / peak,
            flops / peer / 1e9,
            peer / own,
        );
    }
}

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

/// The shortest time of a call, among those that fit a fraction of a second.
fn best_seconds(mut call: impl FnMut()) -> f64 {
    call();
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed().as_secs_f64() < 0.3 {
        let start = Instant::now();
        call();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
