//! Repairing images, from the command line.

use serde_json::Value;

use super::{models::number, *};

const MODEL: &str = "run/model.safetensors";

fn report(place: &Place, arguments: &str) -> Value {
    let done = place.elbo(&format!("repair {MODEL} {arguments} --json")).succeeds();
    serde_json::from_str(&done.stdout).unwrap()
}

/// A mask of the size of the images, its first `hidden` pixels black.
fn mask(hidden: usize, height: usize, width: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..height * width).map(|j| if j < hidden { 40 } else { 200 }).collect();
    png_bytes(width, height, &pixels)
}

#[test]
fn every_method_reports_its_error_the_same_on_any_number_of_threads() {
    let place = Place::trained();
    for by in ["gibbs", "metropolis", "importance"] {
        let arguments = format!("--hide bottom --by {by} --steps 20 --burn-in 5");
        let done = place.elbo(&format!("repair {MODEL} {arguments} --json")).succeeds();
        let report: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!((number(&report, "images"), number(&report, "missing_pixels")), (12.0, 15.0));
        let [mean, draw] = ["error", "draw_error"].map(|key| number(&report, key));
        assert!(0.0 < mean && mean < draw && draw < 1.0, "{report}");
        assert_eq!(report.get("acceptance").is_some(), by == "metropolis");
        assert_eq!(report.get("effective_sample_size").is_some(), by == "importance");
        let again = place.elbo(&format!("repair {MODEL} {arguments} --json --threads 1"));
        assert_eq!(again.succeeds().stdout, done.stdout);
        let text = place.elbo(&format!("repair {MODEL} {arguments}")).succeeds().stdout;
        assert!(text.starts_with(&format!("12 images, 20 steps of {by}\n")), "{text}");
    }
}

#[test]
fn regions_pictures_and_rates_hide_what_they_say() {
    let place = Place::trained();
    place.write("mask.png", mask(7, HEIGHT, WIDTH));
    let missing = |arguments: &str| {
        number(&report(&place, &format!("{arguments} --steps 2 --burn-in 1")), "missing_pixels")
    };
    assert_eq!(missing("--hide 1,2,3,4"), 12.0);
    assert_eq!(missing("--hide top --hide left"), 15.0 + 6.0);
    assert_eq!(missing("--mask mask.png"), 7.0);
    let random = missing("--hide-random 0.4");
    assert!((8.0..16.0).contains(&random), "{random}");
    assert_eq!(random, missing("--hide-random 0.4"));
    assert_ne!(random, missing("--hide-random 0.4 --seed 1"));
}

#[test]
fn the_likelihood_of_what_is_missing_is_that_of_a_probability() {
    let place = Place::trained();
    let log_p = |by: &str| {
        let arguments = format!("--hide right --by {by} --steps 5 --log-likelihood 300");
        number(&report(&place, &arguments), "log_likelihood")
    };
    assert!(-20.0 < log_p("gibbs") && log_p("gibbs") < 0.0, "{}", log_p("gibbs"));
    assert_eq!(log_p("gibbs"), log_p("importance"));
}

#[test]
fn the_picture_has_a_row_for_each_of_what_was_hidden_and_found() {
    let place = Place::trained();
    let size = |arguments: &str| {
        let repair = format!("repair {MODEL} {arguments} --steps 3 --out f.png --draw 6");
        let said = place.elbo(&repair).succeeds().stderr;
        assert!(said.contains("wrote f.png"), "{said}");
        let bytes = place.read("f.png");
        let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let info = reader.info();
        (f64::from(info.height) / HEIGHT as f64) / (f64::from(info.width) / WIDTH as f64)
    };
    for (arguments, rows) in [("--hide top", 4.0), ("--flip 0.1", 5.0)] {
        assert!((size(arguments) / (rows / 6.0) - 1.0).abs() < 0.08, "{arguments}");
    }
}

#[test]
fn noise_is_measured_as_it_is_and_by_three_ways_to_take_it_out() {
    let place = Place::trained();
    for noise in ["--flip 0.1", "--gaussian 0.4"] {
        for by in ["gibbs", "metropolis"] {
            let report = report(&place, &format!("{noise} --by {by} --steps 10"));
            for key in ["noisy", "median", "once", "walk"] {
                assert!((1.0..40.0).contains(&number(&report, key)), "{report}");
            }
        }
    }
}

#[test]
fn a_model_that_reads_labels_and_one_of_missing_pixels_repair_too() {
    let place = Place::new();
    place.train("--set conditional=true --out run").succeeds();
    for by in ["gibbs", "metropolis", "importance"] {
        report(&place, &format!("--hide top --by {by} --steps 5"));
    }
    fs::remove_file(place.path("data/mnist/t10k-labels-idx1-ubyte")).unwrap();
    place.refuses(&format!("repair {MODEL} --hide top"), 1, &["data/mnist", "no labels"]);
    let place = Place::new();
    place.train("--set missing=0.5 --set objective=iwae --set samples=3 --out run").succeeds();
    report(&place, "--hide top --by importance --steps 5 --log-likelihood 5");
}

