//! `elbo probe`: how much of the labels the latent variables tell.

use anyhow::{Context, Result};
use clap::Args;
use ndarray::Array2;
use serde::Serialize;

use super::common::{
    FolderArgument, ModelArgument, Trained, Usage, parse_positive, print, print_json,
};
use crate::{
    data::{Part, View},
    generation::Generate,
    models::Model,
    real::cast,
    uses::probe::{Accuracy, Labelled, ProbeError, Settings, probe, probe_neighbours},
};

/// Classify test images by their latent means, having learned from few labels
///
/// Two simple classifiers look at the latent means: the nearest labelled neighbours, and a linear one
/// (multinomial logistic regression on standardised means). Each learns from so many labels of the
/// training images, as many of each class, and is asked for the labels of all test images.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    folder: FolderArgument,
    /// Numbers of labels to learn from, or `all`
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "100,600,1000,all",
        value_parser = parse_count
    )]
    labels: Vec<Count>,
    /// How many of the nearest neighbours are asked
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    neighbours: u32,
    /// τ of the linear probe, whose weights have the prior N(0, 1/τ)
    #[arg(long, value_name = "T", default_value = "1", value_parser = parse_positive)]
    penalty: f64,
    /// Also ask the nearest neighbours of the images themselves, pixel by pixel; takes a while
    #[arg(long)]
    pixels: bool,
    /// Seed of the choice of labels
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
enum Count {
    Some(usize),
    All,
}

fn parse_count(text: &str) -> Result<Count, String> {
    match text.parse() {
        _ if text == "all" => Ok(Count::All),
        Ok(n) if n > 0 => Ok(Count::Some(n)),
        _ => Err("it must be a positive number or `all`".into()),
    }
}

#[derive(Serialize)]
struct Report {
    model: String,
    train_images: usize,
    test_images: usize,
    latent_dimensions: usize,
    neighbours: u32,
    penalty: f64,
    seed: u64,
    latent: Vec<Accuracy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pixels: Option<Vec<Accuracy>>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let trained = arguments.model.load()?;
    if trained.vae.classes() > 0 {
        let model = trained.path.display();
        let problem = "its latent means are told the labels that a probe asks for";
        return Err(Usage::new(format!("{model} is a conditional model: {problem}")).into());
    }
    let (folder, parts) = (&arguments.folder, [Part::Train, Part::Test]);
    let [train, test] = [folder.load(&trained, parts[0])?, folder.load(&trained, parts[1])?];
    let [train_labels, test_labels] =
        [folder.labels(&train, parts[0])?, folder.labels(&test, parts[1])?];
    let views = [trained.recipe.view(&train, Part::Train), trained.recipe.view(&test, Part::Test)];
    let learn = |features: fn(&Trained, View<'_>) -> Array2<f64>, probe: Probe| {
        let [train, test] = views.map(|view| features(&trained, view));
        let train = Labelled { features: train.view(), labels: train_labels };
        let test = Labelled { features: test.view(), labels: test_labels };
        accuracies(arguments, train, test, probe)
    };
    let latent = learn(latents, probe).with_context(|| trained.path.display().to_string())?;
    let pixels = arguments.pixels.then(|| learn(pixels, probe_neighbours)).transpose()?;
    let report = Report {
        model: trained.path.display().to_string(),
        train_images: train_labels.len(),
        test_images: test_labels.len(),
        latent_dimensions: trained.vae.latent(),
        neighbours: arguments.neighbours,
        penalty: arguments.penalty,
        seed: arguments.seed,
        latent,
        pixels,
    };
    if arguments.json { print_json(&report) } else { print_text(&report) }
}

/// [`probe`] or [`probe_neighbours`].
type Probe = fn(Labelled<'_>, Labelled<'_>, usize, Settings) -> Result<Accuracy, ProbeError>;

fn latents(trained: &Trained, view: View<'_>) -> Array2<f64> {
    let indices: Vec<usize> = view.indices().collect();
    cast(trained.vae.latents(view, &indices).view())
}

fn pixels(_trained: &Trained, view: View<'_>) -> Array2<f64> {
    let indices: Vec<usize> = view.indices().collect();
    let mut x = Array2::zeros((indices.len(), view.images.pixels_per_image()));
    view.gather(&indices, 0, &mut x);
    x
}

/// With each number of labels in turn.
fn accuracies(
    arguments: &Arguments,
    train: Labelled<'_>,
    test: Labelled<'_>,
    probe: Probe,
) -> Result<Vec<Accuracy>> {
    let Arguments { penalty, seed, .. } = *arguments;
    let settings = Settings { neighbours: arguments.neighbours as usize, penalty, seed };
    let accuracy = |count: &Count| {
        let labels = match *count {
            Count::Some(n) => n,
            Count::All => train.labels.len(),
        };
        probe(train, test, labels, settings).map_err(|error| match error {
            ProbeError::NotFinite { .. } => error.into(),
            _ => Usage::new(error).into(),
        })
    };
    arguments.labels.iter().map(accuracy).collect()
}

fn print_text(report: &Report) -> Result<()> {
    let Report { test_images, latent_dimensions, neighbours, latent, pixels, .. } = report;
    let mut lines = vec![
        format!("share of {test_images} test images that are called by their label, from"),
        format!("the {latent_dimensions} latent means of the {neighbours} nearest neighbours,"),
        "a linear probe of the latent means, and the pixels of the nearest neighbours\n".into(),
        " labels  neighbours  linear  pixels".into(),
    ];
    for (index, Accuracy { labels, nearest_neighbours, linear }) in latent.iter().enumerate() {
        let linear = linear.map_or("-".into(), |share| format!("{share:.4}"));
        let pixels = pixels.as_ref().map(|pixels| pixels[index].nearest_neighbours);
        let pixels = pixels.map_or("-".into(), |share| format!("{share:.4}"));
        lines.push(format!("{labels:>7} {nearest_neighbours:>11.4} {linear:>7} {pixels:>7}"));
    }
    print(&(lines.join("\n") + "\n"))
}
