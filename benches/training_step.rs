//! One training step on MNIST, from bytes to updated weights: images per second, the share of the
//! machine's measured peak, and the whole step against other crates that do its matrix products
//! alone.
//!
//! Steps run in a team, as the trainer has them. That a first ELBO is a guess's, and that the
//! ELBO rises, is checked first. Criterion times elbo's step by itself; for the table at the end
//! elbo and the peers take turns in many short rounds.

mod common;

use common::{
    products::StepProducts,
    timing::{
        self, ROUNDS, alone, best, gflops, in_team, measured_peak, peer_columns, peer_headings,
        rounds, speed_ratios,
    },
    workloads::{KNOWS_NOTHING, Training, mnist, network, workloads},
};
use criterion::Criterion;
use elbo::{data::Images, recipe::Recipe};
use elbo_kernels::team::team;
use elbo_peers::Peer;

/// The first batch is as good as a guess, training improves on it, and the peers are given all
/// products of a step.
fn check(training: &mut Training<'_>, products: &StepProducts) {
    let first = training.step().elbo;
    assert!((first - KNOWS_NOTHING).abs() < 40.0, "the ELBO starts at {first}");
    let last = (0..50).map(|_| training.step().elbo).last();
    assert!(last.is_some_and(|last| last > first + 100.0), "the ELBO: {first}, then {last:?}");
    assert_eq!(products.multiply_adds(), training.multiply_adds());
}

/// One line of the closing table.
struct Line {
    recipe: Recipe,
    multiply_adds: usize,
    seconds: f64,
    /// The speed of elbo's whole step over that of each peer's products.
    ratios: Vec<f64>,
}

fn measure(
    criterion: &mut Criterion,
    recipe: Recipe,
    images: &Images,
    threads: usize,
) -> Option<Line> {
    let mut training = Training::new(&recipe, images);
    let products = StepProducts::new(&training.vae, recipe.batch_size);
    check(&mut training, &products);

    let mut selected = false;
    let id = format!("training step/{}/{threads} threads", recipe.name);
    criterion.bench_function(&id, |bencher| {
        selected = true;
        team(|| bencher.iter(|| training.step()));
    });

    (selected && common::is_timed()).then(|| {
        let multiply_adds = training.multiply_adds();
        let mut calls = vec![in_team(|| {
            training.step();
        })];
        for &peer in Peer::ALL {
            let mut products = products.clone();
            calls.push(alone(move || products.run(peer, threads)));
        }
        let times = rounds(ROUNDS, calls);
        Line { recipe, multiply_adds, seconds: best(&times[0]), ratios: speed_ratios(&times) }
    })
}

fn main() {
    common::with_each_thread_count(|threads| {
        let images = mnist();
        let mut criterion = common::criterion();
        let before = measured_peak(threads);
        let recipes = workloads().into_iter();
        let lines: Vec<_> =
            recipes.filter_map(|r| measure(&mut criterion, r, &images, threads)).collect();
        criterion.final_summary();
        if !lines.is_empty() {
            print_table(&lines, threads, before.max(measured_peak(threads)));
        }
    });
}

fn print_table(lines: &[Line], threads: usize, peak: f64) {
    timing::print_heading("one training step", threads, peak);
    println!("times are the best of {ROUNDS} rounds; GFLOP/s counts the matrix products alone,");
    println!("those with skipped zeros included");
    println!("last columns: speed of elbo's WHOLE step over that of another crate doing ONLY the");
    println!("matrix products of that step, median over the rounds of both\n");
    println!(
        "{:<16} {:<15} {:>5} {:>7} {:>8} {:>8} {:>8} {:>7}{}",
        "recipe",
        "network",
        "batch",
        "threads",
        "us/step",
        "images/s",
        "GFLOP/s",
        "of peak",
        peer_headings()
    );
    for Line { recipe, multiply_adds, seconds, ratios } in lines {
        let (name, network, batch) = (&recipe.name, network(recipe), recipe.batch_size);
        let (micros, images) = (1e6 * seconds, batch as f64 / seconds);
        let gflops = gflops(*multiply_adds, *seconds);
        let share = 100.0 * gflops / peak;
        println!(
            "{name:<16} {network:<15} {batch:>5} {threads:>7} {micros:>8.0} {images:>8.0} \
             {gflops:>8.1} {share:>6.1}%{}",
            peer_columns(ratios)
        );
    }
}
