//! The same seed, data and recipe give the same numbers, bit for bit: on any number of threads, and
//! however often a run is stopped and taken up again.

use std::ops::ControlFlow;

use elbo::{
    data::{Images, Pixels, View},
    evaluation::{Evaluation, Evaluator, LogLikelihood, log_likelihood},
    generation::Generate,
    layers::{Activation, Init},
    models::{AnyModel, MlpVae, Model},
    objectives::{Elbo, Figures, Objective},
    optim::Optimiser,
    parameters::Parameters,
    random::{self, Purpose},
    real::Real,
    recipe::Recipe,
    training::{Checkpoint, Trainer},
};
use rand::RngCore;

type RecipeTrainer<'a, T> = Trainer<'a, T, AnyModel<T>, Elbo>;

/// Random bytes as images.
fn images(count: usize, height: usize, width: usize) -> Images {
    let mut bytes = vec![0; count * height * width];
    random::rng(5, Purpose::Prior, 0, 0).fill_bytes(&mut bytes);
    Images::new(height, width, Pixels::Bytes(bytes)).unwrap()
}

/// The bits of all of an optimiser's moments.
fn moments<T: Real, M: Parameters<T>>(optimiser: &Optimiser<M>) -> Vec<u64> {
    optimiser.state().flat_map(|(_, moment)| bits(moment)).collect()
}

/// The bits of every parameter; an `f32` keeps all of its own in `f64`.
fn bits<T: Real>(parameters: &impl Parameters<T>) -> Vec<u64> {
    let tensors = parameters.tensors();
    tensors.flat_map(|t| t.iter().map(|v| v.to_f64().to_bits()).collect::<Vec<_>>()).collect()
}

fn in_pool<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

/// All that comes out of an epoch and an evaluation.
#[derive(Debug, PartialEq)]
struct Outcome {
    weights: Vec<u64>,
    moments: Vec<u64>,
    train: Figures,
    test: Evaluation,
    likelihood: LogLikelihood,
    pictures: Vec<u32>,
}

fn outcome<T: Real>(images: &Images, hidden: &[usize], activation: Activation) -> Outcome {
    let rng = &mut random::rng(1, Purpose::Init, 0, 0);
    let pixels = images.pixels_per_image();
    let vae = MlpVae::<T>::mlp(pixels, hidden, 20, activation, Init::Glorot, rng);
    outcome_of(vae, Elbo, images)
}

/// Two full batches and an odd one.
fn outcome_of<'a, T: Real>(
    model: impl Model<T>,
    objective: impl Objective<T> + Copy,
    images: impl Into<View<'a>>,
) -> Outcome {
    let images = images.into();
    let mut trainer = Trainer::new(model, objective, images, 128, 1e-3, 2);
    let train = trainer.epoch(|_| ControlFlow::Continue(())).unwrap().unwrap();
    let (model, optimiser) = (&trainer.model, &trainer.optimiser);
    assert_eq!(optimiser.steps(), 3);
    let pictures = match model.has_prior_codes() {
        true => model.sample(5, 6),
        false => model.reconstruct(images, &[0, 200, 7]),
    };
    Outcome {
        weights: bits(model),
        moments: moments(optimiser),
        train,
        test: Evaluator::new(model, images).evaluate(model, &objective, 3, 1),
        likelihood: log_likelihood(model, images, 2, 4, |_| ()),
        pictures: pictures.iter().map(|v| v.to_bits()).collect(),
    }
}

/// At a size at which the matrix products and the passes over weights, hidden units and pixels are
/// all shared between threads.
fn does_not_depend_on_threads<T: Real>(activation: Activation) {
    let images = images(2 * 128 + 45, 28, 28);
    let run = |threads| in_pool(threads, || outcome::<T>(&images, &[256], activation));
    let alone = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == alone, "{threads} threads give other numbers than one");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits_in_f32() {
    does_not_depend_on_threads::<f32>(Activation::Relu);
    does_not_depend_on_threads::<f32>(Activation::Tanh);
}

#[test]
fn any_number_of_threads_gives_the_same_bits_in_f64() {
    does_not_depend_on_threads::<f64>(Activation::Softplus);
}

#[test]
fn any_number_of_threads_gives_the_same_bits_for_shapes_that_divide_by_nothing() {
    let images = images(2 * 128 + 1, 17, 31);
    let run = |threads| in_pool(threads, || outcome::<f32>(&images, &[331, 67], Activation::Tanh));
    let alone = run(1);
    assert!(run(3) == alone && run(8) == alone);
}

