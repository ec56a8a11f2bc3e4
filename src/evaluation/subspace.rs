//! The leading eigenvectors of a large symmetric matrix, by subspace iteration.
//!
//! Jacobi's method ([`super::pca`]) finds all d of them in O(d³) with a large constant: 784 pixels
//! take it most of a minute. A few tens of them are found in a second by multiplying with the
//! matrix again and again.

use elbo_kernels::{Output, gemm};
use ndarray::{Array, Array1, Array2, ArrayView1, ArrayViewMut1, Axis, RemoveAxis, Slice};

use super::pca::{descending, symmetric_eigen};
use crate::{
    random::{self, Purpose},
    real::{mat, mat_mut},
};

/// The residual ‖A·v − λ·v‖ that is small enough, relative to the largest eigenvalue.
const TOLERANCE: f64 = 1e-10;

/// Where eigenvalues hardly fall off, the last vectors converge slowly; after so many steps they
/// are orthonormal vectors along which data vary almost as much.
const MAX_STEPS: usize = 200;

/// The `k` largest eigenvalues, descending, and their eigenvectors, as rows (k, d), of a symmetric
/// matrix A (d, d) without negative eigenvalues; all d of them if `k` exceeds d.
///
/// Q (m, d) has orthonormal rows, at first random. A step
///
/// 1. multiplies, Y = Q·A, which stretches every eigenvector's part in Q by its eigenvalue;
/// 2. solves the small problem within the subspace (Rayleigh and Ritz): with the eigenvectors S of
///    Q·A·Qᵀ = Y·Qᵀ (m, m) as rows, the rows of S·Q are the best approximations that the subspace
///    holds;
/// 3. takes for the next Q an orthonormal basis of the rows of S·Y.
///
/// The error of vector i shrinks by λ_{m+1}/λᵢ in every step, so that Q has m = 2k + 2 rows although
/// only k are wanted. With m = d the first step is exact.
///
/// Source: N. Halko, P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM
/// Review 53 (2011), algorithm 4.4; Rayleigh-Ritz: G. H. Golub and C. F. Van Loan, Matrix
/// Computations, 4th edition, section 8.2.4.
pub(super) fn leading_eigen(a: &Array2<f64>, k: usize) -> (Array1<f64>, Array2<f64>) {
    let d = a.nrows();
    let k = k.min(d);
    let m = (2 * k + 2).min(d);
    let mut q = Array2::zeros((m, d));
    random::fill_normal(&mut q, 0, Purpose::Init, 0, 0..m);
    orthonormalise(&mut q);
    for step in 1.. {
        let y = product(&q, a);
        let (eigenvalues, s) = symmetric_eigen(product(&y, &q.t().as_standard_layout().to_owned()));
        let order = descending(&eigenvalues);
        let (eigenvalues, s) = (eigenvalues.select(Axis(0), &order), s.select(Axis(0), &order));
        let (vectors, y) = (product(&s, &q), product(&s, &y));
        let converged = (0..k).all(|i| {
            let residual = &y.row(i) - &(&vectors.row(i) * eigenvalues[i]);
            residual.dot(&residual).sqrt() <= TOLERANCE * eigenvalues[0].abs()
        });
        if converged || step == MAX_STEPS {
            return (first(k, eigenvalues), first(k, vectors));
        }
        q = y;
        orthonormalise(&mut q);
    }
    unreachable!("the last step returns")
}

/// The first `k` entries, or rows.
fn first<D: RemoveAxis>(k: usize, mut a: Array<f64, D>) -> Array<f64, D> {
    a.slice_axis_inplace(Axis(0), Slice::from(..k));
    a
}

/// A·B.
fn product(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let mut c = Array2::zeros((a.nrows(), b.ncols()));
    gemm(mat(a), mat(b), Output::Overwrite, mat_mut(&mut c));
    c
}

/// Makes the rows of A (m, d), m ≤ d, an orthonormal basis of a space that holds them all.
///
/// By Householder's reflections Hⱼ = I − 2·vⱼ·vⱼᵀ, each of which turns row j into one that ends at
/// its entry j: A·H₀···H_{m−1} = (L 0). As each is its own inverse, A = L·Q with
/// Q = (I 0)·H_{m−1}···H₀. Unlike those of Gram and Schmidt, the rows of Q are orthonormal
/// to rounding even where those of A depend on each other or are zero.
///
/// Source: Golub and Van Loan, section 5.2.2.
fn orthonormalise(a: &mut Array2<f64>) {
    let (m, d) = a.dim();
    for j in 0..m {
        let (mut upper, mut below) = a.view_mut().split_at(Axis(0), j + 1);
        let mut row = upper.row_mut(j);
        row.iter_mut().take(j).for_each(|v| *v = 0.0);
        // Away from zero, so that nothing cancels.
        row[j] += row.dot(&row).sqrt().copysign(row[j]);
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
        below.rows_mut().into_iter().for_each(|other| reflect(other, row.view()));
    }
    let v = std::mem::replace(a, first(m, Array2::eye(d)));
    for v in v.rows().into_iter().rev() {
        a.rows_mut().into_iter().for_each(|row| reflect(row, v));
    }
}

