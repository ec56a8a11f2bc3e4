//! What memory is asked for, counted by the allocator over all threads of the process.
//!
//! A test of this file sees the allocations of whatever else runs, so they run one at a time, and
//! without the standard harness, whose own thread allocates when it pleases.

use std::{alloc::System, fs, ops::ControlFlow, path::Path};

use elbo::{
    data::{Dataset, Images, Part, Pixels},
    distributions::{Likelihood, any::LikelihoodKind},
    layers::{Activation, Init},
    models::{MlpVae, Model},
    objectives::{Elbo, Objective},
    parameters::Parameters,
    random::{self, Purpose},
    real::Real,
    recipe::Recipe,
    training::{Checkpoint, Trainer, load_model},
};
use libtest_mimic::{Arguments, Failed, Trial};
use ndarray::{Array1, Array2};
use rayon::ThreadPool;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let mut trials = vec![Trial::test("an allocation on any thread of a pool is counted", counts)];
    for threads in [1, 2, 3] {
        for activation in [Activation::Relu, Activation::Tanh] {
            trials.push(steady::<f32>("f32", activation, threads));
            trials.push(steady::<f64>("f64", activation, threads));
        }
    }
    for threads in [1, 2] {
        let two_layers = ["hidden=[200]", "latent=100", "hidden2=[100]", "latent2=50"];
        let flow = ["hidden=[200]", "latent=32", "flow_steps=2"];
        for sampled in ["objective=elbo", "objective=iwae"] {
            let by = ["samples=2", "activation=tanh", sampled];
            trials.push(recipe(&[&two_layers[..], &by].concat(), threads));
            trials.push(recipe(&[&flow[..], &by].concat(), threads));
        }
        trials.push(recipe(&["objective=iwae", "samples=3", "optimiser=sgd"], threads));
        trials.push(recipe(&["conditional=true", "classes=10"], threads));
        trials.push(recipe(&["given=quadrants-1"], threads));
        trials.push(recipe(&["given=pooled-2", "samples=2", "beta=0.5"], threads));
        for optimiser in ["optimiser=adamw", "optimiser=sgd", "optimiser=rmsprop"] {
            trials.push(recipe(&["freeze=encoder", "clip_norm=1", optimiser], threads));
        }
        let logistic = ["missing=0.5", "likelihood=discretised-logistic"];
        let weighted = ["missing=0.3", "objective=iwae", "samples=2", "pixels=binarised"];
        trials.push(recipe(&logistic, threads));
        trials.push(recipe(&weighted, threads));
        let vampprior = ["prior=vampprior", "pseudo_inputs=9", "gated=true", "pixels=binarised"];
        let by = ["optimiser=rmsprop", "clip_norm=1", "likelihood=bernoulli"];
        trials.push(recipe(&[&vampprior[..], &by].concat(), threads));
    }
    trials.extend(LikelihoodKind::ALL.map(likelihood));
    let hostile = "a file's claims are weighed against its length before memory is asked for";
    trials.push(Trial::test(hostile, hostile_files));
    let one_at_a_time = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&one_at_a_time, trials).exit();
}

/// Runs `body` in a pool whose threads are up: each has taken a task from the pool, for which it makes what it
/// needs to know of the others. When this returns they have ended, down to their thread-local values: what a
/// thread of one test asks for on its way out is not counted in the next.
fn in_pool<R>(threads: usize, body: impl FnOnce(&ThreadPool) -> R) -> R {
    let mut handles = vec![];
    let spawn = |worker: rayon::ThreadBuilder| {
        handles.push(std::thread::spawn(|| worker.run()));
        Ok(())
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).spawn_handler(spawn);
    let pool = pool.build().unwrap();
    pool.broadcast(|_| ());
    let result = body(&pool);
    drop(pool);
    handles.into_iter().for_each(|handle| handle.join().unwrap());
    result
}

/// Calls of the allocator that asked for memory.
fn requests(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.allocations + change.reallocations
}

