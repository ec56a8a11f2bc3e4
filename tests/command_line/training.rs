//! What a training run writes and prints, and what it can be given.

use std::{io::Write, process::Stdio};

use flate2::{Compression, write::GzEncoder};
use ndarray::Array3;
use ndarray_npy::write_npy;

use super::*;

const METRICS_HEADER: &str = "epoch,train_objective,train_elbo,train_reconstruction,train_kl,\
    test_elbo,test_reconstruction,test_kl,active_units,learning_rate,seconds,images_per_second";

const FILES: [&str; 9] = [
    "checkpoint.safetensors",
    "curves.svg",
    "latent.svg",
    "metrics.csv",
    "model.safetensors",
    "recipe.toml",
    "reconstructions.png",
    "samples.png",
    "units.csv",
];

#[test]
fn a_run_writes_exactly_the_files_of_the_contract() {
    let place = Place::new();
    place.train("--out plane").succeeds();
    let mut expected = FILES.to_vec();
    expected.insert(3, "manifold.png");
    assert_eq!(place.names("plane"), expected);
    place.train("--out space --latent 3").succeeds();
    assert_eq!(place.names("space"), FILES);
}

#[test]
fn a_run_goes_into_runs_and_the_name_of_its_recipe() {
    let place = Place::new();
    place.train("").succeeds();
    assert_eq!(place.names("runs"), ["small"]);
    assert!(place.text("runs/small/recipe.toml").contains("name = \"small\""));
}

#[test]
fn a_folder_for_a_run_is_made_with_its_parents() {
    let place = Place::new();
    place.train("--out a/b/../c").succeeds();
    assert!(place.path("a/c/model.safetensors").is_file());
}

#[test]
fn metrics_have_the_header_of_the_contract_and_a_row_for_each_epoch() {
    let place = Place::new();
    place.train("--out run --epochs 4").succeeds();
    let metrics = place.text("run/metrics.csv");
    let lines: Vec<&str> = metrics.lines().collect();
    assert_eq!(lines[0], METRICS_HEADER);
    assert_eq!(lines.len(), 5);
    for (epoch, line) in lines.iter().enumerate().skip(1) {
        let values: Vec<f64> = line.split(',').map(|v| v.parse().unwrap()).collect();
        let [e, objective, elbo, reconstruction, kl, ..] = values[..] else { panic!("{line}") };
        assert_eq!(e, epoch as f64);
        assert_eq!(objective, elbo, "the plain ELBO is what is maximised");
        assert!((elbo - (reconstruction - kl)).abs() < 2e-6, "{line}");
        assert!((values[5] - (values[6] - values[7])).abs() < 2e-6, "{line}");
        assert_eq!(values[9], 0.001);
    }
}

#[test]
fn a_run_is_quiet_on_standard_output_and_free_of_control_characters() {
    let done = Place::new().train("--out run").succeeds();
    assert_eq!(done.stdout, "");
    assert!(!done.stderr.contains(|c: char| c.is_control() && c != '\n'), "{:?}", done.stderr);
    assert_eq!(done.stderr.lines().filter(|line| line.starts_with("epoch ")).count(), 2);
}

#[test]
fn a_run_ends_by_naming_every_file_that_it_wrote() {
    let place = Place::new();
    let stderr = place.train("--out run").succeeds().stderr;
    let names: Vec<_> = place.names("run");
    let mut last: Vec<&str> = stderr.lines().rev().take(names.len()).collect();
    last.sort();
    let expected: Vec<_> = names.iter().map(|name| format!("wrote run/{name}")).collect();
    assert_eq!(last, expected);
}

/// The lines on standard error about how fast a run was.
fn speed(done: &Done) -> Vec<&str> {
    let about = |line: &&str| line.starts_with("first step") || line.starts_with("speed: ");
    done.stderr.lines().filter(about).collect()
}

#[test]
fn only_a_verbose_run_ends_with_its_speed_as_a_share_of_the_peak() {
    let place = Place::new();
    assert!(speed(&place.train("--out run").succeeds()).is_empty());
    for flag in ["-v", "--verbose"] {
        let done = place.train(&format!("--out run --threads 2 {flag}")).succeeds();
        let last: Vec<&str> = done.stderr.lines().rev().take(2).collect();
        let [speed, first_step] = last[..] else { panic!("{}", done.stderr) };
        assert!(first_step.starts_with("first step after "), "{first_step}");
        assert!(speed.starts_with("speed: ") && speed.contains("2 threads of "), "{speed}");
        let percentage = speed.split(" % of the ").next().unwrap().rsplit(' ').next().unwrap();
        let percentage: f64 = percentage.parse().unwrap_or_else(|_| panic!("{speed}"));
        assert!((0.0..1000.0).contains(&percentage), "{speed}");
    }
}