/// row·(I − 2·v·vᵀ).
fn reflect(mut row: ArrayViewMut1<f64>, v: ArrayView1<f64>) {
    let along = row.dot(&v);
    row.scaled_add(-2.0 * along, &v);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Dimension;
    use proptest::prelude::*;

    fn distance<D: Dimension>(a: &Array<f64, D>, b: &Array<f64, D>) -> f64 {
        assert_eq!(a.shape(), b.shape());
        (a - b).iter().fold(0.0, |largest, difference| difference.abs().max(largest))
    }

    fn normal(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
        let mut x = Array2::zeros((rows, columns));
        random::fill_normal(&mut x, seed, Purpose::Check, 0, 0..rows);
        x
    }

    /// U·diag(values)·Uᵀ for a random rotation with the rows of Uᵀ.
    fn with_eigenvalues(values: &Array1<f64>, seed: u64) -> (Array2<f64>, Array2<f64>) {
        let mut vectors = normal(values.len(), values.len(), seed);
        orthonormalise(&mut vectors);
        let a = vectors.t().dot(&Array2::from_diag(values)).dot(&vectors);
        ((&a + &a.t()) / 2.0, vectors)
    }

    #[test]
    fn the_eigenvectors_that_the_matrix_was_built_of_are_found() {
        let values = Array1::from_shape_fn(120, |i| 10.0 * 0.8_f64.powi(i as i32));
        let (a, built) = with_eigenvalues(&values, 1);
        let (found, vectors) = leading_eigen(&a, 9);
        assert!(distance(&found, &first(9, values)) < 1e-13, "{found}");
        let cosines = vectors.dot(&built.t()).mapv(f64::abs);
        let expected = first(9, Array2::eye(120));
        // The residual's bound over the smallest gap, 0.2·10·0.8⁹.
        assert!(distance(&cosines, &expected) < 1e-10 * 10.0 / 0.26, "{cosines}");
    }

    #[test]
    fn equal_eigenvalues_give_some_orthonormal_vectors_of_their_space() {
        let (found, vectors) = leading_eigen(&Array2::eye(30), 4);
        assert!(distance(&found, &Array1::ones(4)) < 1e-14);
        assert!(distance(&vectors.dot(&vectors.t()), &Array2::eye(4)) < 1e-14);
    }

    #[test]
    fn a_matrix_of_low_rank_or_none_has_eigenvalues_of_zero_and_orthonormal_vectors() {
        for rank in 0..3 {
            let values = Array1::from_shape_fn(40, |i| if i < rank { 2.0 } else { 0.0 });
            let (a, _) = with_eigenvalues(&values, 2);
            let (found, vectors) = leading_eigen(&a, 5);
            assert!(distance(&found, &first(5, values)) < 1e-14, "{found}");
            assert!(distance(&vectors.dot(&vectors.t()), &Array2::eye(5)) < 1e-14);
        }
    }

    #[test]
    fn what_is_not_finite_comes_to_an_end() {
        let (values, vectors) = leading_eigen(&Array2::from_elem((9, 9), f64::NAN), 2);
        assert_eq!((values.len(), vectors.dim()), (2, (2, 9)));
    }

    proptest! {
        #[test]
        fn the_values_are_those_of_jacobis_method(d in 1..14_usize, k in 0..16_usize, seed in 0..1000_u64) {
            let x = normal(d + 2, d, seed);
            let a = x.t().dot(&x);
            let (found, vectors) = leading_eigen(&a, k);
            let (all, _) = symmetric_eigen(a.clone());
            let expected = first(k.min(d), all.select(Axis(0), &descending(&all)));
            prop_assert!(distance(&found, &expected) < 1e-12 * a.diag().sum(), "{found} {expected}");
            let orthonormal = distance(&vectors.dot(&vectors.t()), &Array2::eye(k.min(d)));
            prop_assert!(orthonormal < 1e-13, "{orthonormal}");
        }

        #[test]
        fn an_orthonormal_basis_spans_the_rows_that_it_was_made_of(
            m in 1..8_usize, more in 0..5_usize, seed in 0..1000_u64,
        ) {
            let mut a = normal(m, m + more, seed);
            if m > 1 {
                let first = a.row(0).to_owned();
                a.row_mut(1).assign(&first);
            }
            let mut q = a.clone();
            orthonormalise(&mut q);
            prop_assert!(distance(&q.dot(&q.t()), &Array2::eye(m)) < 1e-13);
            prop_assert!(distance(&a.dot(&q.t()).dot(&q), &a) < 1e-13);
        }
    }
}
