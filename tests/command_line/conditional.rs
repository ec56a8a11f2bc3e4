//! A conditional model, from labelled images to pictures of a class.

use super::{
    models::{draws, json, number},
    *,
};

const MODEL: &str = "run/model.safetensors";

/// With a small conditional model in `run`.
fn trained() -> Place {
    let place = Place::new();
    place.write("small.toml", format!("{SMALL}conditional = true\n"));
    place.train("--out run").succeeds();
    place
}

/// IDX labels in place of those of the data set.
fn relabel(place: &Place, part: &str, labels: &[u8]) {
    place.write(&format!("data/mnist/{part}-labels-idx1-ubyte"), idx(&[labels.len()], labels));
}

#[test]
fn a_run_learns_with_the_labels_and_keeps_how_many_classes_there_are() {
    let place = trained();
    assert!(place.text("run/recipe.toml").contains("classes = 10"));
    assert!(place.names("run").contains(&"classes.png".into()));
    let before = place.read(MODEL);
    let other: Vec<u8> = labels(TRAIN).iter().map(|label| 9 - label).collect();
    relabel(&place, "train", &other);
    let said = place.train("--out other").succeeds().stderr;
    assert!(said.contains("30-8-2 with labels of 10 classes"), "{said}");
    assert!(said.contains("log p(x|y)") && said.contains("wrote other/classes.png"), "{said}");
    assert_ne!(place.read("other/model.safetensors"), before);
}

#[test]
fn a_run_that_stops_and_goes_on_is_the_run_that_never_stopped() {
    let place = trained();
    place.train("--epochs 1 --out cut --threads 1").succeeds();
    place.elbo("train --out cut --resume --epochs 2 --threads 2").succeeds();
    for name in ["model.safetensors", "classes.png", "samples.png", "units.csv"] {
        assert!(place.read(&format!("run/{name}")) == place.read(&format!("cut/{name}")), "{name}");
    }
}

#[test]
fn pictures_are_of_the_class_that_is_asked_for() {
    let place = trained();
    assert_eq!(draws(&place, &format!("sample {MODEL}"), 10, 10), place.read("run/samples.png"));
    let all = draws(&place, &format!("sample {MODEL} --per-class"), 10, 10);
    assert_eq!(all, place.read("run/classes.png"));
    draws(&place, &format!("sample {MODEL} --per-class -n 3"), 10, 3);
    let of = |label| draws(&place, &format!("sample {MODEL} --label {label} -n 4"), 2, 2);
    assert_ne!(of(3), of(4));
    let plane = |label| draws(&place, &format!("manifold {MODEL} --label {label}"), 10, 10);
    assert_ne!(plane(3), plane(4));
    draws(&place, &format!("reconstruct {MODEL}"), 10, 4);
    draws(&place, &format!("interpolate {MODEL} --from 0 --to 11"), 10, 1);
}

#[test]
fn evaluate_says_that_the_figures_are_of_a_conditional_density_and_sets_them_beside_no_other() {
    let place = trained();
    let report = json(&place, &format!("evaluate {MODEL} --json --importance-samples 20"));
    let noise = 5.0 * number(&report, "elbo_standard_error");
    assert!(number(&report, "log_likelihood") > number(&report, "elbo") - noise, "{report}");
    assert!(report["notes"][0].as_str().unwrap().contains("log p(x|y)"), "{report}");
    place.train("--set conditional=false --out plain").succeeds();
    let both = format!("evaluate {MODEL} plain/model.safetensors");
    place.refuses(&both, 2, &["plain/model.safetensors", "cannot be compared"]);
}

#[test]
fn codes_are_of_z_alone_and_the_gradient_is_right() {
    let place = trained();
    place.elbo(&format!("encode {MODEL} --out z.csv")).succeeds();
    assert!(place.text("z.csv").starts_with("label,mu_1,mu_2,log_var_1,log_var_2\n"));
    place.elbo("check --recipe small.toml").succeeds();
}

#[test]
fn labels_that_are_missing_or_of_no_class_are_refused() {
    let place = trained();
    let evaluate = format!("evaluate {MODEL}");
    relabel(&place, "t10k", &[10; TEST]);
    place.refuses(&evaluate, 1, &["data/mnist", "image 0 has the label 10", "0 to 9"]);
    place.refuses("train --recipe small.toml", 1, &["test part", "the label 10", "0 to 9"]);
    for part in ["t10k", "train"] {
        fs::remove_file(place.path(&format!("data/mnist/{part}-labels-idx1-ubyte"))).unwrap();
    }
    place.refuses(&evaluate, 1, &["data/mnist", "no labels"]);
    place.refuses("train --recipe small.toml", 1, &["train part", "no labels"]);
    place.refuses("check --recipe small.toml", 1, &["no labels"]);
}

#[test]
fn options_about_labels_need_a_conditional_model_and_one_of_its_classes() {
    let place = trained();
    for command in ["sample", "manifold"] {
        let command = format!("{command} {MODEL} --out f.png");
        place.refuses(&format!("{command} --label 10"), 2, &["--label is 10", "0 to 9"]);
    }
    place.refuses(&format!("manifold {MODEL} --out f.png"), 2, &["needs a --label"]);
    let place = Place::trained();
    for option in ["--label 3", "--per-class"] {
        let parts = [option.split(' ').next().unwrap(), "conditional=true"];
        place.refuses(&format!("sample {MODEL} --out f.png {option}"), 2, &parts);
    }
}

#[test]
fn a_recipe_of_labels_and_another_extension_is_refused() {
    let place = Place::new();
    for more in ["latent2=2", "flow_steps=1", "prior=vampprior"] {
        let parts = ["conditional and", more.split('=').next().unwrap(), "do not go together"];
        place.refuses(&format!("train --set conditional=true --set {more}"), 2, &parts);
    }
    place.refuses("train --set classes=3", 2, &["classes is 3", "conditional"]);
    place.refuses("train --set conditional=true --set classes=0", 2, &["classes is 0", "256"]);
}
