//! What the library is built from.

use std::{collections::BTreeSet, process::Command};

/// Without features: arrays, random numbers and threads; names of settings and texts of errors.
const MATHEMATICS: [&str; 9] = [
    "elbo-kernels",
    "ndarray",
    "ndarray-rand",
    "rand",
    "rand_chacha",
    "rand_distr",
    "rayon",
    "serde",
    "thiserror",
];

/// The formats that data, weights, recipes and pictures come in.
const FILES: [&str; 11] = [
    "byteorder",
    "csv",
    "flate2",
    "plotters",
    "plotters-backend",
    "png",
    "safetensors",
    "serde_json",
    "strsim",
    "tempfile",
    "toml",
];

const CLI: [&str; 5] = ["anyhow", "clap", "indicatif", "ndarray-npy", "signal-hook"];

fn direct(features: &[&str], package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--depth", "1", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    lines.lines().skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn each_feature_adds_these_crates_and_no_others() {
    let without =
        |features: &[&str]| direct(&[&["--no-default-features"], features].concat(), "elbo");
    let mut expected: BTreeSet<String> = MATHEMATICS.map(String::from).into();
    assert_eq!(without(&[]), expected);
    expected.extend(FILES.map(String::from));
    assert_eq!(without(&["--features", "files"]), expected);
    expected.extend(CLI.map(String::from));
    assert_eq!(direct(&[], "elbo"), expected);
}

#[test]
fn the_kernels_need_threads_alone() {
    assert_eq!(direct(&[], "elbo-kernels"), BTreeSet::from(["rayon".to_owned()]));
}
