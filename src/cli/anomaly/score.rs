//! `elbo anomaly score`: how strange images are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        common::{
            DataArguments, Trained, Usage, path_ending_in, png_path, print, print_json,
            report_file, say,
        },
        progress,
        published::{held_out_digit, is_mnist_test},
    },
    data::{self, Dataset, View},
    files::write_atomically,
    pictures::save_stacks,
    uses::anomaly::{Calibration, Detection, Explanation, Kind, explain, labelled},
};

/// Score images, and call those above the calibrated threshold anomalies
///
/// Where it is known which images are anomalies, it also says how well the score tells them: the area
/// under the ROC curve, the average precision, and the rates at the threshold. It is known from the
/// labels, by --anomalous or by what `fit` was told was normal; or all of a second folder are.
#[derive(Debug, Args)]
pub struct Arguments {
    /// An anomaly-SCORE.json that `elbo anomaly fit` wrote, beside its model
    #[arg(value_name = "CALIBRATION")]
    calibration: PathBuf,
    #[command(flatten)]
    data: DataArguments,
    /// The labels of images that are anomalies [default: all that `fit` was not told were normal]
    #[arg(
        long,
        value_name = "LABEL[,LABEL..]",
        value_delimiter = ',',
        conflicts_with = "anomalies"
    )]
    anomalous: Option<Vec<u8>>,
    /// A second folder of images, all of them anomalies, while all of --data are normal; they are numbered
    /// on from those
    #[arg(long, value_name = "DIR")]
    anomalies: Option<PathBuf>,
    /// Write index, score, anomalous (whether it is above the threshold) and label of each image
    #[arg(long, value_name = "F.csv", value_parser = path_ending_in("csv"))]
    out: Option<PathBuf>,
    /// Draw the strangest images, below each its reconstruction and the surprise at each pixel, -log
    /// p(x|z): black where it is least in the picture, white where it is largest
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    picture: Option<PathBuf>,
    /// Number of images in the picture
    #[arg(short, value_name = "N", default_value_t = 20, requires = "picture", value_parser = clap::value_parser!(u16).range(1..=1000))]
    n: u16,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    score: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    images: usize,
    threshold: f64,
    /// The rate of false positives that the threshold was set for.
    false_positives: f64,
    /// Images above the threshold.
    flagged: usize,
    #[serde(flatten)]
    detection: Option<Detection>,
    /// A published area under the ROC curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (calibration, model) = Calibration::load(&arguments.calibration)?;
    let read = [Some(&arguments.calibration), Some(&model), arguments.anomalies.as_ref()];
    let read: Vec<&Path> = read.into_iter().flatten().map(PathBuf::as_path).collect();
    for (option, output) in [("--out", &arguments.out), ("--picture", &arguments.picture)] {
        arguments.data.refuse_replacing(option, output.as_deref(), &read)?;
    }
    let trained = Trained::load(&model)?;
    let (score, seed) = (&calibration.score, calibration.seed);
    score.kind().check(&trained.recipe).map_err(Usage::new)?;
    let (data, anomalous) = load(arguments, &trained, &calibration)?;
    let view = arguments.data.view(&trained, &data);
    let bar = progress::images("scoring", data.images.len());
    let scores = score
        .of(&trained.vae, view, seed, |n| bar.set_position(n as u64))
        .with_context(|| format!("in {}", arguments.calibration.display()))?;
    bar.finish_and_clear();
    if let Some(path) = &arguments.out {
        write_csv(path, &scores, calibration.threshold, data.labels.as_deref())?;
        report_file(path);
    }
    if let Some(path) = &arguments.picture {
        draw(path, &trained, view, &strangest(&scores, arguments.n.into()))?;
    }
    let threshold = calibration.threshold;
    let report = Report {
        model: model.display().to_string(),
        score: score.kind(),
        samples: score.samples(),
        images: scores.len(),
        threshold,
        false_positives: calibration.false_positives,
        flagged: scores.iter().filter(|&&score| score > threshold).count(),
        detection: anomalous.and_then(|anomalous| Detection::of(&scores, &anomalous, threshold)),
        published: published(arguments, &calibration, &data),
    };
    if arguments.json { print_json(&report) } else { print_text(&report) }
}