/// The counter itself, checked: without this, the tests below could not fail.
fn counts() -> Result<(), Failed> {
    in_pool(3, |pool| {
        for thread in 0..3 {
            let counted = pool.broadcast(|context| {
                let region = Region::new(ALLOCATOR);
                if context.index() == thread {
                    drop(std::hint::black_box(vec![1u8; 100]));
                }
                (context.index() == thread).then(|| requests(&region))
            });
            if counted[thread].is_none_or(|requests| requests == 0) {
                return Err(format!("thread {thread}: {counted:?}").into());
            }
        }
        Ok(())
    })
}

/// Random bytes as square images.
fn images(count: usize, side: usize) -> Images {
    use rand::RngCore;
    let mut bytes = vec![0; count * side * side];
    random::rng(5, Purpose::Prior, 0, 0).fill_bytes(&mut bytes);
    Images::new(side, side, Pixels::Bytes(bytes)).unwrap()
}

/// Two epochs of three full batches and a smaller one, at a size that every kernel shares between
/// threads. Each step but the very first must allocate nothing, nor may what happens between
/// epochs.
fn steady<T: Real>(precision: &str, activation: Activation, threads: usize) -> Trial {
    let run = move || {
        let images = images(3 * 128 + 77, 28);
        let rng = &mut random::rng(6, Purpose::Init, 0, 0);
        let vae = MlpVae::<T>::mlp(784, &[256, 64], 20, activation, Init::Glorot, rng);
        asks_for_nothing(Trainer::new(vae, Elbo, &images, 128, 1e-3, 7), threads)
    };
    let threads = format!("{threads} thread{}", if threads == 1 { "" } else { "s" });
    let name = format!("from the second step on nothing: {precision}, {activation:?}, {threads}");
    Trial::test(name, run)
}

/// The same of the model, the objective and the optimiser that a recipe names.
fn recipe(set: &[&str], threads: usize) -> Trial {
    let recipe = Recipe { image: Some([28, 28]), hidden: vec![64], ..Recipe::default() };
    let recipe = set.iter().fold(recipe, |recipe, set| recipe.with(set).unwrap());
    let run = move || {
        let images = images(3 * 128 + 77, 28);
        let labels = (0..images.len()).map(|n| (n % 10) as u8).collect();
        let data = Dataset { images, labels: Some(labels) };
        let view = recipe.view(&data, Part::Train);
        let model = recipe.model::<f32>();
        asks_for_nothing(Trainer::with(model, recipe.objective(), view, recipe.plan()), threads)
    };
    Trial::test(format!("from the second step on nothing: {}, {threads}", set.join(" ")), run)
}

/// Trains for two epochs of four batches.
fn asks_for_nothing<T: Real, M: Model<T>, O: Objective<T>>(
    mut trainer: Trainer<'_, T, M, O>,
    threads: usize,
) -> Result<(), Failed> {
    const EPOCHS: usize = 2;
    let mut requested = Vec::with_capacity(EPOCHS * trainer.batches());
    let mut train = || {
        let mut region = Region::new(ALLOCATOR);
        for _ in 0..EPOCHS {
            trainer.epoch(|_| {
                requested.push(requests(&region));
                region.reset();
                ControlFlow::Continue(())
            })?;
        }
        Ok::<(), elbo::training::NonFinite>(())
    };
    in_pool(threads, |pool| pool.install(&mut train))?;
    assert_eq!(requested.len(), EPOCHS * 4);
    match requested[1..].iter().all(|&count| count == 0) {
        true => Ok(()),
        false => Err(Failed::from(format!("allocations step by step: {requested:?}"))),
    }
}

