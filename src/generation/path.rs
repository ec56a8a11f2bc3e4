//! Ways through the latent space, from code to code.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// How to go from one code to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Course {
    /// (1 - t)·a + t·b.
    #[default]
    Straight,
    /// Along the arc of a circle: with Ω the angle between a and b,
    ///
    /// (sin((1 - t)·Ω)·a + sin(t·Ω)·b) / sin Ω,
    ///
    /// straight where that has no meaning, as a and b lie on one line through 0. In many
    /// dimensions nearly all of N(0, I) is about √d away from 0, and a straight line between two draws
    /// leads through the middle, where there are none; the arc keeps its distance.
    ///
    /// Sources: Shoemake 1985, *Animating rotation with quaternion curves*; White 2016, *Sampling
    /// generative networks*, section 2.1.
    Spherical,
}

/// Below this sine, two directions are one line.
const NO_ANGLE: f64 = 1e-6;

impl Course {
    /// `steps` codes from `a` to `b`, both included: (steps, width). A single one is `a`.
    ///
    /// # Panics
    ///
    /// If the two codes differ in width.
    pub fn between(self, a: ArrayView1<f64>, b: ArrayView1<f64>, steps: usize) -> Array2<f64> {
        assert_eq!(a.len(), b.len(), "codes of two models");
        let cosine = a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt();
        let angle = cosine.clamp(-1.0, 1.0).acos();
        // Of a code that is 0, the cosine is NaN, and so is the sine.
        let is_arc = self == Course::Spherical && angle.sin() > NO_ANGLE;
        let shares = |t: f64| match is_arc {
            true => [((1.0 - t) * angle).sin(), (t * angle).sin()].map(|v| v / angle.sin()),
            false => [1.0 - t, t],
        };
        let mut codes = Array2::zeros((steps, a.len()));
        for (i, mut code) in codes.rows_mut().into_iter().enumerate() {
            let [of_a, of_b] = shares(i as f64 / (steps - 1).max(1) as f64);
            code.assign(&(&a * of_a + &b * of_b));
        }
        codes
    }
}

