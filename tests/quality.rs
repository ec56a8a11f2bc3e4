//! Samples against real images: brute force, situations whose figures are known, and MNIST against
//! itself.

use std::path::Path;

use elbo::{
    data::{self, Images, Part, Pixels, Treatment, View},
    evaluation::quality::{Comparison, Quality, Settings, compare, quality},
    random::{self, Purpose},
};
use ndarray::{Array1, Array2, ArrayView1, Axis, array, concatenate};
use proptest::prelude::*;

fn normal(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut x = Array2::zeros((rows, columns));
    random::fill_normal(&mut x, seed, Purpose::Prior, 0, 0..rows);
    x
}

// --- brute force ---

fn squared(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    (&a - &b).mapv(|v| v * v).sum()
}

/// The squared distances from row `i` of `x` to the others, ascending.
fn to_others(x: &Array2<f64>, i: usize) -> Vec<f64> {
    let others = (0..x.nrows()).filter(|&j| j != i);
    let mut distances: Vec<f64> = others.map(|j| squared(x.row(i), x.row(j))).collect();
    distances.sort_by(f64::total_cmp);
    distances
}

/// f(φ, Φ), equation 1.
fn is_covered(point: ArrayView1<f64>, set: &Array2<f64>, k: usize) -> bool {
    (0..set.nrows()).any(|j| squared(point, set.row(j)) <= to_others(set, j)[k - 1])
}

/// Equation 2.
fn share_covered(points: &Array2<f64>, set: &Array2<f64>, k: usize) -> f64 {
    let covered = points.rows().into_iter().filter(|&point| is_covered(point, set, k)).count();
    covered as f64 / points.nrows() as f64
}

/// The share of `own` whose nearest neighbour is of `own`, ties half.
fn nearest_is_own(own: &Array2<f64>, other: &Array2<f64>) -> f64 {
    let nearest_other = |i: usize| {
        let distances = other.rows().into_iter().map(|point| squared(own.row(i), point));
        distances.fold(f64::INFINITY, f64::min)
    };
    let right = |i: usize| match to_others(own, i)[0].total_cmp(&nearest_other(i)) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    };
    (0..own.nrows()).map(right).sum::<f64>() / own.nrows() as f64
}

fn is_brute_force(
    real: &Array2<f64>,
    samples: &Array2<f64>,
    k: usize,
) -> Result<(), TestCaseError> {
    let found = compare(real.view(), samples.view(), k);
    prop_assert_eq!(found.precision, share_covered(samples, real, k));
    prop_assert_eq!(found.recall, share_covered(real, samples, k));
    let (on_real, on_samples) = (nearest_is_own(real, samples), nearest_is_own(samples, real));
    prop_assert_eq!(found.nearest_neighbour_accuracy_on_real, on_real);
    prop_assert_eq!(found.nearest_neighbour_accuracy_on_samples, on_samples);
    let (n, m) = (real.nrows() as f64, samples.nrows() as f64);
    prop_assert_eq!(found.nearest_neighbour_accuracy, (n * on_real + m * on_samples) / (n + m));
    Ok(())
}

