//! `elbo anomaly`: images that are not like those a model has learned from.

mod fit;
mod score;

use std::time::Instant;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValue};

use crate::uses::anomaly::Kind;

/// Find images that are not like those a model has learned from
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fit(Box<fit::Arguments>),
    Score(score::Arguments),
}

const EXAMPLES: &str = "\
Examples:
  elbo anomaly fit --held-out 7 --epochs 5 --out runs/no-seven
  elbo anomaly score runs/no-seven/anomaly-elbo.json --out scores.csv --picture strangest.png

  elbo anomaly fit runs/no-seven/model.safetensors --held-out 7 --score likelihood-ratio
  elbo anomaly score runs/no-seven/anomaly-likelihood-ratio.json

  elbo anomaly fit --out runs/digits
  elbo anomaly score runs/digits/anomaly-elbo.json --anomalies ~/fashion-mnist";

pub fn run(arguments: &Arguments, started: Instant) -> Result<()> {
    match &arguments.command {
        Command::Fit(arguments) => fit::run(arguments, started),
        Command::Score(arguments) => score::run(arguments),
    }
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(match self {
            Self::Elbo => "minus the ELBO",
            Self::Reconstruction => "minus the mean of log p(x|z)",
            Self::LogLikelihood => "minus log p(x), by importance samples",
            Self::Latent => "distance of the code from those of normal images",
            Self::Typicality => "how far minus the ELBO is from its mean over normal images",
            Self::LikelihoodRatio => "what independent pixels explain better than the model",
        }))
    }
}
