//! `elbo anomaly fit`: from normal images to a score and a threshold.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        common::{
            DATA_HELP, DataArguments, FolderArgument, Part, Trained, Usage, print_json,
            refuse_data_folder, report_file, say,
        },
        progress,
        train::{DEFAULT_DATA, RunArguments},
    },
    data::{self, Dataset},
    files::check_replaceable,
    uses::anomaly::{Calibration, Kind, Score, labelled, model_crc32, split, threshold},
};

/// Train on normal images, and choose the score from where on an image is called an anomaly
///
/// All images are normal unless --normal or --held-out says which. Every tenth of them is held back. The
/// model trains on the rest, and the threshold is set by those held back, so that a new normal image
/// scores above it with no more than the probability --false-positives. During training the images held
/// back stand in for a test set: figures and pictures are of them. Writes what `elbo train` writes, and
/// anomaly-SCORE.json beside the model.
///
/// With a MODEL nothing is trained. Images that it has learned from seem more normal to it than new ones
/// do: a threshold set by them is exceeded more often than asked for. Give it images that it has not
/// seen, such as --part test. If this command trained it, the same images and labels may be given again: it
/// holds back those that it held back then.
#[derive(Debug, Args)]
#[command(mut_arg("out", |out| out.help("The folder to write into [default: runs/anomaly-<recipe>]")))]
pub struct Arguments {
    /// A model.safetensors that `elbo train` wrote, to take as it is
    #[arg(value_name = "MODEL", conflicts_with = "RunArguments")]
    model: Option<PathBuf>,
    /// A folder with MNIST's four IDX files (plain or .gz), .npy arrays, or PNG files
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA, long_help = DATA_HELP)]
    data: PathBuf,
    /// Which part of the data
    #[arg(long, value_enum, default_value_t = Part::Train)]
    part: Part,
    /// The labels of normal images [default: all]
    #[arg(
        long,
        value_name = "LABEL[,LABEL..]",
        value_delimiter = ',',
        conflicts_with = "held_out"
    )]
    normal: Option<Vec<u8>>,
    /// The labels of images to leave out, all others being normal
    #[arg(long, value_name = "LABEL[,LABEL..]", value_delimiter = ',')]
    held_out: Option<Vec<u8>>,
    /// What strangeness is taken to be
    #[arg(long, value_enum, default_value_t = Kind::Elbo)]
    score: Kind,
    /// Latent samples of each image [default: 10; of log-likelihood 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    samples: Option<u32>,
    /// The share of normal images that may be called anomalies, between 0 and 1
    #[arg(long, value_name = "RATE", default_value = "0.05", value_parser = parse_rate)]
    false_positives: f64,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    calibration: String,
    score: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normal: Option<&'a [u8]>,
    /// Held back to calibrate on.
    images: usize,
    false_positives: f64,
    threshold: f64,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if 0.0 < rate && rate < 1.0 => Ok(rate),
        _ => Err("it must be a number between 0 and 1".into()),
    }
}

pub fn run(arguments: &Arguments, started: Instant) -> Result<()> {
    let (trained, [known, held_back]) = match &arguments.model {
        Some(path) => given(arguments, path)?,
        None => train(arguments, started)?,
    };
    let path = trained.path.with_file_name(Calibration::file_name(arguments.score));
    check_replaceable(&path)?;
    let calibration = calibrate(arguments, &trained, &known, &held_back)
        .with_context(|| trained.path.display().to_string())?;
    if path.exists() {
        say(format_args!("{} is replaced", path.display()));
    }
    calibration.save(&path)?;
    report(arguments, &trained, &path, &calibration)
}

/// The model as it is, and normal images of its size.
fn given(arguments: &Arguments, path: &Path) -> Result<(Trained, [Dataset; 2])> {
    let trained = Trained::load(path)?;
    arguments
        .score
        .check(&trained.recipe)
        .map_err(|error| Usage::new(format!("{}: {error}", path.display())))?;
    let source = DataArguments {
        folder: FolderArgument { data: arguments.data.clone() },
        part: arguments.part,
    };
    let images = normal(arguments, source.load(&trained)?)?;
    Ok((trained, images))
}

