//! `elbo walk`: an animated way through the latent space.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::Result;
use clap::Args;
use ndarray::{Array2, Axis, stack};

use super::common::{
    DataArguments, ModelArgument, Trained, class_code, parse_positive, png_path, report_written,
    require_prior_codes,
};
use crate::{
    generation::{Generate, tour},
    models::Model,
    pictures::save_animation,
};

/// Write a walk through the latent space, and back to where it began, as one animated PNG
///
/// It leads along a smooth curve through draws from the prior, or through the mean codes of classes.
/// Browsers play animated PNG files.
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
    /// Draws from the prior that the walk leads through
    #[arg(short, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    n: u32,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What the prior's noise is multiplied by
    #[arg(long, value_name = "T", default_value = "1", value_parser = parse_positive)]
    temperature: f64,
    /// Lead through the mean codes of these classes instead: labels in their order, or `all`
    #[arg(
        long,
        value_name = "C,..|all",
        value_parser = parse_classes,
        conflicts_with_all = ["n", "seed", "temperature"]
    )]
    classes: Option<Classes>,
    /// Pictures from each of them to the next
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    steps: u32,
    /// How long each picture is shown, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    delay: u16,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo walk runs/tutorial/model.safetensors --out walk.png
  elbo walk runs/tutorial/model.safetensors --out walk.png --classes all
  elbo walk runs/tutorial/model.safetensors --out walk.png --classes 3,8,5 --steps 24";

#[derive(Clone, Debug)]
enum Classes {
    All,
    These(Vec<u8>),
}

fn parse_classes(text: &str) -> Result<Classes, String> {
    if text == "all" {
        return Ok(Classes::All);
    }
    let classes = text.split(',').map(str::parse).collect::<Result<_, _>>();
    classes.map(Classes::These).map_err(|_| "it must be labels from 0 to 255, or `all`".into())
}

pub fn run(arguments: &Arguments) -> Result<()> {
    arguments.data.refuse_replacing("--out", Some(&arguments.out), &[&arguments.model.model])?;
    let trained = arguments.model.load()?;
    let stations = match &arguments.classes {
        None => {
            require_prior_codes(&trained)?;
            let Arguments { n, seed, temperature, .. } = *arguments;
            trained.vae.prior_at(n as usize, seed, temperature)
        }
        Some(classes) => class_codes(arguments, &trained, classes)?,
    };
    let codes = tour(stations.view(), arguments.steps as usize);
    let frames = trained.vae.decode_mean(codes.view());
    let Trained { height, width, .. } = trained;
    save_animation(&arguments.out, frames.view(), height, width, arguments.delay)?;
    report_written(arguments.json, &trained, &[&arguments.out], &[("pictures", frames.nrows())])
}

/// The mean codes of classes, one a row.
fn class_codes(arguments: &Arguments, trained: &Trained, classes: &Classes) -> Result<Array2<f64>> {
    let data = arguments.data.load(trained)?;
    let (view, labels) = (arguments.data.view(trained, &data), arguments.data.labels(&data)?);
    let classes = match classes {
        Classes::All => BTreeSet::from_iter(labels.iter().copied()).into_iter().collect(),
        Classes::These(classes) => classes.clone(),
    };
    let codes = classes.iter().map(|&class| class_code(trained, view, labels, class));
    let codes = codes.collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<_> = codes.iter().map(|code| code.view()).collect();
    Ok(stack(Axis(0), &rows)?)
}
