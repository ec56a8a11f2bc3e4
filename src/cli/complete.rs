//! `elbo complete`: images of which a part is given.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::common::{
    DataArguments, ModelArgument, Trained, Usage, png_path, print, print_json, report_file,
};
use crate::{
    data::View,
    evaluation::Evaluator,
    models::{AnyCompletion, AnyModel, Given, Model},
    uses::completion::{Fidelity, fidelity},
};

/// Complete images of which a part is given, and measure how well
///
/// For models with `given` in their recipe, such as `completion` and `super-resolution`. The picture has what is
/// given in its first row, the image itself in the second, the mean of the completions in the third, and below it
/// the completions one by one. The figures are of all images: the bound on log p(missing | given) in nats per
/// image, and how near the mean and a single one of the completions are to the image, beside what can be said
/// without a model.
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
    /// Images in the picture, from the first on
    #[arg(short, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    n: u32,
    /// Completions of each image
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    draws: u32,
    /// Seed of the completions
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo train --recipe completion --set given=quadrants-2
  elbo complete runs/completion/model.safetensors --out completions.png
  elbo train --recipe super-resolution
  elbo complete runs/super-resolution/model.safetensors --out sharper.png --draws 20";

#[derive(Serialize)]
struct Report {
    model: String,
    out: String,
    given: Given,
    images: usize,
    draws: u32,
    /// The bound on log p(missing | given), and its standard error.
    elbo: f64,
    elbo_standard_error: f64,
    #[serde(flatten)]
    fidelity: Fidelity,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let trained = arguments.model.load()?;
    let model = completion(&trained)?;
    let data = arguments.data.load(&trained)?;
    let view = arguments.data.view(&trained, &data);
    let sizes = [arguments.n as usize, arguments.draws as usize];
    super::pictures::completions(&arguments.out, model, view, sizes, arguments.seed)?;
    report_file(&arguments.out);
    let report = report(arguments, &trained, model, view)?;
    if arguments.json { print_json(&report) } else { print(&text(&report)) }
}

/// The model, if it is one that completes images.
fn completion(trained: &Trained) -> Result<&AnyCompletion<f32>, Usage> {
    match &trained.vae {
        AnyModel::Completion(model) => Ok(model),
        _ => Err(Usage::new(format!(
            "{} is a model of whole images; one that completes them has `given` in its recipe, as \
             `completion` and `super-resolution` have",
            trained.path.display()
        ))),
    }
}

fn report(
    arguments: &Arguments,
    trained: &Trained,
    model: &AnyCompletion<f32>,
    view: View<'_>,
) -> Result<Report> {
    let evaluation = Evaluator::new(model, view).evaluate(model, &model.elbo(), arguments.seed, 0);
    let mean_image = View::from(&arguments.data.training_images()?).mean();
    let bar = super::progress::images("completing", view.count);
    let (given, draws) = (trained.recipe.given, arguments.draws as usize);
    let done = |n: usize| bar.inc(n as u64);
    let fidelity = fidelity(model, (&view, given), &mean_image, draws, arguments.seed, done);
    bar.finish_and_clear();
    Ok(Report {
        model: trained.path.display().to_string(),
        out: arguments.out.display().to_string(),
        given,
        images: view.count,
        draws: arguments.draws,
        elbo: evaluation.elbo,
        elbo_standard_error: evaluation.elbo_standard_error,
        fidelity,
    })
}

fn text(report: &Report) -> String {
    let Report { given, images, draws, elbo, elbo_standard_error, fidelity, .. } = report;
    let without = match given {
        Given::Pooled(_) => "bicubic interpolation",
        _ => "mean training image",
    };
    let rows = [
        (format!("mean of {draws} completions"), fidelity.mean),
        ("one completion".into(), fidelity.one),
        (without.into(), fidelity.without_model),
    ];
    let mut text = format!(
        "{images} images, {given} given\n\
         log p(missing | given) >= {elbo:.3} ± {elbo_standard_error:.3} nats per image\n\n\
         {:<26}{:>8}{:>8}{:>8}\n",
        "", "rmse", "psnr", "ssim"
    );
    for (name, nearness) in rows {
        let [rmse, psnr, ssim] = [nearness.rmse, nearness.psnr, nearness.ssim];
        text += &format!("{name:<26}{rmse:>8.4}{psnr:>8.2}{ssim:>8.4}\n");
    }
    text
}
