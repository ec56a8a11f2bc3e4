//! Starting from another model, keeping parts of it, and few images.

use elbo::{models::AnyModel, parameters::Parameters, training::load_model};

use super::{models::json, *};

const MODEL: &str = "run/model.safetensors";

/// The name and the bits of every tensor of a model.
fn tensors(place: &Place, model: &str) -> Vec<(String, Vec<u32>)> {
    let (_, model): (_, AnyModel<f32>) = load_model(&place.path(model)).unwrap();
    let bits = model.tensors().map(|t| t.iter().map(|v| v.to_bits()).collect());
    model.names().into_iter().zip(bits.collect::<Vec<_>>()).collect()
}

/// The names of the tensors that are the same in both models, bit for bit.
fn shared(place: &Place, [one, other]: [&str; 2]) -> Vec<String> {
    let (one, other) = (tensors(place, one), tensors(place, other));
    let same = one.into_iter().filter(|tensor| other.contains(tensor));
    same.map(|(name, _)| name).collect()
}

const ENCODER: [&str; 6] = [
    "encoder.hidden.0.weight",
    "encoder.hidden.0.bias",
    "encoder.mu.weight",
    "encoder.mu.bias",
    "encoder.log_var.weight",
    "encoder.log_var.bias",
];
const DECODER: [&str; 4] = [
    "decoder.hidden.0.weight",
    "decoder.hidden.0.bias",
    "decoder.output.weight",
    "decoder.output.bias",
];

// --- what is taken, and what is kept ---

#[test]
fn a_frozen_part_keeps_its_weights_bit_for_bit_and_all_others_move() {
    let place = Place::trained();
    for (arguments, kept) in [
        ("--freeze encoder", &ENCODER[..]),
        ("--freeze decoder --init-part decoder", &DECODER),
        ("--freeze decoder --init-part all", &DECODER),
        ("", &[]),
    ] {
        place
            .train(&format!("--seed 3 --init-from {MODEL} {arguments} --out few --overwrite"))
            .succeeds();
        assert_eq!(shared(&place, [MODEL, "few/model.safetensors"]), kept, "{arguments}");
    }
}

#[test]
fn no_optimiser_moves_what_is_frozen_nor_the_moments_of_it() {
    let place = Place::trained();
    for optimiser in ["adam", "adamw", "sgd", "rmsprop"] {
        let set = "--set weight_decay=0.1 --set momentum=0.9 --set clip_norm=0.1 --set second_moment=0.01";
        let from = format!("--init-from {MODEL} --freeze encoder --out few --overwrite --seed 3");
        place.train(&format!("{from} --set optimiser={optimiser} {set}")).succeeds();
        assert_eq!(shared(&place, [MODEL, "few/model.safetensors"]), ENCODER, "{optimiser}");
        let bytes = place.read("few/checkpoint.safetensors");
        let checkpoint = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut moments = 0;
        for (name, tensor) in checkpoint.tensors() {
            let of = |prefix: &str| {
                let moment = ["adam.m.", "adam.v.", "sgd.b.", "rmsprop.v."];
                moment.iter().any(|moment| name.starts_with(&format!("{moment}{prefix}")))
            };
            let numbers =
                tensor.data().chunks_exact(4).map(|v| f32::from_le_bytes(v.try_into().unwrap()));
            if of("encoder.") {
                moments += 1;
                let start = if name.starts_with("adam.v.") { 0.01 } else { 0.0 };
                assert!({ numbers }.all(|v| v == start), "{optimiser}: {name}");
            } else if of("decoder.") {
                assert!({ numbers }.any(|v| v != 0.0), "{optimiser}: {name}");
            }
        }
        assert_eq!(moments, ENCODER.len() * if optimiser.starts_with("adam") { 2 } else { 1 });
    }
}

#[test]
fn a_part_can_be_frozen_as_it_is_drawn() {
    let place = Place::new();
    place.train("--freeze encoder --out frozen").succeeds();
    let trained = place.train("--set freeze=encoder --epochs 3 --out longer").succeeds();
    assert!(trained.stderr.contains("\nthe encoder keeps its weights\n"), "{}", trained.stderr);
    assert_eq!(shared(&place, ["frozen/model.safetensors", "longer/model.safetensors"]), ENCODER);
}

