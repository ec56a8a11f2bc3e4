//! The matrix products of a training step against other crates, and as shares of the machine's
//! measured peak.
//!
//! Everything is held against three plain loops first. elbo's products run in a team, as the
//! trainer has them; the peers on as many threads of rayon's, or of their own, as the heading
//! says. Criterion times each by itself; for the table at the end all of them take turns in many
//! short rounds, so that its ratios hold on a machine that others use too. The feature `faer` adds
//! the crate of that name. `cargo bench --bench gemm -- 20x784x200` measures some shapes only.

mod common;

use std::fmt;

use common::timing::{
    self, ROUNDS, alone, best, gflops, in_team, measured_peak, peer_columns, peer_headings, rounds,
    speed_ratios,
};
use criterion::Criterion;
use elbo::random::{Purpose, rng};
use elbo_kernels::{Isa, Kernel, Mat, MatMut, Output, gemm, team::team};
use elbo_peers::Peer;
use ndarray::{Array2, ArrayView2};
use rand::Rng;

/// C (m, n) = A (m, k) · B (k, n), and which operand lies transposed in memory.
#[derive(Clone, Copy)]
struct Product {
    role: &'static str,
    m: usize,
    k: usize,
    n: usize,
    a_transposed: bool,
    b_transposed: bool,
}

impl Product {
    /// x·W
    const fn forward(m: usize, k: usize, n: usize) -> Self {
        Self { role: "forward", m, k, n, a_transposed: false, b_transposed: false }
    }

    /// xᵀ·∂L/∂y
    const fn weight_gradient(m: usize, k: usize, n: usize) -> Self {
        Self { role: "weight gradient", a_transposed: true, ..Self::forward(m, k, n) }
    }

    /// ∂L/∂y·Wᵀ
    const fn input_gradient(m: usize, k: usize, n: usize) -> Self {
        Self { role: "input gradient", b_transposed: true, ..Self::forward(m, k, n) }
    }

    fn multiply_adds(&self) -> usize {
        self.m * self.k * self.n
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transposed = |yes| if yes { "T" } else { "" };
        let (a, b) = (transposed(self.a_transposed), transposed(self.b_transposed));
        write!(f, "{}x{}{a}x{}{b}", self.m, self.k, self.n)
    }
}

/// The large products of 784-256-2 and 784-400-20 at batch 128, then their thin ones; products of
/// 784-200-200-50 at batch 20; a large square.
const PRODUCTS: [Product; 23] = [
    Product::forward(128, 784, 256),
    Product::weight_gradient(784, 128, 256),
    Product::forward(128, 256, 784),
    Product::weight_gradient(256, 128, 784),
    Product::input_gradient(128, 784, 256),
    Product::forward(128, 784, 400),
    Product::weight_gradient(784, 128, 400),
    Product::forward(128, 400, 784),
    Product::weight_gradient(400, 128, 784),
    Product::input_gradient(128, 784, 400),
    Product::forward(128, 256, 2),
    Product::weight_gradient(256, 128, 2),
    Product::input_gradient(128, 2, 256),
    Product::forward(128, 400, 20),
    Product::weight_gradient(400, 128, 20),
    Product::input_gradient(128, 20, 400),
    Product::forward(20, 784, 200),
    Product::weight_gradient(784, 20, 200),
    Product::forward(20, 200, 784),
    Product::weight_gradient(200, 20, 784),
    Product::input_gradient(20, 784, 200),
    Product::forward(20, 200, 200),
    Product::forward(1024, 1024, 1024),
];

/// The operands as they lie in memory, and the result.
struct Operands {
    product: Product,
    a: Array2<f32>,
    b: Array2<f32>,
    c: Array2<f32>,
}

impl Operands {
    fn new(product: Product) -> Self {
        let Product { m, k, n, .. } = product;
        let mut rng = rng(0, Purpose::Init, 0, product.multiply_adds() as u64);
        let mut random = |rows, cols, transposed| {
            let shape = if transposed { (cols, rows) } else { (rows, cols) };
            Array2::from_shape_simple_fn(shape, || rng.random_range(-1.0..1.0))
        };
        Self {
            product,
            a: random(m, k, product.a_transposed),
            b: random(k, n, product.b_transposed),
            c: Array2::from_elem((m, n), f32::NAN),
        }
    }

    fn run_elbo(&mut self) {
        let a = mat(&self.a, self.product.a_transposed);
        let b = mat(&self.b, self.product.b_transposed);
        let (m, n) = self.c.dim();
        let c = self.c.as_slice_mut().expect("a fresh array is row-major");
        gemm(a, b, Output::Overwrite, MatMut::new(c, m, n));
    }

    fn run(&mut self, peer: Peer, threads: usize) {
        let a = view(&self.a, self.product.a_transposed);
        let b = view(&self.b, self.product.b_transposed);
        peer.multiply(a, b, self.c.view_mut(), threads);
    }

