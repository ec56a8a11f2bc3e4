//! `elbo repair`: missing pixels filled in, noise taken out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ndarray::{Array2, ArrayView2, Axis, Slice, Zip};
use serde::Serialize;

use super::{
    common::{
        DataArguments, ModelArgument, Trained, Usage, check_finite, png_path, print, print_json,
        refuse_same_files, report_file,
    },
    progress,
};
use crate::{
    data::{Hidden, View},
    models::{AnyModel, Model},
    pictures::save_stacks,
    uses::repair::{
        Mask, Method, Noise, Proposal, Region, RepairError, Settings, denoise, log_likelihoods,
        median, peak_signal_to_noise, repair, root_mean_square,
    },
};

/// Fill in missing pixels, or take noise out
///
/// Pixels are hidden from images that are whole, by --hide, --hide-random or --mask, and found again from the others
/// by the model; or noise is put onto them by --flip or --gaussian, and taken out. So the error is known: it is
/// reported, and the first images are drawn.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    damage: Damage,
    /// How: pseudo-Gibbs, Metropolis within Gibbs, or importance sampling
    #[arg(long, value_enum, default_value_t = By::Metropolis)]
    by: By,
    /// Steps or samples that count
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    steps: u32,
    /// Steps of pseudo-Gibbs before them; with --flip and --gaussian always a third as many
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with_all = ["flip", "gaussian"], value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    burn_in: u32,
    /// Also estimate log p(missing | seen), by so many importance samples of each of its two terms
    #[arg(long, value_name = "K", conflicts_with_all = ["flip", "gaussian"], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    log_likelihood: Option<u32>,
    /// Number of images, from the first on, where there are so many
    #[arg(short, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// Draw the images, below each what is left of it, its repair, and one draw; with noise the median filter,
    /// the model once, and the model that knows of the noise
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: Option<PathBuf>,
    /// Number of images in the picture
    #[arg(long, value_name = "N", default_value_t = 10, requires = "out", value_parser = clap::value_parser!(u32).range(1..=1000))]
    draw: u32,
    /// Seed of all draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// What is done to the images.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Damage {
    /// Hide the rectangle of WIDTH x HEIGHT pixels from column X and row Y on, from 0; or a half or a quadrant:
    /// top, bottom, left, right, top-left, top-right, bottom-left, bottom-right. May be repeated
    #[arg(long, value_name = "X,Y,WIDTH,HEIGHT|PART", conflicts_with_all = ["hide_random", "mask", "flip", "gaussian"])]
    hide: Vec<String>,
    /// Hide each pixel with this probability, others of each image
    #[arg(long, value_name = "RATE", conflicts_with_all = ["mask", "flip", "gaussian"])]
    hide_random: Option<f64>,
    /// Hide the pixels that are black in this picture, of the size of the images; white ones are seen
    #[arg(long, value_name = "F.png", conflicts_with_all = ["flip", "gaussian"])]
    mask: Option<PathBuf>,
    /// Turn each pixel into its opposite with this probability, below 0.5
    #[arg(long, value_name = "RATE", conflicts_with = "gaussian")]
    flip: Option<f64>,
    /// Add noise of this standard deviation, white being 1
    #[arg(long, value_name = "DEVIATION")]
    gaussian: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum By {
    Gibbs,
    Metropolis,
    Importance,
}

const EXAMPLES: &str = "\
Examples:
  elbo repair runs/tutorial/model.safetensors --hide bottom --out repair.png
  elbo repair runs/tutorial/model.safetensors --hide-random 0.5 --by importance --log-likelihood 1000
  elbo repair runs/tutorial/model.safetensors --flip 0.1 --out denoised.png";

#[derive(Serialize)]
struct Report {
    model: String,
    by: By,
    images: usize,
    steps: u32,
    #[serde(flatten)]
    found: Found,
    /// What was written.
    files: Vec<String>,
}

