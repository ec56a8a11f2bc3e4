//! `elbo sample`: pictures from the prior.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::common::{ModelArgument, check_label, png_path, report_file, require_classes};
use crate::{generation::Generate, models::Model, pictures::save_grid};

/// Draw z from the prior and write the decoded pictures as one PNG
///
/// A conditional model draws a label for each, unless one is given.
#[derive(Debug, Args)]
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
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let trained = arguments.model.load()?;
    let (n, seed, classes) = (arguments.n as usize, arguments.seed, trained.vae.classes());
    let square = super::pictures::columns(n);
    let (samples, columns) = match arguments.label {
        Some(label) => {
            check_label(&trained, "--label", label)?;
            (trained.vae.sample_class(n, seed, label), square)
        }
        None if arguments.per_class => {
            require_classes(&trained, "--per-class")?;
            (trained.vae.sample_classes(n, seed), classes)
        }
        None => (trained.vae.sample(n, seed), square),
    };
    save_grid(&arguments.out, samples.view(), trained.height, trained.width, columns)?;
    report_file(&arguments.out);
    Ok(())
}