/// A model of all normal images but those held back.
fn train(arguments: &Arguments, started: Instant) -> Result<(Trained, [Dataset; 2])> {
    let folder = |name: &str| Path::new("runs").join(format!("anomaly-{name}"));
    let plan = arguments.run.plan(|recipe| folder(&recipe.name))?;
    refuse_data_folder(&plan.out, &arguments.data)?;
    arguments.score.check(plan.recipe()).map_err(Usage::new)?;
    let images = normal(arguments, data::load(&arguments.data, arguments.part.into())?)?;
    let [known, held_back] = &images;
    threshold(&vec![0.0; held_back.images.len()], arguments.false_positives).map_err(Usage::new)?;
    let model = plan.out.join(crate::training::files::MODEL);
    // Before an epoch is spent.
    check_replaceable(&plan.out.join(Calibration::file_name(arguments.score)))?;
    let again = "the same command with --resume";
    arguments.run.train(plan, known, held_back, again, started)?;
    Ok((Trained::load(&model)?, images))
}

/// The normal images of a data set: those to learn from, and those to calibrate on.
fn normal(arguments: &Arguments, data: Dataset) -> Result<[Dataset; 2]> {
    let usage = |error: &dyn std::fmt::Display| {
        Usage::new(format!("{}: {error}", arguments.data.display()))
    };
    let chosen = match (&arguments.normal, &arguments.held_out) {
        (Some(labels), _) => Some((labels, true)),
        (None, Some(labels)) => Some((labels, false)),
        (None, None) => None,
    };
    let normal = match chosen {
        None => data,
        Some((labels, are_normal)) => {
            let has_one = labelled(&data, labels).map_err(|error| usage(&error))?;
            data.filtered(|index| has_one[index] == are_normal)
                .ok_or_else(|| usage(&"no image is left that is normal"))?
        }
    };
    let (known, held_back) = split(normal).map_err(|error| usage(&error))?;
    Ok([known, held_back])
}

fn calibrate(
    arguments: &Arguments,
    trained: &Trained,
    known: &Dataset,
    held_back: &Dataset,
) -> Result<Calibration> {
    let Trained { recipe, vae, path, .. } = trained;
    let kind = arguments.score;
    let samples = arguments.samples.map_or(kind.default_samples(), |samples| samples as usize);
    let (seed, part) = (recipe.seed, arguments.part.into());
    let bar = progress::images("what is normal", known.images.len());
    let done = |n: usize| bar.set_position(n as u64);
    let score = Score::fit(kind, samples, vae, recipe.view(known, part), seed, done)?;
    bar.finish_and_clear();
    let scores = score.of(vae, recipe.view(held_back, part), seed, |_| ())?;
    let threshold = threshold(&scores, arguments.false_positives).map_err(Usage::new)?;
    let by_label = arguments.normal.is_some() || arguments.held_out.is_some();
    let model = path.file_name().context("a model has a name")?.to_string_lossy().into_owned();
    Ok(Calibration {
        model,
        model_crc32: model_crc32(path)?,
        score,
        seed,
        normal: by_label.then(|| labels(known, held_back)),
        images: scores.len(),
        false_positives: arguments.false_positives,
        threshold,
    })
}

/// The labels that are found among normal images.
fn labels(known: &Dataset, held_back: &Dataset) -> Vec<u8> {
    let mut labels: Vec<u8> =
        [known, held_back].into_iter().filter_map(|data| data.labels.clone()).flatten().collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

fn report(
    arguments: &Arguments,
    trained: &Trained,
    path: &Path,
    calibration: &Calibration,
) -> Result<()> {
    let Calibration { score, images, false_positives, threshold, .. } = calibration;
    say(format_args!(
        "{} above {threshold:.3} is an anomaly: set by {images} normal images, for a rate of \
         {false_positives} false positives",
        score.kind()
    ));
    report_file(path);
    if !arguments.json {
        return Ok(());
    }
    print_json(&Report {
        model: trained.path.display().to_string(),
        calibration: path.display().to_string(),
        score: score.kind(),
        samples: score.samples(),
        normal: calibration.normal.as_deref(),
        images: *images,
        false_positives: *false_positives,
        threshold: *threshold,
    })
}
