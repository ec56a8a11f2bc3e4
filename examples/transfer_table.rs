//! What the weights of a VAE of the digits 0 to 4 are worth to one that learns from few images of the digits 5 to 9.
//!
//! ```sh
//! cargo run --release --example transfer_table
//! cargo run --release --example transfer_table -- docs/images/transfer.svg latent=32 hidden=[400]
//! ```
//!
//! Any `key=value` of a recipe can be given; without one it is `784-128-16` and 10 epochs for the digits 0 to 4. Of the
//! digits 5 to 9, the last 1000 training images choose the best weights of each run, and n of the others, as many of each
//! digit, are learned from, in 2000 steps. All figures are of the 4861 test images of these digits, and means of two
//! runs with other choices of the n images, other batches and noise; all of them start from the same model of the
//! digits 0 to 4. Given a path, the first table is drawn there too.

use std::{array, error::Error, ops::ControlFlow, path::Path};

use elbo::{
    data::{self, Dataset, Part, stratified},
    evaluation::Evaluator,
    generation::Generate,
    layers::Init,
    models::{AnyModel, Decoder, Model},
    optim::{Optimiser, Settings},
    parameters::ModelPart,
    pictures::{LinePlot, Series, save_lines},
    random::{self, Purpose},
    real::cast,
    recipe::Recipe,
    training::{Trainer, copy_tensors},
    uses::{
        probe::{Labelled, Settings as ProbeSettings, probe},
        semi::{accuracy, fit_classifier},
    },
};
use ndarray::Array2;

type AnyError = Box<dyn Error>;

const STEPS: usize = 2000;
/// Steps after which the images held out are looked at.
const BETWEEN: usize = 200;
const HELD_OUT: usize = 1000;
const SEEDS: u64 = 2;
const SIZES: [usize; 6] = [100, 300, 1000, 3000, 10_000, 28_404];
/// Of the network with labels.
const LABELLED_STEPS: usize = 1000;

/// What a run takes of the model of other digits, and what it keeps of that.
const WAYS: [(&str, ModelPart, ModelPart); 4] = [
    ("from scratch", ModelPart::None, ModelPart::None),
    ("encoder, trained on", ModelPart::Encoder, ModelPart::None),
    ("encoder, frozen", ModelPart::Encoder, ModelPart::Encoder),
    ("all, trained on", ModelPart::All, ModelPart::None),
];

/// The digits that are learned from few images.
struct Target {
    train: Dataset,
    held_out: Dataset,
    test: Dataset,
}

fn main() -> Result<(), AnyError> {
    let (settings, picture): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.contains('='));
    let own =
        Recipe { hidden: vec![128], latent: 16, batch_size: 100, epochs: 10, ..Recipe::default() };
    let recipe = settings.iter().try_fold(own, |recipe, set| recipe.with(set))?;
    let recipe = Recipe { image: Some([28, 28]), ..recipe };
    recipe.validate()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    let (train, test) = (data::load(&folder, Part::Train)?, data::load(&folder, Part::Test)?);
    let known = digits(&train, |digit| digit < 5);
    let others = digits(&train, |digit| digit >= 5);
    let last = others.images.len() - HELD_OUT;
    let target = Target {
        held_out: others.clone().filtered(|index| index >= last).expect("a thousand images"),
        train: others.filtered(|index| index < last).expect("many more images"),
        test: digits(&test, |digit| digit >= 5),
    };
    let source = pre_trained(&recipe, &known)?;
    eprintln!("the digits 0 to 4 are learned from {} images", known.images.len());

    let mut curves = vec![];
    let mut accuracies = vec![];
    for n in SIZES {
        let runs = (0..SEEDS).map(|seed| run(&recipe, &source, &target, n, seed));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let mean = |of: fn(&Run, usize) -> f64, column| {
            runs.iter().map(|run| of(run, column)).sum::<f64>() / runs.len() as f64
        };
        let elbo: [f64; 4] = array::from_fn(|way| mean(|run, way| run.elbo[way], way));
        let right: [f64; 5] = array::from_fn(|column| mean(|run, c| run.accuracy[c], column));
        eprintln!("{n} images: {elbo:.2?} {right:.4?}");
        curves.push(elbo);
        accuracies.push(right);
    }
    print_tables(&curves, &accuracies);
    match picture.first() {
        Some(path) => draw(Path::new(path), &curves),
        None => Ok(()),
    }
}

/// The images of some digits.
fn digits(data: &Dataset, is_wanted: fn(u8) -> bool) -> Dataset {
    let labels = data.labels.clone().expect("MNIST has labels");
    data.clone().filtered(|index| is_wanted(labels[index])).expect("each digit is there")
}

/// The recipe's model of other digits.
fn pre_trained(recipe: &Recipe, known: &Dataset) -> Result<AnyModel<f32>, AnyError> {
    let view = recipe.view(known, Part::Train);
    let mut trainer = Trainer::with(recipe.model(), recipe.objective(), view, recipe.plan());
    for _ in 0..recipe.epochs {
        trainer.epoch(|_| ControlFlow::Continue(()))?;
    }
    Ok(trainer.model)
}

/// What came of n images.
struct Run {
    /// Of the test images, each of [`WAYS`].
    elbo: [f64; 4],
    /// A linear probe of the latent means of the first three; a network that learns from the labels alone, and one
    /// that starts with the hidden layers of the model of other digits.
    accuracy: [f64; 5],
}