#[test]
fn a_share_of_missing_pixels_trains_another_model_and_goes_on_where_it_stopped() {
    let place = Place::trained();
    let train = |more: &str| place.train(&format!("--set missing=0.4 {more}")).succeeds();
    train("--out whole");
    train("--out cut --epochs 1");
    train("--out cut --epochs 2 --resume");
    assert!(place.read("whole/model.safetensors") == place.read("cut/model.safetensors"));
    assert!(place.read("whole/model.safetensors") != place.read(MODEL));
    assert!(place.text("whole/recipe.toml").contains("missing = 0.4"));
    let model = "whole/model.safetensors";
    let evaluated = place.elbo(&format!("evaluate {model}")).succeeds().stdout;
    assert!(evaluated.contains("images lack pixels"), "{evaluated}");
    place.refuses(&format!("evaluate {model} {MODEL}"), 2, &[model, MODEL, "0.4", "missing"]);
}

#[test]
fn arguments_that_do_not_fit_are_status_2() {
    let place = Place::trained();
    place.write("small.png", mask(7, HEIGHT, WIDTH - 1));
    place.write("black.png", mask(30, HEIGHT, WIDTH));
    place.write("white.png", mask(0, HEIGHT, WIDTH));
    place.write("half.png", mask(15, HEIGHT, WIDTH));
    for (arguments, parts) in [
        ("", &["--hide"][..]),
        ("--hide middle", &["middle", "top-left", "X,Y"]),
        ("--hide 0,0,6,6", &["6 x 6", "5 x 6"]),
        ("--hide 0,0,0,1", &["nothing to repair"]),
        ("--hide top --hide bottom", &["every pixel"]),
        ("--mask small.png", &["small.png", "6 x 4", "6 x 5"]),
        ("--mask black.png", &["every pixel"]),
        ("--mask white.png", &["nothing to repair"]),
        ("--hide-random 0", &["0", "between"]),
        ("--hide-random 1", &["1", "between"]),
        ("--hide-random nan", &["NaN"]),
        ("--hide top --hide-random 0.5", &["--hide-random"]),
        ("--hide top --flip 0.1", &["--flip"]),
        ("--flip 0.5", &["0.5", "between"]),
        ("--gaussian -1", &["-1", "positive"]),
        ("--gaussian 1e300", &["1e300", "positive"]),
        ("--hide-random -0.5", &["-0.5", "between"]),
        ("--hide-random 0.999999999", &["every pixel"]),
        ("--flip 0.1 --burn-in 10", &["--burn-in"]),
        ("--hide top --draw 5", &["--out"]),
        ("--mask half.png --out ./half.png", &["--out would replace ./half.png, which is read"]),
        ("--flip 0.1 --log-likelihood 5", &["--log-likelihood"]),
        ("--flip 0.1 --by importance", &["importance", "missing"]),
        ("--hide top --by luck", &["luck", "metropolis"]),
        ("--hide top --steps 0", &["--steps"]),
        ("--hide top --out f.jpg", &[".png"]),
    ] {
        place.refuses(&format!("repair {MODEL} {arguments}"), 2, parts);
    }
    place.refuses(&format!("repair {MODEL} --mask none.png"), 1, &["none.png"]);
    place.write("none.png", "no picture");
    place.refuses(&format!("repair {MODEL} --mask none.png"), 1, &["none.png"]);
}

#[test]
fn models_that_cannot_be_asked_say_so() {
    let place = Place::new();
    for (set, arguments, part) in [
        ("likelihood=gaussian-optimal", "--hide top", "images at hand"),
        ("likelihood=gaussian", "--flip 0.1", "gaussian"),
        ("flow_steps=1 --set flow_width=4", "--hide top", "flow"),
    ] {
        place.train(&format!("--set {set} --out run --overwrite")).succeeds();
        place.refuses(&format!("repair {MODEL} {arguments}"), 2, &[MODEL, part]);
    }
    report(&place, "--hide top --by gibbs --steps 5");
    let set = "train --recipe small.toml --set missing";
    place.refuses(&format!("{set}=1"), 2, &["missing is 1"]);
    place.refuses(&format!("{set}=-0.1"), 2, &["missing is -0.1"]);
    let optimal = format!("{set}=0.5 --set likelihood=gaussian-optimal");
    place.refuses(&optimal, 2, &["missing", "gaussian-optimal"]);
}
