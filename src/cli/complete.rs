//! `elbo complete`: images of which a part is given.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{
    common::{
        DataArguments, ModelArgument, Trained, Usage, check_finite, parse_positive, png_path,
        print, print_json, report_file,
    },
    published::{completion, is_mnist_test},
};
use crate::{
    data::{Dataset, Treatment, View},
    distributions::any::LikelihoodKind,
    evaluation::Evaluator,
    models::{AnyCompletion, AnyModel, AnyVae, Given, Model, Parts},
    uses::completion::{Completed, Fidelity, Inference, complete, fidelity, infer},
};

/// Complete images of which a part is given, and measure how well
///
/// A model that was trained to, such as those of the recipes `completion` and `super-resolution`, is asked
/// directly. With a plain VAE of Bernoulli pixels, say with --given which part is known: the posterior of z is then
/// searched for, image by image.
///
/// The picture has what is given in its first row, the image itself in the second, the mean of the completions in
/// the third, and below it some of them one by one. The figures say how near the mean and a single one of the
/// completions are to the image, beside what can be said without a model; and of a model that was trained to
/// complete, the bound on log p(missing | given) in nats per image.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// The PNG to write
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: PathBuf,
    /// Of a plain VAE: what is given, quadrants-1 to quadrants-3, or pooled-2 and so on
    #[arg(long, value_name = "PART", value_parser = parse_given)]
    given: Option<Given>,
    /// Images in the picture, from the first on
    #[arg(short, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    n: u32,
    /// Images that are measured, from the first on [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Completions of each image
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    draws: u32,
    /// Of a plain VAE: steps of the search [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: Option<u32>,
    /// Of a plain VAE: τ, how far what is given may be from what the decoder says [default: 0.05]
    #[arg(long, value_name = "T", value_parser = parse_positive)]
    deviation: Option<f64>,
    /// Seed of the completions
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo train --recipe completion
  elbo complete runs/completion/model.safetensors --out completions.png
  elbo train --recipe super-resolution
  elbo complete runs/super-resolution/model.safetensors --out sharper.png
  elbo train --recipe pytorch-example
  elbo complete runs/pytorch-example/model.safetensors --given pooled-4 --images 1000 --out found.png

