//! One matrix product, from the definition to the tuned engine, rung by rung.
//!
//! ```text
//! cargo run --release -p elbo-kernels --example ladder [M K N]
//! ```
//!
//! Every rung computes the same C = A·B, is held against the definition, timed, and set beside
//! what the machine could do if its multipliers never had to wait. In reading order: `rungs` and
//! `tiles`, the ways to compute it; `ladder`, what there is to say of each; `measure`.

mod ladder;
mod measure;
mod rungs;
mod tiles;

use std::process::ExitCode;

use elbo_kernels::{Isa, peak};
use ladder::{Rung, ladder};
use measure::{Agreement, Problem, best_times};
use rayon::{ThreadPool, ThreadPoolBuilder};

const HELP: &str = "\
Multiplies two random matrices of f32 in nine ways, from three plain loops to the tuned engine, and
says how fast each of them is, and why.

Usage: cargo run --release -p elbo-kernels --example ladder [M K N]

  M K N   the shape: an M x K matrix times a K x N matrix, 512 512 512 if not given. A layer of an
          autoencoder, for instance, is 128 784 256.

Each rung is checked, then measured for about a second; but it is called twice at least, and so the
first one takes its time with large matrices.

  ELBO_ISA=portable|avx2|avx512   the instruction set of rungs 3 to 7 and 9
  RAYON_NUM_THREADS=...           the number of threads of rung 9
";

/// The largest M, K and N.
const MAX_DIMENSION: usize = 8192;
/// Columns of the output.
const WIDTH: usize = 100;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into()).collect();
    if args.iter().any(|arg: &String| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let isa = Isa::from_env().map_err(|error| error.to_string());
    let (shape, isa) = match parse(&args).and_then(|shape| Ok((shape, isa?))) {
        Ok(request) => request,
        Err(message) => {
            eprintln!("ladder: {message}");
            return ExitCode::from(2);
        }
    };
    match climb(shape, isa) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("ladder: {message}");
            ExitCode::FAILURE
        }
    }
}

/// M, K and N.
fn parse(args: &[String]) -> Result<[usize; 3], String> {
    let dimension = |arg: &String| match arg.parse() {
        Ok(dimension @ 1..=MAX_DIMENSION) => Ok(dimension),
        _ => Err(format!("{arg:?} is no number from 1 to {MAX_DIMENSION} (see --help)")),
    };
    match args {
        [] => Ok([512; 3]),
        [m, k, n] => Ok([dimension(m)?, dimension(k)?, dimension(n)?]),
        _ => Err(format!("expected M K N, or nothing, not {} arguments (see --help)", args.len())),
    }
}

/// Checks and measures all rungs; returns what to print, or which of them is wrong.
fn climb(shape: [usize; 3], isa: Isa) -> Result<String, String> {
    let (one, all) = (pool(1)?, pool(0)?);
    let rungs = ladder(isa, &one, &all);
    let mut problem = isa.scope(|| Problem::new(shape));
    let mut peaks =
        [&one, &all].map(|pool| Peak { threads: pool.current_num_threads(), gflops: 0.0 });
    eprintln!("checking and measuring {} rungs ...", rungs.len());
    let seconds = best_times(&mut problem, &rungs, || {
        for peak in &mut peaks {
            peak.gflops = peak.gflops.max(peak::gflops::<f32>(isa, peak.threads));
        }
    })?;
    let flops = 2.0 * problem.multiply_adds() as f64;
    let gflops: Vec<_> = seconds.iter().map(|seconds| flops / seconds / 1e9).collect();
    Ok(table(shape, isa, peaks, &rungs, &gflops))
}

/// What so many threads together do at best.
struct Peak {
    threads: usize,
    gflops: f64,
}

/// A pool of so many threads; of as many as rayon finds right, for 0.
fn pool(threads: usize) -> Result<ThreadPool, String> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| format!("no threads: {error}"))
}

fn table(
    [m, k, n]: [usize; 3],
    isa: Isa,
    peaks: [Peak; 2],
    rungs: &[Rung],
    gflops: &[f64],
) -> String {
    let arch = std::env::consts::ARCH;
    let mut lines = vec![
        format!(
            "C = A·B in f32, A {m} x {k}, B {k} x {n}; {isa}, but rungs 1 and 2 for any {arch}."
        ),
        "A multiply-add counts as two operations.".to_owned(),
    ];
    for Peak { threads, gflops } in &peaks {
        lines.push(format!("measured peak of {threads} thread(s): {gflops:.1} GFLOP/s"));
    }
    lines.push(format!(
        "\n{:<45}{:>9}{:>10}{:>11}{:>11}{:>10}",
        "rung", "GFLOP/s", "of peak", "x rung 1", "x before", "checked"
    ));
    for (rung, &speed) in rungs.iter().zip(gflops) {
        let threads = rung.pool.current_num_threads();
        let peak = peaks.iter().find(|peak| peak.threads == threads).map_or(f64::NAN, |p| p.gflops);
        let before = rungs.iter().rposition(|other| other.number < rung.number);
        lines.push(format!(
            "{:<3}{:<42}{speed:>9.1}{:>9.1}%{:>11.1}{:>11}{:>10}",
            rung.number,
            rung.name,
            100.0 * speed / peak,
            speed / gflops[0],
            before.map_or("-".to_owned(), |before| format!("{:.2}", speed / gflops[before])),
            match rung.agreement {
                Agreement::Exact => "bits",
                Agreement::Rounding => "2γₖ",
            },
        ));
        lines.extend(wrap(rung.why, WIDTH - 3).into_iter().map(|line| format!("   {line}")));
    }
    lines.push(LEGEND.to_owned());
    lines.join("\n")
}

const LEGEND: &str = "
of peak    of the fused multiply-adds its threads do in registers, with nothing to load or store
x before   speed over the rung before; of rung 9, over rung 8 on the same instructions
checked    against one chain of fused multiply-adds per element: equal in every bit, or to the
           rounding errors of both, 2γₖ·Σ|a·b| (Higham 2002, section 3.1)

Times are those of the fastest call. A busy machine seldom leaves a long call undisturbed: it slows
the slow rungs most.

Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 34(3), 2008
Van Zee & van de Geijn, BLIS: A Framework for Rapidly Instantiating BLAS Functionality, ACM
TOMS 41(3), 2015
Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM, 2002
";

/// `text` in lines of at most `width` characters, broken at spaces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_agrees_with_the_oracle_on_odd_shapes() {
        let (one, all) = (pool(1).unwrap(), pool(3).unwrap());
        let edges = [[1, 1, 1], [6, 1, 16], [5, 300, 15], [7, 13, 17], [13, 65, 49]];
        let blocks = [[101, 257, 35], [128, 784, 64], [9, 70, 1041]];
        for shape in edges.into_iter().chain(blocks) {
            let mut problem = Problem::new(shape);
            for isa in Isa::available() {
                for rung in ladder(isa, &one, &all) {
                    assert_eq!(problem.check(&rung).err(), None, "{shape:?} on {isa}");
                }
            }
        }
    }

    #[test]
    fn a_shape_is_three_positive_numbers_or_none() {
        let parse =
            |args: &str| parse(&args.split_whitespace().map(String::from).collect::<Vec<_>>());
        assert_eq!(parse(""), Ok([512; 3]));
        assert_eq!(parse("128 784 256"), Ok([128, 784, 256]));
        for wrong in ["1", "1 2", "1 2 3 4", "0 1 1", "1 -1 1", "1 1 x", "1 1 8193"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
