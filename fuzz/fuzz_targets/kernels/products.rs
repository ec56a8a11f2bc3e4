//! Matrix products.

use elbo_kernels::{Mat, MatMut, Output, Scalar, gemm, gemm_sparse};

use super::Input;

/// The most multiply-adds of a product: enough to be shared between threads.
const WORK: usize = 1 << 18;
/// The largest dimension, beyond every block.
const LARGEST: usize = 1300;

/// A dimension of a product that has `so_far` multiply-adds without it.
fn dimension(size: u16, so_far: usize) -> usize {
    usize::from(size) % (1 + LARGEST.min(WORK / so_far.max(1)))
}

/// Elements from the first to the last of `rows` × `cols`.
fn extent(rows: usize, cols: usize, stride: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * stride + cols }
}

pub fn check<T: Scalar>(input: &Input) {
    let m = dimension(input.sizes[0], 1);
    let k = dimension(input.sizes[1], m);
    let n = dimension(input.sizes[2], m * k.max(1));
    let [layout, start, strides, zeros] = input.choices;
    let [a_transposed, b_transposed, sparse] = [1, 2, 4].map(|bit| layout & bit != 0);

    // Rows of what is read may overlap, even be one and the same; those of what is written may not.
    let stored = |rows, cols, transposed| if transposed { (cols, rows) } else { (rows, cols) };
    let (a_rows, a_cols) = stored(m, k, a_transposed);
    let (b_rows, b_cols) = stored(k, n, b_transposed);
    let a_stride = (a_cols + 3).saturating_sub(usize::from(strides % 16));
    let b_stride = (b_cols + 3).saturating_sub(usize::from(strides / 16));
    let c_stride = n + usize::from(start / 3 % 4);

    let mut a_data = input.elements::<T>(extent(a_rows, a_cols, a_stride), 1);
    for (i, stretch) in a_data.chunks_mut(23).enumerate() {
        if i as u8 % 4 < zeros % 5 {
            stretch.fill(if i % 2 == 0 { T::ZERO } else { -T::ZERO });
        }
    }
    let mut b_data = input.elements::<T>(extent(b_rows, b_cols, b_stride), 2);
    if sparse {
        // What zeros make of ∞ and NaN is left open.
        b_data.iter_mut().filter(|b| !b.to_f64().is_finite()).for_each(|b| *b = T::ONE);
    }
    let row = input.elements::<T>(n, 3);
    let c_data = input.elements::<T>(extent(m, n, c_stride), 4);
    let output =
        [Output::Overwrite, Output::Accumulate, Output::AddRow(&row)][usize::from(start % 3)];

    let mut expected = c_data.clone();
    for i in 0..m {
        for j in 0..n {
            let c = &mut expected[i * c_stride + j];
            let begin = match output {
                Output::Overwrite => T::ZERO,
                Output::Accumulate => *c,
                Output::AddRow(row) => row[j],
            };
            let a = |p| a_data[if a_transposed { p * a_stride + i } else { i * a_stride + p }];
            let b = |p| b_data[if b_transposed { j * b_stride + p } else { p * b_stride + j }];
            *c = (0..k).fold(begin, |acc, p| a(p).mul_add(b(p), acc));
            if sparse {
                *c += T::ZERO;
            }
        }
    }
    input.expect(&expected, || {
        let mut c_data = c_data.clone();
        let a = Mat::with_row_stride(&a_data, a_rows, a_cols, a_stride);
        let b = Mat::with_row_stride(&b_data, b_rows, b_cols, b_stride);
        let c = MatMut::with_row_stride(&mut c_data, m, n, c_stride);
        let (a, b) = (if a_transposed { a.t() } else { a }, if b_transposed { b.t() } else { b });
        if sparse {
            gemm_sparse(a, b, output, c)
        } else {
            gemm(a, b, output, c)
        }
        c_data
    });
}
