//! Learning from few labels, from the command line.

use super::*;

const SMALL: &str = "--epochs 2 --hidden 8 --latent 2 --batch-size 8";

#[test]
fn every_model_reports_its_accuracy_beside_that_of_labels_alone() {
    let place = Place::new();
    for model in ["m1", "m2", "m1m2"] {
        let command = format!("semi --labels 20 --model {model} {SMALL}");
        let done = place.elbo(&format!("{command} --json")).succeeds();
        let report: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!((&report["labels"], &report["classes"]), (&20.into(), &10.into()), "{report}");
        for key in ["accuracy", "baseline_accuracy"] {
            let twelfths = report[key].as_f64().unwrap() * TEST as f64;
            assert!((0.0..=12.0).contains(&twelfths), "{report}");
            assert!((twelfths - twelfths.round()).abs() < 1e-9, "{report}");
        }
        let text = place.elbo(&command).succeeds();
        assert!(text.stdout.starts_with("labels "), "{}", text.stdout);
        assert!(text.stderr.contains("20 of 40 images keep their labels"), "{}", text.stderr);
        let again = place.elbo(&format!("{command} --json --threads 1")).succeeds();
        assert_eq!(again.stdout, done.stdout);
    }
}

#[test]
fn numbers_of_labels_that_leave_none_or_all_are_refused() {
    let place = Place::new();
    place.refuses("semi --labels 0", 2, &["--labels is 0", "1 to 39"]);
    place.refuses("semi --labels 40", 2, &["--labels is 40", "1 to 39"]);
    place.refuses("semi --labels 41", 2, &["41", "40"]);
    for option in ["--alpha 0", "--learning-rate -1", "--epochs 0", "--model m3", "--labels -1"] {
        place.refuses(&format!("semi {option}"), 2, &[option.split([' ', '=']).next().unwrap()]);
    }
}

#[test]
fn data_without_labels_is_refused() {
    let place = Place::new();
    fs::remove_file(place.path("data/mnist/train-labels-idx1-ubyte")).unwrap();
    place.refuses("semi", 1, &["data/mnist: the train images have no labels"]);
}

#[test]
fn an_option_of_another_model_is_refused() {
    let place = Place::new();
    for (option, model) in [("--m1-epochs", "m2"), ("--alpha", "m1"), ("--labelled-weight", "m1")] {
        let parts = [option, "has no effect with --model", model];
        place.refuses(&format!("semi --model {model} {option} 3"), 2, &parts);
    }
}
