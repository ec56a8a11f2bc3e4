//! Nearest neighbours by brute force: all distances, a block of rows at a time.

use elbo_kernels::{Mat, MatMut, Output, gemm, team};
use ndarray::{Array2, ArrayView2};

use crate::real::{flat, flat_mut, mat};

/// Rows of distances that are held at once: memory grows with the number of points, not with its
/// square. Few enough for those to 10,000 points, 2.5 MB, to stay in a cache.
const BLOCK_ROWS: usize = 32;
/// Rows of distances below which a second thread does not pay.
const ROWS_PER_PART: usize = 4;

/// Points whose distances are asked for.
pub(crate) struct Points {
    /// (n, d).
    x: Array2<f64>,
    /// ‖x‖² of each.
    squares: Vec<f64>,
}

impl Points {
    pub(crate) fn new(x: ArrayView2<f64>) -> Self {
        // The chain by which `gemm` adds up a·b, so that ‖a‖² and a·a are the same bits.
        let square = |sum: f64, &v: &f64| v.mul_add(v, sum);
        let squares = x.rows().into_iter().map(|row| row.iter().fold(0.0, square)).collect();
        Self { x: x.as_standard_layout().into_owned(), squares }
    }

    pub(crate) fn len(&self) -> usize {
        self.squares.len()
    }
}

/// `of(i, row)` for each point i of `from`, where row[j] = ‖fromᵢ − toⱼ‖², in the order of the
/// points.
///
/// By ‖a − b‖² = (‖a‖² + ‖b‖²) − 2·a·b, the products by GEMM. The error is some 1e-16·(‖a‖² + ‖b‖²),
/// the square root of which is the distance below which two points cannot be told apart. Exact, in
/// every bit, are:
///
/// - the distance of a point to another with the same coordinates, which is 0;
/// - ‖a − b‖² = ‖b − a‖², whichever of them is in `from`;
///
/// and so what is compared with a radius that another call has found is the very number that the
/// radius is. No bit depends on the number of threads, nor on what else is in `from` and `to`.
fn map_distances<R: Clone + Default + Send>(
    from: &Points,
    to: &Points,
    of: impl Fn(usize, &mut [f64]) -> R + Sync,
) -> Vec<R> {
    let (n, d) = to.x.dim();
    let mut results = vec![R::default(); from.len()];
    let mut distances = Array2::zeros((BLOCK_ROWS.min(from.len()), n));
    for (block, results) in results.chunks_mut(BLOCK_ROWS).enumerate() {
        let (first, rows) = (block * BLOCK_ROWS, results.len());
        let distances = &mut flat_mut(&mut distances)[..rows * n];
        let a = Mat::new(&flat(&from.x)[first * d..], rows, d);
        gemm(a, mat(&to.x).t(), Output::Overwrite, MatMut::new(distances, rows, n));

        let rows_per_part = rows.div_ceil(team::part_count(rows, ROWS_PER_PART));
        let squares = from.squares[first..first + rows].chunks(rows_per_part);
        let parts = distances.chunks_mut(rows_per_part * n).zip(squares);
        let parts = parts.zip(results.chunks_mut(rows_per_part)).enumerate();
        team::share(parts, |(part, ((distances, squares), results))| {
            let rows = distances.chunks_exact_mut(n).zip(squares).zip(results);
            for (i, ((row, a), result)) in rows.enumerate() {
                for (distance, b) in row.iter_mut().zip(&to.squares) {
                    // Rounding can leave a hair below 0.
                    *distance = ((a + b) - 2.0 * *distance).max(0.0);
                }
                *result = of(first + part * rows_per_part + i, row);
            }
        });
    }
    results
}

/// The nearest of some points: of several equally near ones, the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nearest {
    pub(super) index: usize,
    /// Squared.
    pub(super) distance: f64,
}

impl Default for Nearest {
    fn default() -> Self {
        Self { index: 0, distance: f64::INFINITY }
    }
}

impl Nearest {
    fn of(distances: &[f64]) -> Self {
        let mut nearest = Self::default();
        for (index, &distance) in distances.iter().enumerate() {
            if distance < nearest.distance {
                nearest = Self { index, distance };
            }
        }
        nearest
    }
}

/// A point among the others of its own set, itself left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Within {
    pub(super) nearest: Nearest,
    /// The squared distance to the k-th nearest. A duplicate is a neighbour like any other.
    pub(super) radius: f64,
}

/// Each of `points` among the others.
///
/// # Panics
///
/// If there are not more than `k` points, or `k` is 0.
pub(super) fn within(points: &Points, k: usize) -> Vec<Within> {
    assert!(0 < k && k < points.len(), "{} points have no {k} neighbours each", points.len());
    map_distances(points, points, |i, distances| {
        distances[i] = f64::INFINITY;
        let nearest = Nearest::of(distances);
        let (_, &mut radius, _) = distances.select_nth_unstable_by(k - 1, f64::total_cmp);
        Within { nearest, radius }
    })
}

/// A point among those of another set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Across {
    pub(super) nearest: Nearest,
    /// Whether it lies in the ball of a point of the other set, the surface included.
    pub(super) is_covered: bool,
}

