//! `elbo study`: one training step, quantity by quantity.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum, builder::PossibleValue};
use ndarray::Array2;
use serde_json::{Value, json};

use super::common::{DATA_HELP, Usage, check_index, print_as_is, print_json, report_file, say};
use crate::{
    data::{self, Dataset, Part},
    files::write_atomically,
    layers::Activation,
    objectives::Figures,
    parameters::Parameters,
    study::{self, Fault, FaultKind, Setup, Step, Study},
};

/// Numbers above which nobody would read them all, and their slopes take minutes.
const MOST_NUMBERS: usize = 5000;

/// Take one training step apart: every quantity with its equation and its values
///
/// A small VAE goes through one complete step in f64: forward, loss, backward, Adam, and the loss
/// after it. Beside every gradient stands the numeric one, from the loss alone, and their relative
/// error. --break plants a wrong gradient, to see how the check catches it. The exit status is 1 if a
/// gradient is wrong that was not planted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Widths of the encoder's hidden layers, which the decoder mirrors, or `none`
    #[arg(long, value_name = "N[,N..]", default_value = "3", value_parser = parse_hidden)]
    hidden: Hidden,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value = "2")]
    latent: usize,
    /// Images in the batch
    #[arg(long, value_name = "N", default_value = "2")]
    batch: usize,
    /// Height and width of the images [default: 2; with --image, 4]
    #[arg(long, value_name = "N")]
    side: Option<usize>,
    /// What follows each hidden layer
    #[arg(long, value_enum, default_value = "tanh")]
    activation: Activation,
    /// Adam's learning rate
    #[arg(long, value_name = "X", default_value = "0.01")]
    learning_rate: f64,
    /// Seed of the weights, the noise and, without --image, the pixels
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// Take the test images from this index on, made smaller, instead of random pixels
    #[arg(long, value_name = "N")]
    image: Option<usize>,
    /// Where --image finds them [default: data/mnist]
    #[arg(long, value_name = "DIR", requires = "image", long_help = DATA_HELP)]
    data: Option<PathBuf>,
    /// Make a gradient wrong, such as d_z or d_encoder.mu.weight: its sign (the default), half or
    /// zero instead of it all, or the largest element off by a thousandth
    #[arg(long = "break", value_name = "NAME[=sign|half|zero|element]", value_parser = parse_fault)]
    fault: Option<Fault>,
    /// Show nothing after this quantity; with --layer, what the layer has until then
    #[arg(long, value_name = "NAME")]
    stop_at: Option<String>,
    /// Show one layer, such as encoder.hidden.0, encoder.mu, sample, objective
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Write a page for the browser instead of printing
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo study                               all of it
  elbo study --stop-at z                   as far as the latent sample
  elbo study --layer decoder.output        one layer, forward, backward and update
  elbo study --break d_z                   what a wrong sign does, and where it shows
  elbo study --image 7 --html study.html   a real digit, as a page for the browser";

impl ValueEnum for Activation {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Relu, Self::Tanh, Self::Sigmoid, Self::Softplus]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Softplus => "softplus",
        }))
    }
}

/// Widths of hidden layers.
#[derive(Clone, Debug)]
struct Hidden(Vec<usize>);

fn parse_hidden(text: &str) -> Result<Hidden, String> {
    if text == "none" {
        return Ok(Hidden(vec![]));
    }
    let widths = text.split(',').map(|width| width.trim().parse());
    widths.collect::<Result<_, _>>().map(Hidden).map_err(|_| "widths, or `none`, are wanted".into())
}

fn parse_fault(text: &str) -> Result<Fault, String> {
    let (gradient, kind) = text.split_once('=').unwrap_or((text, "sign"));
    let found = FaultKind::ALL.into_iter().find(|(name, _)| *name == kind);
    let kinds = FaultKind::ALL.map(|(name, _)| name).join(", ");
    let (_, kind) = found.ok_or(format!("a gradient can be broken by {kinds}"))?;
    Ok(Fault { gradient: gradient.into(), kind })
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let setup = setup(arguments)?;
    let study = study::study(&setup).map_err(Usage::new)?;
    let shown = shown(arguments, &study)?;
    if let Some(path) = &arguments.html {
        write_atomically(path, |file| {
            std::io::Write::write_all(file, study::html(&study, &shown).as_bytes())
        })?;
        report_file(path);
    }
    if arguments.json {
        print_json(&as_json(arguments, &study, shown))?;
    } else if arguments.html.is_none() {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print_as_is(&study::text(&study, shown, colour))?;
    }
    match (study.wrong().next(), &arguments.fault) {
        (Some(step), None) => bail!("the gradient {} is wrong", step.name),
        (None, Some(fault)) => {
            let step = study.steps.iter().find(|step| step.name == fault.gradient);
            let check = step.and_then(|step| step.check.as_ref());
            if check.is_some_and(|check| check.quotients.iter().all(|&v| v == 0.0)) {
                return Err(Usage::new(format!(
                    "{} is zero everywhere here, so this changes nothing",
                    fault.gradient
                ))
                .into());
            }
            bail!("the wrong gradient {} was not found", fault.gradient)
        }
        _ => Ok(()),
    }
}

