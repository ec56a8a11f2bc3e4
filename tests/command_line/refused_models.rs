//! Model files, checkpoints and output files that cannot be used.

use safetensors::{Dtype, tensor::TensorView};

use super::*;

const MODEL: &str = "run/model.safetensors";
const CHECKPOINT: &str = "run/checkpoint.safetensors";

/// Every command that reads a model.
const COMMANDS: [&str; 7] = [
    "evaluate MODEL --json",
    "sample MODEL --out f.png",
    "reconstruct MODEL --out f.png",
    "manifold MODEL --out f.png",
    "encode MODEL --out f.npy",
    "interpolate MODEL --from 0 --to 1 --out f.png",
    "info MODEL --json",
];

/// Every command refuses the model in `run`.
#[track_caller]
fn refuses_model(place: &Place, parts: &[&str]) {
    for command in COMMANDS {
        let arguments = command.replace("MODEL", MODEL);
        place.refuses(&arguments, 1, &[&[MODEL], parts].concat());
    }
}

#[test]
fn a_missing_model_is_refused() {
    let place = Place::new();
    refuses_model(&place, &["No such file"]);
    fs::create_dir_all(place.path(MODEL)).unwrap();
    refuses_model(&place, &["directory"]);
}

#[test]
fn the_folder_of_a_run_is_no_model_but_says_where_it_is() {
    let place = Place::trained();
    place.refuses("evaluate run", 2, &["run is a folder: its model is run/model.safetensors"]);
}

#[test]
fn a_truncated_model_is_refused() {
    let place = Place::trained();
    let whole = place.read(MODEL);
    for length in [0, 7, 8, 200, whole.len() / 2, whole.len() - 1] {
        place.write(MODEL, &whole[..length]);
        let arguments = format!("info {MODEL}");
        place.refuses(&arguments, 1, &[MODEL, "not a whole safetensors file"]);
    }
    refuses_model(&place, &["not a whole safetensors file"]);
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let place = Place::new();
    place.write(MODEL, "a letter to a friend, and rather a long one at that");
    refuses_model(&place, &["not a whole safetensors file"]);
}

#[test]
fn a_safetensors_file_of_something_else_is_refused() {
    let place = Place::new();
    let bytes = [0; 24];
    let tensor = TensorView::new(Dtype::F32, vec![2, 3], &bytes).unwrap();
    place.write(MODEL, safetensors::serialize([("weight", tensor)], None).unwrap());
    refuses_model(&place, &["not written by `elbo train`", "recipe"]);
}

#[test]
fn a_checkpoint_is_no_model() {
    let place = Place::trained();
    place.write(MODEL, place.read(CHECKPOINT));
    refuses_model(&place, &["it is a checkpoint; model.safetensors", "recipe"]);
}

