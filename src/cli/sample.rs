//! `elbo sample`: pictures from the prior, or from codes of one's own.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ndarray::{Array2, Axis};

use super::common::{
    ModelArgument, Trained, Usage, check_label, parse_positive, png_path, refuse_same_files,
    report_written, require_classes, require_prior_codes,
};
use crate::{generation::Generate, models::Model, pictures::save_grid};

/// Draw z from the prior, or take it from --z, and write the decoded pictures as one PNG
///
/// A conditional model draws a label for each z that it draws, unless one is given.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    /// The PNG to write
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: PathBuf,
    /// Number of pictures
    #[arg(short, value_name = "N", default_value_t = 100, default_value_if("per_class", "true", "10"), value_parser = clap::value_parser!(u32).range(1..=10_000))]
    n: u32,
    /// Of a conditional model: pictures of this class alone
    #[arg(long, value_name = "CLASS", conflicts_with = "per_class")]
    label: Option<usize>,
    /// Of a conditional model: N rows of a picture for each class, all of a row with the same z [default
    /// of N: 10]
    #[arg(long)]
    per_class: bool,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What the prior's noise is multiplied by: below 1 for likelier pictures, more alike
    #[arg(long, value_name = "T", default_value = "1", value_parser = parse_positive)]
    temperature: f64,
    /// Decode this z instead of drawing one; may be repeated, for a picture of each
    #[arg(
        long,
        value_name = "V1,V2,..",
        value_parser = parse_code,
        allow_hyphen_values = true,
        conflicts_with_all = ["n", "seed", "temperature"]
    )]
    z: Vec<Code>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo sample runs/tutorial/model.safetensors --out samples.png --temperature 0.7
  elbo sample runs/tutorial/model.safetensors --out two.png --z 0.5,-1 --z 0.5,1";

/// The numbers of a z.
#[derive(Clone, Debug)]
struct Code(Vec<f64>);

fn parse_code(text: &str) -> Result<Code, String> {
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("`{text}` is not a number")),
    };
    text.split(',').map(number).collect::<Result<_, _>>().map(Code)
}

pub fn run(arguments: &Arguments) -> Result<()> {
    refuse_same_files(&[("--out", Some(&arguments.out))], &[&arguments.model.model])?;
    let trained = arguments.model.load()?;
    require_prior_codes(&trained)?;
    let vae = &trained.vae;
    let (classes, latent) = (vae.classes(), vae.latent());
    let codes = match &arguments.z[..] {
        [] => vae.prior_at(arguments.n as usize, arguments.seed, arguments.temperature),
        given => given_codes(&trained, given)?,
    };
    let (z, _) = codes.view().split_at(Axis(1), latent);
    let square = super::pictures::columns(codes.nrows());
    let (codes, columns) = match arguments.label {
        Some(label) => {
            check_label(&trained, "--label", label)?;
            (vae.labelled(z, label), square)
        }
        None if arguments.per_class => {
            require_classes(&trained, "--per-class")?;
            (vae.with_every_label(z), classes)
        }
        None if classes > 0 && !arguments.z.is_empty() => {
            let model = trained.path.display();
            let problem = "a conditional model needs a --label or --per-class beside --z";
            return Err(Usage::new(format!("{model}: {problem}")).into());
        }
        None => (codes, square),
    };
    let samples = vae.decode_mean(codes.view());
    save_grid(&arguments.out, samples.view(), trained.height, trained.width, columns)?;
    report_written(arguments.json, &trained, &[&arguments.out], &[("pictures", samples.nrows())])
}

/// One z a row, each as wide as the model's.
fn given_codes(trained: &Trained, given: &[Code]) -> Result<Array2<f64>, Usage> {
    let latent = trained.vae.latent();
    if let Some(Code(z)) = given.iter().find(|Code(z)| z.len() != latent) {
        let found = z.len();
        return Err(Usage::new(format!(
            "--z has {found} numbers, but the z of the model has {latent}"
        )));
    }
    Ok(Array2::from_shape_fn((given.len(), latent), |(n, j)| given[n].0[j]))
}
