//! A model that completes images, from training to what it makes of a part of one.

use super::{
    models::{draws, json, number},
    *,
};

const MODEL: &str = "run/model.safetensors";

/// With a small model of images of which `given` is given in `run`.
fn trained(given: &str) -> Place {
    let place = Place::new();
    place.write("small.toml", format!("{SMALL}given = \"{given}\"\n"));
    place.train("--out run").succeeds();
    place
}

/// With images that divide into blocks of two by two.
fn trained_even() -> Place {
    let place = Place::without_data();
    place.write_idx("data/mnist", TRAIN, TEST, [6, 4]);
    place.write("small.toml", format!("{SMALL}given = \"pooled-2\"\n"));
    place.train("--out run").succeeds();
    place
}

#[test]
fn a_run_ends_with_completions_in_place_of_samples() {
    let place = trained("quadrants-1");
    let names = place.names("run");
    for (name, is_there) in
        [("completions.png", true), ("samples.png", false), ("manifold.png", false)]
    {
        assert_eq!(names.contains(&name.into()), is_there, "{name}");
    }
    let said = place.train("--out run").succeeds().stderr;
    assert!(said.contains("30-8-2 with quadrants-1 given"), "{said}");
    assert!(said.contains("log p(missing | given)"), "{said}");
}

#[test]
fn a_run_that_stops_and_goes_on_is_the_run_that_never_stopped() {
    let place = trained("quadrants-3");
    place.train("--epochs 1 --out cut --threads 1").succeeds();
    place.elbo("train --out cut --resume --epochs 2 --threads 2").succeeds();
    for name in ["model.safetensors", "completions.png", "units.csv"] {
        assert!(place.read(&format!("run/{name}")) == place.read(&format!("cut/{name}")), "{name}");
    }
}

#[test]
fn complete_draws_a_stack_for_each_image_and_measures_all_of_them() {
    let place = trained("quadrants-2");
    let command = format!("complete {MODEL}");
    place.elbo(&format!("{command} --out all.png")).succeeds();
    assert!(place.read("all.png") == place.read("run/completions.png"));
    place.elbo(&format!("{command} --out few.png -n 3 --draws 2 --seed 1")).succeeds();
    assert!(place.read("few.png").len() < place.read("all.png").len());
    let done = place.elbo(&format!("{command} --out c.png --json")).succeeds();
    let report: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&report["given"], &report["images"]), (&"quadrants-2".into(), &TEST.into()));
    let elbo = number(&json(&place, &format!("evaluate {MODEL} --json --seed 0")), "elbo");
    assert_eq!(number(&report, "elbo"), elbo);
    let done = place.elbo(&format!("{command} --out c.png --images 3 --json")).succeeds();
    let few: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_ne!((&few["images"], &few["elbo"]), (&3.into(), &report["elbo"]), "of those images");
    for of in ["mean", "one", "without_model"] {
        assert!(report[of]["rmse"].as_f64().unwrap() > 0.0, "{report}");
    }
    let text = place.elbo(&format!("{command} --out c.png")).succeeds().stdout;
    assert!(text.contains("log p(missing | given) >=") && text.contains("mean training image"));
}

#[test]
fn a_lower_resolution_is_measured_against_interpolation() {
    let place = trained_even();
    let text = place.elbo(&format!("complete {MODEL} --out c.png")).succeeds().stdout;
    assert!(text.contains("bicubic interpolation") && text.contains("pooled-2 given"), "{text}");
    place.refuses("train --set given=pooled-4", 1, &["6 x 4", "blocks of 4 x 4"]);
}