Published, -log p(missing | given) with 1 / 2 / 3 quadrants given: 71.8 / 51.0 / 24.2 nats, and of a network
without z 100.4 / 61.9 / 25.4 (Pyro's example after Sohn et al. 2015)";

fn parse_given(text: &str) -> Result<Given, String> {
    match text.parse()? {
        Given::Nothing => Err("something must be given".into()),
        given => Ok(given),
    }
}

#[derive(Serialize)]
struct Report {
    model: String,
    files: [String; 1],
    given: Given,
    images: usize,
    draws: u32,
    /// The bound on log p(missing | given) of all images, and its standard error.
    #[serde(flatten)]
    bound: Option<Bound>,
    /// A published figure beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    #[serde(flatten)]
    fidelity: Fidelity,
}

#[derive(Clone, Copy, Serialize)]
struct Bound {
    elbo: f64,
    elbo_standard_error: f64,
}

/// What completes images.
enum Completer<'a> {
    Trained(&'a AnyCompletion<f32>),
    Searching(&'a AnyVae<f32>, Inference),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    arguments.data.refuse_replacing("--out", Some(&arguments.out), &[&arguments.model.model])?;
    let trained = arguments.model.load()?;
    let (completer, given) = completer(arguments, &trained)?;
    let parts = given.parts([trained.height, trained.width]).map_err(Usage::new)?;
    let data = arguments.data.load(&trained)?;
    let view = arguments.data.view(&trained, &data);
    let (draws, seed) = (arguments.draws as usize, arguments.seed);
    let completed = |indices: &[usize]| completer.complete(&parts, view, indices, draws, seed);
    let count = arguments.images.map_or(view.count, |n| view.count.min(n as usize));
    let measured = View { count, ..view };
    let bound = completer.bound(measured, seed);
    if let Some(Bound { elbo, .. }) = bound {
        check_finite(&trained, "the ELBO", elbo)?;
    }

    let shown: Vec<usize> = view.indices().take(arguments.n as usize).collect();
    let size = [trained.height, trained.width];
    super::pictures::completions(&arguments.out, &completed(&shown), size)?;
    report_file(&arguments.out);

    let indices: Vec<usize> = measured.indices().collect();
    let mean_image = View::from(&arguments.data.training_images()?).mean();
    let bar = super::progress::images("completing", indices.len());
    let done = |n: usize| bar.inc(n as u64);
    let fidelity = fidelity(&measured, &indices, (given, &parts), &mean_image, completed, done);
    bar.finish_and_clear();
    let report = Report {
        model: trained.path.display().to_string(),
        files: [arguments.out.display().to_string()],
        given,
        images: indices.len(),
        draws: arguments.draws,
        bound,
        published: published(&trained, &data, &measured),
        fidelity,
    };
    if arguments.json { print_json(&report) } else { print(&text(&report)) }
}

/// The published figure of the same pixels, where there is one.
fn published(trained: &Trained, data: &Dataset, measured: &View<'_>) -> Option<String> {
    let is_published = trained.recipe.pixels == Treatment::Grey
        && measured.count == data.images.len()
        && is_mnist_test(&data.images);
    is_published.then(|| completion(trained.recipe.given))?
}

/// What the model can do, and with what given.
fn completer<'a>(
    arguments: &Arguments,
    trained: &'a Trained,
) -> Result<(Completer<'a>, Given), Usage> {
    let model = trained.path.display();
    match (&trained.vae, arguments.given) {
        (AnyModel::Completion(_), _)
            if arguments.steps.is_some() || arguments.deviation.is_some() =>
        {
            Err(Usage::new(format!(
                "{model} was trained to complete images, and searches for nothing: --steps and --deviation are \
                 for a plain VAE"
            )))
        }
        (AnyModel::Completion(model), given)
            if given.is_none_or(|given| given == trained.recipe.given) =>
        {
            Ok((Completer::Trained(model), trained.recipe.given))
        }
        (AnyModel::Completion(_), _) => Err(Usage::new(format!(
            "{model} was trained with {} given, and knows no other --given",
            trained.recipe.given
        ))),
        (AnyModel::Vae(vae), Some(given))
            if trained.recipe.likelihood == LikelihoodKind::Bernoulli =>
        {
            let default = Inference::default();
            let by = Inference {
                steps: arguments.steps.map_or(default.steps, |steps| steps as usize),
                deviation: arguments.deviation.unwrap_or(default.deviation),
                ..default
            };
            Ok((Completer::Searching(vae, by), given))
        }
        (AnyModel::Vae(_), None) => Err(Usage::new(format!(
            "{model} is a model of whole images: say with --given which part of them is known"
        ))),
        _ => Err(Usage::new(format!(
            "{model}: images are completed by a model with `given` in its recipe, or by a plain VAE with the \
             likelihood bernoulli"
        ))),
    }
}

impl Completer<'_> {
    fn complete(
        &self,
        parts: &Parts,
        view: View<'_>,
        indices: &[usize],
        draws: usize,
        seed: u64,
    ) -> Completed {
        match self {
            Self::Trained(model) => complete(*model, view, indices, draws, seed),
            Self::Searching(vae, by) => infer(vae, parts, view, indices, draws, (*by, seed)),
        }
    }

    fn bound(&self, view: View<'_>, seed: u64) -> Option<Bound> {
        let Self::Trained(model) = self else { return None };
        let found = Evaluator::new(*model, view).evaluate(*model, &model.elbo(), seed, 0);
        let (elbo, elbo_standard_error) = (found.elbo, found.elbo_standard_error);
        Some(Bound { elbo, elbo_standard_error })
    }
}

fn text(report: &Report) -> String {
    let Report { given, images, draws, bound, published, fidelity, .. } = report;
    let without = match given {
        Given::Pooled(_) => "bicubic interpolation",
        _ => "mean training image",
    };
    let rows = [
        (format!("mean of {draws} completions"), fidelity.mean),
        ("one completion".into(), fidelity.one),
        (without.into(), fidelity.without_model),
    ];
    let mut text = format!("{images} images, {given} given\n");
    if let Some(Bound { elbo, elbo_standard_error }) = bound {
        text += &format!(
            "log p(missing | given) >= {elbo:.3} ± {elbo_standard_error:.3} nats per image\n"
        );
    }
    if let Some(published) = published {
        text += &format!("published, a bound too      {published}\n");
    }
    text += &format!("\n{:<26}{:>8}{:>8}{:>8}\n", "", "rmse", "psnr", "ssim");
    for (name, nearness) in rows {
        let [rmse, psnr, ssim] = [nearness.rmse, nearness.psnr, nearness.ssim];
        text += &format!("{name:<26}{rmse:>8.4}{psnr:>8.2}{ssim:>8.4}\n");
    }
    text
}
