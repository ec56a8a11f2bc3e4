//! Folders, files and names that somebody else has made.

use super::*;

const MODEL: &str = "run/model.safetensors";

/// A folder that was sent may have a link in the place of any file that a run writes.
#[test]
#[cfg(unix)]
fn no_run_writes_through_a_link_into_another_folder() {
    use std::os::unix::fs::symlink;
    let place = Place::trained();
    place.train("--out sent").succeeds();
    place.write("precious.txt", "mine");
    for (name, target) in [
        ("checkpoint.safetensors", "../run/checkpoint.safetensors"),
        ("model.safetensors", "../run/model.safetensors"),
        ("metrics.csv", "../run/metrics.csv"),
        ("curves.svg", "../precious.txt"),
        ("recipe.toml", "../precious.txt"),
    ] {
        let path = place.path(&format!("sent/{name}"));
        fs::remove_file(&path).unwrap();
        symlink(target, &path).unwrap();
        let parts = [&format!("cannot write sent/{name}"), "it is a symbolic link"];
        for how in ["--resume --epochs 3", "--overwrite"] {
            place.refuses(&format!("train --recipe small.toml --out sent {how}"), 1, &parts);
        }
        fs::remove_file(&path).unwrap();
        fs::copy(place.path(&format!("run/{name}")), &path).unwrap();
    }
    symlink("precious.txt", place.path("f.png")).unwrap();
    let sample = format!("sample {MODEL} --out f.png");
    place.refuses(&sample, 1, &["cannot write f.png", "it is a symbolic link"]);
    place.elbo("train --out sent --resume --epochs 3").succeeds();
}

#[test]
#[cfg(unix)]
fn no_name_moves_the_cursor_of_a_terminal() {
    let place = Place::trained();
    let name = "a\u{1b}[2J\u{9b}b\u{202e}c";
    let controls = ['\u{1b}', '\u{9b}', '\u{202e}'];
    for arguments in [format!("info {name}"), format!("train --data {name} --out new")] {
        let done = place.elbo(&arguments).fails(1, &[r"a\u{1b}[2J\u{9b}b\u{202e}c"]);
        assert!(!done.stderr.contains(controls), "{:?}", done.stderr);
    }
    fs::rename(place.path("run"), place.path(name)).unwrap();
    let model = format!("{name}/model.safetensors");
    let json = place.elbo(&format!("evaluate {model} --json")).succeeds().stdout;
    let said = place.elbo(&format!("evaluate {model} {model}")).succeeds().stdout;
    assert!(!json.contains(controls) && !said.contains(controls));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["model"], model, "the name can still be read back");
}

/// Gives every weight of a model the value that its tensor's name and its place there have.
fn set_weights(place: &Place, value: impl Fn(&str, usize) -> f32) {
    let mut bytes = place.read(MODEL);
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (start, json) = bytes[8..].split_at_mut(header);
    let tensors: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(start).unwrap();
    for (name, tensor) in tensors.iter().filter(|(name, _)| *name != "__metadata__") {
        let [from, to] = [0, 1].map(|i| tensor["data_offsets"][i].as_u64().unwrap() as usize);
        for (i, weight) in json[from..to].as_chunks_mut().0.iter_mut().enumerate() {
            *weight = value(name, i).to_le_bytes();
        }
    }
    place.write(MODEL, bytes);
}

/// Each weight is a number, and of no sum of them can that be said.
#[test]
fn figures_of_a_model_whose_weights_are_too_large_are_refused_rather_than_printed() {
    let place = Place::trained();
    set_weights(&place, |_, _| 3e38);
    for command in [
        "evaluate MODEL",
        "evaluate MODEL MODEL --json",
        "encode MODEL --out codes.npy",
        "project MODEL --out codes.svg",
        "probe MODEL",
        "repair MODEL --hide-random 0.5 --out f.png",
        "anomaly fit MODEL",
    ] {
        place.refuses(&command.replace("MODEL", MODEL), 1, &[MODEL, "finite"]);
    }
    let from = format!("--init-from {MODEL} --init-part all");
    let parts = ["no longer finite at step 1", "what training starts from"];
    place.train(&format!("--out new {from}")).fails(1, &parts);
}

/// The codes of images are near 0, and decoded well; those of N(0, I) are not.
#[test]
fn figures_of_samples_are_refused_where_only_those_are_not_finite() {
    let place = Place::trained();
    let spread = |log_var: f32| {
        move |name: &str, i: usize| match name {
            "encoder.log_var.bias" => log_var,
            name if name.starts_with("encoder") => 0.0,
            name if name.starts_with("decoder.hidden") => 3e38,
            _ if i.is_multiple_of(2) => 1e-35,
            _ => -1e-35,
        }
    };
    set_weights(&place, spread(-20.0));
    place.elbo(&format!("evaluate {MODEL}")).succeeds();
    let parts = [MODEL, "its weights are too large to compute with"];
    place.refuses(&format!("evaluate {MODEL} --sample-quality"), 1, &parts);
    set_weights(&place, spread(-2.77));
    place.refuses(&format!("evaluate {MODEL} --importance-samples 2000"), 1, &parts);
}

#[test]
fn no_command_writes_over_what_it_reads() {
    let place = Place::trained();
    place.elbo(&format!("anomaly fit {MODEL} --score elbo --false-positives 0.5")).succeeds();
    let calibration = place.text("run/anomaly-elbo.json");
    place.write("anomaly.csv", calibration.replace("model.safetensors", "m.csv"));
    for name in ["m.png", "m.csv", "m.svg"] {
        fs::copy(place.path(MODEL), place.path(name)).unwrap();
    }
    for command in [
        "sample m.png --out m.png",
        "manifold m.png --out m.png",
        "reconstruct m.png --out ./m.png",
        "interpolate m.png --from 0 --to 1 --out m.png",
        "walk m.png --out m.png",
        "repair m.png --hide left --out m.png",
        "complete m.png --given quadrants-1 --out m.png",
        "project m.svg --out m.svg",
        "encode m.csv --out m.csv",
        "anomaly score anomaly.csv --out anomaly.csv",
        "anomaly score anomaly.csv --out m.csv",
    ] {
        place.refuses(command, 2, &["would replace", "which is read"]);
    }
    for out in ["data/mnist", "data/mnist/train", "data/mnist/test/new/run"] {
        let train = format!("train --recipe small.toml --out {out}");
        place.refuses(&train, 2, &["a folder of the data"]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_a_failure() {
    let place = Place::trained();
    for arguments in ["--help", "train --help", "--version", &format!("info {MODEL}")] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.spawn(arguments).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {stderr}");
        assert!(stderr.contains("error: cannot write to standard output: "), "{stderr}");
    }
}