#[test]
fn a_model_of_another_architecture_than_its_recipe_says_is_refused() {
    for (from, to) in [
        (r#"\"latent\":2"#, r#"\"latent\":3"#),
        (r#"\"hidden\":[8]"#, r#"\"hidden\":[9]"#),
        (r#"\"image\":[6,5]"#, r#"\"image\":[5,5]"#),
        (r#""encoder.mu.weight""#, r#""encoder.mu.height""#),
        (r#""shape":[8,30]"#, r#""shape":[30,8]"#),
    ] {
        let place = Place::trained();
        place.patch(MODEL, from, to);
        refuses_model(&place, &["does not hold the model of its recipe"]);
    }
}

#[test]
fn a_model_whose_recipe_makes_no_sense_is_refused() {
    let place = Place::trained();
    place.patch(MODEL, r#"\"latent\":2"#, r#"\"latent\":0"#);
    refuses_model(&place, &["latent is 0"]);
}

#[test]
fn a_model_with_a_nan_is_refused_with_its_place() {
    let place = Place::trained();
    place.patch_last(MODEL, f32::NAN);
    refuses_model(&place, &["`encoder.mu.weight` is not finite at element 15"]);
}

#[test]
fn images_of_another_size_than_the_model_are_refused() {
    let place = Place::trained();
    place.write_idx("other", TRAIN, TEST, [HEIGHT, WIDTH]);
    let images = idx(&[TRAIN, HEIGHT, WIDTH], &vec![7; TRAIN * HEIGHT * WIDTH]);
    place.write("other/train-images-idx3-ubyte", images);
    let parts = [CHECKPOINT, "40 training images", "others", "--data"];
    place.refuses("train --out run --resume --data other", 1, &parts);
    place.write_idx("turned", TRAIN, TEST, [WIDTH, HEIGHT]);
    for command in COMMANDS.into_iter().filter(|c| {
        ["evaluate", "reconstruct", "encode", "interpolate"].iter().any(|name| c.starts_with(name))
    }) {
        let arguments = format!("{} --data turned", command.replace("MODEL", MODEL));
        place.refuses(&arguments, 1, &["turned", "5 x 6", "6 x 5"]);
    }
}

#[test]
fn to_resume_where_there_is_nothing_is_refused() {
    let place = Place::new();
    place.refuses("train --out nowhere --resume", 1, &["nowhere/checkpoint.safetensors"]);
    place.refuses("train --resume", 1, &["runs/tutorial/checkpoint.safetensors"]);
}

#[test]
fn to_resume_with_another_recipe_is_refused_with_the_difference() {
    let place = Place::trained();
    for (arguments, part) in [
        ("--seed 1", "seed was 0 and is now 1"),
        ("--latent 3", "latent was 2 and is now 3"),
        ("--hidden 9", "hidden was [8] and is now [9]"),
        ("--set learning_rate=0.1", "learning_rate was 0.001 and is now 0.1"),
        ("--recipe tutorial", "batch_size was 16 and is now 128"),
    ] {
        let arguments = format!("train --out run --resume {arguments}");
        place.refuses(&arguments, 1, &[CHECKPOINT, part]);
    }
}

#[test]
fn to_resume_with_other_data_is_refused() {
    let place = Place::trained();
    place.write_idx("fewer", TRAIN - 1, TEST, [HEIGHT, WIDTH]);
    let parts = [CHECKPOINT, "40 training images", "39"];
    place.refuses("train --out run --resume --data fewer", 1, &parts);
    place.write_idx("other", TRAIN, TEST, [HEIGHT, WIDTH]);
    let images = idx(&[TRAIN, HEIGHT, WIDTH], &vec![7; TRAIN * HEIGHT * WIDTH]);
    place.write("other/train-images-idx3-ubyte", images);
    let parts = [CHECKPOINT, "40 training images", "others", "--data"];
    place.refuses("train --out run --resume --data other", 1, &parts);
    place.write_idx("turned", TRAIN, TEST, [WIDTH, HEIGHT]);
    let parts = ["turned", "5 x 6", "6 x 5"];
    place.refuses("train --out run --resume --data turned", 1, &parts);
}

#[test]
fn to_resume_for_fewer_epochs_than_are_done_is_refused() {
    let place = Place::trained();
    place.refuses("train --out run --resume --epochs 1", 1, &[CHECKPOINT, "epoch 2", "1 epochs"]);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let place = Place::trained();
    let whole = place.read(CHECKPOINT);
    place.write(CHECKPOINT, &whole[..whole.len() - 1]);
    place.refuses("train --out run --resume", 1, &[CHECKPOINT, "is damaged", "checksum"]);
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    place.write(CHECKPOINT, &flipped);
    place.refuses("train --out run --resume", 1, &[CHECKPOINT, "is damaged", "checksum"]);
    place.write(CHECKPOINT, &whole[..7]);
    place.refuses("train --out run --resume", 1, &[CHECKPOINT, "not a whole safetensors file"]);
    place.write(CHECKPOINT, place.read(MODEL));
    place.refuses("train --out run --resume", 1, &[CHECKPOINT, "checkpoint"]);
}

#[test]
fn a_metrics_file_that_is_none_is_refused_on_resuming() {
    let place = Place::trained();
    let whole = place.text("run/metrics.csv");
    let cut = &whole[..whole.rfind(',').unwrap()];
    for damaged in ["epoch,loss\n1,2\n", "", "a letter to a friend\n", cut] {
        place.write("run/metrics.csv", damaged);
        let parts = ["run/metrics.csv", "once the file is moved away"];
        place.refuses("train --out run --resume --epochs 3", 1, &parts);
    }
    fs::remove_file(place.path("run/metrics.csv")).unwrap();
    place.write("run/units.csv", "a letter to a friend\n");
    place.refuses("train --out run --resume --epochs 3", 1, &["run/units.csv"]);
}

#[test]
fn an_image_number_out_of_range_is_status_2() {
    let place = Place::trained();
    for (from, to, option) in [(0, 12, "--to is 12"), (99, 0, "--from is 99")] {
        let arguments = format!("interpolate {MODEL} --from {from} --to {to} --out f.png");
        place.refuses(&arguments, 2, &[option, "0 to 11"]);
    }
    place.refuses(&format!("interpolate {MODEL} --from -1 --to 0 --out f.png"), 2, &["-1"]);
}

#[test]
fn numbers_of_pictures_out_of_range_are_status_2() {
    let place = Place::trained();
    for command in ["sample -n 0", "reconstruct -n 0", "manifold -n 0", "manifold -n 101"] {
        place.refuses(&format!("{command} {MODEL} --out f.png"), 2, &["-n"]);
    }
    place.refuses(&format!("evaluate {MODEL} --importance-samples 0"), 2, &["samples"]);
}

#[test]
fn an_output_file_of_another_kind_is_status_2() {
    let place = Place::trained();
    for command in COMMANDS.into_iter().filter(|command| command.contains("--out")) {
        for name in ["f.jpg", "f", "png"] {
            let arguments = command.replace("f.png", name).replace("f.npy", name);
            place.refuses(&arguments.replace("MODEL", MODEL), 2, &["--out", "must end in"]);
        }
    }
}

#[test]
fn an_output_file_in_a_missing_folder_is_named() {
    let place = Place::trained();
    for command in COMMANDS.into_iter().filter(|command| command.contains("--out")) {
        let arguments = command.replace("--out f.", "--out missing/f.").replace("MODEL", MODEL);
        place.refuses(&arguments, 1, &["cannot write missing/f.", "No such file or directory"]);
    }
}

#[test]
fn an_output_file_that_is_a_folder_is_left_alone() {
    let place = Place::trained();
    fs::create_dir(place.path("f.png")).unwrap();
    place.refuses(&format!("sample {MODEL} --out f.png"), 1, &["cannot write f.png", "directory"]);
}
