//! How well missing pixels are found, on MNIST.
//!
//! ```text
//! cargo run --release --example repair_table
//! cargo run --release --example repair_table -- model=runs/mine/model.safetensors images=1000 steps=500
//! cargo run --release --example repair_table -- missing=0.5 objective=iwae samples=5 epochs=50
//! cargo run --release --example repair_table -- completion=runs/completion/model.safetensors
//! ```
//!
//! Of a trained model, or else one of 20 epochs of `784-200-200-50` on binarised pixels, with what is set in its recipe.
//! `images`, `steps`, `burn_in` and `weights` (importance samples of log p) say how much is spent. Prints tables in
//! Markdown: of the first test images, by what hides pixels, the root of the mean squared error of the missing
//! pixels and their log-likelihood; and of noise the peak signal-to-noise ratios. Of a model that was trained to
//! complete images (`completion=`, more than once if wanted) there is a row where it is given just what was seen.

use std::{error::Error, ops::ControlFlow, path::Path};

use elbo::{
    data::{self, Dataset, Hidden, Part, View},
    models::AnyModel,
    recipe::Recipe,
    training::{Trainer, load_model},
    uses::completion::complete,
    uses::repair::{
        Mask, Method, Noise, Proposal, Settings, bernoulli_log_likelihood, denoise,
        log_likelihoods, means, median, neighbours, peak_signal_to_noise, repair, root_mean_square,
    },
};
use ndarray::Array2;

/// Draws of a model that completes images.
const DRAWS: usize = 100;

/// What to spend.
struct Spend {
    images: usize,
    steps: usize,
    burn_in: usize,
    weights: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    let (train, test) = (data::load(&folder, Part::Train)?, data::load(&folder, Part::Test)?);
    let mut spend = Spend { images: 200, steps: 300, burn_in: 50, weights: 1000 };
    let mut trained = None;
    let mut completions = vec![];
    let recipe = std::env::args().skip(1).try_fold(own(), |recipe, set| {
        let (key, value) = set.split_once('=').unwrap_or((&set, ""));
        let place = match key {
            "images" => &mut spend.images,
            "steps" => &mut spend.steps,
            "burn_in" => &mut spend.burn_in,
            "weights" => &mut spend.weights,
            "model" => {
                trained = Some(load_model(Path::new(value))?);
                return Ok(recipe);
            }
            "completion" => {
                completions.push(load_model(Path::new(value))?.1);
                return Ok(recipe);
            }
            _ => return recipe.with(&set).map_err(Box::<dyn Error>::from),
        };
        *place = value.parse()?;
        Ok(recipe)
    })?;
    let (recipe, model) = match trained {
        Some(trained) => trained,
        None => fit(recipe, &train)?,
    };
    let known = recipe.view(&train, Part::Train).hiding(None);
    let test = recipe.view(&test, Part::Test).hiding(None);
    let test = test.take(spend.images.min(test.count));
    let image = [28, 28];
    let mask = |parts: &[&str]| {
        let regions: Result<Vec<_>, _> = parts.iter().map(|part| part.parse()).collect();
        Mask::of_regions(image, &regions?)
    };
    let masks = [
        ("lower half", mask(&["bottom"])?),
        ("right half", mask(&["right"])?),
        ("lower right quadrant", mask(&["bottom-right"])?),
        ("all but the lower left quadrant", mask(&["top", "right"])?),
    ];
    let random = ("half of the pixels, at random", Hidden::Random { rate: 0.5, seed: 0 });
    for (name, hidden) in
        [random].into_iter().chain(masks.iter().map(|(name, mask)| (*name, mask.hidden())))
    {
        let models = (&model, &completions[..]);
        table(name, models, known, test.hiding(Some(hidden)), &recipe, &spend)?;
    }
    noise_table(&model, test, image, &spend)
}

/// The model of a recipe after its epochs.
fn fit(recipe: Recipe, train: &Dataset) -> Result<(Recipe, AnyModel<f32>), Box<dyn Error>> {
    recipe.validate()?;
    let view = recipe.view(train, Part::Train);
    let mut trainer = Trainer::with(recipe.model(), recipe.objective(), view, recipe.plan());
    for epoch in 1..=recipe.epochs {
        let figures = trainer.epoch(|_| ControlFlow::Continue(()))?;
        eprintln!("epoch {epoch}: elbo {:.2}", figures.map_or(f64::NAN, |f| f.elbo));
    }
    Ok((recipe, trainer.model))
}

