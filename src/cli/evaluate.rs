//! `elbo evaluate`: the figures of a model on a data set.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::common::{DataArguments, ModelArgument, print, print_json};
use crate::{
    evaluation::{Evaluation, Evaluator, LogLikelihood, log_likelihood},
    objectives::Elbo,
};

/// Measure a model: the ELBO with its parts, active units, and the log-likelihood
///
/// All figures are in nats per image. The ELBO is estimated with one latent sample per image. With
/// --importance-samples K the log-likelihood is estimated as well; it takes K times as long. The
/// latent samples are not those of the training log, so the last digits differ from it.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// Also estimate log p(x) with K importance samples per image
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    importance_samples: Option<u32>,
    /// Seed of the latent samples [default: the recipe's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    evaluation: Evaluation,
    #[serde(flatten)]
    likelihood: Option<LogLikelihood>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let trained = arguments.model.load()?;
    let images = arguments.data.load(&trained)?.images;
    let seed = arguments.seed.unwrap_or(trained.recipe.seed);
    let evaluation = Evaluator::new(&trained.vae, &images).evaluate(&trained.vae, &Elbo, seed, 0);
    let likelihood = arguments.importance_samples.map(|k| {
        let bar = super::progress::images("importance sampling", images.len());
        let done = |n: usize| bar.set_position(n as u64);
        let likelihood = log_likelihood(&trained.vae, &images, k as usize, seed, done);
        bar.finish_and_clear();
        likelihood
    });
    let report = Report { evaluation, likelihood };
    if arguments.json { print_json(&report) } else { print_text(&report) }
}

fn print_text(Report { evaluation: e, likelihood }: &Report) -> Result<()> {
    let mut lines = vec![
        format!("images          {:>10}", e.images),
        format!("elbo            {:>10.3} ± {:.3} nats per image", e.elbo, e.elbo_standard_error),
        format!("reconstruction  {:>10.3}", e.reconstruction),
        format!("kl              {:>10.3}", e.kl),
        format!("active units    {:>10} of {}", e.active_units, e.mean_variance.len()),
    ];
    if let Some(l) = likelihood {
        let (value, error) = (l.log_likelihood, l.log_likelihood_standard_error);
        let samples = l.importance_samples;
        lines.push(format!(
            "log-likelihood  {value:>10.3} ± {error:.3} with {samples} importance samples"
        ));
    }
    lines.push("\ndimension        kl   variance of the posterior mean".into());
    for (i, (kl, variance)) in e.kl_per_dimension.iter().zip(&e.mean_variance).enumerate() {
        lines.push(format!("{:>9} {kl:>9.4} {variance:>10.4}", i + 1));
    }
    print(&(lines.join("\n") + "\n"))
}
