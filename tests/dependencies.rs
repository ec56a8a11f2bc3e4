//! What the library is built from.

use std::{collections::BTreeSet, process::Command};

/// Without the command line: arrays, random numbers and threads; the formats that data, weights, recipes and
/// pictures come in.
const LIBRARY: [&str; 20] = [
    "byteorder",
    "csv",
    "elbo-kernels",
    "flate2",
    "ndarray",
    "ndarray-rand",
    "plotters",
    "plotters-backend",
    "png",
    "rand",
    "rand_chacha",
    "rand_distr",
    "rayon",
    "safetensors",
    "serde",
    "serde_json",
    "strsim",
    "tempfile",
    "thiserror",
    "toml",
];

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
fn the_library_needs_these_crates_and_no_others() {
    let expected: BTreeSet<String> = LIBRARY.map(String::from).into();
    assert_eq!(direct(&["--no-default-features"], "elbo"), expected);
    let cli = ["anyhow", "clap", "ctrlc", "indicatif", "ndarray-npy"].map(String::from);
    assert_eq!(direct(&[], "elbo"), expected.union(&cli.into()).cloned().collect());
}

#[test]
fn the_kernels_need_threads_alone() {
    assert_eq!(direct(&[], "elbo-kernels"), BTreeSet::from(["rayon".to_owned()]));
}