/// The steps that `shown` chooses, and what the check of all gradients found.
fn as_json(arguments: &Arguments, study: &Study, shown: impl Fn(&Step) -> bool) -> Value {
    let rows = |values: &Array2<f64>| {
        Value::from_iter(values.rows().into_iter().map(|row| Value::from_iter(row.to_vec())))
    };
    let figures = |Figures { objective, elbo, reconstruction, kl }: Figures| json!({"objective": objective, "elbo": elbo, "reconstruction": reconstruction, "kl": kl});
    let step = |step: &Step| {
        json!({
            "name": step.name,
            "layer": step.layer,
            "equation": step.equation,
            "code": step.code,
            "from": step.from,
            "values": rows(&step.values),
            "check": step.check.as_ref().map(|check| json!({
                "max_relative_error": check.max_relative_error,
                "right": check.is_right(),
                "verdict": check.verdict.to_string(),
            })),
        })
    };
    json!({
        "network": study.network,
        "files": Value::from_iter(arguments.html.iter().map(|path| path.display().to_string())),
        "fault": study.fault.as_ref().map(ToString::to_string),
        "gradients": study.checked().count(),
        "wrong": Value::from_iter(study.wrong().map(|step| step.name.as_str())),
        "before": figures(study.before),
        "after": figures(study.after),
        "steps": Value::from_iter(study.steps.iter().filter(|step| shown(step)).map(step)),
    })
}

/// The network and its images, all of it small enough to read.
fn setup(arguments: &Arguments) -> Result<Setup> {
    let Arguments {
        hidden: Hidden(hidden), latent, batch, activation, learning_rate, seed, ..
    } = arguments;
    let side = arguments.side.unwrap_or(if arguments.image.is_some() { 4 } else { 2 });
    let sizes = [("--latent", *latent), ("--batch", *batch), ("--side", side)];
    let widths = hidden.iter().map(|&width| ("--hidden", width));
    for (option, size) in sizes.into_iter().chain(widths) {
        if !(1..=64).contains(&size) {
            return Err(Usage::new(format!("{option} is {size}, but must be from 1 to 64")).into());
        }
    }
    if !(learning_rate.is_finite() && *learning_rate > 0.0) {
        return Err(Usage::new("--learning-rate must be a positive number").into());
    }
    let x = match arguments.image {
        None => Setup::random_images(*batch, side * side, *seed),
        Some(first) => {
            let data = arguments.data.as_deref().unwrap_or(Path::new("data/mnist"));
            let Dataset { images, labels } = data::load(data, Part::Test)?;
            check_index(&images, "--image", first)?;
            let last = first + batch - 1;
            check_index(
                &images,
                &format!("the last of --batch {batch} from --image {first}"),
                last,
            )?;
            if let Some(labels) = labels {
                say(format_args!("images {first} to {last} show {:?}", &labels[first..=last]));
            }
            images.shrunk(first..=last, side)
        }
    };
    let (hidden, latent, activation) = (hidden.clone(), *latent, *activation);
    let (learning_rate, seed, fault) = (*learning_rate, *seed, arguments.fault.clone());
    let setup = Setup { x, hidden, latent, activation, learning_rate, seed, fault };
    let widths = 2 * setup.hidden.iter().sum::<usize>() + 2 * setup.x.ncols() + 5 * setup.latent;
    let (parameters, signals) = (setup.model().parameter_count(), batch * widths);
    if parameters + signals > MOST_NUMBERS {
        return Err(Usage::new(format!(
            "this step has {parameters} parameters and {signals} numbers in its signals; a study \
             shows each of them, so at most {MOST_NUMBERS} in all"
        ))
        .into());
    }
    Ok(setup)
}

/// Which steps are shown.
fn shown(arguments: &Arguments, study: &Study) -> Result<impl Fn(&Step) -> bool> {
    let names: Vec<String> = study.steps.iter().map(|step| step.name.clone()).collect();
    let last = match &arguments.stop_at {
        None => names.len() - 1,
        Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
            Usage::new(format!("there is no {name:?} to stop at; there are: {}", names.join(", ")))
        })?,
    };
    if let Some(layer) = &arguments.layer {
        let mut layers: Vec<&str> = study.steps.iter().map(|step| step.layer.as_str()).collect();
        let mut seen = std::collections::HashSet::new();
        layers.retain(|layer| seen.insert(*layer));
        if !layers.contains(&layer.as_str()) {
            let layers = layers.join(", ");
            return Err(
                Usage::new(format!("there is no layer {layer:?}; there are: {layers}")).into()
            );
        }
    }
    let (layer, until) = (arguments.layer.clone(), names[..=last].to_vec());
    let shown = move |step: &Step| {
        until.contains(&step.name) && layer.as_ref().is_none_or(|layer| *layer == step.layer)
    };
    if !study.steps.iter().any(&shown) {
        return Err(Usage::new("that layer has nothing before --stop-at").into());
    }
    Ok(shown)
}