/// All that a training step asks of a likelihood and of its parameters, on a single thread, so
/// that nothing else is counted.
fn likelihood(kind: LikelihoodKind) -> Trial {
    let run = move || {
        let likelihood = kind.build::<f32>(0.1);
        let x = Array2::from_shape_fn((32, 784), |(n, j)| ((n + j) % 256) as f32 / 255.0);
        let logits = Array2::from_elem((64, likelihood.outputs(784)), 0.3);
        let (mut log_prob, mut d_logits) = (Array1::zeros(64), logits.clone());
        let (weights, mut d) = (Array1::ones(64), likelihood.zeros_like());
        let mut mean = Array2::zeros((64, 784));
        let mut asked = || {
            let region = Region::new(ALLOCATOR);
            likelihood.log_prob(&x, &logits, 0.5, &mut log_prob, &mut d_logits);
            likelihood.backward_parameters(&x, &logits, &weights, &mut d);
            likelihood.mean(&logits, &mut mean);
            std::hint::black_box(d.tensors().chain(d.tensors()).map(|t| t.sum()).sum::<f32>());
            requests(&region)
        };
        let asked = in_pool(1, |pool| pool.install(|| [(); 4].map(|()| asked())));
        // What a pass asks for it asks for in every call; what other threads do comes and goes.
        if asked[1..].contains(&0) { Ok(()) } else { Err(Failed::from(format!("{asked:?}"))) }
    };
    Trial::test(format!("a likelihood asks for nothing: {kind:?}"), run)
}

/// Model files and checkpoints of a few hundred bytes that promise tensors or models of terabytes.
fn hostile_files() -> Result<(), Failed> {
    let header = |metadata: &str, recipe: &str, tensors: &str| {
        let recipe = serde_json::to_string(recipe).unwrap();
        format!(r#"{{"__metadata__":{{"{metadata}":{recipe}}}{tensors}}}"#).into_bytes()
    };
    let wide = vec!["65536"; 32].join(",");
    let many = vec!["1"; 100_000].join(",");
    let recipes = [
        format!(r#"{{"hidden":[{wide}],"latent":65536,"image":[65536,65536]}}"#),
        r#"{"hidden":[],"latent":65536,"image":[65536,65536]}"#.to_string(),
        r#"{"hidden":[65536],"latent":1,"image":[64,64]}"#.to_string(),
        r#"{"image":[18446744073709551615,18446744073709551615]}"#.to_string(),
        r#"{"latent":18446744073709551615,"image":[1,1]}"#.to_string(),
        r#"{"latent":1}"#.to_string(),
        format!(r#"{{"hidden":[{many}],"image":[1,1]}}"#),
        format!(r#"{{"hidden2":[{wide}],"latent2":65536,"image":[1,1]}}"#),
        format!(r#"{{"hidden2":[{many}],"latent2":1,"image":[1,1]}}"#),
        r#"{"latent2":18446744073709551615,"image":[1,1]}"#.to_string(),
        r#"{"flow_steps":18446744073709551615,"image":[1,1]}"#.to_string(),
        r#"{"flow_steps":32,"flow_width":65536,"image":[1,1]}"#.to_string(),
    ];
    let huge = r#","a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}"#;
    let overflowing =
        r#","a":{"dtype":"F32","shape":[18446744073709551615,4],"data_offsets":[0,0]}"#;
    let mut files: Vec<Vec<u8>> = vec![];
    for recipe in &recipes {
        let state = format!(
            r#"{{"recipe":{recipe},"images":10,"step":0,"position":{{"epoch":0,"batch":0,
               "totals":{{"images":0,"objective":0.0,"reconstruction":0.0,"kl":0.0}}}}}}"#
        );
        for tensors in ["", huge, overflowing] {
            for header in [header("recipe", recipe, tensors), header("checkpoint", &state, tensors)]
            {
                files.push([&(header.len() as u64).to_le_bytes(), &header[..]].concat());
            }
        }
    }
    files.extend([u64::MAX, 1 << 62, 99_999_999].map(|n| [&n.to_le_bytes()[..], b"{}"].concat()));

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("hostile.safetensors");
    for (i, bytes) in files.iter().enumerate() {
        fs::write(&path, bytes)?;
        let region = Region::new(ALLOCATOR);
        let refused = is_refused(&path);
        let asked = region.change().bytes_allocated;
        // The file, its header parsed more than once, and a message.
        let allowed = 100_000 + 40 * bytes.len();
        if !refused || asked > allowed {
            return Err(format!("file {i}: refused: {refused}, {asked} bytes asked for").into());
        }
    }
    Ok(())
}

fn is_refused(path: &Path) -> bool {
    load_model::<f64>(path).is_err() && Checkpoint::<f64>::load(path).is_err()
}
