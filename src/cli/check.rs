//! `elbo check`: the gradients of a whole model against difference quotients.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::common::{DATA_HELP, Usage, find_recipe, print, print_json};
use crate::{
    data::{self, Part},
    gradcheck::{self, Check, Elements, Report},
    models::Model,
    objectives::{Estimator, Objective},
    random::{self, Purpose},
};
use ndarray::Array2;

/// Check the gradient of a whole model, tensor by tensor, against difference quotients of its loss
///
/// The recipe's model is drawn in f64, its gradient computed on a few images by the code that
/// trains, and compared with the slopes of the loss itself: some elements of each parameter tensor
/// one by one, and all of them together along a random direction. A right gradient agrees to 1e-8.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A built-in recipe (tutorial, pytorch-example, davidson-20, ..) or a file that ends in .toml
    #[arg(long, value_name = "NAME|FILE.toml", default_value = "tutorial")]
    recipe: String,
    /// Override any field of the recipe, such as activation=tanh; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A folder with MNIST's four IDX files (plain or .gz), .npy arrays, or PNG files
    #[arg(long, value_name = "DIR", default_value = "data/mnist", long_help = DATA_HELP)]
    data: PathBuf,
    /// Images that the loss is the mean over, the first of the training set
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Elements of each tensor that are compared one by one: a number, or `all`, which takes hours
    /// where there are many
    #[arg(long, value_name = "N|all", default_value = "16", value_parser = parse_elements)]
    elements: Elements,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo check
  elbo check --recipe pytorch-example --elements 100
  elbo check --set activation=softplus --set hidden=[64,32] --set latent=5";

fn parse_elements(text: &str) -> Result<Elements, String> {
    match text.parse() {
        _ if text == "all" => Ok(Elements::All),
        Ok(n) if n > 0 => Ok(Elements::Some(n)),
        _ => Err("it must be a positive number or `all`".into()),
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut recipe = find_recipe(&arguments.recipe)?;
    for assignment in &arguments.set {
        recipe = recipe.with(assignment).map_err(Usage::new)?;
    }
    recipe.validate().map_err(Usage::new)?;
    if recipe.estimator != Estimator::Total {
        return Err(Usage::new(
            "stl and dreg are not the slope of the bound at the noise that was drawn, but have its mean over all \
             noise: check with --set estimator=total",
        )
        .into());
    }
    let data = data::load(&arguments.data, Part::Train)?;
    let images = &data.images;
    recipe.image = Some([images.height(), images.width()]);
    recipe.take_classes(&data)?;
    recipe.validate().map_err(Usage::new)?;

    let batch = usize::from(arguments.batch);
    if batch > images.len() {
        return Err(Usage::new(format!(
            "--batch is {batch}, but there are {} images",
            images.len()
        ))
        .into());
    }
    let mut x = Array2::zeros((batch, images.pixels_per_image()));
    recipe.view(&data, Part::Train).gather(&(0..batch).collect::<Vec<_>>(), 1, &mut x);
    let (model, mut objective) = (recipe.model::<f64>(), recipe.objective());
    let mut eps = Array2::zeros((recipe.samples * batch, model.noise()));
    random::fill_normal(&mut eps, recipe.seed, Purpose::TrainNoise, 1, 0..batch);
    // As it is once warm-up is over.
    Objective::<f64>::advance(&mut objective, recipe.epochs as f64);
    let report = gradcheck::model(&model, &objective, &x, &eps, arguments.elements);

    if arguments.json {
        print_json(&as_json(&recipe.name, &report))?;
    } else {
        print(&format!(
            "{report}\nthe largest relative error of {} tensors is {:.0e}\n",
            report.checks.len(),
            report.max_relative_error()
        ))?;
    }
    // The backward pass arrives at the last parameters first.
    let wrong: Vec<&Check> = report.checks.iter().rev().filter(|check| !check.is_right()).collect();
    match wrong.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} of {} gradients are not right; the first on the way back from the loss is that of \
             {} ({}). `elbo study` shows each step of that way",
            wrong.len(),
            report.checks.len(),
            first.tensor,
            first.verdict
        ),
    }
}

fn as_json(recipe: &str, report: &Report) -> Value {
    let tensor = |check: &Check| {
        json!({
            "tensor": check.tensor,
            "shape": check.shape,
            "elements": check.elements,
            "max_relative_error": check.max_relative_error,
            "index": check.index,
            "analytic": check.analytic,
            "numeric": check.numeric,
            "step": check.step,
            "direction_error": check.direction_error,
            "right": check.is_right(),
            "verdict": check.verdict.to_string(),
        })
    };
    json!({
        "recipe": recipe,
        "right": report.is_right(),
        "max_relative_error": report.max_relative_error(),
        "tensors": report.checks.iter().map(tensor).collect::<Vec<_>>(),
    })
}