#[test]
fn the_recipe_of_the_other_model_is_taken_where_none_is_named() {
    let place = Place::new();
    place.train("--out run --set activation=tanh --latent 3 --freeze decoder").succeeds();
    let done = place.elbo(&format!("train --init-from {MODEL} --epochs 1")).succeeds();
    assert!(
        done.stderr.contains(&format!("\nthe encoder of {MODEL} is what it starts from\n")),
        "{}",
        done.stderr
    );
    let recipe = place.text("runs/small-transfer/recipe.toml");
    for line in [
        "name = \"small-transfer\"",
        "activation = \"tanh\"",
        "latent = 3",
        "epochs = 1",
        "freeze = \"none\"",
        "[init_from]",
        "model = \"run/model.safetensors\"",
        "part = \"encoder\"",
    ] {
        assert!(recipe.lines().any(|l| l == line), "{line}: {recipe}");
    }
    place.elbo(&format!("train --init-from {MODEL} --epochs 2 --resume")).succeeds();
    let info = json(&place, "info runs/small-transfer/model.safetensors --json");
    assert_eq!(info["recipe"]["init_from"]["part"], "encoder");
}

#[test]
fn a_simple_model_lends_its_encoder_to_one_with_a_learned_prior() {
    let place = Place::trained();
    let prior = "--set prior=vampprior --set pseudo_inputs=3";
    place.train(&format!("--init-from {MODEL} --freeze encoder --out vamp {prior}")).succeeds();
    assert_eq!(shared(&place, [MODEL, "vamp/model.safetensors"]), ENCODER);
}

#[test]
fn a_detector_of_anomalies_can_start_from_another_model() {
    let place = Place::trained();
    let fit = "anomaly fit --recipe small.toml --out normal --false-positives 0.5";
    place.elbo(&format!("{fit} --init-from {MODEL} --freeze encoder")).succeeds();
    assert_eq!(shared(&place, [MODEL, "normal/model.safetensors"]), ENCODER);
}

// --- the same again ---

#[test]
fn a_run_from_another_model_is_the_same_on_any_threads_and_stopped_and_resumed() {
    let place = Place::trained();
    let from = format!("--init-from {MODEL} --freeze encoder --set clip_norm=1 --seed 3");
    place.train(&format!("{from} --epochs 4 --threads 1 --out whole")).succeeds();
    place.train(&format!("{from} --epochs 2 --threads 3 --out cut")).succeeds();
    place.train(&format!("{from} --epochs 3 --out cut --resume")).succeeds();
    // What it started from is in the checkpoint, and need no longer be there.
    fs::rename(place.path("run"), place.path("away")).unwrap();
    place.elbo("train --epochs 4 --out cut --resume").succeeds();
    for name in ["model.safetensors", "checkpoint.safetensors", "recipe.toml", "samples.png"] {
        let [whole, cut] = ["whole", "cut"].map(|run| place.read(&format!("{run}/{name}")));
        assert!(whole == cut, "{name}");
    }
}

#[test]
fn the_recipe_that_such_a_run_leaves_repeats_it_from_the_same_file_only() {
    let place = Place::trained();
    place.train(&format!("--init-from {MODEL} --seed 3 --out few")).succeeds();
    let again = "train --recipe few/recipe.toml";
    place.elbo(&format!("{again} --out again")).succeeds();
    let [one, other] = ["few", "again"].map(|run| place.read(&format!("{run}/model.safetensors")));
    assert_eq!(one, other);
    place.train("--out run --seed 8").succeeds();
    let parts = [MODEL, "CRC-32", "crc32"];
    place.refuses(&format!("{again} --out third --overwrite"), 1, &parts);
}

#[test]
fn to_resume_from_another_start_or_with_other_parts_frozen_is_refused() {
    let place = Place::trained();
    place.train("--out other --seed 5").succeeds();
    place.train(&format!("--init-from {MODEL} --freeze encoder --out few")).succeeds();
    let refuses = |arguments: &str, parts: &[&str]| {
        place.refuses(&format!("train --out few --resume --epochs 3 {arguments}"), 1, parts);
    };
    refuses("--freeze none", &["freeze was \"encoder\" and is now \"none\""]);
    refuses("--init-from other/model.safetensors", &["init_from was", MODEL, "other/model"]);
    refuses(&format!("--init-from {MODEL} --init-part all"), &["init_from was", "all"]);
    refuses("--recipe small.toml", &["freeze was", "init_from was", "is now unset"]);
    place.train("--out run --seed 8").succeeds();
    refuses(&format!("--init-from {MODEL}"), &["init_from was", "crc32"]);
}

// --- what does not fit ---