/// Each of `points` among `others`, whose balls reach to their k-th neighbours.
pub(super) fn across(points: &Points, others: &Points, balls: &[Within]) -> Vec<Across> {
    map_distances(points, others, |_, distances| Across {
        nearest: Nearest::of(distances),
        is_covered: distances.iter().zip(balls).any(|(&distance, ball)| distance <= ball.radius),
    })
}

/// The indices of the k nearest of `others` to each of `points`, (points, k), the nearest first; of
/// equally near ones, the first in `others` comes first. Of others that are not k, all.
pub(crate) fn nearest(points: &Points, others: &Points, k: usize) -> Vec<Vec<usize>> {
    map_distances(points, others, |_, distances| smallest(distances, k))
}

/// The indices of the k smallest values in rising order, equal ones in the order in which they stand.
///
/// After the first few hundred of many thousand values, hardly one is among the k smallest so far, so
/// that nearly all cost one comparison.
fn smallest(values: &[f64], k: usize) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::with_capacity(k + 1);
    for (index, &value) in values.iter().enumerate() {
        let is_full = found.len() == k;
        if is_full && found.last().is_none_or(|&last| value >= values[last]) {
            continue;
        }
        found.insert(found.partition_point(|&other| values[other] <= value), index);
        found.truncate(k);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(max: usize) -> impl Strategy<Value = Array2<f64>> {
        (1..max, 1..5_usize).prop_flat_map(|(n, d)| {
            proptest::collection::vec(-3.0..3.0_f64, n * d)
                .prop_map(move |values| Array2::from_shape_vec((n, d), values).unwrap())
        })
    }

    fn all_distances(from: &Array2<f64>, to: &Array2<f64>) -> Vec<Vec<f64>> {
        let (from, to) = (Points::new(from.view()), Points::new(to.view()));
        map_distances(&from, &to, |_, row| row.to_vec())
    }

    proptest! {
        #[test]
        fn distances_are_those_of_the_definition(x in points(20), y in points(20)) {
            let d = x.ncols().min(y.ncols());
            let cut = |a: &Array2<f64>| a.select(ndarray::Axis(1), &Vec::from_iter(0..d));
            let (x, y) = (cut(&x), cut(&y));
            for (row, a) in all_distances(&x, &y).iter().zip(x.rows()) {
                for (distance, b) in row.iter().zip(y.rows()) {
                    let expected = (&a - &b).mapv(|v| v * v).sum();
                    prop_assert!((distance - expected).abs() < 1e-13, "{distance} {expected}");
                }
            }
        }

        #[test]
        fn distances_are_symmetric_and_zero_to_a_twin_in_every_bit(x in points(20)) {
            let twins = ndarray::concatenate![ndarray::Axis(0), x, x];
            let (there, back) = (all_distances(&x, &twins), all_distances(&twins, &x));
            for i in 0..x.nrows() {
                prop_assert_eq!((there[i][i], there[i][i + x.nrows()]), (0.0, 0.0));
                for j in 0..twins.nrows() {
                    prop_assert_eq!(there[i][j].to_bits(), back[j][i].to_bits());
                }
            }
        }
    }

    proptest! {
        /// Points of a lattice, of whose distances many are equal.
        #[test]
        fn the_k_nearest_are_those_of_a_stable_sort_by_distance(
            x in proptest::collection::vec(-2..3_i8, 2..40),
            y in proptest::collection::vec(-2..3_i8, 2..40),
            k in 0..8_usize,
        ) {
            let plane = |values: &[i8]| {
                Array2::from_shape_fn((values.len() / 2, 2), |(i, j)| f64::from(values[2 * i + j]))
            };
            let (x, y) = (plane(&x), plane(&y));
            let found = nearest(&Points::new(x.view()), &Points::new(y.view()), k);
            for (found, a) in found.iter().zip(x.rows()) {
                let distance = |&j: &usize| (&a - &y.row(j)).mapv(|v| v * v).sum();
                let mut order: Vec<usize> = (0..y.nrows()).collect();
                order.sort_by(|i, j| distance(i).total_cmp(&distance(j)));
                order.truncate(k);
                prop_assert_eq!(found, &order);
            }
        }
    }

    #[test]
    fn a_point_is_not_its_own_neighbour_but_its_twin_is() {
        let x = Points::new(ndarray::array![[0.0], [1.0], [3.0], [1.0]].view());
        let squares = |k| within(&x, k).iter().map(|p| p.radius).collect::<Vec<_>>();
        assert_eq!(squares(1), [1.0, 0.0, 4.0, 0.0]);
        assert_eq!(squares(2), [1.0, 1.0, 4.0, 1.0]);
        assert_eq!(squares(3), [9.0, 4.0, 9.0, 4.0]);
        let nearest: Vec<usize> = within(&x, 1).iter().map(|p| p.nearest.index).collect();
        assert_eq!(nearest, [1, 3, 1, 1]);
    }

    #[test]
    fn the_surface_of_a_ball_belongs_to_it() {
        let centres = Points::new(ndarray::array![[0.0], [2.0]].view());
        let x = Points::new(ndarray::array![[-2.0], [-2.0 - 1e-9], [4.0], [1.0]].view());
        let covered = across(&x, &centres, &within(&centres, 1));
        assert_eq!(
            covered.iter().map(|p| p.is_covered).collect::<Vec<_>>(),
            [true, false, true, true]
        );
        assert_eq!(covered[3].nearest, Nearest { index: 0, distance: 1.0 });
    }
}