/// Of missing pixels, or of noise. Errors are roots of mean squares, of pixels between 0 and 1.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Missing {
        /// A mean over the images.
        missing_pixels: f64,
        error: f64,
        /// Of a draw in place of the mean.
        draw_error: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        acceptance: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        effective_sample_size: Option<f64>,
        /// log p(missing | seen) in nats per image.
        #[serde(skip_serializing_if = "Option::is_none")]
        log_likelihood: Option<f64>,
    },
    /// Peak signal-to-noise ratios in decibels.
    Noise { noisy: f64, median: f64, once: f64, walk: f64 },
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (data, model) = (&arguments.data.folder.data, &arguments.model.model);
    let read = [Some(data), Some(model), arguments.damage.mask.as_ref()];
    let read: Vec<&Path> = read.into_iter().flatten().map(PathBuf::as_path).collect();
    refuse_same_files(&[("--out", arguments.out.as_deref())], &read)?;
    let trained = arguments.model.load()?;
    let usage = |error| refused(&trained, error);
    arguments.method(&trained).check(&trained.vae).map_err(usage)?;
    let image = [trained.height, trained.width];
    let mask = match &arguments.damage {
        Damage { mask: Some(path), .. } => Some(Mask::of_picture(image, path).map_err(usage)?),
        Damage { hide, .. } if !hide.is_empty() => Some(regions(image, hide).map_err(usage)?),
        _ => None,
    };
    let noise = arguments.damage.noise().map_err(usage)?;
    let hidden = match (&mask, arguments.damage.hide_random) {
        (Some(mask), _) => Some(mask.hidden()),
        (None, Some(rate)) if rate > 0.0 && rate < 1.0 => {
            Some(Hidden::Random { rate, seed: arguments.seed })
        }
        (None, Some(rate)) => return Err(usage(RepairError::Rate { rate, below: 1.0 })),
        (None, None) => None,
    };
    let data = arguments.data.load(&trained)?;
    let view = arguments.data.view(&trained, &data).hiding(None);
    let view = view.take(view.count.min(arguments.n as usize));
    let (found, layers) = match noise {
        Some(noise) => clean(arguments, &trained, view, noise)?,
        None => fill_in(arguments, &trained, view.hiding(hidden))?,
    };
    if let Some(path) = &arguments.out {
        let shown = (arguments.draw as usize).min(view.count);
        let first =
            |layer: &Array2<f32>| layer.slice_axis(Axis(0), Slice::from(..shown)).to_owned();
        let layers: Vec<Array2<f32>> = layers.iter().map(first).collect();
        let layers: Vec<ArrayView2<'_, f32>> = layers.iter().map(|layer| layer.view()).collect();
        save_stacks(path, &layers, image[0], image[1], shown.min(10))?;
        report_file(path);
    }
    let report = Report {
        model: trained.path.display().to_string(),
        by: arguments.by,
        images: view.count,
        steps: arguments.steps,
        found,
        files: arguments.out.iter().map(|path| path.display().to_string()).collect(),
    };
    if arguments.json { print_json(&report) } else { print_text(&report) }
}

/// What cannot be asked of a model, or with these arguments; a file that cannot be read is a failure.
fn refused(trained: &Trained, error: RepairError) -> anyhow::Error {
    match error {
        RepairError::Picture(_) => error.into(),
        RepairError::NonFinite { .. } => {
            anyhow::Error::new(error).context(trained.path.display().to_string())
        }
        RepairError::Likelihood | RepairError::Flow | RepairError::Noise { .. } => {
            Usage::new(format!("{}: {error}", trained.path.display())).into()
        }
        _ => Usage::new(error).into(),
    }
}

fn regions(image: [usize; 2], texts: &[String]) -> Result<Mask, RepairError> {
    let regions: Result<Vec<Region>, _> = texts.iter().map(|text| text.parse()).collect();
    Mask::of_regions(image, &regions?)
}

impl Damage {
    fn noise(&self) -> Result<Option<Noise>, RepairError> {
        let flip = self.flip.map(Noise::Flip);
        flip.or(self.gaussian.map(Noise::Gaussian)).map(Noise::checked).transpose()
    }
}

impl Arguments {
    /// An encoder that has learned from images with missing pixels proposes by these alone.
    fn method(&self, trained: &Trained) -> Method {
        match self.by {
            By::Gibbs => Method::Gibbs,
            By::Metropolis => Method::Metropolis,
            By::Importance if trained.recipe.missing > 0.0 => Method::Importance(Proposal::Zeros),
            By::Importance => Method::Importance(Proposal::Chain),
        }
    }
}

