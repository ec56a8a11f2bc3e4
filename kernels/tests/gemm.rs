//! The promise of `gemm`, on every instruction set of this machine.

use elbo_kernels::{Isa, Mat, MatMut, Output, Scalar, gemm, gemm_sparse};
use proptest::prelude::*;

/// A product to compute: shapes, how the operands lie in memory, and seeds of their elements.
#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    k: usize,
    n: usize,
    a_transposed: bool,
    b_transposed: bool,
    /// Elements between the end of a row and the next, of A, B and C.
    gaps: [usize; 3],
    start: Start,
    sparse: bool,
    /// Of four elements of A, how many are zero; whole stretches of them.
    zeros: u64,
    seed: u64,
}

/// [`Output`] without its row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Overwrite,
    Accumulate,
    AddRow,
}

/// Elements with full mantissas and of several magnitudes, so that any other order or rounding of
/// the sums shows.
fn elements<T: Scalar>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let unit = (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        T::from_f64(unit * 4f64.powi((state >> 8 & 7) as i32))
    };
    (0..len).map(|_| next()).collect()
}

/// What lies in C where nothing may be written, and in all of C before an overwrite: a NaN.
fn canary<T: Scalar>() -> T {
    T::NAN
}

fn bits<T: Scalar>(x: &[T]) -> Vec<u64> {
    x.iter().map(|x| x.to_f64().to_bits()).collect()
}

/// The stored shape of an operand that is rows × cols after transposing.
fn stored(rows: usize, cols: usize, transposed: bool) -> (usize, usize) {
    if transposed { (cols, rows) } else { (rows, cols) }
}

/// Makes some stretches of `x` zeros of both signs.
fn blot<T: Scalar>(x: &mut [T], zeros: u64, seed: u64) {
    for (i, stretch) in x.chunks_mut(23).enumerate() {
        if (seed.rotate_right(i as u32) ^ i as u64) % 4 < zeros {
            stretch.fill(if i % 2 == 0 { T::ZERO } else { -T::ZERO });
        }
    }
}

/// The result of `gemm` or `gemm_sparse`, C with its gaps and with canaries around it, and what it should be.
fn result_and_oracle<T: Scalar>(case: Case) -> (Vec<T>, Vec<T>) {
    let Case { m, k, n, start, .. } = case;
    let (a_rows, a_cols) = stored(m, k, case.a_transposed);
    let (b_rows, b_cols) = stored(k, n, case.b_transposed);
    let [a_stride, b_stride, c_stride] =
        [a_cols + case.gaps[0], b_cols + case.gaps[1], n + case.gaps[2]];
    let mut a_data = elements::<T>(a_rows * a_stride, case.seed);
    blot(&mut a_data, case.zeros, case.seed);
    let b_data = elements::<T>(b_rows * b_stride, case.seed ^ 0xb);

    const MARGIN: usize = 9;
    let mut expected = vec![canary::<T>(); MARGIN + m * c_stride + MARGIN];
    let mut row = elements::<T>(n, case.seed ^ 0xd);
    blot(&mut row, 1, case.seed);
    if start == Start::Accumulate {
        let start = elements::<T>(m * n, case.seed ^ 0xc);
        for i in 0..m {
            expected[MARGIN + i * c_stride..][..n].copy_from_slice(&start[i * n..][..n]);
        }
    }
    let mut c_data = expected.clone();

    for i in 0..m {
        for j in 0..n {
            let c = &mut expected[MARGIN + i * c_stride + j];
            let mut acc = match start {
                Start::Overwrite => T::ZERO,
                Start::Accumulate => *c,
                Start::AddRow => row[j],
            };
            for p in 0..k {
                let a = a_data[if case.a_transposed { p * a_stride + i } else { i * a_stride + p }];
                let b = b_data[if case.b_transposed { j * b_stride + p } else { p * b_stride + j }];
                acc = a.mul_add(b, acc);
            }
            *c = if case.sparse { acc + T::ZERO } else { acc };
        }
    }

    let a = Mat::with_row_stride(&a_data, a_rows, a_cols, a_stride);
    let b = Mat::with_row_stride(&b_data, b_rows, b_cols, b_stride);
    let c = MatMut::with_row_stride(&mut c_data[MARGIN..], m, n, c_stride);
    let a = if case.a_transposed { a.t() } else { a };
    let b = if case.b_transposed { b.t() } else { b };
    let output = match start {
        Start::Overwrite => Output::Overwrite,
        Start::Accumulate => Output::Accumulate,
        Start::AddRow => Output::AddRow(&row),
    };
    if case.sparse {
        gemm_sparse(a, b, output, c)
    } else {
        gemm(a, b, output, c)
    }
    (c_data, expected)
}

fn assert_promise<T: Scalar>(case: Case) {
    let (found, expected) = result_and_oracle::<T>(case);
    assert!(bits(&found) == bits(&expected), "{case:?}");
}

/// Any shape up to `max`, zero included; any layout.
fn cases(max: usize) -> impl Strategy<Value = Case> {
    let dims = (0..=max, 0..=max, 0..=max);
    let gaps = prop::array::uniform3(0..4usize);
    let start = prop_oneof![Just(Start::Overwrite), Just(Start::Accumulate), Just(Start::AddRow)];
    (dims, any::<(bool, bool, bool)>(), gaps, start, 0..=4u64, any::<u64>()).prop_map(
        |((m, k, n), (a_transposed, b_transposed, sparse), gaps, start, zeros, seed)| Case {
            m,
            k,
            n,
            a_transposed,
            b_transposed,
            gaps,
            start,
            sparse,
            zeros,
            seed,
        },
    )
}

