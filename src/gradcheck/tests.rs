use super::*;
use crate::{distributions::bernoulli::Bernoulli, objectives::Elbo};

/// A function of twelve numbers with its gradient, and what a fault makes of that.
fn check(spoil: impl Fn(usize, f64) -> f64) -> Check {
    let x = Array2::from_shape_fn((3, 4), |(i, j)| (i * 4 + j) as f64 / 7.0);
    let mut d_x = x.mapv(f64::cos);
    d_x.iter_mut().enumerate().for_each(|(i, d)| *d = spoil(i, *d));
    input("x", &x, &d_x, |x| x.mapv(f64::sin).sum())
}

#[test]
fn a_right_gradient_is_right_to_ten_digits() {
    let check = check(|_, d| d);
    assert!(check.verdict == Verdict::Right && check.max_relative_error < 1e-10, "{check}");
    assert_eq!((check.elements, check.quotients.len(), check.shape), (12, 12, vec![3, 4]));
}

#[test]
fn a_wrong_element_is_found_and_named() {
    let check = check(|i, d| if i == 6 { d * (1.0 + 1e-5) } else { d });
    assert!((check.max_relative_error - 1e-5).abs() < 1e-8, "{check}");
    assert_eq!(check.index, [1, 2]);
    assert!(!check.is_right());
}

#[test]
fn a_wrong_sign_a_wrong_scale_a_missing_part_and_others_are_told_apart() {
    assert_eq!(check(|_, d| -d).verdict, Verdict::WrongSign { wrong: 12 });
    assert_eq!(check(|i, d| if i < 4 { -d } else { d }).verdict, Verdict::WrongSign { wrong: 4 });
    assert_eq!(
        check(|i, d| if i % 2 == 0 { 0.0 } else { d }).verdict,
        Verdict::Missing { wrong: 6 }
    );
    assert_eq!(check(|i, d| d + i as f64).verdict, Verdict::Wrong { wrong: 11 });
    assert_eq!(check(|i, d| if i == 2 { f64::NAN } else { d }).verdict, Verdict::NotFinite);
    // One element has a factor, whatever is wrong; elements off by a little each have none.
    assert_eq!(check(|i, d| if i == 3 { 1.5 * d } else { d }).verdict, Verdict::Wrong { wrong: 1 });
    let little = |i: usize, d: f64| d * (1.0 + 1e-6 * (i as f64).sin());
    assert!(matches!(check(little).verdict, Verdict::Wrong { .. }));
    let Verdict::WrongScale { factor, wrong: 12 } = check(|_, d| d / 2.0).verdict else {
        panic!("half the gradient")
    };
    assert!((factor - 0.5).abs() < 1e-9);
}

#[test]
fn at_a_kink_any_slope_between_is_right_and_none_outside() {
    let x = ndarray::arr2(&[[0.0, 1.5, -2.0]]);
    let relu = |x: &Array2<f64>| x.mapv(|x| 3.0 * x.max(0.0)).sum();
    let verdict = |at_0: f64| input("x", &x, &ndarray::arr2(&[[at_0, 3.0, 0.0]]), relu).verdict;
    for at_0 in [0.0, 1.0, 3.0] {
        let Verdict::Kink { count: 1, left, right } = verdict(at_0) else { panic!("{at_0}") };
        assert!(left.abs() < 1e-9 && (right - 3.0).abs() < 1e-9);
    }
    assert!(!verdict(-0.1).is_right() && !verdict(3.1).is_right());
}

#[test]
fn a_loss_that_is_not_a_number_does_not_pass() {
    let x = ndarray::arr2(&[[-1.0]]);
    let check = input("x", &x, &x, |x| x.mapv(f64::sqrt).sum());
    assert!(check.verdict == Verdict::NotFinite && check.max_relative_error.is_nan());
}

#[test]
fn of_a_large_tensor_some_elements_are_tried_and_a_direction_finds_the_others() {
    let x = normal(20, 30, 0).into_dyn();
    let check = |spoiled: Option<[usize; 2]>| {
        let mut d = x.mapv(f64::cos);
        spoiled.into_iter().for_each(|place| d[IxDyn(&place)] *= 0.5);
        let mut moved = x.clone();
        tensor("x".into(), &x, &d, Elements::Some(9), 0, |step| {
            step.take(moved.view_mut());
            let loss = moved.mapv(f64::sin).sum();
            step.undo(moved.view_mut(), &x);
            loss
        })
    };
    let right = check(None);
    assert!(right.elements == 9 && right.verdict == Verdict::Right, "{right}");
    assert!(right.direction_error.unwrap() < 1e-10, "{right:?}");
    let found = (0..20).map(|i| check(Some([i, 2 * i / 3 + 1])).verdict);
    assert!(found.clone().all(|verdict| !verdict.is_right()));
    let by_direction = found.filter(|v| *v == Verdict::Wrong { wrong: 0 }).count();
    assert!(by_direction > 10, "{by_direction}");
}

