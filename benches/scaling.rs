//! How cost grows as the work grows: with the width of the model, the size of a batch, the number
//! of threads, the number of images. `cargo bench --bench scaling` takes about two minutes.
//!
//! Steps run in a team, as the trainer has them. Widths and batches are compared by the fastest
//! step of each, as a share of the measured peak; threads and images by turns that they take in
//! rounds. Before, every size is checked to start as good as a guess, and threads to change no bit.

mod common;

use std::{collections::BTreeSet, ops::ControlFlow, time::Instant};

use common::{
    processors,
    timing::{self, Call, ROUNDS, best, gflops, in_team_of, measured_peak, rounds, speed_ratio},
    workloads::{KNOWS_NOTHING, Training, mnist, network, one_layer, workloads},
};
use elbo::{
    data::{Images, Pixels},
    objectives::Elbo,
    recipe::Recipe,
    training::Trainer,
};
use elbo_kernels::team::team;
use rayon::{ThreadPool, ThreadPoolBuilder};

const HIDDEN: [usize; 4] = [64, 256, 1024, 4096];
const BATCHES: [usize; 5] = [1, 16, 128, 1024, 4096];
/// Seconds for each pair of the two, or three steps where those take longer.
const BUDGET: f64 = 0.5;
/// Images in an epoch.
const IMAGES: [usize; 3] = [15_000, 30_000, 60_000];
/// Rounds of whole epochs, which take too long for many.
const EPOCH_ROUNDS: usize = 3;

fn main() {
    let images = mnist();
    check_threads(&images);
    if common::is_timed() {
        let all = pool(processors());
        all.install(|| time_sizes(&images));
        time_threads(&images);
        all.install(|| time_epochs(&images));
    } else {
        check_sizes(&images);
    }
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("the threads start")
}

/// The recipes of the other benchmarks, and one so small that threads have little to share.
fn recipes() -> impl Iterator<Item = Recipe> {
    workloads().into_iter().chain([one_layer(64, 16)])
}

fn check_sizes(images: &Images) {
    for (hidden, batch) in HIDDEN.into_iter().flat_map(|h| BATCHES.map(|b| (h, b))) {
        checked_training(hidden, batch, images);
    }
}

/// A training whose first batch was as good as a guess.
fn checked_training(hidden: usize, batch: usize, images: &Images) -> Training<'_> {
    let mut training = Training::new(&one_layer(hidden, batch), images);
    let elbo = training.step().elbo;
    let close = (elbo - KNOWS_NOTHING).abs() < 60.0;
    assert!(close, "hidden {hidden}, batch {batch}: the ELBO starts at {elbo}");
    training
}

/// The share of the peak that whole training steps reach, over width and batch.
fn time_sizes(images: &Images) {
    let threads = rayon::current_num_threads();
    let before = measured_peak(threads);
    let speeds = HIDDEN.map(|hidden| {
        BATCHES.map(|batch| {
            let mut training = checked_training(hidden, batch, images);
            gflops(training.multiply_adds(), team(|| best_step(&mut training)))
        })
    });
    let peak = before.max(measured_peak(threads));
    timing::print_heading("whole training steps of 784-hidden-20", threads, peak);
    println!("share of the peak that the matrix products of the best step reach\n");
    print!("{:<10}", "hidden");
    BATCHES.iter().for_each(|batch| print!(" {:>12}", format!("batch {batch}")));
    println!();
    for (hidden, speeds) in HIDDEN.iter().zip(speeds) {
        print!("{hidden:<10}");
        speeds.iter().for_each(|speed| print!(" {:>11.1}%", 100.0 * speed / peak));
        println!();
    }
}

/// The seconds of the fastest step.
fn best_step(training: &mut Training<'_>) -> f64 {
    let started = Instant::now();
    let mut times = vec![];
    while times.len() < 3 || started.elapsed().as_secs_f64() < BUDGET {
        let step = Instant::now();
        training.step();
        times.push(step.elapsed().as_secs_f64());
    }
    best(&times)
}

/// A pool with each number of threads worth a look: one, two, all processors, too many.
fn pools() -> Vec<(usize, ThreadPool)> {
    let counts = BTreeSet::from([1, 2, processors(), 2 * processors()]);
    counts.into_iter().map(|threads| (threads, pool(threads))).collect()
}