/// Each with gated layers or a learned prior, two layers of latent variables, a flow or labels.
#[test]
fn any_number_of_threads_gives_the_same_bits_for_every_model_of_a_recipe() {
    let images = images(2 * 128 + 45, 28, 28);
    let labels: Vec<u8> = (0..images.len()).map(|n| (n % 10) as u8).collect();
    let view = View::from(&images).labelled(&labels);
    let size = Recipe { hidden: vec![200], latent: 32, image: Some([28, 28]), ..Recipe::default() };
    for set in [
        &["gated=true"][..],
        &["prior=vampprior", "pseudo_inputs=300"],
        &["prior=vampprior", "pseudo_inputs=90", "gated=true"],
        &["latent=100", "hidden2=[100]", "latent2=50", "activation=tanh"],
        &["hidden2=[90]", "latent2=7", "gated=true"],
        &["flow_steps=2"],
        &["flow_steps=1", "gated=true"],
        &["conditional=true", "classes=10"],
        &["given=quadrants-2"],
        &["given=pooled-4"],
    ] {
        let recipe = set.iter().fold(size.clone(), |recipe, set| recipe.with(set).unwrap());
        recipe.validate().unwrap();
        let run = || outcome_of(recipe.model::<f32>(), recipe.objective(), view);
        let alone = in_pool(1, run);
        for threads in [2, 3] {
            assert!(in_pool(threads, run) == alone, "{threads} threads, {set:?}");
        }
    }
}

/// A recipe whose epoch has three full batches and one of two images.
fn recipe() -> Recipe {
    Recipe { hidden: vec![7], image: Some([4, 3]), batch_size: 16, ..Recipe::default() }
}

fn trainer<'a, T: Real>(images: &'a Images, model: AnyModel<T>) -> RecipeTrainer<'a, T> {
    let Recipe { batch_size, learning_rate, seed, .. } = recipe();
    Trainer::new(model, Elbo, images, batch_size, learning_rate, seed)
}

/// Three epochs in one go, and three in which every step is the last of its trainer: the state goes
/// through a checkpoint file into the next.
fn a_run_in_pieces_equals_a_run_in_one<T: Real>() {
    let images = images(50, 4, 3);
    let mut whole = trainer(&images, recipe().model::<T>());
    let epochs = [(); 3].map(|()| whole.epoch(|_| ControlFlow::Continue(())).unwrap().unwrap());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut pieces = trainer(&images, recipe().model::<T>());
    let (mut finished, mut stops) = (vec![], 0);
    while pieces.position.epoch < 3 {
        // The position after the last batch is one, too: the call that finds it ends the epoch.
        finished.extend(pieces.epoch(|_| ControlFlow::Break(())).unwrap());
        let RecipeTrainer { model, optimiser, position, .. } = &pieces;
        let data = images.fingerprint();
        Checkpoint::save(&path, &recipe(), data, model, optimiser, *position, None).unwrap();
        let Checkpoint { model, optimiser, position, .. } = Checkpoint::load(&path).unwrap();
        pieces = trainer(&images, model);
        (pieces.optimiser, pieces.position) = (optimiser, position);
        stops += 1;
    }
    assert_eq!(stops, 3 * 5);
    assert_eq!(finished, epochs);
    assert_eq!(bits(&pieces.model), bits(&whole.model));
    assert_eq!(moments(&pieces.optimiser), moments(&whole.optimiser));
    assert_eq!(pieces.optimiser.steps(), 12);
}

#[test]
fn a_run_stopped_after_every_single_step_equals_an_undisturbed_one_in_f32() {
    a_run_in_pieces_equals_a_run_in_one::<f32>();
}

#[test]
fn a_run_stopped_after_every_single_step_equals_an_undisturbed_one_in_f64() {
    a_run_in_pieces_equals_a_run_in_one::<f64>();
}

#[test]
fn the_seed_decides_the_model_it_starts_from_and_the_one_it_becomes() {
    let images = images(50, 4, 3);
    let run = |init: u64, training: u64| {
        let model = Recipe { seed: init, ..recipe() }.model::<f32>();
        let mut trainer = Trainer::new(model, Elbo, &images, 16, 1e-3, training);
        let start = bits(&trainer.model);
        trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
        (start, bits(&trainer.model))
    };
    let first = run(1, 1);
    assert_eq!(run(1, 1), first);
    let (start, end) = run(2, 1);
    assert!(start != first.0 && end != first.1);
    let (start, end) = run(1, 2);
    assert!(start == first.0 && end != first.1);
}

#[test]
fn a_model_in_f32_starts_as_the_rounding_of_the_model_in_f64() {
    for init in [Init::Glorot, Init::He, Init::Small, Init::Pytorch] {
        let recipe = Recipe { init, ..recipe() };
        let (single, double) = (recipe.model::<f32>(), recipe.model::<f64>());
        for (single, double) in single.tensors().zip(double.tensors()) {
            assert_eq!(single, double.mapv(|v| v as f32));
        }
    }
}
