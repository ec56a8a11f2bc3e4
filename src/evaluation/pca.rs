//! Principal components, by Jacobi's eigenvalue method or, of many variables, by subspace
//! iteration.
//!
//! A latent space of more than two dimensions is looked at along its two directions of largest
//! variance, and images are compared along some tens of theirs ([`super::quality`]).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};

use super::subspace::leading_eigen;

/// Jacobi's method converges quadratically, in fewer than 10 sweeps for hundreds of dimensions, so
/// that this bound is met by data that are not finite and by nothing else.
const MAX_SWEEPS: usize = 60;

/// The directions along which data vary most.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    /// The mean of the data, (d).
    pub mean: Array1<f64>,
    /// Orthonormal rows, (k, d), the direction of largest variance first. Each row's entry of
    /// largest magnitude is positive.
    pub components: Array2<f64>,
    /// The variance of the data along each component, (k), descending.
    pub variances: Array1<f64>,
}

impl Pca {
    /// The first `k` principal components of `data`, (n, d); all d of them if `k` exceeds d.
    ///
    /// They are the eigenvectors of the covariance C = Xᵀ·X / (n − 1), X being the data less
    /// their mean, for its largest eigenvalues. Takes O(n·d² + d³) time. The result is the same,
    /// bit for bit, wherever it is computed. Data that are not finite give components that are not
    /// either.
    ///
    /// # Panics
    ///
    /// If `data` has no rows.
    pub fn fit(data: ArrayView2<f64>, k: usize) -> Pca {
        let n = data.nrows();
        assert!(n > 0, "the principal components of no data");
        let mean = data.sum_axis(Axis(0)) / n as f64;
        let (eigenvalues, eigenvectors) = symmetric_eigen(covariance(data, &mean));
        let mut order = descending(&eigenvalues);
        order.truncate(k);
        let (variances, components) =
            (eigenvalues.select(Axis(0), &order), eigenvectors.select(Axis(0), &order));
        Pca::of_eigen(mean, variances, components)
    }

    /// The first `k` principal components of data with this mean, (d), and covariance C, (d, d).
    ///
    /// For many variables and few components: subspace iteration takes O(k·d²) time per step, a few
    /// tens of steps where the variances fall off. The variances agree with those of [`Pca::fit`]
    /// to rounding, and the components where they are told apart by their variances. The result is
    /// the same, bit for bit, on any number of threads.
    ///
    /// # Panics
    ///
    /// If C is not square, or not as wide as the mean is long.
    pub fn of_covariance(mean: Array1<f64>, covariance: &Array2<f64>, k: usize) -> Pca {
        assert_eq!(covariance.dim(), (mean.len(), mean.len()), "a covariance of other variables");
        let (variances, components) = leading_eigen(covariance, k);
        Pca::of_eigen(mean, variances, components)
    }

    /// From eigenvalues and eigenvectors in their order.
    fn of_eigen(mean: Array1<f64>, eigenvalues: Array1<f64>, mut components: Array2<f64>) -> Pca {
        for mut component in components.rows_mut() {
            if largest_in_magnitude(component.view()) < 0.0 {
                component.mapv_inplace(|entry| -entry);
            }
        }
        // Rounding can leave a variance that is zero a hair below it.
        let variances =
            eigenvalues.mapv_into(|variance| if variance < 0.0 { 0.0 } else { variance });
        Pca { mean, components, variances }
    }

    /// The coordinates of `data`, (n, d), along the components: (data − mean)·componentsᵀ, (n, k).
    ///
    /// # Panics
    ///
    /// If `data` has not as many columns as the data of [`Pca::fit`].
    pub fn project(&self, data: ArrayView2<f64>) -> Array2<f64> {
        let centred = &data - &self.mean;
        Array2::from_shape_fn((data.nrows(), self.components.nrows()), |(i, j)| {
            centred.row(i).dot(&self.components.row(j))
        })
    }
}

/// The most variables that [`plane`] looks at.
pub const MAX_PLANE_VARIABLES: usize = 256;

/// Data in the plane of their first two principal components.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// A point for each row of the data.
    pub points: Vec<(f64, f64)>,
    /// The share of the data's total variance along each axis.
    pub shares: [f64; 2],
}