/// The number of threads changes no bit.
fn check_threads(images: &Images) {
    let pools = pools();
    for recipe in recipes() {
        let elbos = |(_, pool): &(usize, ThreadPool)| -> Vec<u64> {
            let mut training = Training::new(&recipe, images);
            let mut steps = || (0..3).map(|_| training.step().elbo.to_bits()).collect();
            pool.install(|| team(&mut steps))
        };
        let one = elbos(&pools[0]);
        pools[1..].iter().for_each(|pool| assert_eq!(elbos(pool), one, "{}", recipe.name));
    }
}

/// Images per second over those with one thread.
fn time_threads(images: &Images) {
    let pools = pools();
    println!("\ntraining steps with more threads, on {} processor(s)", processors());
    println!("images/s over those of one thread, median over {ROUNDS} rounds of all\n");
    print!("{:<16} {:<14} {:>5} {:>12}", "recipe", "network", "batch", "images/s, 1");
    pools[1..].iter().for_each(|(threads, _)| print!(" {:>10}", format!("{threads} threads")));
    println!();
    for recipe in recipes() {
        let (name, network, batch) = (&recipe.name, network(&recipe), recipe.batch_size);
        let calls = pools.iter().map(|(_, pool)| {
            let mut training = Training::new(&recipe, images);
            in_team_of(pool, move || {
                training.step();
            })
        });
        let times = rounds(ROUNDS, calls.collect());
        print!("{name:<16} {network:<14} {batch:>5} {:>12.0}", batch as f64 / best(&times[0]));
        times[1..].iter().for_each(|times_n| print!(" {:>10.2}", speed_ratio(times_n, &times[0])));
        println!();
    }
}

/// Images per second of whole epochs, over those of an epoch of all images.
fn time_epochs(images: &Images) {
    let parts = IMAGES.map(|count| first(images, count));
    println!("\nwhole epochs of more images, {} thread(s)", rayon::current_num_threads());
    println!("images/s over those of 60000 images, median over {EPOCH_ROUNDS} rounds of all\n");
    print!("{:<16} {:<14} {:>5} {:>15}", "recipe", "network", "batch", "images/s, 60000");
    IMAGES[..2].iter().for_each(|count| print!(" {count:>8}"));
    println!();
    for recipe in recipes() {
        let (name, network, batch) = (&recipe.name, network(&recipe), recipe.batch_size);
        let times = rounds(EPOCH_ROUNDS, parts.iter().map(|part| epochs(&recipe, part)).collect());
        // Seconds per image, so that epochs of different sizes compare.
        let [some, more, all] = [0, 1, 2].map(|i| -> Vec<f64> {
            times[i].iter().map(|seconds| seconds / IMAGES[i] as f64).collect()
        });
        print!("{name:<16} {network:<14} {batch:>5} {:>15.0}", 1.0 / best(&all));
        println!(" {:>8.2} {:>8.2}", speed_ratio(&some, &all), speed_ratio(&more, &all));
    }
}

/// The first `count` images.
fn first(images: &Images, count: usize) -> Images {
    let Pixels::Bytes(bytes) = images.pixels() else { unreachable!("MNIST is bytes") };
    let pixels = Pixels::Bytes(bytes[..count * images.pixels_per_image()].to_vec());
    Images::new(images.height(), images.width(), pixels).expect("MNIST has so many images")
}

/// An epoch of the library's own training loop, which makes its team itself. An epoch is long
/// enough to do without a call before it.
fn epochs<'a>(recipe: &Recipe, images: &'a Images) -> Call<'a> {
    let Recipe { batch_size, learning_rate, seed, .. } = *recipe;
    let model = recipe.mlp_vae::<f32>();
    let mut trainer = Trainer::new(model, Elbo, images, batch_size, learning_rate, seed);
    Box::new(move |repeats| {
        let start = Instant::now();
        for _ in 0..repeats {
            trainer.epoch(|_| ControlFlow::Continue(())).expect("it trains");
        }
        start.elapsed().as_secs_f64() / repeats as f64
    })
}