#[test]
fn a_finished_run_resumed_has_no_speed() {
    let place = Place::trained();
    let done = place.elbo("train --out run --resume --verbose").succeeds();
    assert_eq!(speed(&done), ["speed: nothing was left to train"]);
}

#[test]
fn the_recipe_that_a_run_leaves_repeats_it() {
    let place = Place::new();
    place.train("--out first --seed 3 --set activation=tanh --set init=he").succeeds();
    place.elbo("train --recipe first/recipe.toml --out second").succeeds();
    for name in ["model.safetensors", "recipe.toml", "samples.png", "latent.svg"] {
        assert_eq!(place.read(&format!("first/{name}")), place.read(&format!("second/{name}")));
    }
}

#[test]
fn every_kind_of_network_trains() {
    let place = Place::new();
    for arguments in [
        "--latent 1",
        "--latent 3",
        "--hidden 8,6",
        "--set hidden=[]",
        "--set activation=tanh",
        "--set manifold=quantiles",
        "--batch-size 1000",
        "--batch-size 1",
        "--threads 1",
    ] {
        place.train(&format!("--out run {arguments}")).succeeds();
    }
}

#[test]
fn the_built_in_recipes_train() {
    let place = Place::new();
    for (recipe, network) in [("tutorial", "30-256-2"), ("pytorch-example", "30-400-20")] {
        let done = place.elbo(&format!("train --recipe {recipe} --epochs 1")).succeeds();
        assert!(done.stderr.contains(network), "{}", done.stderr);
        assert!(place.path(&format!("runs/{recipe}/model.safetensors")).is_file());
    }
}

#[test]
fn a_single_image_of_a_single_pixel_trains() {
    let place = Place::new();
    for (train, test, size) in [(1, 1, [1, 1]), (7, 3, [1, 1]), (1, 12, [6, 5])] {
        place.write_idx("few", train, test, size);
        place.train("--data few --out run").succeeds();
    }
}

#[test]
fn images_without_labels_train_and_are_drawn() {
    let place = Place::new();
    place.train("--out with").succeeds();
    for part in ["train", "t10k"] {
        fs::remove_file(place.path(&format!("data/mnist/{part}-labels-idx1-ubyte"))).unwrap();
    }
    place.train("--out without").succeeds();
    assert_eq!(place.read("with/model.safetensors"), place.read("without/model.safetensors"));
    assert_ne!(place.read("with/latent.svg"), place.read("without/latent.svg"));
}

/// One model, whatever the files its images come from.
#[test]
fn gzipped_idx_npy_and_png_give_the_same_model_as_plain_idx() {
    let place = Place::new();
    place.train("--out plain").succeeds();
    for (part, idx_part, count) in [("train", "train", TRAIN), ("test", "t10k", TEST)] {
        let name = format!("{idx_part}-images-idx3-ubyte");
        let mut gzip = GzEncoder::new(vec![], Compression::default());
        gzip.write_all(&place.read(&format!("data/mnist/{name}"))).unwrap();
        place.write(&format!("gzip/{name}.gz"), gzip.finish().unwrap());

        let pixels = pixels(count, HEIGHT * WIDTH);
        for (n, image) in pixels.chunks(HEIGHT * WIDTH).enumerate() {
            place.write(&format!("png/{part}/{n:03}.png"), png_bytes(WIDTH, HEIGHT, image));
        }
        let array = Array3::from_shape_vec((count, HEIGHT, WIDTH), pixels).unwrap();
        fs::create_dir_all(place.path("npy")).unwrap();
        write_npy(place.path(&format!("npy/{part}-images.npy")), &array).unwrap();
    }
    for format in ["gzip", "npy", "png"] {
        place.train(&format!("--data {format} --out {format}-run")).succeeds();
        let model = place.read(&format!("{format}-run/model.safetensors"));
        assert!(model == place.read("plain/model.safetensors"), "{format}");
    }
}

#[test]
fn a_finished_run_is_replaced_with_nothing_of_it_left() {
    let place = Place::trained();
    place.train("--out run --latent 3").succeeds();
    assert_eq!(place.names("run"), FILES);
    place.train("--out fresh --latent 3").succeeds();
    assert_eq!(place.read("run/model.safetensors"), place.read("fresh/model.safetensors"));
}

#[test]
fn a_run_that_cannot_start_leaves_the_finished_one_in_its_folder() {
    let place = Place::trained();
    let arguments = "train --recipe small.toml --out run --set image=[28,28]";
    place.refuses(arguments, 1, &["data/mnist", "6 x 5", "28 x 28"]);
}

#[test]
fn a_run_goes_on_when_nobody_reads_its_messages() {
    let place = Place::new();
    let mut command = place.spawn("train --recipe small.toml --out run");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert!(place.path("run/curves.svg").is_file());
}
