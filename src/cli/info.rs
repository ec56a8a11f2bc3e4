//! `elbo info`: what is in a model file.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::common::{ModelArgument, Trained, print, print_json};
use crate::{parameters::Parameters, recipe::Recipe};

/// Describe a model file: its recipe and its tensors
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    recipe: Recipe,
    parameters: usize,
    tensors: Vec<Tensor>,
}

#[derive(Serialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Trained { recipe, vae, .. } = arguments.model.load()?;
    let shapes = vae.tensors().map(|t| t.shape().to_vec());
    let tensors = vae.names().into_iter().zip(shapes);
    let tensors = tensors.map(|(name, shape)| Tensor { name, shape }).collect();
    let report = Report { recipe, parameters: vae.parameter_count(), tensors };
    if arguments.json { print_json(&report) } else { print_text(&report) }
}

fn print_text(report: &Report) -> Result<()> {
    let mut text = format!("{}\n", report.recipe.to_toml());
    for Tensor { name, shape } in &report.tensors {
        let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
        text += &format!("{name:<28} {}\n", shape.join(" x "));
    }
    print(&format!("{text}\n{} parameters\n", report.parameters))
}