/// Missing pixels: what was found, and the layers of the picture.
fn fill_in(
    arguments: &Arguments,
    trained: &Trained,
    view: View<'_>,
) -> Result<(Found, Vec<Array2<f32>>)> {
    let Trained { vae, recipe, .. } = trained;
    let likelihood = &vae.vae().likelihood;
    let indices: Vec<usize> = view.indices().collect();
    let mut seen = Array2::zeros((indices.len(), vae.pixels()));
    view.observe(&indices, &mut seen);
    let missing = seen.len() as f64 - f64::from(seen.sum());
    let nothing =
        [(0.0, RepairError::NothingHidden), (seen.len() as f64, RepairError::EverythingHidden)];
    if let Some((_, error)) = nothing.into_iter().find(|(count, _)| missing == *count) {
        return Err(refused(trained, error)).context("at this rate");
    }
    let Arguments { steps, burn_in, seed, .. } = *arguments;
    let (method, burn_in) = (arguments.method(trained), burn_in as usize);
    let settings = Settings { method, burn_in, steps: steps as usize, seed };
    let bar = progress::images("repairing", view.count);
    let advance = |n: usize| bar.set_position(n as u64);
    let found =
        repair(vae, likelihood, view, settings, advance).map_err(|e| refused(trained, e))?;
    let log_likelihood = arguments.log_likelihood.map(|samples| {
        let proposal = if recipe.missing > 0.0 { Proposal::Zeros } else { Proposal::Chain };
        let method = Method::Importance(proposal);
        let settings = Settings { method, steps: samples as usize, ..settings };
        let (log_p, _) = log_likelihoods(vae, likelihood, view, settings, advance)?;
        Ok::<_, RepairError>(log_p.iter().sum::<f64>() / log_p.len() as f64)
    });
    let log_likelihood = log_likelihood.transpose().map_err(|error| refused(trained, error))?;
    log_likelihood.map_or(Ok(()), |l| check_finite(trained, "log p(missing | seen)", l))?;
    bar.finish_and_clear();

    let [mut truth, mut left] = [(); 2].map(|()| Array2::zeros(found.mean.dim()));
    view.hiding(None).gather(&indices, 0, &mut truth);
    view.gather(&indices, 0, &mut left);
    // Grey, where an image has neither black nor white of its own.
    Zip::from(&mut left).and(&seen).for_each(|x, &seen: &f32| *x += 0.5 * (1.0 - seen));
    let error = |found: &Array2<f32>| root_mean_square(found.view(), truth.view(), seen.view());
    let report = Found::Missing {
        missing_pixels: missing / indices.len() as f64,
        error: error(&found.mean),
        draw_error: error(&found.draw),
        acceptance: found.acceptance,
        effective_sample_size: found.effective_sample_size,
        log_likelihood,
    };
    Ok((report, vec![truth, left, found.mean, found.draw]))
}

/// Noise: what was found, and the layers of the picture.
fn clean(
    arguments: &Arguments,
    trained: &Trained,
    view: View<'_>,
    noise: Noise,
) -> Result<(Found, Vec<Array2<f32>>)> {
    let vae: &AnyModel<f32> = &trained.vae;
    if arguments.by == By::Importance {
        let problem =
            "--by importance is for missing pixels: noise is taken out by gibbs or metropolis";
        return Err(Usage::new(problem).into());
    }
    let mut truth = Array2::zeros((view.count, vae.pixels()));
    view.gather(&view.indices().collect::<Vec<_>>(), 0, &mut truth);
    let noisy = noise.spoil(view, arguments.seed);
    let bar = progress::images("denoising", view.count);
    let how = (arguments.method(trained), arguments.steps as usize, arguments.seed);
    let advance = |n: usize| bar.set_position(n as u64);
    let found = denoise(vae, &vae.vae().likelihood, (view, &noisy, noise), how, advance)
        .map_err(|error| refused(trained, error))?;
    bar.finish_and_clear();
    let filtered = median(noisy.view(), [trained.height, trained.width]);
    let ratio = |found: &Array2<f32>| peak_signal_to_noise(found.view(), truth.view());
    let report = Found::Noise {
        noisy: ratio(&noisy),
        median: ratio(&filtered),
        once: ratio(&found.once),
        walk: ratio(&found.walk),
    };
    Ok((report, vec![truth, noisy, filtered, found.once, found.walk]))
}

fn print_text(report: &Report) -> Result<()> {
    let Report { images, steps, by, .. } = report;
    let by = by.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
    let mut lines = vec![format!("{images} images, {steps} steps of {by}")];
    match &report.found {
        Found::Missing {
            missing_pixels,
            error,
            draw_error,
            acceptance,
            effective_sample_size,
            log_likelihood,
        } => {
            lines.push(format!("missing pixels         {missing_pixels:.1} of an image"));
            lines.push(format!("error of the mean      {error:.4}"));
            lines.push(format!("error of a draw        {draw_error:.4}"));
            lines.extend(acceptance.map(|a| format!("accepted               {a:.3}")));
            lines.extend(effective_sample_size.map(|n| format!("effective samples      {n:.1}")));
            lines.extend(log_likelihood.map(|l| format!("log p(missing | seen)  {l:.2} nats")));
        }
        Found::Noise { noisy, median, once, walk } => {
            lines.push("peak signal to noise, in decibels".into());
            lines.push(format!("as they are            {noisy:.2}"));
            lines.push(format!("median filter          {median:.2}"));
            lines.push(format!("once through the model {once:.2}"));
            lines.push(format!("knowing of the noise   {walk:.2}"));
        }
    }
    print(&(lines.join("\n") + "\n"))
}
