//! The same bytes, however they are computed.

use elbo_kernels::Isa;

use super::*;

/// Large enough for the matrix products to be split over threads.
const WIDE: &str = "--hidden 64 --latent 5 --batch-size 128 --epochs 1";

fn wide_place() -> Place {
    let place = Place::new();
    place.write_idx("data/mnist", 300, 20, [20, 21]);
    place
}

#[test]
fn any_number_of_threads_gives_the_same_model() {
    let place = wide_place();
    let model = |threads: usize| {
        place.train(&format!("{WIDE} --out run{threads} --threads {threads}")).succeeds();
        place.read(&format!("run{threads}/model.safetensors"))
    };
    let one = model(1);
    for threads in [2, 3] {
        assert!(model(threads) == one, "{threads} threads");
    }
}

#[test]
fn any_instruction_set_gives_the_same_model() {
    let place = wide_place();
    let model = |isa: Isa| {
        let arguments = format!("train --recipe small.toml {WIDE} --out {isa}");
        let done = place.elbo_with_isa(&arguments, Some(&isa.to_string())).succeeds();
        assert!(done.stderr.contains(&format!("{isa} kernels")), "{}", done.stderr);
        place.read(&format!("{isa}/model.safetensors"))
    };
    let portable = model(Isa::Portable);
    for isa in Isa::available() {
        assert!(model(isa) == portable, "{isa}");
    }
}

#[test]
fn another_seed_gives_another_model() {
    let place = Place::trained();
    place.train("--out other --seed 1").succeeds();
    assert_ne!(place.read("run/model.safetensors"), place.read("other/model.safetensors"));
}

#[test]
fn threads_may_be_named_before_or_after_the_command() {
    let place = Place::new();
    for arguments in
        ["--threads 2 train --recipe small.toml", "train --threads 2 --recipe small.toml"]
    {
        let done = place.elbo(arguments).succeeds();
        assert!(done.stderr.contains("2 threads"), "{}", done.stderr);
    }
}