#[test]
fn the_largest_element_is_always_among_those_tried() {
    let mut d = ArrayD::zeros(IxDyn(&[40, 50]));
    d[[17, 31]] = -3.0;
    for most in [0, 1, 5] {
        let places = Elements::Some(most).of(&d, 3);
        assert_eq!(places.len(), most.max(1));
        assert_eq!(places[0], [17, 31]);
    }
    assert_eq!(Elements::All.of(&d, 3).len(), 2000);
}

#[test]
fn an_objective_is_checked_at_all_that_it_writes() {
    let report = objective(&Elbo, &Bernoulli);
    let names: Vec<&str> = report.checks.iter().map(|check| check.tensor.as_str()).collect();
    assert_eq!(names, ["logits", "mu", "log_var"]);
    report.assert_right();
}

#[test]
fn the_table_names_the_tensor_the_place_and_the_fault() {
    let report =
        Report { checks: vec![check(|_, d| d), check(|i, d| if i == 5 { -d } else { d })] };
    let table = report.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].ends_with("right") && lines[1].contains("3x4"), "{table}");
    assert!(lines[2].ends_with("WRONG") && lines[2].contains(" 1,1 "), "{table}");
    assert_eq!(lines[3], "    wrong sign in 1 element");
    assert!(std::panic::catch_unwind(|| report.assert_right()).is_err());
}

#[test]
fn a_loss_that_hides_its_slope_decides_nothing() {
    let x = ndarray::arr2(&[[0.3, -1.0]]);
    let right = x.mapv(f64::cos);
    let verdict = |d: &Array2<f64>, constant: f64| {
        input("x", &x, d, |x| constant + x.mapv(f64::sin).sum()).verdict
    };
    for d in [&right, &-&right, &(0.0 * &right)] {
        assert!(matches!(verdict(d, 1e15), Verdict::Undecided { .. }), "{d}");
    }
    // What it hides of a moderate constant is too little to matter, and a fault still shows.
    assert_eq!(verdict(&right, 1e3), Verdict::Right);
    assert_eq!(verdict(&-&right, 1e3), Verdict::WrongSign { wrong: 2 });
    assert!(!verdict(&(1.00001 * &right), 1e3).is_right());
}

#[test]
fn a_direction_along_which_there_is_a_kink_is_right_between_its_slopes() {
    let x = ArrayD::zeros(IxDyn(&[10, 10]));
    let check = |slope: f64| {
        let mut moved = x.clone();
        tensor("x".into(), &x, &x.mapv(|_| slope), Elements::Some(3), 0, |step| {
            step.take(moved.view_mut());
            let loss = moved.mapv(|x: f64| x.max(0.0)).sum();
            step.undo(moved.view_mut(), &x);
            loss
        })
    };
    assert!(check(0.0).is_right() && check(0.5).is_right() && check(1.0).is_right());
    assert!(!check(-0.1).is_right() && !check(1.2).is_right());
}

/// A layer y = x whose gradient is added to what stood there.
#[derive(Clone)]
struct Accumulates;

impl Parameters<f64> for Accumulates {
    fn names(&self) -> Vec<String> {
        vec![]
    }

    fn tensors(&self) -> impl Iterator<Item = ndarray::ArrayViewD<'_, f64>> {
        std::iter::empty()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, f64>> {
        std::iter::empty()
    }
}

impl Layer<f64> for Accumulates {
    type Cache = ();

    fn inputs(&self) -> usize {
        3
    }

    fn outputs(&self) -> usize {
        3
    }

    fn cache(&self, _batch: usize) {}

    fn forward(&self, x: &Array2<f64>, y: &mut Array2<f64>, _cache: &mut ()) {
        y.assign(x);
    }

    fn backward(
        &self,
        _x: &Array2<f64>,
        _y: &Array2<f64>,
        d_y: &mut Array2<f64>,
        d_x: Option<&mut Array2<f64>>,
        _cache: &mut (),
        _d: &mut Self,
    ) {
        if let Some(d_x) = d_x {
            *d_x += &*d_y;
        }
    }
}

#[test]
fn a_layer_that_adds_to_a_gradient_instead_of_writing_it_does_not_pass() {
    assert_eq!(layer(&Accumulates, 2).checks[0].verdict, Verdict::NotFinite);
}
