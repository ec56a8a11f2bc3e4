//! Probes of features: against brute force, where the answer is known, and what they refuse.

use std::collections::BTreeMap;

use elbo::{
    data::{Part, TooFewLabels},
    random::{self, Purpose},
    uses::probe::{Labelled, ProbeError, Settings, linear, probe, probe_neighbours, vote},
};
use ndarray::{Array2, Axis, array, concatenate};
use proptest::prelude::*;

fn normal(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut x = Array2::zeros((rows, columns));
    random::fill_normal(&mut x, seed, Purpose::Check, 0, 0..rows);
    x
}

/// Three clusters, `distance` apart, and their labels in turn.
fn clusters(n: usize, distance: f64, seed: u64) -> (Array2<f64>, Vec<u8>) {
    let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
    let centre = |label: u8, j: usize| if j == usize::from(label) { distance } else { 0.0 };
    let mut x = normal(n, 4, seed);
    x.indexed_iter_mut().for_each(|((i, j), x)| *x += centre(labels[i], j));
    (x, labels)
}

fn labelled<'a>((features, labels): &'a (Array2<f64>, Vec<u8>)) -> Labelled<'a> {
    Labelled { features: features.view(), labels }
}

/// Neighbours by a stable sort of all distances, their votes counted in a map.
fn vote_by_definition(x: &Array2<f64>, y: &[u8], points: &Array2<f64>, k: usize) -> Vec<u8> {
    let label = |point: ndarray::ArrayView1<f64>| {
        let distance = |&i: &usize| (&x.row(i) - &point).mapv(|v| v * v).sum();
        let mut order: Vec<usize> = (0..x.nrows()).collect();
        order.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        let asked: Vec<u8> = order.iter().take(k).map(|&i| y[i]).collect();
        let mut votes = BTreeMap::new();
        asked.iter().for_each(|label| *votes.entry(label).or_insert(0) += 1);
        let most = votes.values().max().unwrap();
        *asked.iter().find(|label| votes[label] == *most).unwrap()
    };
    points.rows().into_iter().map(label).collect()
}

proptest! {
    /// Points of a lattice: distances without rounding, many of them equal.
    #[test]
    fn the_vote_is_that_of_brute_force_with_ties_settled_by_index(
        x in proptest::collection::vec((-2..3_i8, -2..3_i8, 0..4_u8), 1..60),
        points in proptest::collection::vec((-3..4_i8, -3..4_i8), 1..40),
        k in 1..9_usize,
    ) {
        let y: Vec<u8> = x.iter().map(|&(.., label)| label).collect();
        let x = Array2::from_shape_fn((x.len(), 2), |(i, j)| f64::from([x[i].0, x[i].1][j]));
        let points =
            Array2::from_shape_fn((points.len(), 2), |(i, j)| f64::from([points[i].0, points[i].1][j]));
        let expected = vote_by_definition(&x, &y, &points, k);
        prop_assert_eq!(vote(x.view(), &y, points.view(), k), expected);
    }
}

/// More points than a block of distances holds.
#[test]
fn the_vote_of_many_is_that_of_brute_force() {
    let (x, y) = clusters(700, 1.0, 1);
    let points = normal(211, 4, 2);
    let found = vote(x.view(), &y, points.view(), 5);
    assert_eq!(found, vote_by_definition(&x, &y, &points, 5));
}

#[test]
fn of_as_many_votes_those_of_the_nearest_count() {
    let x = array![[1.0], [2.0], [3.0], [4.0]];
    assert_eq!(vote(x.view(), &[7, 3, 3, 7], array![[0.0]].view(), 4), [7]);
    assert_eq!(vote(x.view(), &[7, 3, 3, 7], array![[0.0]].view(), 3), [3]);
}

#[test]
fn clusters_far_apart_are_told_from_few_labels_without_error() {
    let (train, test) = (clusters(300, 20.0, 1), clusters(100, 20.0, 2));
    let settings = Settings { neighbours: 3, ..Settings::default() };
    let found = probe(labelled(&train), labelled(&test), 9, settings).unwrap();
    assert_eq!((found.labels, found.nearest_neighbours, found.linear), (9, 1.0, Some(1.0)));
    let neighbours = probe_neighbours(labelled(&train), labelled(&test), 9, settings).unwrap();
    assert_eq!((neighbours.nearest_neighbours, neighbours.linear), (1.0, None));
}