/// Projects `data` (n, d), d ≥ 2, to the plane in which they vary most.
///
/// The work grows with the cube of the number of variables, so beyond [`MAX_PLANE_VARIABLES`] only
/// those that vary most take part; in a latent space they are the active ones.
///
/// # Panics
///
/// If there are no data, or fewer than two variables.
pub fn plane(data: ArrayView2<f64>) -> Plane {
    let variances = data.var_axis(Axis(0), 0.0);
    let mut order: Vec<usize> = (0..data.ncols()).collect();
    order.sort_by(|&i, &j| variances[j].total_cmp(&variances[i]));
    order.truncate(MAX_PLANE_VARIABLES);
    let data = data.select(Axis(1), &order);
    let pca = Pca::fit(data.view(), 2);
    let projected = pca.project(data.view());
    // `var_axis` divides by n, the components' variances by n - 1.
    let n = data.nrows() as f64;
    let total = variances.sum() * n / (n - 1.0).max(1.0);
    let share = |i: usize| pca.variances[i] / total.max(f64::MIN_POSITIVE);
    Plane {
        points: projected.rows().into_iter().map(|row| (row[0], row[1])).collect(),
        shares: [share(0), share(1)],
    }
}

/// C = Xᵀ·X / (n − 1), (d, d), with X the data less their mean; zero for a single row.
fn covariance(data: ArrayView2<f64>, mean: &Array1<f64>) -> Array2<f64> {
    // One variable a row, so that each entry of C is the dot product of two contiguous rows.
    let variables = (&data - mean).t().as_standard_layout().into_owned();
    let degrees_of_freedom = (data.nrows() - 1).max(1) as f64;
    let mut covariance = Array2::zeros((data.ncols(), data.ncols()));
    for i in 0..data.ncols() {
        for j in i..data.ncols() {
            let entry = variables.row(i).dot(&variables.row(j)) / degrees_of_freedom;
            covariance[[i, j]] = entry;
            covariance[[j, i]] = entry;
        }
    }
    covariance
}

fn largest_in_magnitude(vector: ArrayView1<f64>) -> f64 {
    vector
        .fold(0.0, |largest, &entry| if entry.abs() > f64::abs(largest) { entry } else { largest })
}

/// The indices of some values, from the largest value to the smallest.
pub(super) fn descending(values: &Array1<f64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}

/// Eigenvalues, in no particular order, and eigenvectors, as rows, of a symmetric matrix.
///
/// The cyclic Jacobi method: each rotation J in the plane of two coordinates p < q turns A into
/// Jᵀ·A·J with a zero at (p, q), and a sweep does so for every pair. The sum of squares off the
/// diagonal shrinks with every rotation.
///
/// Source: G. H. Golub and C. F. Van Loan, Matrix Computations, 4th edition, section 8.5.
pub(super) fn symmetric_eigen(mut a: Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let d = a.nrows();
    let mut eigenvectors = Array2::eye(d);
    let negligible = f64::EPSILON * norm(a.iter());
    for _ in 0..MAX_SWEEPS {
        if norm(a.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, entry)| entry)) <= negligible
        {
            break;
        }
        for p in 0..d {
            for q in p + 1..d {
                if a[[p, q]] != 0.0 {
                    annihilate(&mut a, &mut eigenvectors, p, q);
                }
            }
        }
    }
    (a.diag().to_owned(), eigenvectors)
}

