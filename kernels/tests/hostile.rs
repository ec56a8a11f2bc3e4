//! Shapes and strides of all kinds: what doesn't fit together is refused before anything is written, and what
//! does is read and written inside its operands alone.
//!
//! Canaries lie around every operand. They are NaN, so that one that was read shows in the result, and one
//! that was written over is missed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use elbo_kernels::{
    AdamStep, AdamTensor, Isa, Mat, MatMut, MomentTensor, Output, Scalar, SgdStep, adam, gemm,
    gemm_sparse, one_moment, passes,
};
use proptest::prelude::*;

/// Canaries before and after an operand.
const MARGIN: usize = 33;

/// NaN with bits that no computation gives.
const CANARY: u32 = 0x7fc5_a5a5;

/// An operand between canaries.
#[derive(Clone)]
struct Guarded(Vec<f32>);

impl Guarded {
    fn new(elements: impl IntoIterator<Item = f32>) -> Self {
        let margin = || std::iter::repeat_n(f32::from_bits(CANARY), MARGIN);
        Self(margin().chain(elements).chain(margin()).collect())
    }

    /// So many elements, small whole numbers.
    fn of_len(len: usize) -> Self {
        Self::new((0..len).map(|i| (i * 7 % 11) as f32 - 5.0))
    }

    fn inside(&self) -> &[f32] {
        &self.0[MARGIN..self.0.len() - MARGIN]
    }

    fn inside_mut(&mut self) -> &mut [f32] {
        let end = self.0.len() - MARGIN;
        &mut self.0[MARGIN..end]
    }

    /// Whether all canaries are there.
    fn is_intact(&self) -> bool {
        let (before, rest) = self.0.split_at(MARGIN);
        let (_, after) = rest.split_at(rest.len() - MARGIN);
        before.iter().chain(after).all(|x| x.to_bits() == CANARY)
    }

    fn bits(&self) -> Vec<u32> {
        self.0.iter().map(|x| x.to_bits()).collect()
    }
}

/// Whether `f` panics.
fn is_refused(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// Sizes that fit, sizes that hardly do not, and such whose products overflow.
fn size() -> impl Strategy<Value = usize> {
    let large =
        [1 << 31, 1 << 32, isize::MAX as usize, usize::MAX / 2 + 1, usize::MAX - 1, usize::MAX];
    prop_oneof![4 => 0..9usize, 1 => prop::sample::select(large.to_vec())]
}

/// The elements that a view needs, in numbers that cannot overflow.
fn needed(rows: usize, cols: usize, stride: usize) -> u128 {
    let [rows, cols, stride] = [rows, cols, stride].map(|n| n as u128);
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * stride + cols }
}

fn both(product: usize) -> fn(Mat<'_, f32>, Mat<'_, f32>, Output<'_, f32>, MatMut<'_, f32>) {
    if product == 0 { gemm } else { gemm_sparse }
}