/// A smooth way through all `stations`, (stations, width), and back to the first, with `steps` codes
/// from each to the next: (stations·steps, width). The code after the last one is the first.
///
/// It is the closed spline of Catmull and Rom: from p₁ to p₂, with p₀ before and p₃ after them,
///
/// ½·(2·p₁ + (p₂ - p₀)·t + (2·p₀ - 5·p₁ + 4·p₂ - p₃)·t² + (3·p₁ - p₀ - 3·p₂ + p₃)·t³),
///
/// whose direction at a station is that from the one before to the one after, so that there are no
/// corners.
///
/// Source: Catmull & Rom 1974, *A class of local interpolating splines*.
///
/// # Panics
///
/// If there are no stations.
pub fn tour(stations: ArrayView2<f64>, steps: usize) -> Array2<f64> {
    let n = stations.nrows();
    assert!(n > 0, "a way through no stations");
    let mut codes = Array2::zeros((n * steps, stations.ncols()));
    for (i, mut code) in codes.rows_mut().into_iter().enumerate() {
        let (leg, t) = (i / steps, (i % steps) as f64 / steps as f64);
        let [p0, p1, p2, p3] = [n - 1, 0, 1, 2].map(|offset| stations.row((leg + offset) % n));
        let spline: Array1<f64> = &p1 * 2.0
            + (&p2 - &p0) * t
            + (&p0 * 2.0 - &p1 * 5.0 + &p2 * 4.0 - p3) * t.powi(2)
            + (&p1 * 3.0 - p0 - &p2 * 3.0 + p3) * t.powi(3);
        code.assign(&(spline * 0.5));
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, array};
    use proptest::prelude::*;

    fn norm(v: ArrayView1<f64>) -> f64 {
        v.dot(&v).sqrt()
    }

    #[test]
    fn a_straight_course_is_even() {
        let path = Course::Straight.between(array![0.0, 4.0].view(), array![2.0, 0.0].view(), 3);
        assert_eq!(path, array![[0.0, 4.0], [1.0, 2.0], [2.0, 0.0]]);
    }

    #[test]
    fn a_single_step_is_the_first_code() {
        let (a, b) = (array![1.0, 2.0], array![3.0, -4.0]);
        for course in [Course::Straight, Course::Spherical] {
            let path = course.between(a.view(), b.view(), 1);
            assert!((&path.row(0) - &a).iter().all(|v| v.abs() < 1e-15));
        }
    }

    #[test]
    fn without_an_angle_a_spherical_course_is_straight() {
        let a = array![1.0, 2.0];
        for b in [array![0.0, 0.0], array![-2.0, -4.0], array![3.0, 6.0]] {
            let [arc, line] =
                [Course::Spherical, Course::Straight].map(|c| c.between(a.view(), b.view(), 5));
            assert_eq!(arc, line);
        }
    }

    #[test]
    fn a_tour_of_two_goes_there_and_back_and_of_one_stays() {
        let path = tour(array![[0.0], [1.0]].view(), 2);
        assert_eq!(path, array![[0.0], [0.5], [1.0], [0.5]]);
        assert_eq!(tour(array![[3.0]].view(), 3), array![[3.0], [3.0], [3.0]]);
    }

    fn codes(n: usize) -> impl Strategy<Value = Array2<f64>> {
        proptest::collection::vec(0.1..2.0_f64, 3 * n)
            .prop_map(move |v| Array2::from_shape_vec((n, 3), v).unwrap())
    }

    proptest! {
        #[test]
        fn an_arc_between_two_of_one_length_keeps_it_and_turns_evenly(ends in codes(2)) {
            let (a, b) = (ends.row(0), ends.row(1));
            let b = &b * (norm(a) / norm(b));
            let cosine = |u: ArrayView1<f64>, v: ArrayView1<f64>| u.dot(&v) / norm(u) / norm(v);
            prop_assume!(cosine(a, b.view()) < 0.999);
            let path = Course::Spherical.between(a, b.view(), 5);
            let first = cosine(path.row(0), path.row(1));
            for i in 0..4 {
                prop_assert!((norm(path.row(i)) - norm(a)).abs() < 1e-9);
                prop_assert!((cosine(path.row(i), path.row(i + 1)) - first).abs() < 1e-9);
            }
            prop_assert!((&path.row(4) - &b).iter().all(|v| v.abs() < 1e-9));
        }

        #[test]
        fn a_tour_passes_every_station_and_turns_no_corner(stations in codes(5)) {
            let steps = 1000;
            let path = tour(stations.view(), steps);
            for (i, station) in stations.rows().into_iter().enumerate() {
                let at = i * steps;
                prop_assert!((&path.row(at) - &station).iter().all(|v| v.abs() < 1e-12));
                let before = &path.row(at) - &path.row((at + path.nrows() - 1) % path.nrows());
                let after = &path.row(at + 1) - &path.row(at);
                let direction = &stations.row((i + 1) % 5) - &stations.row((i + 4) % 5);
                for step in [before, after] {
                    let off = step * 2.0 * steps as f64 - &direction;
                    prop_assert!(off.iter().all(|v| v.abs() < 0.05), "{off}");
                }
            }
        }

        #[test]
        fn a_tour_of_a_rotated_list_is_the_rotated_tour(stations in codes(4)) {
            let order: Vec<usize> = (0..4).map(|i| (i + 1) % 4).collect();
            let rotated = tour(stations.select(Axis(0), &order).view(), 3);
            let path = tour(stations.view(), 3);
            for i in 0..12 {
                prop_assert!((&rotated.row(i) - &path.row((i + 3) % 12)).iter().all(|v| v.abs() < 1e-12));
            }
        }
    }
}