fn run(
    recipe: &Recipe,
    source: &AnyModel<f32>,
    target: &Target,
    n: usize,
    seed: u64,
) -> Result<Run, AnyError> {
    // Other weights to start with than those of the source.
    let recipe = Recipe { seed: seed + 1, ..recipe.clone() };
    let labels = target.train.labels.as_deref().expect("MNIST has labels");
    let mut is_chosen = vec![false; labels.len()];
    stratified(labels, n, seed)?.into_iter().for_each(|index| is_chosen[index] = true);
    let few = target.train.clone().filtered(|index| is_chosen[index]).expect("n images");
    let mut elbo = [0.0; 4];
    let mut right = [0.0; 5];
    for (way, (_, part, freeze)) in WAYS.into_iter().enumerate() {
        let recipe = Recipe { freeze, ..recipe.clone() };
        let mut model = recipe.model();
        copy_tensors(source, &mut model, |name| part.has(name))?;
        let model = best(&recipe, model, &few, &target.held_out)?;
        elbo[way] = test_elbo(&recipe, &model, &target.test, Part::Test);
        if way < 3 {
            right[way] = probed(&recipe, &model, &few, &target.test)?;
        }
    }
    let fresh = recipe.model::<f32>();
    right[3] = classified(&recipe, &fresh, &few, &target.test);
    right[4] = classified(&recipe, source, &few, &target.test);
    Ok(Run { elbo, accuracy: right })
}

/// The weights with the best ELBO of the images held out, of those along the way.
fn best(
    recipe: &Recipe,
    model: AnyModel<f32>,
    few: &Dataset,
    held_out: &Dataset,
) -> Result<AnyModel<f32>, AnyError> {
    let view = recipe.view(few, Part::Train);
    let mut trainer = Trainer::with(model, recipe.objective(), view, recipe.plan());
    let mut best = (f64::NEG_INFINITY, trainer.model.clone());
    let mut steps = 0;
    while steps < STEPS {
        let before = steps;
        while steps < (before + BETWEEN).min(STEPS) {
            trainer.epoch(|_| {
                steps += 1;
                if steps < STEPS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        let elbo = test_elbo(recipe, &trainer.model, held_out, Part::Train);
        if elbo > best.0 {
            best = (elbo, trainer.model.clone());
        }
    }
    Ok(best.1)
}

fn test_elbo(recipe: &Recipe, model: &AnyModel<f32>, data: &Dataset, part: Part) -> f64 {
    let mut evaluator = Evaluator::new(model, recipe.view(data, part));
    evaluator.evaluate(model, &model.elbo(), recipe.seed, 0).elbo
}

/// The test accuracy of a linear probe that has the labels of the few.
fn probed(
    recipe: &Recipe,
    model: &AnyModel<f32>,
    few: &Dataset,
    test: &Dataset,
) -> Result<f64, AnyError> {
    let features = [few, test].map(|data| -> Array2<f64> {
        let indices: Vec<usize> = (0..data.images.len()).collect();
        cast(model.latents(recipe.view(data, Part::Test), &indices).view())
    });
    let [train, test] = [(few, &features[0]), (test, &features[1])].map(|(data, features)| {
        Labelled { features: features.view(), labels: data.labels.as_deref().unwrap_or(&[]) }
    });
    let found = probe(train, test, train.labels.len(), ProbeSettings::default())?;
    Ok(found.linear.expect("a linear probe"))
}

/// The test accuracy of a network that learns from the few labels and starts with the hidden layers of the model.
fn classified(recipe: &Recipe, model: &AnyModel<f32>, few: &Dataset, test: &Dataset) -> f64 {
    let rng = &mut random::rng(recipe.seed, Purpose::Init, 1, 0);
    let hidden = model.vae().encoder.hidden.clone();
    let mut classifier = Decoder::new(hidden, 10, Init::Pytorch, rng);
    let mut optimiser = Optimiser::new(&classifier, &Settings::adam(recipe.learning_rate));
    let n = few.images.len();
    let indices: Vec<usize> = (0..n).collect();
    let epochs = LABELLED_STEPS.div_ceil(n.div_ceil(recipe.batch_size)) as u64;
    let labels = [few, test].map(|data| data.labels.as_deref().unwrap_or(&[]));
    let (view, batches) = (recipe.view(few, Part::Train), (recipe.batch_size, recipe.seed));
    fit_classifier(&mut classifier, &view, &indices, labels[0], epochs, &mut optimiser, batches);
    let all: Vec<usize> = (0..test.images.len()).collect();
    accuracy(&classifier, &recipe.view(test, Part::Test), &all, labels[1])
}

fn print_tables(curves: &[[f64; 4]], accuracies: &[[f64; 5]]) {
    println!("| images | {} |\n|{}", WAYS.map(|(name, ..)| name).join(" | "), " --- |".repeat(5));
    for (n, elbo) in SIZES.iter().zip(curves) {
        println!("| {n} | {} |", elbo.map(|elbo| format!("{elbo:.2}")).join(" | "));
    }
    println!(
        "\n| images, all with labels | {} | labels alone | labels, hidden layers of other digits |\n|{}",
        WAYS.map(|(name, ..)| name)[..3].join(" | "),
        " --- |".repeat(6)
    );
    for (n, right) in SIZES.iter().zip(accuracies) {
        println!("| {n} | {} |", right.map(|right| format!("{right:.4}")).join(" | "));
    }
}

fn draw(path: &Path, curves: &[[f64; 4]]) -> Result<(), AnyError> {
    let series = WAYS.iter().enumerate().map(|(way, (name, ..))| Series {
        name: (*name).into(),
        points: SIZES.iter().zip(curves).map(|(&n, elbo)| (n as f64, elbo[way])).collect(),
    });
    let plot = LinePlot {
        title: "The digits 5 to 9 after the digits 0 to 4".into(),
        x: "training images".into(),
        y: "test ELBO, nats per image".into(),
        log_x: true,
        series: series.collect(),
        ..LinePlot::default()
    };
    Ok(save_lines(path, &plot)?)
}