/// Miri takes a second for what else takes microseconds.
const CASES: u32 = if cfg!(miri) { 20 } else { 2000 };

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn a_view_is_made_only_of_elements_that_are_there(
        len in 0..40usize, rows in size(), cols in size(), stride in size(),
    ) {
        let mut data = vec![0.0f32; len];
        let fits = needed(rows, cols, stride) <= len as u128;
        let refused = is_refused(|| _ = Mat::with_row_stride(&data, rows, cols, stride));
        prop_assert_eq!(refused, !fits);
        let overlap = rows > 1 && stride < cols;
        let refused = is_refused(|| _ = MatMut::with_row_stride(&mut data, rows, cols, stride));
        prop_assert!(refused || fits && !overlap);
        prop_assert!(!refused || !fits || overlap);
        let whole = needed(rows, cols, cols) <= len as u128;
        prop_assert_eq!(is_refused(|| _ = Mat::new(&data, rows, cols)), !whole);
        prop_assert_eq!(is_refused(|| _ = MatMut::new(&mut data, rows, cols)), !whole);
    }

    #[test]
    fn shapes_that_disagree_are_refused_and_nothing_is_written(
        [m, k, other_k, n] in prop::array::uniform4(0..4usize),
        [c_rows, c_cols, row] in prop::array::uniform3(0..4usize),
        add_row: bool,
        product in 0..2usize,
    ) {
        let (a, b) = (Guarded::of_len(m * k), Guarded::of_len(other_k * n));
        let (row, before) = (Guarded::of_len(row), Guarded::of_len(c_rows * c_cols));
        let mut c = before.clone();
        let output = if add_row { Output::AddRow(row.inside()) } else { Output::Accumulate };
        let agree = k == other_k && [c_rows, c_cols] == [m, n] && (!add_row || row.inside().len() == n);
        let refused = is_refused(|| {
            let (a, b) = (Mat::new(a.inside(), m, k), Mat::new(b.inside(), other_k, n));
            both(product)(a, b, output, MatMut::new(c.inside_mut(), c_rows, c_cols));
        });
        prop_assert_eq!(refused, !agree);
        prop_assert!(c.is_intact() && (agree || c.bits() == before.bits()));
    }

    /// Rows of operands that are read may overlap, and both may be of one and the same memory.
    #[test]
    fn no_product_reads_or_writes_beside_its_operands(
        [m, k, n] in prop::array::uniform3(0..40usize),
        strides in prop::array::uniform2(0..44usize),
        [a_transposed, b_transposed, same, accumulate] in any::<[bool; 4]>(),
        gap in 0..3usize,
        product in 0..2usize,
    ) {
        let stored = |rows, cols, transposed| if transposed { (cols, rows) } else { (rows, cols) };
        let (a_rows, a_cols) = stored(m, k, a_transposed);
        let (b_rows, b_cols) = stored(k, n, b_transposed);
        let [a_len, b_len] = [needed(a_rows, a_cols, strides[0]), needed(b_rows, b_cols, strides[1])];
        let a_data = Guarded::of_len(if same { a_len.max(b_len) } else { a_len } as usize);
        let b_data = if same { a_data.clone() } else { Guarded::of_len(b_len as usize) };
        let [a, b] = [a_data.inside(), if same { a_data.inside() } else { b_data.inside() }];
        // What lies between the rows of C is a canary too.
        let (stride, mut expected) = (n + gap, Guarded::new([]));
        if m > 0 && n > 0 {
            let canary = f32::from_bits(CANARY);
            expected = Guarded::new(vec![canary; (m - 1) * stride + n]);
        }
        let mut c_data = expected.clone();
        for i in 0..m {
            for j in 0..n {
                let at = |data: &[f32], i, j, stride, transposed| match transposed {
                    true => data[j * stride + i],
                    false => data[i * stride + j],
                };
                let of = |p| at(a, i, p, strides[0], a_transposed) * at(b, p, j, strides[1], b_transposed);
                // Small whole numbers: any order of the sum has the same bits.
                let begin = if accumulate { 3.0 } else { 0.0 };
                expected.inside_mut()[i * stride + j] = (0..k).map(of).sum::<f32>() + begin;
                c_data.inside_mut()[i * stride + j] = 3.0;
            }
        }
        for isa in Isa::available() {
            let mut c_data = c_data.clone();
            let a = Mat::with_row_stride(a, a_rows, a_cols, strides[0]);
            let b = Mat::with_row_stride(b, b_rows, b_cols, strides[1]);
            let (a, b) = (if a_transposed { a.t() } else { a }, if b_transposed { b.t() } else { b });
            let output = if accumulate { Output::Accumulate } else { Output::Overwrite };
            let c = MatMut::with_row_stride(c_data.inside_mut(), m, n, stride);
            isa.scope(|| both(product)(a, b, output, c));
            // A sum of nothing may be −0.
            let found = c_data.0.iter().map(|&x| if x == 0.0 { 0 } else { x.to_bits() });
            let expected = expected.0.iter().map(|&x| if x == 0.0 { 0 } else { x.to_bits() });
            prop_assert!(found.eq(expected), "{}", isa);
        }
    }

    #[test]
    fn passes_of_lengths_that_differ_are_refused_and_nothing_is_written(
        [x, y, out, rows] in prop::array::uniform4(0..70usize),
        columns in size(),
        pass in 0..8usize,
    ) {
        let (x, y) = (Guarded::of_len(x), Guarded::of_len(y));
        let (out, row_loss) = (Guarded::of_len(out), Guarded::of_len(rows));
        let (mut out_after, mut row_loss_after) = (out.clone(), row_loss.clone());
        let [x_len, y_len, out_len] = [&x, &y, &out].map(|of| of.inside().len());
        let bytes = vec![9; x_len];
        let (written, costs) = (out_after.inside_mut(), row_loss_after.inside_mut());
        let (x_in, y_in) = (x.inside(), y.inside());
        let rows_agree = rows.checked_mul(columns) == Some(x_len);
        let losses_agree = x_len == y_len && x_len == out_len && rows_agree;
        let sums_agree = if out_len == 0 { x_len == 0 } else { x_len.is_multiple_of(out_len) };
        let (agree, refused) = match pass {
            0 => (x_len == out_len, is_refused(|| passes::relu_backward(x_in, written))),
            1 => (x_len == out_len, is_refused(|| passes::tanh_backward(x_in, written))),
            2 => (x_len == out_len, is_refused(|| passes::sigmoid_backward(x_in, written))),
            3 => (x_len == out_len, is_refused(|| passes::softplus_backward(x_in, written))),
            4 => (x_len == out_len, is_refused(|| passes::bytes_to_unit(&bytes, written))),
            5 => (sums_agree, is_refused(|| passes::sum_rows(x_in, written))),
            6 => (losses_agree, is_refused(|| {
                passes::logistic_loss(x_in, y_in, columns, 1.0, written, costs);
            })),
            _ => (losses_agree, is_refused(|| {
                passes::continuous_bernoulli_loss(x_in, y_in, columns, 1.0, written, costs);
            })),
        };
        prop_assert_eq!(refused, !agree);
        prop_assert!(out_after.is_intact() && row_loss_after.is_intact());
        let untouched = out_after.bits() == out.bits() && row_loss_after.bits() == row_loss.bits();
        prop_assert!(agree || untouched);
    }

    #[test]
    fn an_update_of_lengths_that_differ_is_refused_and_nothing_is_written(
        lengths in prop::array::uniform4(0..3usize),
    ) {
        let [param, grad, m, v] = lengths.map(|len| Guarded::of_len(20 + len));
        let agree = |lengths: &[usize]| lengths.iter().all(|&len| len == lengths[0]);
        let [mut param_after, mut m_after, mut v_after] = [&param, &m, &v].map(Clone::clone);
        let refused = is_refused(|| adam(&adam_step(), [AdamTensor {
            param: param_after.inside_mut(),
            grad: grad.inside(),
            m: m_after.inside_mut(),
            v: v_after.inside_mut(),
        }]));
        prop_assert_eq!(refused, !agree(&lengths));
        let unchanged = |pairs: &[[&Guarded; 2]]| pairs.iter().all(|[a, b]| a.bits() == b.bits());
        prop_assert!(!refused || unchanged(&[[&param, &param_after], [&m, &m_after], [&v, &v_after]]));
        prop_assert!(param_after.is_intact() && m_after.is_intact() && v_after.is_intact());

        let (mut param_after, mut m_after) = (param.clone(), m.clone());
        let step = SgdStep { step_size: 0.1, momentum: 0.9, penalty: 0.0 };
        let refused = is_refused(|| one_moment(&step, [MomentTensor {
            param: param_after.inside_mut(),
            grad: grad.inside(),
            moment: m_after.inside_mut(),
        }]));
        prop_assert_eq!(refused, !agree(&lengths[..3]));
        prop_assert!(!refused || unchanged(&[[&param, &param_after], [&m, &m_after]]));
        prop_assert!(param_after.is_intact() && m_after.is_intact());
    }
}

