//! The nearest-neighbour two-sample test.

use crate::evaluation::neighbours::{Across, Nearest, Within};

/// A set of points, each among the others of its set and among those of the other set.
pub(super) struct Side<'a> {
    pub(super) within: &'a [Within],
    pub(super) across: &'a [Across],
}

impl Side<'_> {
    fn len(&self) -> usize {
        self.within.len()
    }

    fn nearest(&self) -> impl Iterator<Item = (Nearest, Nearest)> {
        self.within.iter().zip(self.across).map(|(own, other)| (own.nearest, other.nearest))
    }

    /// The points whose nearest neighbour is of their own set, over all; ties count half.
    pub(super) fn accuracy(&self) -> f64 {
        let right = self.nearest().map(|(own, other)| {
            if own.distance == other.distance {
                0.5
            } else {
                f64::from(own.distance < other.distance)
            }
        });
        right.sum::<f64>() / self.len() as f64
    }

    /// The nearest neighbour of each of its points in the union of both sets, where the points of
    /// this set are numbered from `own_first` and those of the other from `other_first`.
    fn targets(&self, own_first: usize, other_first: usize) -> impl Iterator<Item = usize> {
        self.nearest().map(move |(own, other)| {
            if own.distance <= other.distance {
                own_first + own.index
            } else {
                other_first + other.index
            }
        })
    }
}

/// The nearest neighbour of every point of the union, the points of `real` first.
pub(super) fn nearest_neighbours(real: &Side, samples: &Side) -> Vec<usize> {
    let n = real.len();
    real.targets(0, n).chain(samples.targets(n, 0)).collect()
}

/// The distribution of the accuracy if both sets come from one distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Null {
    pub(super) mean: f64,
    pub(super) standard_error: f64,
}

/// The mean and standard deviation of the accuracy over all ways to call n of the points real and
/// the m others samples, where point i has the nearest neighbour `nearest[i]`.
///
/// # Derivation
///
/// If both sets come from one distribution, then given where the points lie each such labelling is
/// as probable as any other. Let Xᵢ = 1 if point i is labelled as its neighbour is, N = n + m, and
/// P(…) be the probability over labellings. Then E[Xᵢ] = P(two points alike) =: p₂, which is the
/// mean of the accuracy Σ Xᵢ / N: a little below ½ for n = m, as the point itself is left out.
///
/// The Xᵢ are not independent, so the variance is not the binomial N·p₂·(1 − p₂). E[Xᵢ·Xⱼ] depends
/// on what the pairs {i, `nearest[i]`} and {j, `nearest[j]`} have in common:
///
/// - both points, where i and j are each other's neighbours: P(two points alike) = p₂;
/// - one point: P(three points alike) =: p₃;
/// - none: P(two points alike, and two others) =: p₂₂.
///
/// With M, C and D unordered pairs (i, j) of each kind,
/// Var(Σ Xᵢ) = N·p₂ + 2·(M·p₂ + C·p₃ + D·p₂₂) − (N·p₂)². M is counted. A point that e of the N pairs
/// contain makes e·(e − 1)/2 pairs of pairs have it in common, which sum to C + 2·M. And
/// M + C + D = N·(N − 1)/2.
///
/// For n = m it tends to the binomial times 1 + 2·M/N: half to two thirds of all points are in a
/// mutual pair, which makes the standard error a quarter larger than the binomial one.
///
/// Source: M. F. Schilling, "Multivariate two-sample tests based on nearest neighbors", Journal of
/// the American Statistical Association 81 (1986); N. Henze, The Annals of Statistics 16 (1988).
pub(super) fn null(nearest: &[usize], n: usize) -> Null {
    let total = nearest.len();
    let mut ends = vec![1_usize; total];
    nearest.iter().for_each(|&j| ends[j] += 1);
    let mutual = nearest.iter().enumerate().filter(|&(i, &j)| i < j && nearest[j] == i).count();
    let in_common: usize = ends.iter().map(|e| e * (e - 1) / 2).sum();
    let sharing = in_common - 2 * mutual;
    let apart = total * (total - 1) / 2 - mutual - sharing;

    let m = total - n;
    let (all, mutual, sharing, apart) = (total as f64, mutual as f64, sharing as f64, apart as f64);
    let alike = |k| (falling(n, k) + falling(m, k)) / falling(total, k);
    let two_pairs = alike(4) + 2.0 * falling(n, 2) * falling(m, 2) / falling(total, 4);
    let variance = all * alike(2)
        + 2.0 * (mutual * alike(2) + sharing * alike(3) + apart * two_pairs)
        - (all * alike(2)).powi(2);
    // Rounding can leave a variance of zero a hair below it.
    Null { mean: alike(2), standard_error: variance.max(0.0).sqrt() / all }
}

/// n·(n − 1)···(n − k + 1): the ways to draw k of n in order.
fn falling(n: usize, k: usize) -> f64 {
    (0..k).map(|i| n as f64 - i as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The accuracy's mean and standard deviation over all labellings, one by one.
    fn enumerate(nearest: &[usize], n: usize) -> Null {
        let total = nearest.len();
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for labels in (0..1_u32 << total).filter(|labels| labels.count_ones() as usize == n) {
            let alike = |&(i, &j): &(usize, &usize)| labels >> i & 1 == labels >> j & 1;
            let accuracy = nearest.iter().enumerate().filter(alike).count() as f64 / total as f64;
            count += 1.0;
            sum += accuracy;
            squares += accuracy * accuracy;
        }
        let mean = sum / count;
        Null { mean, standard_error: (squares / count - mean * mean).max(0.0).sqrt() }
    }

    /// A neighbour for each of N points, never the point itself.
    fn neighbours() -> impl Strategy<Value = Vec<usize>> {
        (4..11_usize).prop_flat_map(|total| {
            proptest::collection::vec(1..total, total).prop_map(move |steps| {
                steps.iter().enumerate().map(|(i, step)| (i + step) % total).collect()
            })
        })
    }

    proptest! {
        #[test]
        fn the_null_distribution_is_that_of_all_labellings(
            nearest in neighbours(), share in 0.0..1.0_f64,
        ) {
            let n = 2 + (share * (nearest.len() - 3) as f64) as usize;
            let (found, expected) = (null(&nearest, n), enumerate(&nearest, n));
            prop_assert!((found.mean - expected.mean).abs() < 1e-13, "{found:?} {expected:?}");
            // A root magnifies the rounding of a variance near 0.
            let (a, b) = (found.standard_error.powi(2), expected.standard_error.powi(2));
            prop_assert!((a - b).abs() < 1e-13, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn with_large_sets_of_one_size_the_variance_is_the_binomial_times_one_plus_the_mutual_share() {
        // A chain of mutual pairs, and a point between each that looks to the left.
        let nearest: Vec<usize> =
            (0..30_000).map(|i| if i % 3 == 0 { i + 1 } else { i - 1 }).collect();
        let found = null(&nearest, 15_000);
        let binomial = (0.25 / 30_000.0_f64).sqrt();
        let ratio = (found.standard_error / binomial).powi(2);
        assert!((ratio - (1.0 + 2.0 / 3.0)).abs() < 1e-3, "{ratio}");
    }
}