#[test]
fn what_needs_no_sample_works_as_of_any_model() {
    let place = trained("quadrants-1");
    place.elbo("check --recipe small.toml").succeeds();
    draws(&place, &format!("reconstruct {MODEL}"), 10, 4);
    draws(&place, &format!("interpolate {MODEL} --from 0 --to 11"), 10, 1);
    place.elbo(&format!("encode {MODEL} --out z.csv")).succeeds();
    assert!(place.text("z.csv").starts_with("label,mu_1,mu_2,log_var_1,log_var_2\n"));
    let report = json(&place, &format!("evaluate {MODEL} --json --importance-samples 20"));
    assert!(report["notes"][0].as_str().unwrap().contains("missing | given"), "{report}");
}

#[test]
fn what_would_have_to_invent_the_given_part_is_refused() {
    let place = trained("quadrants-1");
    for command in ["sample", "manifold", "walk"] {
        let parts = [MODEL, "elbo complete"];
        place.refuses(&format!("{command} {MODEL} --out p.png"), 2, &parts);
    }
    place.refuses(&format!("evaluate {MODEL} --sample-quality"), 2, &["elbo complete"]);
    place.refuses(&format!("anomaly fit {MODEL}"), 2, &["completes images", "no score"]);
    let hidden = format!("repair {MODEL} --hide bottom --out r.png");
    place.refuses(&hidden, 2, &["elbo complete"]);
    place.refuses("train --set given=quadrants-1 --set missing=0.5", 2, &["missing and given"]);
}

#[test]
fn models_of_other_pixels_are_not_set_side_by_side() {
    let place = trained("quadrants-1");
    place.train("--set given=quadrants-2 --out two").succeeds();
    let both = format!("evaluate {MODEL} two/model.safetensors");
    place.refuses(&both, 2, &["given quadrants-1", "quadrants-2", "cannot be compared"]);
}

#[test]
fn a_plain_vae_searches_for_what_is_missing_of_the_part_that_is_named() {
    let place = Place::trained();
    let command = format!("complete {MODEL} --out c.png --steps 5");
    let text = place.elbo(&format!("{command} --given quadrants-2")).succeeds().stdout;
    assert!(text.starts_with("12 images, quadrants-2 given\n\n"), "{text}");
    let done = place.elbo(&format!("{command} --given quadrants-1 --images 4 --json")).succeeds();
    let report: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&report["images"], report.get("elbo")), (&4.into(), None));
    place.refuses(&format!("complete {MODEL} --out c.png"), 2, &[MODEL, "whole images", "--given"]);
    place.refuses(&format!("{command} --given pooled-2"), 2, &["6 x 5", "blocks of 2 x 2"]);
    place.refuses(&format!("{command} --given nothing"), 2, &["something must be given"]);
    place.train("--set flow_steps=1 --out flow").succeeds();
    let parts = ["flow/model.safetensors", "plain VAE"];
    place.refuses("complete flow/model.safetensors --given quadrants-1 --out c.png", 2, &parts);
    place.train("--set given=quadrants-1 --out part").succeeds();
    let parts = ["with quadrants-1 given", "no other"];
    place.refuses("complete part/model.safetensors --given quadrants-2 --out c.png", 2, &parts);
    for option in ["--steps 5", "--deviation 0.1"] {
        let complete = format!("complete part/model.safetensors --out c.png {option}");
        place.refuses(&complete, 2, &["part/model.safetensors", "for a plain VAE"]);
    }
    let tiny = format!("{command} --given quadrants-1 --deviation 1e-30");
    place.refuses(&tiny, 2, &["--deviation", "from 1e-12 to 1e12"]);
}

#[test]
fn a_given_part_that_is_none_is_refused_with_what_may_be_given() {
    let place = Place::new();
    for given in ["quadrants-4", "half", "pooled-1"] {
        let parts = [given, "quadrants-3", "pooled-2"];
        place.refuses(&format!("train --set given={given}"), 2, &parts);
    }
    let together = "train --set given=quadrants-1 --set";
    place.refuses(&format!("{together} conditional=true"), 2, &["conditional and given"]);
    place.refuses(&format!("{together} flow_steps=1"), 2, &["given and flow_steps"]);
}