/// What is published of the digit that the model has not learned, where it is one, and the others are normal.
fn published(arguments: &Arguments, calibration: &Calibration, data: &Dataset) -> Option<String> {
    let normal = calibration.normal.as_ref()?;
    let unknown: Vec<u8> = (0..10).filter(|digit| !normal.contains(digit)).collect();
    let [digit] = unknown[..] else { return None };
    let all_others = arguments.anomalous.as_ref().is_none_or(|labels| *labels == [digit]);
    let is_published = normal.len() == 9 && all_others && is_mnist_test(&data.images);
    is_published.then(|| held_out_digit(digit, calibration.score.kind()))?
}

/// The images to score, and which of them are anomalies, where that is known.
fn load(
    arguments: &Arguments,
    trained: &Trained,
    calibration: &Calibration,
) -> Result<(Dataset, Option<Vec<bool>>)> {
    let data = arguments.data.load(trained)?;
    if let Some(folder) = &arguments.anomalies {
        let count = data.images.len();
        let anomalies = data::load(folder, arguments.data.part.into())?;
        let in_folder = || format!("in {}", folder.display());
        let data = data.followed_by(anomalies).with_context(in_folder)?;
        let anomalous = (0..data.images.len()).map(|index| index >= count).collect();
        return Ok((data, Some(anomalous)));
    }
    let anomalous = match (&arguments.anomalous, &calibration.normal, &data.labels) {
        (Some(labels), ..) => Some(labelled(&data, labels).map_err(|error| {
            Usage::new(format!("{}: {error}", arguments.data.folder.data.display()))
        })?),
        (None, Some(normal), Some(labels)) => {
            Some(labels.iter().map(|label| !normal.contains(label)).collect())
        }
        _ => None,
    };
    Ok((data, anomalous))
}

/// The indices of the `n` largest scores, the largest first.
fn strangest(scores: &[f64], n: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    indices.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    indices.truncate(n);
    indices
}

fn write_csv(path: &Path, scores: &[f64], threshold: f64, labels: Option<&[u8]>) -> Result<()> {
    write_atomically(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        let label = labels.map(|_| "label");
        csv.write_record(["index", "score", "anomalous"].into_iter().chain(label))?;
        for (index, &score) in scores.iter().enumerate() {
            let row = [index.to_string(), score.to_string(), (score > threshold).to_string()];
            csv.write_record(
                row.into_iter().chain(labels.map(|labels| labels[index].to_string())),
            )?;
        }
        csv.flush().map_err(csv::Error::from)
    })?;
    Ok(())
}

/// The images at `indices`, what the model makes of them, and where they surprise it.
fn draw(path: &Path, trained: &Trained, view: View<'_>, indices: &[usize]) -> Result<()> {
    let Trained { vae, height, width, .. } = trained;
    let Explanation { images, reconstructions, surprise } =
        explain(vae, &vae.vae().likelihood, view, indices);
    let least = surprise.fold(f32::INFINITY, |a, &b| a.min(b));
    let largest = surprise.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    // Where all pixels surprise alike, none stands out.
    let range = if largest > least { largest - least } else { 1.0 };
    let shown = surprise.mapv(|nats| (nats - least) / range);
    let layers = [images.view(), reconstructions.view(), shown.view()];
    save_stacks(path, &layers, *height, *width, indices.len().min(10))?;
    say(format_args!("the surprise at a pixel goes from {least:.3} to {largest:.3} nats"));
    report_file(path);
    Ok(())
}

fn print_text(report: &Report) -> Result<()> {
    let Report { score, images, threshold, false_positives, flagged, detection, .. } = report;
    let samples = report.samples.map_or(String::new(), |n| format!(", {n} samples"));
    let mut lines = vec![
        format!("score              {score}{samples}"),
        format!(
            "threshold          {threshold:.3}, for a rate of {false_positives} false positives"
        ),
        format!("images             {images}"),
        format!("above threshold    {flagged}"),
    ];
    if let Some(d) = detection {
        let normal = images - d.anomalies;
        lines.extend([
            format!("  of anomalies     {:.4} of {}", d.true_positive_rate, d.anomalies),
            format!("  of normal images {:.4} of {normal}", d.false_positive_rate),
            format!("ROC AUC            {:.4}", d.roc_auc),
            format!("average precision  {:.4}", d.average_precision),
        ]);
    }
    let published = report.published.as_ref();
    lines.extend(published.map(|areas| format!("published ROC AUC  {areas}")));
    print(&(lines.join("\n") + "\n"))
}