/// Turns A into Jᵀ·A·J, whose entries (p, q) and (q, p) are zero, and the eigenvectors with it.
///
/// The tangent t of the smaller angle that does so solves t² + 2·τ·t − 1 = 0 with
/// τ = (a_qq − a_pp) / (2·a_pq): t = sign(τ) / (|τ| + √(1 + τ²)).
fn annihilate(a: &mut Array2<f64>, eigenvectors: &mut Array2<f64>, p: usize, q: usize) {
    let (a_pp, a_pq, a_qq) = (a[[p, p]], a[[p, q]], a[[q, q]]);
    let tau = (a_qq - a_pp) / (2.0 * a_pq);
    let tangent = 1.0_f64.copysign(tau) / (tau.abs() + tau.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;

    rotate_rows(eigenvectors, p, q, cosine, sine);
    // Outside rows and columns p and q nothing changes, and by symmetry the columns are the rows;
    // only where they cross do both sides of the product act.
    rotate_rows(a, p, q, cosine, sine);
    for i in 0..a.nrows() {
        a[[i, p]] = a[[p, i]];
        a[[i, q]] = a[[q, i]];
    }
    a[[p, p]] = a_pp - tangent * a_pq;
    a[[q, q]] = a_qq + tangent * a_pq;
    a[[p, q]] = 0.0;
    a[[q, p]] = 0.0;
}

/// Row p becomes cos·row p − sin·row q, row q becomes sin·row p + cos·row q; p < q.
fn rotate_rows(matrix: &mut Array2<f64>, p: usize, q: usize, cosine: f64, sine: f64) {
    let (mut upper, mut lower) = matrix.view_mut().split_at(Axis(0), q);
    Zip::from(upper.row_mut(p)).and(lower.row_mut(0)).for_each(|in_p, in_q| {
        (*in_p, *in_q) = (cosine * *in_p - sine * *in_q, sine * *in_p + cosine * *in_q);
    });
}

fn norm<'a>(entries: impl Iterator<Item = &'a f64>) -> f64 {
    entries.map(|entry| entry * entry).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_the_plane_is_that_of_the_variables_that_vary() {
        let d = MAX_PLANE_VARIABLES + 40;
        let wave = |i: usize, j: usize| match j {
            7 => 5.0 * (i as f64 * 0.7).sin(),
            290 => 2.0 * (i as f64 * 1.9).cos(),
            _ => 0.0,
        };
        let wide = Array2::from_shape_fn((50, d), |(i, j)| wave(i, j));
        let narrow = Array2::from_shape_fn((50, 2), |(i, j)| wave(i, [7, 290][j]));
        let (wide, narrow) = (plane(wide.view()), plane(narrow.view()));
        for (a, b) in wide.points.iter().zip(&narrow.points) {
            assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12, "{a:?} {b:?}");
        }
        assert!((wide.shares[0] + wide.shares[1] - 1.0).abs() < 1e-12, "{:?}", wide.shares);
        assert!(wide.shares[0] > wide.shares[1]);
    }
    use ndarray::{Array, Dimension, array};
    use proptest::prelude::*;

    fn assert_close<D: Dimension>(got: &Array<f64, D>, expected: &Array<f64, D>, tolerance: f64) {
        assert_eq!(got.shape(), expected.shape());
        let close = (got - expected).iter().all(|difference| difference.abs() <= tolerance);
        assert!(close, "{got}\nnot\n{expected}");
    }

    #[test]
    fn the_axes_that_the_data_were_built_on_are_found() {
        // An orthonormal triple, and points at ±3, ±2, ±1 along it about (10, 20, 30).
        let axes = array![[2.0, -1.0, 2.0], [2.0, 2.0, -1.0], [-1.0, 2.0, 2.0]] / 3.0;
        let centre = array![10.0, 20.0, 30.0];
        let mut data = Array2::zeros((6, 3));
        for (axis, length) in [(0, 2.0), (1, 3.0), (2, 1.0)] {
            let offset = &axes.row(axis) * length;
            data.row_mut(2 * axis).assign(&(&centre + &offset));
            data.row_mut(2 * axis + 1).assign(&(&centre - &offset));
        }
        let pca = Pca::fit(data.view(), 3);
        let expected = array![[2.0, 2.0, -1.0], [2.0, -1.0, 2.0], [-1.0, 2.0, 2.0]] / 3.0;
        assert_close(&pca.components, &expected, 1e-14);
        assert_close(&pca.mean, &centre, 1e-14);
        assert_close(&pca.variances, &(array![18.0, 8.0, 2.0] / 5.0), 1e-14);

        let first = pca.project(data.view()).column(0).to_owned();
        assert_close(&first, &array![0.0, 0.0, 3.0, -3.0, 0.0, 0.0], 1e-14);
    }

    #[test]
    fn the_entry_of_largest_magnitude_is_positive() {
        let pca = Pca::fit(array![[0.0, 0.0], [1.0, -2.0], [2.0, -4.0]].view(), 1);
        assert_close(&pca.components, &(array![[-1.0, 2.0]] / 5.0_f64.sqrt()), 1e-15);
    }

    #[test]
    fn data_that_do_not_vary_have_no_variance_and_still_orthonormal_components() {
        for data in [array![[1.0, 2.0, 3.0]], Array2::from_elem((5, 3), 0.1)] {
            let pca = Pca::fit(data.view(), 2);
            assert_close(&pca.components, &array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 0.0);
            assert!(pca.variances.iter().all(|&variance| variance < 1e-30));
        }
    }

    #[test]
    fn more_components_than_dimensions_are_not_to_be_had() {
        let pca = Pca::fit(array![[1.0], [3.0]].view(), 2);
        assert_eq!(pca.components, array![[1.0]]);
        assert_eq!(pca.variances, array![2.0]);
    }

    #[test]
    fn data_that_are_not_finite_come_to_an_end() {
        let pca = Pca::fit(array![[1.0, f64::NAN], [2.0, 3.0], [f64::INFINITY, 1.0]].view(), 2);
        assert_eq!(pca.components.dim(), (2, 2));
        assert!(pca.mean[1].is_nan());
    }

    #[test]
    fn hundreds_of_dimensions_converge() {
        let d = 150;
        let data = Array2::from_shape_fn((400, d), |(i, j)| {
            ((i * 7919 + j * j * 31 + i * j) % 1009) as f64 / 1009.0
        });
        let pca = Pca::fit(data.view(), d);
        assert_close(&pca.components.dot(&pca.components.t()), &Array2::eye(d), 1e-12);
        let projected = pca.project(data.view());
        let mean = Array1::zeros(d);
        let expected = Array2::from_diag(&pca.variances);
        assert_close(&covariance(projected.view(), &mean), &expected, 1e-13);
    }

    fn any_data() -> impl Strategy<Value = Array2<f64>> {
        (1..30_usize, 1..8_usize).prop_flat_map(|(n, d)| {
            proptest::collection::vec(-100.0..100.0_f64, n * d)
                .prop_map(move |values| Array2::from_shape_vec((n, d), values).unwrap())
        })
    }

    proptest! {
        #[test]
        fn components_are_orthonormal_and_variances_descend(data in any_data()) {
            let d = data.ncols();
            let pca = Pca::fit(data.view(), d);
            assert_close(&pca.components.dot(&pca.components.t()), &Array2::eye(d), 1e-13);
            prop_assert!(pca.variances.windows(2).into_iter().all(|pair| pair[0] >= pair[1]));
            prop_assert!(pca.variances.iter().all(|&variance| variance >= 0.0));
        }

        #[test]
        fn along_the_components_the_data_are_uncorrelated_with_those_variances(data in any_data()) {
            let pca = Pca::fit(data.view(), data.ncols());
            let projected = pca.project(data.view());
            let expected = Array2::from_diag(&pca.variances);
            let mean = Array1::zeros(data.ncols());
            assert_close(&covariance(projected.view(), &mean), &expected, 1e-9);
        }

        #[test]
        fn all_components_together_give_the_data_back(data in any_data()) {
            let pca = Pca::fit(data.view(), data.ncols());
            let back = pca.project(data.view()).dot(&pca.components) + &pca.mean;
            assert_close(&back, &data, 1e-11);
        }

        #[test]
        fn a_covariance_gives_the_variances_of_its_data_and_the_space_along_which_they_vary(
            data in any_data(), k in 0..8_usize,
        ) {
            let fitted = Pca::fit(data.view(), k);
            let covariance = covariance(data.view(), &fitted.mean);
            let pca = Pca::of_covariance(fitted.mean.clone(), &covariance, k);
            let total = covariance.diag().sum();
            let scale = |variances: &Array1<f64>| variances / total.max(f64::MIN_POSITIVE);
            assert_close(&scale(&pca.variances), &scale(&fitted.variances), 1e-13);
            let along = pca.components.dot(&covariance).dot(&pca.components.t());
            assert_close(&along, &Array2::from_diag(&pca.variances), 1e-9 * total);
            prop_assert!(pca.components.rows().into_iter().all(|c| largest_in_magnitude(c) > 0.0));
        }

        #[test]
        fn fewer_components_are_the_first_of_all(data in any_data(), k in 0..8_usize) {
            let (all, some) = (Pca::fit(data.view(), data.ncols()), Pca::fit(data.view(), k));
            let k = k.min(data.ncols());
            prop_assert_eq!(some.components, all.components.view().split_at(Axis(0), k).0);
            prop_assert_eq!(some.variances, all.variances.view().split_at(Axis(0), k).0);
        }
    }
}
