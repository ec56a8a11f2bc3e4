//! The same bytes, however they are computed.

use elbo_kernels::Isa;

use super::*;

/// A short run of each kind of model, large enough for its matrix products to be split over threads, and the
/// SHA-256 of the model that it leaves. Whoever changes what is computed, and be it the order of a sum, changes
/// these: put the new ones here, and say why in the message of the change.
const RUNS: [(&str, &str, &str); 5] = [
    ("tutorial", "", "f48ea61ce148d14bd4627ddf424ea514a8f91e7cc624a5386457feb072efce03"),
    (
        "iwae-k5",
        "--set samples=3",
        "8e50c3da0fcad4a3a503a01d99c835db19d6399210d99fff83dee86138c28a96",
    ),
    (
        "iwae-2layer",
        "--set samples=2 --set hidden2=[16] --set latent2=3",
        "eca704a3d4bafac27598d7011c735cf53b940b40265d036826c536a540d3a2b0",
    ),
    (
        "vampprior",
        "--set pseudo_inputs=30 --set validation=20",
        "594be9334102b4974a3b937786520d3dcc9a9dcd60df79979b1d4de56e6ac6e4",
    ),
    (
        "iaf",
        "--set flow_width=24 --set validation=20",
        "d12a5bb28f57d40f509b0a264914fdf6e90a1da37fe9c186efee36fe6875fed6",
    ),
];

const SHORT: &str = "--hidden 64 --latent 5 --batch-size 128 --epochs 2";

/// On any number of threads, more than there are processors included, and with every instruction set that this
/// machine has.
#[test]
fn a_run_gives_the_same_model_however_it_is_computed_and_the_one_that_it_gave_before() {
    let place = Place::new();
    place.write_idx("data/mnist", 300, 20, [20, 21]);
    let run = |recipe: &str, settings: &str, threads: usize, isa: Isa| {
        let out = format!("{recipe}-{threads}-{isa}");
        let arguments =
            format!("train --recipe {recipe} {SHORT} {settings} --threads {threads} --out {out}");
        let done = place.elbo_with_isa(&arguments, Some(&isa.to_string())).succeeds();
        assert!(done.stderr.contains(&format!("{isa} kernels")), "{}", done.stderr);
        sha256(&place.read(&format!("{out}/model.safetensors")))
    };
    let mut found = vec![];
    for (recipe, settings, _) in RUNS {
        let portable = run(recipe, settings, 1, Isa::Portable);
        for isa in Isa::available() {
            for threads in [1, 2, 3, 8] {
                let sum = run(recipe, settings, threads, isa);
                assert_eq!(sum, portable, "{recipe}, {threads} threads, {isa}");
            }
        }
        found.push(portable);
    }
    // Starting weights and noise use the platform's logarithm, so that another one may have other models.
    if cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        assert_eq!(found, RUNS.map(|(_, _, before)| before));
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_instruction_set_that_is_not_there_is_refused() {
    let place = Place::new();
    let absent = ["avx1024", "neon", "avx2", "avx512"];
    let has = |name: &str| Isa::available().iter().any(|isa| isa.to_string() == name);
    for isa in absent.into_iter().filter(|name| !has(name)) {
        let done = place.elbo_with_isa("train --recipe small.toml --out run", Some(isa));
        done.fails(2, &["instruction set", isa]);
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