#[test]
fn a_model_of_another_shape_or_kind_is_refused_with_the_tensor_that_does_not_fit() {
    let place = Place::trained();
    let refuses = |arguments: &str, parts: &[&str]| {
        let before = ["cannot start from another model", MODEL];
        let arguments =
            format!("train --recipe small.toml --init-from {MODEL} --out few {arguments}");
        place.refuses(&arguments, 1, &[&before, parts].concat());
    };
    refuses("--hidden 9", &["`encoder.hidden.0.weight` has shape [8, 30], expected [9, 30]"]);
    refuses("--latent 3", &["the encoder of", "`encoder.mu.weight`", "[2, 8]", "[3, 8]"]);
    refuses("--hidden 8,8", &["no tensor `encoder.hidden.1.weight`"]);
    refuses("--set gated=true", &["a tensor `encoder.hidden.0.weight` too many"]);
    refuses("--set activation=tanh", &["its activation is \"relu\", expected \"tanh\""]);
    refuses("--set hidden2=[4] --set latent2=2", &["no tensor `encoder2.hidden.0.weight`"]);
    refuses("--set flow_steps=1 --set flow_width=4", &["no tensor `context.weight`"]);
    refuses("--set conditional=true", &["[8, 30], expected [8, 40]"]);
    refuses("--init-part decoder --set likelihood=gaussian", &["the decoder of", "likelihood"]);
    refuses("--init-part all --set prior=vampprior", &["no tensor `prior.pseudo_inputs`"]);
    place.write_idx("wide", TRAIN, TEST, [WIDTH, HEIGHT]);
    refuses("--data wide", &["its image is [6, 5], expected [5, 6]"]);
    let own = format!("train --init-from {MODEL} --data wide");
    place.refuses(&own, 1, &["wide", "5 x 6", "6 x 5"]);
}

#[test]
fn a_file_that_is_no_model_is_nothing_to_start_from() {
    let place = Place::trained();
    place.write("letter", "a letter to a friend, and rather a long one at that");
    for (file, part) in [
        ("none.safetensors", "No such file"),
        ("letter", "not a whole safetensors file"),
        ("run/checkpoint.safetensors", "it is a checkpoint"),
    ] {
        for recipe in ["", "--recipe small.toml"] {
            let arguments = format!("train {recipe} --init-from {file} --out few");
            place.refuses(&arguments, 1, &["cannot start from another model", file, part]);
        }
    }
}

#[test]
fn parts_that_are_named_wrongly_and_options_that_miss_another_are_refused() {
    let place = Place::trained();
    let refuses = |arguments: &str, parts: &[&str]| {
        place.refuses(&format!("train --recipe small.toml --out few {arguments}"), 2, parts);
    };
    refuses("--freeze latent", &["--freeze", "latent", "encoder, decoder"]);
    refuses("--freeze", &["--freeze", "a value is required"]);
    refuses("--freeze all", &["--freeze", "all"]);
    refuses("--set freeze=all", &["freeze is all", "nothing to train"]);
    refuses("--set freeze=latent", &["freeze", "latent"]);
    refuses("--init-part decoder", &["--init-from"]);
    refuses(&format!("--init-from {MODEL} --init-part mu"), &["--init-part", "mu", "decoder, all"]);
    refuses("--set init_from={model=\"m\",part=\"none\"}", &["init_from has the part none"]);
    refuses("--set init_from={part=\"all\"}", &["init_from", "model"]);
    let own = format!("train --recipe small.toml --out run --init-from run/../{MODEL}");
    place.refuses(&own, 2, &["would replace it", "--out"]);
}

// --- few images ---

#[test]
fn a_run_can_have_the_first_images_alone() {
    let place = Place::new();
    let done = place.train("--set train_images=10 --set validation=4 --out few").succeeds();
    assert!(done.stderr.contains(" on 6 images, "), "{}", done.stderr);
    place.elbo("train --out few --resume --epochs 3").succeeds();
    // They are what a smaller data set has.
    place.write_idx("ten", 10, TEST, [HEIGHT, WIDTH]);
    place.train("--data ten --set validation=4 --epochs 3 --out ten-run").succeeds();
    let [few, ten] =
        ["few", "ten-run"].map(|run| tensors(&place, &format!("{run}/model.safetensors")));
    assert_eq!(few, ten);
}

#[test]
fn more_images_than_there_are_or_than_are_left_are_refused() {
    let place = Place::new();
    let refuses = |set: &str, status, parts: &[&str]| {
        place.refuses(&format!("train --recipe small.toml --out few {set}"), status, parts);
    };
    refuses("--set train_images=41", 1, &["train_images is 41", "40 training images"]);
    let set = "--set train_images=10 --set validation=10";
    refuses(set, 2, &["validation is 10", "10 train_images"]);
    refuses("--set train_images=-1", 2, &["train_images"]);
}
