//! Arguments, recipes and data that cannot be used.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use ndarray::Array3;
use ndarray_npy::write_npy;

use super::*;

const TRAIN_IMAGES: &str = "data/mnist/train-images-idx3-ubyte";
const RUN: &str = "train --recipe small.toml --out run";

/// A training run on data of which one file was replaced.
#[track_caller]
fn refuses_data(name: &str, content: &[u8], parts: &[&str]) {
    let place = Place::new();
    place.write(name, content);
    place.refuses(RUN, 1, &[&[name], parts].concat());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn train_images() -> Vec<u8> {
    idx(&[TRAIN, HEIGHT, WIDTH], &pixels(TRAIN, HEIGHT * WIDTH))
}

#[test]
fn arguments_out_of_range_are_status_2() {
    let place = Place::new();
    let deep = format!("--hidden {}8", "8,".repeat(32));
    for (arguments, part) in [
        ("--latent 0", "latent is 0"),
        ("--batch-size 0", "batch_size is 0"),
        ("--epochs 0", "epochs is 0"),
        ("--epochs 9223372036854775808", "epochs is 9223372036854775808"),
        ("--seed 9223372036854775808", "seed is 9223372036854775808"),
        (deep.as_str(), "33 layers"),
        ("--hidden 8,0", "hidden is [8, 0]"),
        ("--hidden 8,", "--hidden"),
        ("--hidden=", "--hidden"),
        ("--latent -1", "--latent"),
        ("--seed -1", "--seed"),
        ("--latent 99999999999999999999", "--latent"),
        ("--threads 0", "--threads"),
        ("--set learning_rate=-1", "learning_rate is -1"),
        ("--set learning_rate=0", "learning_rate is 0"),
        ("--set learning_rate=nan", "learning_rate is NaN"),
        ("--set learning_rate=inf", "learning_rate is inf"),
        ("--set name=../other", "../other"),
        ("--set name=", "name is \"\""),
        ("--set image=[0,5]", "0 x 5"),
        ("--set nothing=1", "nothing=1"),
        ("--set latent", "key=value"),
        ("--set latent=two", "latent takes a whole number from 0 to 9223372036854775807, and not"),
        ("--set latent=-1", "latent takes a whole number"),
        ("--set latent=1.5", "latent takes a whole number"),
        (
            "--set seed=9223372036854775808",
            "seed takes a whole number from 0 to 9223372036854775807",
        ),
        ("--set beta=much", "beta takes a number, and not \"much\""),
        ("--set gated=2", "gated takes true or false, and not 2"),
        ("--set warm_up=linear", "warm_up: \"linear\" has numbers in it"),
        ("--set activation=sine", "activation=sine"),
        ("--set hidden=8,8", "hidden takes a list of numbers in brackets, with commas, and not"),
        ("--set hidden=[-1]", "integer `-1`"),
        ("--epochs 1 --set epochs=2", "--epochs and --set epochs=2 are both given"),
        ("--batch-size 3 --set batch_size=2", "--batch-size and --set batch_size=2"),
        ("--resume --overwrite", "--overwrite"),
        ("--unheard-of", "--unheard-of"),
    ] {
        place.refuses(&format!("{RUN} {arguments}"), 2, &[part]);
    }
}

#[test]
fn help_names_every_command_and_every_option_of_the_contract() {
    let place = Place::without_data();
    let commands = [
        "train",
        "evaluate",
        "sample",
        "reconstruct",
        "manifold",
        "encode",
        "project",
        "probe",
        "interpolate",
        "walk",
        "info",
    ];
    let help = place.elbo("--help").succeeds().stdout;
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        for help in [format!("help {command}"), format!("{command} -h")] {
            assert!(place.elbo(&help).succeeds().stdout.contains("--threads"), "{help}");
        }
    }
    let help = place.elbo("train --help").succeeds().stdout;
    for option in [
        "recipe",
        "data",
        "out",
        "epochs",
        "batch-size",
        "latent",
        "hidden",
        "seed",
        "set",
        "resume",
    ] {
        assert!(help.contains(&format!("  --{option}")), "{option} is not in: {help}");
    }
    let nothing = place.elbo("");
    assert_eq!((nothing.status, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("Usage: elbo"), "{}", nothing.stderr);
}

#[test]
fn an_unknown_recipe_is_answered_with_those_there_are() {
    let place = Place::new();
    place.refuses("train --recipe mine", 2, &["mine", "tutorial", "pytorch-example", ".toml"]);
}

#[test]
fn a_recipe_file_at_fault_is_named_with_the_place() {
    let place = Place::new();
    for (toml, part) in [
        ("latent = 2\nlatents = 3\n", "line 2, column 1"),
        ("latent = \n", "line 1, column 10"),
        ("latent = \"two\"\n", "line 1, column 10"),
        ("latent = 0\n", "latent is 0"),
        ("\u{0}", "line 1"),
    ] {
        place.write("bad.toml", toml);
        place.refuses("train --recipe bad.toml --out run", 1, &["bad.toml", part]);
    }
    place.write("bad.toml", b"name = \"\xff\"");
    place.refuses("train --recipe bad.toml --out run", 1, &["bad.toml", "UTF-8"]);
    place.refuses("train --recipe none.toml --out run", 1, &["none.toml", "No such file"]);
}

#[test]
fn an_unknown_instruction_set_is_status_2() {
    let place = Place::new();
    let done = place.elbo_with_isa(RUN, Some("nonsense"));
    done.fails(2, &["ELBO_ISA", "nonsense", "portable"]);
    assert!(!place.path("run").exists());
}

#[test]
fn a_missing_data_folder_is_named_with_where_to_get_data() {
    let place = Place::without_data();
    place.refuses(RUN, 1, &["data/mnist", "no such folder", "repository"]);
    place.refuses(&format!("{RUN} --data small.toml"), 1, &["small.toml", "no such folder"]);
    fs::create_dir(place.path("empty")).unwrap();
    place.refuses(&format!("{RUN} --data empty"), 1, &["empty", "train-images-idx3-ubyte"]);
}

#[test]
fn a_missing_data_file_is_named() {
    for (name, part) in [("train", "no train images"), ("t10k", "no test images")] {
        let place = Place::new();
        fs::remove_file(place.path(&format!("data/mnist/{name}-images-idx3-ubyte"))).unwrap();
        place.refuses(RUN, 1, &["data/mnist", part, name, "images-idx3-ubyte"]);
    }
}

#[test]
fn a_wrong_magic_number_is_refused() {
    refuses_data(TRAIN_IMAGES, b"\x01\x02\x08\x03not an IDX file", &["01, 02, 08, 03"]);
    refuses_data(TRAIN_IMAGES, b"\x00\x00\x07\x01\x00\x00\x00\x00", &["0x07"]);
    refuses_data(TRAIN_IMAGES, b"", &["0 bytes"]);
}

#[test]
fn a_header_that_promises_more_than_the_file_has_is_refused() {
    let whole = train_images();
    let [promised, found] = [whole.len(), whole.len() - 1].map(|n| n.to_string());
    refuses_data(TRAIN_IMAGES, &whole[..whole.len() - 1], &[&promised, &found]);
    refuses_data(TRAIN_IMAGES, &idx(&[u32::MAX as usize, 28, 28], &[1; 99]), &["promises"]);
    let huge = [u32::MAX as usize; 3];
    refuses_data(TRAIN_IMAGES, &idx(&huge, &[1; 99]), &["does not fit into memory"]);
}

#[test]
fn a_truncated_or_corrupt_gzip_is_refused() {
    let whole = gzip(&train_images());
    let mut corrupt = whole.clone();
    corrupt[whole.len() - 6] ^= 1;
    refuses_data(TRAIN_IMAGES, &whole[..whole.len() / 2], &["gzip"]);
    refuses_data(TRAIN_IMAGES, &whole[..whole.len() - 1], &["gzip"]);
    refuses_data(TRAIN_IMAGES, &corrupt, &["gzip"]);
    refuses_data(TRAIN_IMAGES, &[&whole[..], b"more"].concat(), &["other bytes after its end"]);
}

#[test]
fn images_and_labels_of_different_counts_are_refused() {
    let labels = idx(&[TRAIN - 1], &labels(TRAIN - 1));
    let name = "data/mnist/train-labels-idx1-ubyte";
    refuses_data(name, &labels, &[TRAIN_IMAGES, "40 images", "39 labels"]);
}

#[test]
fn an_empty_set_is_refused() {
    refuses_data(TRAIN_IMAGES, &idx(&[0, HEIGHT, WIDTH], &[]), &["empty"]);
    refuses_data(TRAIN_IMAGES, &idx(&[TRAIN, 0, WIDTH], &[]), &["empty"]);
}

#[test]
fn pngs_of_different_sizes_are_refused() {
    let place = Place::without_data();
    for n in 0..12 {
        place.write(&format!("png/{n:02}.png"), png_bytes(WIDTH, HEIGHT, &[9; 30]));
    }
    place.write("png/07.png", png_bytes(HEIGHT, WIDTH, &[9; 30]));
    place.refuses(&format!("{RUN} --data png"), 1, &["png/07.png", "6 x 5", "png/00.png", "5 x 6"]);
    place.write("png/07.png", "no PNG at all");
    place.refuses(&format!("{RUN} --data png"), 1, &["png/07.png"]);
}

#[test]
fn a_nan_in_an_array_is_refused_with_its_place() {
    let place = Place::without_data();
    fs::create_dir(place.path("npy")).unwrap();
    let mut array = Array3::<f32>::from_elem((20, HEIGHT, WIDTH), 0.5);
    array[[3, 2, 1]] = f32::NAN;
    write_npy(place.path("npy/images.npy"), &array).unwrap();
    let parts = ["npy/images.npy", "pixel 11 of image 3", "NaN"];
    place.refuses(&format!("{RUN} --data npy"), 1, &parts);
}

#[test]
fn test_images_of_another_size_than_the_training_images_are_refused() {
    let images = idx(&[TEST, WIDTH, HEIGHT], &pixels(TEST, HEIGHT * WIDTH));
    let place = Place::new();
    place.write("data/mnist/t10k-images-idx3-ubyte", images);
    let parts = ["data/mnist", "training images are 6 x 5", "test images are 5 x 6"];
    place.refuses(RUN, 1, &parts);
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.write("taken", "by a file");
    for out in ["taken", "taken/inside"] {
        let arguments = format!("train --recipe small.toml --out {out}");
        place.refuses(&arguments, 1, &["cannot create the folder", out]);
    }
}

/// The weights grow beyond all bounds in the first step.
#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_names_tensor_and_step() {
    let place = Place::new();
    let done = place.elbo(&format!("{RUN} --set learning_rate=1e30"));
    let done = done.fails(1, &["run", "no longer finite at step 2", "`", "learning_rate"]);
    assert!(!done.stderr.contains("epoch 1/2"), "{}", done.stderr);
    assert!(place.names("run").is_empty());
}

#[test]
fn a_run_that_fails_before_its_first_checkpoint_leaves_the_finished_one_in_its_folder() {
    let place = Place::trained();
    let before = place.everything();
    let done = place.elbo(&format!("{RUN} --set learning_rate=1e30"));
    done.fails(1, &["no longer finite at step 2"]);
    assert!(place.everything() == before);
}

/// A run of two good epochs, whose checkpoint is given a weight that no later step survives.
#[test]
fn a_loss_that_is_not_finite_leaves_the_last_checkpoint() {
    let place = Place::trained();
    place.patch_last("run/checkpoint.safetensors", 1e38);
    let kept = ["checkpoint.safetensors", "model.safetensors", "metrics.csv", "samples.png"];
    let read = || kept.map(|name| place.read(&format!("run/{name}")));
    let before = read();
    let done = place.elbo("train --out run --resume --epochs 3");
    done.fails(1, &["run", "no longer finite at step 7 (epoch 3)"]);
    assert!(read() == before);
}