fn adam_step<T: Scalar>() -> AdamStep<T> {
    let [rest1, beta2, rest2, step_size, epsilon] = [0.1, 0.9, 0.1, 0.01, 1e-8].map(T::from_f64);
    AdamStep { rest1, beta2, rest2, step_size, epsilon, penalty: T::ZERO, decay: T::ZERO }
}

#[test]
fn passes_write_inside_their_slice_alone() {
    let all: [fn(&mut [f32]); 7] = [
        passes::exp,
        passes::exp_m1,
        passes::tanh,
        passes::sigmoid,
        passes::softplus,
        passes::relu,
        passes::continuous_bernoulli_mean,
    ];
    for isa in Isa::available() {
        for pass in all {
            let step = if cfg!(miri) { 23 } else { 1 };
            for len in (0..70).chain([511, 512, 513, 4097]).step_by(step) {
                let mut x = Guarded::of_len(len);
                isa.scope(|| pass(x.inside_mut()));
                assert!(x.is_intact() && x.inside().iter().all(|x| !x.is_nan()), "{isa}, {len}");
            }
        }
    }
}

/// No view of them needs an element, however large they say they are.
#[test]
fn matrices_without_elements_are_fine_whatever_their_other_size() {
    for size in [0, 1, usize::MAX] {
        for product in [gemm, gemm_sparse] {
            let (none, mut c) = ([0.0f32; 0], [0.0f32; 0]);
            let (a, b) = (Mat::new(&none, size, 0), Mat::new(&none, 0, 0));
            product(a, b, Output::Overwrite, MatMut::new(&mut c, size, 0));
            let (a, b) = (Mat::new(&none, 0, 0), Mat::new(&none, 0, size));
            product(a, b, Output::Accumulate, MatMut::new(&mut c, 0, size));
        }
    }
}
