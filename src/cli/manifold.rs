//! `elbo manifold`: the latent plane, decoded.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::common::{
    ModelArgument, Usage, check_label, png_path, refuse_same_files, report_written,
    require_prior_codes,
};
use crate::{
    generation::{Generate, Manifold},
    models::Model,
};

/// Decode a grid over a two-dimensional latent space and write it as one PNG
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    /// The PNG to write
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: PathBuf,
    /// Pictures along each side
    #[arg(short, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    n: u32,
    /// The points: quantiles of N(0, I), or an even grid over [-3, 3]² [default: the recipe's]
    #[arg(long, value_enum)]
    grid: Option<Grid>,
    /// Of a conditional model: the class of the pictures
    #[arg(long, value_name = "CLASS")]
    label: Option<usize>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grid {
    Quantiles,
    Square,
}

impl From<Grid> for Manifold {
    fn from(grid: Grid) -> Self {
        match grid {
            Grid::Quantiles => Manifold::Quantiles,
            Grid::Square => Manifold::Square,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    refuse_same_files(&[("--out", Some(&arguments.out))], &[&arguments.model.model])?;
    let trained = arguments.model.load()?;
    require_prior_codes(&trained)?;
    if trained.recipe.latent != 2 {
        let (model, latent) = (trained.path.display(), trained.recipe.latent);
        bail!(
            "{model}: a manifold needs a latent space of 2 dimensions, and the model has {latent}"
        );
    }
    let grid = arguments.grid.map_or(trained.recipe.manifold, Manifold::from);
    let label = match arguments.label {
        Some(label) => {
            check_label(&trained, "--label", label)?;
            label
        }
        None if trained.vae.classes() > 0 => {
            let model = trained.path.display();
            return Err(Usage::new(format!("{model}: a conditional model needs a --label")).into());
        }
        None => 0,
    };
    let points = trained.vae.labelled(grid.points(arguments.n as usize).view(), label);
    super::pictures::manifold(
        &arguments.out,
        &trained.vae,
        points.view(),
        [trained.height, trained.width],
    )?;
    report_written(arguments.json, &trained, &[&arguments.out], &[("pictures", points.nrows())])
}
