//! `elbo reconstruct`: images above what the model makes of them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::common::{DataArguments, ModelArgument, png_path, report_written};

/// Write images, each above its reconstruction, as one PNG
///
/// The reconstruction is the decoder's mean at z = μ(x), or where a flow takes μ(x).
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// The PNG to write
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: PathBuf,
    /// Number of images, from the first on
    #[arg(short, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    n: u32,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    arguments.data.refuse_replacing("--out", Some(&arguments.out), &[&arguments.model.model])?;
    let trained = arguments.model.load()?;
    let data = arguments.data.load(&trained)?;
    let view = arguments.data.view(&trained, &data);
    let n = (arguments.n as usize).min(view.count);
    super::pictures::reconstructions(&arguments.out, &trained.vae, view, n)?;
    report_written(arguments.json, &trained, &[&arguments.out], &[("images", n)])
}
