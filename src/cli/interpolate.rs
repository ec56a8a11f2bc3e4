//! `elbo interpolate`: from one image to another through the latent space.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::common::{DataArguments, ModelArgument, check_index, png_path, report_file};
use crate::{generation::Generate, pictures::save_grid};

/// Write the pictures on the straight line between the latent means of two images as one PNG
///
/// Of a model with a flow, between the points where it takes the means.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// The index of the first image in the data, from 0
    #[arg(long, value_name = "I")]
    from: usize,
    /// The index of the last image in the data, from 0
    #[arg(long, value_name = "J")]
    to: usize,
    /// The PNG to write
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: PathBuf,
    /// Pictures, both ends included
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000))]
    steps: u32,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let trained = arguments.model.load()?;
    let data = arguments.data.load(&trained)?;
    check_index(&data.images, "--from", arguments.from)?;
    check_index(&data.images, "--to", arguments.to)?;
    let (steps, view) = (arguments.steps as usize, arguments.data.view(&trained, &data));
    let path = trained.vae.interpolate(view, arguments.from, arguments.to, steps);
    let columns = steps.min(20);
    save_grid(&arguments.out, path.view(), trained.height, trained.width, columns)?;
    report_file(&arguments.out);
    Ok(())
}