/// Every layout of one shape.
fn layouts(m: usize, k: usize, n: usize) -> impl Iterator<Item = Case> {
    (0..16u64).map(move |bits| Case {
        m,
        k,
        n,
        a_transposed: bits & 1 != 0,
        b_transposed: bits & 2 != 0,
        gaps: [3, 1, 2],
        start: [Start::Overwrite, Start::Accumulate, Start::AddRow][bits as usize % 3],
        sparse: bits & 4 != 0,
        zeros: if bits & 8 == 0 { 0 } else { 3 },
        seed: bits,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn gemm_equals_the_naive_fma_chain_bit_for_bit_in_f32(case in cases(70)) {
        for isa in Isa::available() {
            isa.scope(|| assert_promise::<f32>(case));
        }
    }

    #[test]
    fn gemm_equals_the_naive_fma_chain_bit_for_bit_in_f64(case in cases(70)) {
        for isa in Isa::available() {
            isa.scope(|| assert_promise::<f64>(case));
        }
    }
}

#[test]
fn a_sum_of_nothing_keeps_its_start_but_for_the_sign_of_a_sparse_zero() {
    for case in (0..16).flat_map(|seed| layouts(3, 0, 24).map(move |case| Case { seed, ..case })) {
        assert_promise::<f32>(case);
        assert_promise::<f64>(case);
    }
}

/// Shapes beyond every block constant in turn: m over SLAB_ROWS and MC, k over SLAB_DEPTH and KC,
/// n over PACKING_COLS; few elements otherwise, for the oracle's sake.
const LARGE: [(usize, usize, usize); 5] =
    [(1100, 9, 35), (3, 1030, 34), (5, 11, 1061), (610, 460, 70), (30, 1100, 530)];

#[test]
fn blocks_continue_the_chain_bit_for_bit() {
    for isa in Isa::available().into_iter().filter(|&isa| isa != Isa::Portable) {
        for case in LARGE.into_iter().flat_map(|(m, k, n)| layouts(m, k, n)) {
            isa.scope(|| assert_promise::<f32>(case));
            isa.scope(|| assert_promise::<f64>(case));
        }
    }
    Isa::Portable.scope(|| {
        LARGE.iter().for_each(|&(m, k, n)| {
            layouts(m, k, n).take(1).for_each(assert_promise::<f32>);
        })
    });
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for isa in Isa::available() {
            let few = if isa == Isa::Portable { 1 } else { 16 };
            for (m, k, n) in [(128, 180, 96), (20, 784, 200), (1030, 40, 70)] {
                for case in layouts(m, k, n).take(few) {
                    pool.install(|| isa.scope(|| assert_promise::<f32>(case)));
                    pool.install(|| isa.scope(|| assert_promise::<f64>(case)));
                }
            }
        }
    }
}

/// Where all products underflow, a chain may stand at −0 when a zero is added to it, or is not.
#[test]
fn skipping_zeros_changes_no_bit_where_products_underflow() {
    let (m, k, n) = (50, 300, 40);
    let mut a: Vec<f32> = elements(m * k, 1).iter().map(|x: &f32| x * 1e-30).collect();
    let b: Vec<f32> = elements(k * n, 2).iter().map(|x: &f32| x * 1e-30).collect();
    blot(&mut a, 3, 3);
    let row = vec![-0.0; n];
    for isa in Isa::available() {
        let mut skipped = vec![f32::NAN; m * n];
        let mut c = skipped.clone();
        let (a, b) = (Mat::new(&a, m, k), Mat::new(&b, k, n));
        isa.scope(|| {
            gemm(a, b, Output::AddRow(&row), MatMut::new(&mut c, m, n));
            gemm_sparse(a, b, Output::AddRow(&row), MatMut::new(&mut skipped, m, n));
        });
        assert!(bits(&c).contains(&(-0f64).to_bits()), "the case that this test is about");
        c.iter_mut().for_each(|c| *c += 0.0);
        assert!(bits(&skipped) == bits(&c), "{isa}");
    }
}

#[test]
fn gemm_inside_a_join_that_waits_for_another_gives_the_same_bits() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    fn nest(depth: usize) {
        let case = layouts(150, 140, 110).nth(depth).unwrap();
        match depth {
            0 => assert_promise::<f32>(case),
            _ => {
                rayon::join(|| nest(depth - 1), || nest(depth - 1));
                assert_promise::<f32>(case);
            }
        }
    }
    pool.install(|| nest(4));
}

#[test]
fn nan_and_infinity_come_through() {
    let (a, b) = ([f32::INFINITY, 1.0, f32::NAN, 2.0], [1.0, 0.0, 3.0, 4.0]);
    let mut c = [0.0f32; 4];
    for isa in Isa::available() {
        isa.scope(|| {
            gemm(
                Mat::new(&a, 2, 2),
                Mat::new(&b, 2, 2),
                Output::Overwrite,
                MatMut::new(&mut c, 2, 2),
            );
        });
        assert_eq!(c[0], f32::INFINITY);
        assert!(c[1..].iter().all(|c| c.is_nan()));
    }
}

#[test]
#[should_panic(expected = "gemm: A is 2 x 3, B is 4 x 2 and C is 2 x 2")]
fn shapes_that_disagree_are_refused() {
    let (a, b, mut c) = ([0.0; 6], [0.0; 8], [0.0; 4]);
    gemm(Mat::new(&a, 2, 3), Mat::new(&b, 4, 2), Output::Overwrite, MatMut::new(&mut c, 2, 2));
}