/// Of two clusters with the same covariance σ² = 1, no classifier errs less often than the line between
/// them, which errs with the probability Φ(-d/2): of d = 2, 0.1587.
#[test]
fn the_linear_probe_reaches_the_least_error_there_is() {
    let set = |n: usize, seed| {
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        let mut x = normal(n, 3, seed);
        x.column_mut(1).iter_mut().zip(&labels).for_each(|(x, &y)| *x += 2.0 * f64::from(y));
        (x, labels)
    };
    let (train, test) = (set(4000, 1), set(40_000, 2));
    let found = probe(labelled(&train), labelled(&test), 4000, Settings::default()).unwrap();
    // Four standard errors of 40,000 answers.
    assert!((found.linear.unwrap() - 0.8413).abs() < 0.0074, "{found:?}");
}

/// Classes inside and around each other: neighbours see that, lines cannot.
#[test]
fn neighbours_tell_what_no_line_can() {
    let set = |n: usize, seed| {
        let x = normal(n, 2, seed);
        let radius = |row: ndarray::ArrayView1<f64>| row.dot(&row).sqrt();
        let labels = x.rows().into_iter().map(|row| u8::from(radius(row) > 1.1774)).collect();
        (x, labels)
    };
    let (train, test) = (set(2000, 1), set(1000, 2));
    let found = probe(labelled(&train), labelled(&test), 2000, Settings::default()).unwrap();
    assert!(found.nearest_neighbours > 0.93, "{found:?}");
    assert!(found.linear.unwrap() < 0.65, "{found:?}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (x, y) = clusters(500, 1.5, 3);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (linear::Probe::fit(x.view(), &y, 1.0), vote(x.view(), &y, x.view(), 4)))
    };
    let alone = run(1);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), alone, "{threads} threads");
    }
}

#[test]
fn too_few_labels_or_neighbours_and_features_that_are_not_finite_are_refused() {
    let (train, test) = (clusters(30, 2.0, 1), clusters(10, 2.0, 2));
    let refused = |labels, neighbours| {
        let settings = Settings { neighbours, ..Settings::default() };
        probe(labelled(&train), labelled(&test), labels, settings).unwrap_err()
    };
    let asked = TooFewLabels { asked: 31, available: 30 };
    assert_eq!(refused(31, 5), ProbeError::TooFewLabels(asked));
    assert_eq!(refused(4, 5), ProbeError::TooFewNeighbours { neighbours: 5, labels: 4 });

    let mut broken = clusters(10, 2.0, 2);
    broken.0[[7, 2]] = f64::NAN;
    let refused = |train, test| probe(train, test, 9, Settings::default()).unwrap_err();
    let not_finite = |part| ProbeError::NotFinite { part, image: 7 };
    assert_eq!(refused(labelled(&train), labelled(&broken)), not_finite(Part::Test));
    assert_eq!(refused(labelled(&broken), labelled(&test)), not_finite(Part::Train));
}

#[test]
fn a_class_that_was_never_seen_is_never_called() {
    let (x, y) = clusters(60, 20.0, 1);
    let of = |keep: fn(u8) -> bool| {
        let rows: Vec<usize> = (0..60).filter(|&i| keep(y[i])).collect();
        (x.select(Axis(0), &rows), rows.iter().map(|&i| y[i]).collect::<Vec<_>>())
    };
    let (seen, unseen) = (of(|label| label < 2), of(|label| label == 2));
    let both =
        (concatenate![Axis(0), seen.0.view(), unseen.0.view()], [&seen.1[..], &unseen.1].concat());
    let found = probe(labelled(&seen), labelled(&both), 40, Settings::default()).unwrap();
    assert_eq!((found.nearest_neighbours, found.linear), (2.0 / 3.0, Some(2.0 / 3.0)));
}