fn own() -> Recipe {
    Recipe::find("iwae-vae")
        .and_then(|recipe| {
            let set = ["batch_size=100", "epochs=20", "optimiser=adam", "learning_rate=0.001"];
            let plain = ["beta1=0.9", "epsilon=1e-8", "second_moment=0.0", "schedule=constant"];
            let recipe = Recipe { image: Some([28, 28]), ..recipe };
            set.iter().chain(&plain).try_fold(recipe, |recipe, set| recipe.with(set))
        })
        .expect("a recipe that is built in")
}

/// Every way of repair, of the images of a view that hides some pixels.
fn table(
    name: &str,
    (model, completions): (&AnyModel<f32>, &[AnyModel<f32>]),
    known: View<'_>,
    view: View<'_>,
    recipe: &Recipe,
    spend: &Spend,
) -> Result<(), Box<dyn Error>> {
    let likelihood = &model.vae().likelihood;
    let indices: Vec<usize> = view.indices().collect();
    let mut truth = Array2::zeros((indices.len(), 784));
    let mut seen = truth.clone();
    view.hiding(None).gather(&indices, 0, &mut truth);
    view.observe(&indices, &mut seen);
    println!("\n| {name} | error | log-likelihood | |\n| --- | --- | --- | --- |");
    let row = |way: &str, found: &Array2<f32>, more: String| {
        let error = root_mean_square(found.view(), truth.view(), seen.view());
        let log_p = bernoulli_log_likelihood(found.view(), truth.view(), seen.view());
        println!("| {way} | {error:.3} | {log_p:.1} | {more} |");
    };
    row("mean of the training images", &means(known, view), String::new());
    for k in [1, 10] {
        row(&format!("{k} nearest"), &neighbours(known, view, k), String::new());
    }
    let missing: Vec<usize> = (0..784).filter(|&pixel| seen[[0, pixel]] == 0.0).collect();
    for model in completions {
        if let AnyModel::Completion(model) = model
            && model.parts.missing == missing
        {
            let found = complete(model, view.hiding(None), &indices, DRAWS, recipe.seed).mean();
            row("trained to complete", &found, format!("{DRAWS} draws"));
        }
    }
    let Spend { steps, burn_in, weights, .. } = *spend;
    let settings = |method, steps| Settings { method, burn_in, steps, seed: recipe.seed };
    for (way, method) in [("pseudo-Gibbs", Method::Gibbs), ("Metropolis", Method::Metropolis)] {
        let found = repair(model, likelihood, view, settings(method, steps), |_| ())?;
        let accepted = found.acceptance.map(|share| format!("{share:.2} accepted"));
        row(way, &found.mean, accepted.unwrap_or_default());
    }
    let proposal = if recipe.missing > 0.0 { Proposal::Zeros } else { Proposal::Chain };
    let settings = settings(Method::Importance(proposal), weights);
    let (log_p, found) = log_likelihoods(model, likelihood, view, settings, |_| ())?;
    let size = found.effective_sample_size.unwrap_or_default();
    row("importance", &found.mean, format!("{size:.1} of {weights} samples"));
    let log_p = log_p.iter().sum::<f64>() / log_p.len() as f64;
    println!("| log p(missing \\| seen) of the model | | {log_p:.1} | |");
    Ok(())
}

fn noise_table(
    model: &AnyModel<f32>,
    view: View<'_>,
    image: [usize; 2],
    spend: &Spend,
) -> Result<(), Box<dyn Error>> {
    let mut truth = Array2::zeros((view.count, 784));
    view.gather(&view.indices().collect::<Vec<_>>(), 0, &mut truth);
    println!("\n| noise | as it is | median | once | pseudo-Gibbs | Metropolis |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, noise) in [
        ("10 % of the pixels flipped", Noise::Flip(0.1)),
        ("20 % of the pixels flipped", Noise::Flip(0.2)),
        ("Gaussian, deviation 0.5", Noise::Gaussian(0.5)),
    ] {
        let noisy = noise.spoil(view, 0);
        let by = |method| {
            let how = (method, spend.steps, 0);
            denoise(model, &model.vae().likelihood, (view, &noisy, noise), how, |_| ())
        };
        let (gibbs, metropolis) = (by(Method::Gibbs)?, by(Method::Metropolis)?);
        let filtered = median(noisy.view(), image);
        let all = [&noisy, &filtered, &gibbs.once, &gibbs.walk, &metropolis.walk];
        let cells =
            all.map(|found| format!("{:.2}", peak_signal_to_noise(found.view(), truth.view())));
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}
