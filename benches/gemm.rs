//! The matrix products of a training step against the crate matrixmultiply, and as shares of the
//! machine's measured peak.

mod common;

use std::fmt;

use common::{best, gflops, measured_peak};
use criterion::Criterion;
use elbo_kernels::{Isa, Kernel, Mat, MatMut, Output, gemm};
use ndarray::{Array2, linalg::general_mat_mul};
use rand::Rng;

use elbo::random::{Purpose, rng};

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

/// At batch 128, 784-256-2 and 784-400-20; a wide layer at batch 20; a large square.
const PRODUCTS: [Product; 12] = [
    Product::forward(128, 784, 256),
    Product::weight_gradient(784, 128, 256),
    Product::forward(128, 256, 784),
    Product::input_gradient(128, 784, 256),
    Product::forward(128, 784, 400),
    Product::weight_gradient(784, 128, 400),
    Product::forward(128, 400, 784),
    Product::input_gradient(128, 784, 400),
    Product::forward(128, 256, 2),
    Product::forward(128, 400, 20),
    Product::forward(20, 784, 200),
    Product::forward(1024, 1024, 1024),
];

/// The operands as they lie in memory, and a result for each side.
struct Operands {
    product: Product,
    a: Array2<f32>,
    b: Array2<f32>,
    elbo: Array2<f32>,
    matrixmultiply: Array2<f32>,
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
            elbo: Array2::from_elem((m, n), f32::NAN),
            matrixmultiply: Array2::from_elem((m, n), f32::NAN),
        }
    }

    fn run_elbo(&mut self) {
        let a = view(&self.a, self.product.a_transposed);
        let b = view(&self.b, self.product.b_transposed);
        let (m, n) = self.elbo.dim();
        let c = self.elbo.as_slice_mut().expect("a fresh array is row-major");
        gemm(a, b, Output::Overwrite, MatMut::new(c, m, n));
    }

    /// For f32, ndarray's product is one call of `matrixmultiply::sgemm` with both strides of each
    /// operand.
    fn run_matrixmultiply(&mut self) {
        let a = if self.product.a_transposed { self.a.t() } else { self.a.view() };
        let b = if self.product.b_transposed { self.b.t() } else { self.b.view() };
        general_mat_mul(1.0, &a, &b, 0.0, &mut self.matrixmultiply);
    }

    /// Holds both results against [`Oracle`]: this crate's bit for bit; matrixmultiply's, whose
    /// order of summation is its own, to 1e-4 of Σ |a·b|, the scale of its rounding errors.
    fn check(&mut self) {
        self.run_elbo();
        self.run_matrixmultiply();
        let oracle = self.oracle(|v| v);
        let scale = self.oracle(f32::abs);
        for (i, &expected) in oracle.indexed_iter() {
            let (elbo, peer) = (self.elbo[i], self.matrixmultiply[i]);
            let product = self.product;
            assert_eq!(elbo.to_bits(), expected.to_bits(), "elbo, {product}, at {i:?}");
            assert!((peer - expected).abs() <= 1e-4 * scale[i], "peer, {product}, at {i:?}");
        }
    }

    fn oracle(&self, of: fn(f32) -> f32) -> Array2<f32> {
        let plain = |stored: &Array2<f32>, transposed| {
            let logical = if transposed { stored.t() } else { stored.view() };
            Array2::from_shape_fn(logical.dim(), |i| of(logical[i]))
        };
        let a = plain(&self.a, self.product.a_transposed);
        let b = plain(&self.b, self.product.b_transposed);
        Isa::active().run(Oracle { a, b })
    }
}

fn view(stored: &Array2<f32>, transposed: bool) -> Mat<'_, f32> {
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
    gflops: f64,
    ratio: f64,
}

fn measure(criterion: &mut Criterion, product: Product, threads: usize) -> Option<Line> {
    let mut operands = Operands::new(product);
    operands.check();

    let mut selected = false;
    let mut group = criterion.benchmark_group(format!("gemm/{product}/{threads} threads"));
    group.bench_function("elbo", |bencher| {
        selected = true;
        bencher.iter(|| operands.run_elbo());
    });
    group.bench_function("matrixmultiply", |bencher| {
        bencher.iter(|| operands.run_matrixmultiply());
    });
    group.finish();

    (selected && common::is_timed()).then(|| {
        let mut peer = Operands::new(product);
        let (elbo, peer) = (&mut || operands.run_elbo(), &mut || peer.run_matrixmultiply());
        let [elbo, peer] = common::rounds([elbo, peer]);
        let gflops = gflops(product.multiply_adds(), best(&elbo));
        let ratio = median(peer.iter().zip(&elbo).map(|(peer, elbo)| peer / elbo).collect());
        Line { product, gflops, ratio }
    })
}

/// The middle value.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
    common::print_heading("matrix products", threads, peak);
    println!("m x k x n, T: transposed in memory; ratio: speed of elbo over matrixmultiply, which");
    println!("has the same number of threads but uses at most 4, and fewer for small products\n");
    println!(
        "{:<16} {:<16} {:>7} {:>9} {:>7} {:>7}",
        "shape", "role", "threads", "GFLOP/s", "of peak", "ratio"
    );
    for Line { product, gflops, ratio } in lines {
        let (shape, role, share) = (product.to_string(), product.role, 100.0 * gflops / peak);
        println!("{shape:<16} {role:<16} {threads:>7} {gflops:>9.1} {share:>6.1}% {ratio:>7.2}");
    }
}
