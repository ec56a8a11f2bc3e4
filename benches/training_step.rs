//! One training step on MNIST, from bytes to updated weights: images per second, and the share of
//! the machine's measured peak.

mod common;

use std::path::Path;

use common::{best, gflops, measured_peak};
use criterion::Criterion;
use elbo::{
    data::{self, Images, Part},
    layers::{Activation, Mlp},
    models::{Decoder, MlpVae, Workspace},
    objectives::{Elbo, Figures},
    optim::Adam,
    parameters::Parameters,
    random::{self, Purpose},
    recipe::Recipe,
};
use elbo_kernels::team::team;

type MlpWorkspace = Workspace<f32, Mlp<f32>, Decoder<f32, Mlp<f32>>>;

/// Nats per image of a decoder that knows nothing: every pixel is a fair coin.
const KNOWS_NOTHING: f64 = -784.0 * std::f64::consts::LN_2;

/// A model in training, as the library's trainer has it, one step at a time.
struct Training<'a> {
    images: &'a Images,
    order: Vec<usize>,
    batch_size: usize,
    start: usize,
    seed: u64,
    vae: MlpVae<f32>,
    adam: Adam<MlpVae<f32>>,
    gradient: MlpVae<f32>,
    workspace: MlpWorkspace,
}

impl<'a> Training<'a> {
    fn new(recipe: &Recipe, images: &'a Images) -> Self {
        let vae = recipe.model();
        let mut order = vec![0; images.len()];
        random::shuffle(&mut order, recipe.seed, 1);
        Self {
            images,
            order,
            batch_size: recipe.batch_size,
            start: 0,
            seed: recipe.seed,
            adam: Adam::new(&vae, recipe.learning_rate),
            gradient: vae.zeros_like(),
            workspace: vae.workspace(recipe.batch_size),
            vae,
        }
    }

    /// Bytes -> floats, noise, forward, backward, Adam.
    fn step(&mut self) -> Figures {
        let indices = &self.order[self.start..self.start + self.batch_size];
        let (w, d) = (&mut self.workspace, &mut self.gradient);
        self.images.gather(indices, &mut w.signals.x);
        let noise = indices.iter().copied();
        random::fill_normal(&mut w.signals.eps, self.seed, Purpose::TrainNoise, 1, noise);
        let figures = self.vae.gradient(&Elbo, w, d);
        self.adam.step(&mut self.vae, d);
        let next = self.start + self.batch_size;
        self.start = if next + self.batch_size > self.order.len() { 0 } else { next };
        figures
    }

    /// The first batch is as good as a guess, and training improves on it.
    fn check(&mut self) {
        let first = self.step().elbo;
        assert!((first - KNOWS_NOTHING).abs() < 40.0, "the ELBO starts at {first}");
        let last = (0..50).map(|_| self.step().elbo).last();
        assert!(last.is_some_and(|last| last > first + 100.0), "the ELBO: {first}, then {last:?}");
    }
}

fn recipes(images: &Images) -> Vec<Recipe> {
    let built_in = |name| Recipe::find(name).expect("it is built in");
    let tanh = Recipe {
        name: "tanh".into(),
        hidden: vec![200, 200],
        latent: 50,
        activation: Activation::Tanh,
        batch_size: 20,
        ..Recipe::default()
    };
    let image = Some([images.height(), images.width()]);
    [built_in("tutorial"), built_in("pytorch-example"), tanh]
        .map(|recipe| Recipe { image, ..recipe })
        .into()
}

/// One line of the closing table.
struct Line {
    recipe: Recipe,
    multiply_adds: usize,
    seconds: f64,
}

fn measure(
    criterion: &mut Criterion,
    recipe: Recipe,
    images: &Images,
    threads: usize,
) -> Option<Line> {
    let mut training = Training::new(&recipe, images);
    training.check();

    let mut selected = false;
    let id = format!("training step/{}/{threads} threads", recipe.name);
    criterion.bench_function(&id, |bencher| {
        selected = true;
        bencher.iter(|| training.step());
    });

    (selected && common::is_timed()).then(|| {
        let step = &mut || {
            training.step();
        };
        // As the trainer runs them.
        let [times] = team(|| common::rounds([step]));
        let multiply_adds = recipe.batch_size * training.vae.multiply_adds_per_image();
        Line { recipe, multiply_adds, seconds: best(&times) }
    })
}

fn main() {
    common::with_each_thread_count(|threads| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
        let images = data::load(&folder, Part::Train).expect("MNIST is in data/mnist").images;
        let mut criterion = common::criterion();
        let before = measured_peak(threads);
        let recipes = recipes(&images).into_iter();
        let lines: Vec<_> =
            recipes.filter_map(|r| measure(&mut criterion, r, &images, threads)).collect();
        criterion.final_summary();
        if !lines.is_empty() {
            print_table(&lines, threads, before.max(measured_peak(threads)));
        }
    });
}

fn print_table(lines: &[Line], threads: usize, peak: f64) {
    common::print_heading("one training step", threads, peak);
    println!("GFLOP/s counts the matrix products alone, those with skipped zeros included\n");
    println!(
        "{:<16} {:<16} {:>5} {:>7} {:>9} {:>9} {:>9} {:>7}",
        "recipe", "network", "batch", "threads", "us/step", "images/s", "GFLOP/s", "of peak"
    );
    for Line { recipe, multiply_adds, seconds } in lines {
        let hidden: String = recipe.hidden.iter().map(|width| format!("{width}-")).collect();
        let network = format!("{}-{hidden}{}", recipe.pixels().unwrap_or(0), recipe.latent);
        let (name, batch) = (&recipe.name, recipe.batch_size);
        let (micros, images) = (1e6 * seconds, batch as f64 / seconds);
        let gflops = gflops(*multiply_adds, *seconds);
        let share = 100.0 * gflops / peak;
        println!(
            "{name:<16} {network:<16} {batch:>5} {threads:>7} {micros:>9.0} {images:>9.0} \
             {gflops:>9.1} {share:>6.1}%"
        );
    }
}