    /// Holds all results against [`Oracle`]: this crate's bit for bit; the peers', whose order of
    /// summation is their own, to 1e-4 of Σ |a·b|, the scale of its rounding errors.
    fn check(&mut self, threads: usize) {
        let (oracle, scale, product) = (self.oracle(|v| v), self.oracle(f32::abs), self.product);
        self.run_elbo();
        for (i, expected) in oracle.indexed_iter() {
            assert_eq!(self.c[i].to_bits(), expected.to_bits(), "elbo, {product}, at {i:?}");
        }
        for &peer in Peer::ALL {
            self.c.fill(f32::NAN);
            self.run(peer, threads);
            for (i, expected) in oracle.indexed_iter() {
                let close = (self.c[i] - expected).abs() <= 1e-4 * scale[i];
                assert!(close, "{}, {product}, at {i:?}", peer.name());
            }
        }
    }

    fn oracle(&self, of: fn(f32) -> f32) -> Array2<f32> {
        let plain = |stored, transposed| {
            let logical = view(stored, transposed);
            Array2::from_shape_fn(logical.dim(), |i| of(logical[i]))
        };
        let a = plain(&self.a, self.product.a_transposed);
        let b = plain(&self.b, self.product.b_transposed);
        Isa::active().run(Oracle { a, b })
    }
}

fn view(stored: &Array2<f32>, transposed: bool) -> ArrayView2<'_, f32> {
    if transposed { stored.t() } else { stored.view() }
}

fn mat(stored: &Array2<f32>, transposed: bool) -> Mat<'_, f32> {
    let elements = stored.as_slice().expect("a fresh array is row-major");
    let mat = Mat::new(elements, stored.nrows(), stored.ncols());
    if transposed { mat.t() } else { mat }
}

/// The promise of [`gemm`] in one line, compiled with fused multiply-add where there is one.
struct Oracle {
    a: Array2<f32>,
    b: Array2<f32>,
}

impl Kernel for Oracle {
    type Output = Array2<f32>;

    #[inline(always)]
    fn run(self) -> Array2<f32> {
        let mut c = Array2::zeros((self.a.nrows(), self.b.ncols()));
        for ((i, p), a) in self.a.indexed_iter() {
            let row = c.as_slice_mut().expect("a fresh array is row-major");
            let row = &mut row[i * self.b.ncols()..][..self.b.ncols()];
            let b = &self.b.as_slice().expect("a fresh array is row-major")[p * row.len()..];
            row.iter_mut().zip(b).for_each(|(c, &b)| *c = a.mul_add(b, *c));
        }
        c
    }
}

/// One line of the closing table.
struct Line {
    product: Product,
    seconds: f64,
    /// The speed of elbo over that of each peer.
    ratios: Vec<f64>,
}

fn measure(criterion: &mut Criterion, product: Product, threads: usize) -> Option<Line> {
    let mut operands = Operands::new(product);
    operands.check(threads);

    let mut selected = false;
    let mut group = criterion.benchmark_group(format!("gemm/{product}/{threads} threads"));
    group.bench_function("elbo", |bencher| {
        selected = true;
        team(|| bencher.iter(|| operands.run_elbo()));
    });
    for &peer in Peer::ALL {
        group.bench_function(peer.name(), |bencher| bencher.iter(|| operands.run(peer, threads)));
    }
    group.finish();

    (selected && common::is_timed()).then(|| {
        let mut calls = vec![in_team(|| operands.run_elbo())];
        for &peer in Peer::ALL {
            let mut operands = Operands::new(product);
            calls.push(alone(move || operands.run(peer, threads)));
        }
        let times = rounds(ROUNDS, calls);
        Line { product, seconds: best(&times[0]), ratios: speed_ratios(&times) }
    })
}

fn main() {
    common::with_each_thread_count(|threads| {
        let mut criterion = common::criterion();
        let before = measured_peak(threads);
        let lines: Vec<_> =
            PRODUCTS.iter().filter_map(|&p| measure(&mut criterion, p, threads)).collect();
        criterion.final_summary();
        if !lines.is_empty() {
            print_table(&lines, threads, before.max(measured_peak(threads)));
        }
    });
}

fn print_table(lines: &[Line], threads: usize, peak: f64) {
    timing::print_heading("matrix products", threads, peak);
    println!("m x k x n, T: transposed in memory; times are elbo's best of {ROUNDS} rounds;");
    println!("last columns: speed of elbo over another crate's, median over the rounds of both;");
    println!("matrixmultiply uses at most 4 threads, and fewer for small products\n");
    println!(
        "{:<14} {:<15} {:>7} {:>8} {:>8} {:>7}{}",
        "shape",
        "role",
        "threads",
        "us",
        "GFLOP/s",
        "of peak",
        peer_headings()
    );
    for Line { product, seconds, ratios } in lines {
        let (shape, role, micros) = (product.to_string(), product.role, 1e6 * seconds);
        let gflops = gflops(product.multiply_adds(), *seconds);
        let share = 100.0 * gflops / peak;
        println!(
            "{shape:<14} {role:<15} {threads:>7} {micros:>8.1} {gflops:>8.1} {share:>6.1}%{}",
            peer_columns(ratios)
        );
    }
}