/// Two sets of `columns` dimensions with more than k points each, and k.
fn sets(
    value: impl Strategy<Value = f64> + Clone,
) -> impl Strategy<Value = (Array2<f64>, Array2<f64>, usize)> {
    (1..5_usize, 1..4_usize).prop_flat_map(move |(columns, k)| {
        let value = value.clone();
        let set = move || {
            let value = value.clone();
            (k + 1..20).prop_flat_map(move |rows| {
                proptest::collection::vec(value.clone(), rows * columns)
                    .prop_map(move |x| Array2::from_shape_vec((rows, columns), x).unwrap())
            })
        };
        (set(), set(), Just(k))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_figures_are_those_of_brute_force((real, samples, k) in sets(-2.0..2.0_f64)) {
        is_brute_force(&real, &samples, k)?;
    }

    /// Points of a lattice have distances without rounding, and many of them are equal.
    #[test]
    fn ties_and_duplicates_are_those_of_brute_force(
        (real, samples, k) in sets((-2..3_i32).prop_map(f64::from)),
    ) {
        is_brute_force(&real, &samples, k)?;
    }

    #[test]
    fn swapped_sets_swap_precision_and_recall((real, samples, k) in sets(-2.0..2.0_f64)) {
        let there = compare(real.view(), samples.view(), k);
        let back = compare(samples.view(), real.view(), k);
        prop_assert_eq!((there.precision, there.recall), (back.recall, back.precision));
        prop_assert_eq!(
            there.nearest_neighbour_accuracy_on_real,
            back.nearest_neighbour_accuracy_on_samples
        );
    }
}

/// More rows than a block of distances holds, and not a whole number of blocks.
#[test]
fn many_points_are_those_of_brute_force() {
    let (real, samples) = (normal(601, 3, 1), normal(300, 3, 2) * 0.7);
    is_brute_force(&real, &samples, 3).unwrap();
}

// --- known situations ---

#[test]
fn a_copy_of_the_real_images_is_covered_and_nearer_to_them_than_they_to_each_other() {
    let x = normal(200, 4, 1);
    let found = compare(x.view(), x.view(), 3);
    assert_eq!((found.precision, found.recall), (1.0, 1.0));
    assert_eq!(found.nearest_neighbour_accuracy, 0.0);
}

#[test]
fn clusters_far_apart_have_nothing_in_common_and_are_always_told_apart() {
    let found = compare(normal(150, 4, 1).view(), (normal(200, 4, 2) + 100.0).view(), 3);
    assert_eq!((found.precision, found.recall), (0.0, 0.0));
    assert_eq!(found.nearest_neighbour_accuracy, 1.0);
}

/// Two clusters of real images.
fn two_modes() -> Array2<f64> {
    concatenate![Axis(0), normal(300, 2, 1), normal(300, 2, 2) + 50.0]
}

#[test]
fn mode_collapse_costs_recall_and_not_precision() {
    let found = compare(two_modes().view(), normal(600, 2, 3).view(), 3);
    assert!(found.precision > 0.8, "{found:?}");
    assert!((0.3..=0.5).contains(&found.recall), "{found:?}");
    // The real images of the other mode are among their own.
    assert!(found.nearest_neighbour_accuracy_on_real > 0.6, "{found:?}");
}

#[test]
fn samples_of_all_modes_and_of_none_cost_precision_and_not_recall() {
    let samples = concatenate![Axis(0), two_modes(), normal(600, 2, 4) * 5.0 - array![200.0, 0.0]];
    let real = concatenate![Axis(0), normal(300, 2, 5), normal(300, 2, 6) + 50.0];
    let found = compare(real.view(), samples.view(), 3);
    assert!(found.recall > 0.8, "{found:?}");
    assert!((0.4..=0.5).contains(&found.precision), "{found:?}");
}

#[test]
fn neither_a_rotation_nor_a_shift_nor_a_scale_changes_the_figures() {
    let (real, samples) = (normal(300, 3, 1), normal(200, 3, 2) * 0.8);
    let axes = array![[2.0, -1.0, 2.0], [2.0, 2.0, -1.0], [-1.0, 2.0, 2.0]] / 3.0;
    let moved = |x: &Array2<f64>| x.dot(&axes) * 7.0 + array![1.0, -2.0, 3.0];
    let found = compare(moved(&real).view(), moved(&samples).view(), 3);
    assert_eq!(found, compare(real.view(), samples.view(), 3));
}

/// The accuracy's distance from the expected one, in standard errors.
fn z(found: &Comparison) -> f64 {
    (found.nearest_neighbour_accuracy - found.nearest_neighbour_null_accuracy)
        / found.nearest_neighbour_null_standard_error
}

/// The binomial standard error would give a deviation of 1.27.
#[test]
fn of_two_sets_from_one_distribution_the_accuracy_deviates_by_its_standard_error() {
    let repetitions = 600;
    let z: Array1<f64> = (0..repetitions)
        .map(|seed| {
            let x = normal(200, 2, seed);
            let (real, samples) = x.view().split_at(Axis(0), 80);
            z(&compare(real, samples, 3))
        })
        .collect();
    // Four standard errors of a mean and of a deviation.
    let n = repetitions as f64;
    let (mean, deviation) = (z.mean().unwrap(), z.std(1.0));
    assert!(mean.abs() < 4.0 / n.sqrt(), "{mean}");
    assert!((deviation - 1.0).abs() < 4.0 / (2.0 * n).sqrt(), "{deviation}");
}

// --- images ---

/// Every second image of MNIST's test set, from `first` on, as `treatment` makes it.
fn half(images: &Images, treatment: Treatment, first: usize) -> Array2<f32> {
    let indices: Vec<usize> = (first..images.len()).step_by(2).collect();
    let mut x = Array2::zeros((indices.len(), images.pixels_per_image()));
    View::new(images, Part::Test).treated(treatment, 0).gather(&indices, 0, &mut x);
    x
}

/// Half of MNIST's test images against the other half: every second one, since the first 5,000 come
/// from other writers than the rest.
#[test]
fn real_images_cannot_be_told_from_real_images() {
    let images = data::load(Path::new("data/mnist"), Part::Test).unwrap().images;
    for treatment in [Treatment::Grey, Treatment::Binarised] {
        let view = View::new(&images, Part::Test).treated(treatment, 0);
        let (even, odd) = (half(&images, treatment, 0), half(&images, treatment, 1));
        let found = quality(view, even.view(), odd.view(), Settings::default());
        let Comparison { precision, recall, .. } = found.comparison;
        assert!((found.images, found.samples, found.features) == (5000, 5000, 50));
        // The two are estimates of one number.
        assert!((precision - recall).abs() < 0.03 && precision.min(recall) > 0.85, "{found:?}");
        assert!(z(&found.comparison).abs() < 3.0, "{found:?}");
    }
}

/// What a model that blurs does: the figures must see it.
#[test]
fn blurred_images_are_told_from_real_ones() {
    let images = data::load(Path::new("data/mnist"), Part::Test).unwrap().images;
    let (even, odd) = (half(&images, Treatment::Grey, 0), half(&images, Treatment::Grey, 1));
    let blurred = Array2::from_shape_fn(odd.dim(), |(n, p)| {
        let near =
            [p, p.saturating_sub(1), (p + 1).min(783), p.saturating_sub(28), (p + 28).min(783)];
        near.iter().map(|&p| odd[[n, p]]).sum::<f32>() / 5.0
    });
    let found = quality(&images, even.view(), blurred.view(), Settings::default());
    assert!(z(&found.comparison) > 10.0, "{found:?}");
}

fn random_images() -> (Images, Array2<f32>, Array2<f32>) {
    let images = |seed| (normal(700, 36, seed) * 0.2 + 0.5).mapv(|v| v.clamp(0.0, 1.0) as f32);
    let train = Pixels::Floats(images(1).into_raw_vec_and_offset().0);
    (Images::new(6, 6, train).unwrap(), images(2), images(3))
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (train, real, samples) = random_images();
    let settings = Settings { features: 20, k: 3 };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| quality(&train, real.view(), samples.view(), settings))
    };
    let alone: Quality = run(1);
    assert!(alone.comparison.precision > 0.0);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), alone, "{threads} threads");
    }
}

#[test]
fn json_has_all_figures_side_by_side() {
    let (train, real, samples) = random_images();
    let found = quality(&train, real.view(), samples.view(), Settings { features: 99, k: 2 });
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        (&json["features"], &json["k"], &json["images"]),
        (&36.into(), &2.into(), &700.into())
    );
    assert_eq!(json["precision"], found.comparison.precision);
    assert_eq!(json["nearest_neighbour_accuracy"], found.comparison.nearest_neighbour_accuracy);
}

#[test]
#[should_panic(expected = "3 points have no 3 neighbours each")]
fn no_more_points_than_neighbours_are_refused() {
    compare(normal(3, 2, 1).view(), normal(9, 2, 2).view(), 3);
}

#[test]
#[should_panic(expected = "not finite")]
fn features_that_are_not_finite_are_refused() {
    compare(array![[1.0], [f64::NAN], [2.0]].view(), normal(9, 1, 2).view(), 1);
}
