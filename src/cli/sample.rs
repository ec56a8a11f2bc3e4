//! `elbo sample`: pictures from the prior.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::common::{ModelArgument, png_path, report_file};
use crate::{generation::Generate, pictures::save_grid};

/// Draw z from the prior and write the decoded pictures as one PNG
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    /// The PNG to write
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: PathBuf,
    /// Number of pictures
    #[arg(short, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    n: u32,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let trained = arguments.model.load()?;
    let samples = trained.vae.sample(arguments.n as usize, arguments.seed);
    let columns = super::pictures::columns(samples.nrows());
    save_grid(&arguments.out, samples.view(), trained.height, trained.width, columns)?;
    report_file(&arguments.out);
    Ok(())
}
