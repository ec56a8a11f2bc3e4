//! What skipping zeros is worth: `gemm_sparse` against `gemm` on the two products of a first layer,
//! y = x·W and ∂L/∂W = xᵀ·∂L/∂y of 784-256 at batch 128, for images of different emptiness.
//!
//! The results are held against each other bit for bit first. Both run in a team, as the trainer
//! has them, and take turns in many short rounds.

mod common;

use std::collections::BTreeSet;

use common::{
    processors,
    timing::{ROUNDS, best, in_team_of, rounds, speed_ratio},
    workloads::mnist,
};
use elbo::random::{Purpose, rng};
use elbo_kernels::{Isa, Mat, MatMut, Output, gemm, gemm_sparse};
use ndarray::Array2;
use rand::Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};

const BATCH: usize = 128;
const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
const HIDDEN: usize = 256;

/// A batch of images.
struct Images {
    name: &'static str,
    x: Vec<f32>,
}

impl Images {
    /// Those whose pixels are not 0 where `lit` says so.
    fn new(name: &'static str, mut lit: impl FnMut(usize) -> bool) -> Self {
        let pixel = |i| if lit(i % PIXELS) { 0.5 } else { 0.0 };
        Self { name, x: (0..BATCH * PIXELS).map(pixel).collect() }
    }

    fn mnist() -> Self {
        let mut x = Array2::zeros((BATCH, PIXELS));
        mnist().gather(&Vec::from_iter(0..BATCH), &mut x);
        Self { name: "MNIST", x: x.into_iter().collect() }
    }

    /// From the emptiest to the fullest.
    fn all() -> [Self; 4] {
        let mut rng = rng(0, Purpose::Init, 0, 0);
        let inside = |i: usize| (2..SIDE - 2).contains(&i);
        [
            Self::mnist(),
            Self::new("a frame of zeros", |p| inside(p / SIDE) && inside(p % SIDE)),
            Self::new("half, scattered", |_| rng.random_bool(0.5)),
            Self::new("no zeros", |_| true),
        ]
    }

    /// The share of the pixels that are not 0.
    fn filled(&self) -> f64 {
        self.x.iter().filter(|&&x| x != 0.0).count() as f64 / self.x.len() as f64
    }
}

/// `gemm` or `gemm_sparse`.
type Multiply = fn(Mat<'_, f32>, Mat<'_, f32>, Output<'_, f32>, MatMut<'_, f32>);

/// A product of the layer, with the images as its left operand.
#[derive(Clone, Copy)]
enum Product {
    /// y = x·W.
    Forward,
    /// ∂L/∂W = xᵀ·∂L/∂y.
    WeightGradient,
}

impl Product {
    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::WeightGradient => "weight gradient",
        }
    }

    /// What the images are multiplied with, and the length of the result.
    fn operands(self) -> (Vec<f32>, usize) {
        let (rows, result) = match self {
            Self::Forward => (PIXELS, BATCH),
            Self::WeightGradient => (BATCH, PIXELS),
        };
        let mut rng = rng(0, Purpose::Init, 0, 1);
        let right = (0..rows * HIDDEN).map(|_| rng.random_range(-1.0..1.0)).collect();
        (right, result * HIDDEN)
    }

    fn run(self, multiply: Multiply, x: &[f32], right: &[f32], out: &mut [f32]) {
        let x = Mat::new(x, BATCH, PIXELS);
        let x = match self {
            Self::Forward => x,
            Self::WeightGradient => x.t(),
        };
        let (rows, depth) = (x.rows(), x.cols());
        let (right, out) = (Mat::new(right, depth, HIDDEN), MatMut::new(out, rows, HIDDEN));
        multiply(x, right, Output::Overwrite, out);
    }
}

/// Both give the same bits, but for the sign of a zero, which `gemm_sparse` makes positive.
fn check(product: Product, images: &Images) {
    let (right, len) = product.operands();
    let [dense, sparse] = [gemm as Multiply, gemm_sparse].map(|multiply| {
        let mut out = vec![f32::NAN; len];
        product.run(multiply, &images.x, &right, &mut out);
        out
    });
    for (i, (dense, sparse)) in dense.iter().zip(&sparse).enumerate() {
        let (name, dense) = (images.name, dense + 0.0);
        assert_eq!(dense.to_bits(), sparse.to_bits(), "{}, {name}, at {i}", product.name());
    }
}

/// Prints a line of the table.
fn measure(pools: &[(usize, ThreadPool)], product: Product, images: &Images) {
    let (right, len) = product.operands();
    let (mut dense, mut ratios) = (vec![], vec![]);
    for (_, pool) in pools {
        let calls = [gemm as Multiply, gemm_sparse].map(|multiply| {
            let (right, mut out) = (right.clone(), vec![0.0; len]);
            in_team_of(pool, move || product.run(multiply, &images.x, &right, &mut out))
        });
        let times = rounds(ROUNDS, calls.into());
        dense.push(format!(" {:>10.1}", 1e6 * best(&times[0])));
        ratios.push(format!(" {:>10.2}", speed_ratio(&times[1], &times[0])));
    }
    let (name, filled) = (images.name, 100.0 * images.filled());
    let (dense, ratios) = (dense.concat(), ratios.concat());
    println!("{:<16} {name:<17} {filled:>5.0} %{dense}{ratios}", product.name());
}

fn main() {
    let images = Images::all();
    let products = [Product::Forward, Product::WeightGradient];
    let lines = || products.iter().flat_map(|&p| images.iter().map(move |images| (p, images)));
    lines().for_each(|(product, images)| check(product, images));
    if common::is_timed() {
        let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
        let counts = BTreeSet::from([1, processors()]).into_iter();
        let pools: Vec<_> = counts.map(|n| (n, pool(n).expect("the threads start"))).collect();
        println!("\nproducts with images, f32, {} kernels", Isa::active());
        println!("us: gemm's best of {ROUNDS} rounds, on so many threads; last columns: speed of");
        println!("gemm_sparse over gemm, median over the rounds of both\n");
        let threads: String = pools
            .iter()
            .map(|(threads, _)| format!(" {:>10}", format!("{threads} thr.")))
            .collect();
        println!("{:<16} {:<17} {:>7}{threads}{threads}", "product", "images", "filled");
        lines().for_each(|(product, images)| measure(&pools, product, images));
    }
}
