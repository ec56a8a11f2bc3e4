//! `elbo evaluate`: the figures of a model on a data set.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ndarray::Array2;
use serde::Serialize;

use super::common::{
    DataArguments, Part, Trained, Usage, check_finite, notes, print, print_json,
    require_prior_codes,
};
use crate::{
    data::{self, Treatment, View},
    distributions::any::LikelihoodKind,
    evaluation::{
        Evaluation, Evaluator, LogLikelihood, log_likelihood,
        quality::{Quality, Settings, quality},
    },
    generation::Generate,
    models::Model,
    recipe::Recipe,
};

/// Measure models: the ELBO with its parts, active units, and the log-likelihood
///
/// All figures are in nats per image. The images are treated as the model's recipe says: grey, or
/// binarised. The ELBO is estimated with one latent sample per image. With --importance-samples K the
/// log-likelihood is estimated as well; it takes K times as long, but no more memory. The latent
/// samples are not those of the training log, so the last digits differ from it.
///
/// Where the divergence has no closed form it has no parts by dimension, and the posterior mean of a flow
/// is not known; what is therefore left out is said in its place.
///
/// Several models are set side by side, but only if their recipes treat the pixels alike (grey, binarised
/// and fixed images are different data), and their figures are all of probabilities, of densities, or of the
/// cross-entropy that the Bernoulli likelihood has of grey pixels.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files model.safetensors that `elbo train` wrote
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    /// Also estimate log p(x) with K importance samples per image
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    importance_samples: Option<u32>,
    /// Also compare as many samples of the model with the images: precision, recall, and the
    /// nearest-neighbour two-sample test, along principal components of the training images. Samples of a
    /// model of grey pixels are decoded means, smoother than draws of its likelihood
    #[arg(long)]
    sample_quality: bool,
    /// Seed of the latent samples [default: the recipe's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON object on standard output; of several models, {"models": [..]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    data: String,
    part: Part,
    pixels: Treatment,
    #[serde(flatten)]
    evaluation: Evaluation,
    #[serde(flatten)]
    likelihood: Option<LogLikelihood>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_quality: Option<Quality>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'static str>,
}

impl Report {
    /// Where the images come from.
    fn source(&self) -> String {
        format!("the {} images of {}", data::Part::from(self.part), self.data)
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let models = arguments.models.iter().map(|path| Trained::load(path));
    let models = models.collect::<Result<Vec<_>>>()?;
    refuse_unlike(&models)?;
    let reports =
        models.iter().map(|model| report(arguments, model)).collect::<Result<Vec<_>>>()?;
    match &reports[..] {
        [report] if arguments.json => print_json(report),
        [report] => print_text(report),
        _ if arguments.json => print_json(&serde_json::json!({ "models": reports })),
        _ => print_table(&reports),
    }
}

/// Figures on different data, and probabilities beside densities, are not set side by side.
fn refuse_unlike(models: &[Trained]) -> Result<(), Usage> {
    let name = |model: &Trained| (model.path.display().to_string(), model.recipe.pixels);
    for pair in models.windows(2) {
        let ((a, is), (b, other)) = (name(&pair[0]), name(&pair[1]));
        if pair[0].recipe.conditional != pair[1].recipe.conditional {
            return Err(Usage::new(format!(
                "one of {a} and {b} is told the labels and the other is not: log p(x|y) and log p(x) \
                 cannot be compared"
            )));
        }
        if pair[0].recipe.given != pair[1].recipe.given {
            let given = [pair[0].recipe.given, pair[1].recipe.given];
            return Err(Usage::new(format!(
                "of the images {a} is given {}, {b} {}: their figures are of other pixels, and cannot be \
                 compared",
                given[0], given[1]
            )));
        }
        if is != other {
            return Err(Usage::new(format!(
                "{a} is a model of {is} pixels and {b} of {other} ones: those are different data, and \
                 figures on them cannot be compared"
            )));
        }
        let [share, of_other] = [pair[0].recipe.missing, pair[1].recipe.missing];
        if share != of_other {
            return Err(Usage::new(format!(
                "the share of pixels that are missing is {share} with {a} and {of_other} with {b}: figures of \
                 other pixels cannot be compared"
            )));
        }
        let kinds = [measure(&pair[0].recipe), measure(&pair[1].recipe)];
        if kinds[0] != kinds[1] {
            return Err(Usage::new(format!(
                "the figures of {a} are of {}, those of {b} of {}: they cannot be compared",
                kinds[0], kinds[1]
            )));
        }
    }
    Ok(())
}

/// What log p(x|z) of a recipe's likelihood is the logarithm of.
fn measure(recipe: &Recipe) -> &'static str {
    match recipe.likelihood {
        LikelihoodKind::Bernoulli if recipe.pixels == Treatment::Grey => {
            "a cross-entropy of grey pixels"
        }
        kind if !kind.factorises() => "a density with a variance of the images at hand",
        kind if kind.is_discrete() => "a probability",
        _ => "a density",
    }
}

fn report(arguments: &Arguments, trained: &Trained) -> Result<Report> {
    let data = arguments.data.load(trained)?;
    refuse_impossible(arguments, trained, data.images.len())?;
    let seed = arguments.seed.unwrap_or(trained.recipe.seed);
    let view = View { seed, ..arguments.data.view(trained, &data) };
    let elbo = trained.vae.elbo();
    let evaluation = Evaluator::new(&trained.vae, view).evaluate(&trained.vae, &elbo, seed, 0);
    check_finite(trained, "the ELBO", evaluation.elbo)?;
    let likelihood = arguments.importance_samples.map(|k| {
        let bar = super::progress::images("importance sampling", data.images.len());
        let done = |n: usize| bar.set_position(n as u64);
        let likelihood = log_likelihood(&trained.vae, view, k as usize, seed, done);
        bar.finish_and_clear();
        check_finite(trained, "the log-likelihood", likelihood.log_likelihood).map(|()| likelihood)
    });
    let likelihood = likelihood.transpose()?;
    let sample_quality = match arguments.sample_quality {
        true => Some(sample_quality(arguments, trained, view, seed)?),
        false => None,
    };
    Ok(Report {
        model: trained.path.display().to_string(),
        data: arguments.data.folder.data.display().to_string(),
        part: arguments.data.part,
        pixels: trained.recipe.pixels,
        evaluation,
        likelihood,
        sample_quality,
        notes: notes(&trained.vae, &trained.recipe),
    })
}

/// Refuses what cannot be measured, before anything is.
fn refuse_impossible(arguments: &Arguments, trained: &Trained, images: usize) -> Result<(), Usage> {
    if arguments.importance_samples.is_some() && !trained.recipe.likelihood.factorises() {
        return Err(Usage::new(format!(
            "{}: the likelihood takes its variance from the images at hand, so that no single one has a \
             log-likelihood to estimate",
            trained.path.display()
        )));
    }
    let k = Settings::default().k;
    if arguments.sample_quality {
        require_prior_codes(trained)?;
    }
    if arguments.sample_quality && images <= k {
        return Err(Usage::new(format!("sample quality needs more than {k} images")));
    }
    Ok(())
}

/// As many samples as there are images, both in the model's own treatment: grey samples are decoded means.
fn sample_quality(
    arguments: &Arguments,
    trained: &Trained,
    view: View<'_>,
    seed: u64,
) -> Result<Quality> {
    let mut samples = trained.vae.sample(view.count, seed);
    samples.iter().try_for_each(|&x| check_finite(trained, "a pixel of a sample", x.into()))?;
    trained.recipe.pixels.draw(&mut samples, seed);
    let mut real = Array2::zeros(samples.dim());
    view.hiding(None).gather(&view.indices().collect::<Vec<_>>(), 0, &mut real);
    let train = arguments.data.training_images()?;
    Ok(quality(&train, real.view(), samples.view(), Settings::default()))
}

fn print_text(report: &Report) -> Result<()> {
    let Report { pixels, evaluation: e, likelihood, sample_quality, notes, .. } = report;
    let mut lines = vec![
        format!("images          {:>10}, {pixels}, {}", e.images, report.source()),
        format!("elbo            {:>10.3} ± {:.3} nats per image", e.elbo, e.elbo_standard_error),
        format!("reconstruction  {:>10.3}", e.reconstruction),
        format!("kl              {:>10.3}", e.kl),
    ];
    if let Some(active) = e.active_units {
        lines.push(format!("active units    {active:>10} of {}", e.mean_variance.len()));
    }
    if let Some(l) = likelihood {
        let (value, error) = (l.log_likelihood, l.log_likelihood_standard_error);
        let samples = l.importance_samples;
        lines.push(format!(
            "log-likelihood  {value:>10.3} ± {error:.3} with {samples} importance samples"
        ));
        lines.push(format!("effective       {:>10.1} of them", l.effective_sample_size));
    }
    if let Some(Quality { comparison: c, .. }) = sample_quality {
        lines.push(format!("precision       {:>10.3} of samples at k = {}", c.precision, c.k));
        lines.push(format!("recall          {:>10.3}", c.recall));
        lines.push(format!(
            "1-NN accuracy   {:>10.3}, {:.3} ± {:.3} if samples were real",
            c.nearest_neighbour_accuracy,
            c.nearest_neighbour_null_accuracy,
            c.nearest_neighbour_null_standard_error
        ));
    }
    if !e.mean_variance.is_empty() {
        lines.push("\ndimension        kl   variance of the posterior mean".into());
    }
    for (i, variance) in e.mean_variance.iter().enumerate() {
        let kl = e.kl_per_dimension.get(i).map_or("-".into(), |kl| format!("{kl:.4}"));
        lines.push(format!("{:>9} {kl:>9} {variance:>10.4}", i + 1));
    }
    lines.extend(notes.iter().map(|note| format!("\n{note}")));
    print(&(lines.join("\n") + "\n"))
}

fn print_table(reports: &[Report]) -> Result<()> {
    let [first, ..] = reports else { return Ok(()) };
    let samples = first.likelihood.map_or(String::new(), |l| {
        format!("; log-likelihood with {} importance samples", l.importance_samples)
    });
    let mut lines = vec![
        format!("{} images, {}{samples}\n", first.evaluation.images, first.source()),
        "           elbo  reconstruction       kl  active   log-likelihood  model".into(),
    ];
    let with_error = |value: f64, error: f64| format!("{value:.3} ± {error:.3}");
    for Report { model, evaluation: e, likelihood, .. } in reports {
        let likelihood = likelihood
            .map_or("-".into(), |l| with_error(l.log_likelihood, l.log_likelihood_standard_error));
        let active = e.active_units.map_or("-".into(), |active| active.to_string());
        lines.push(format!(
            "{:>15} {:>15.3} {:>8.3} {active:>7} {likelihood:>16}  {model}",
            with_error(e.elbo, e.elbo_standard_error),
            e.reconstruction,
            e.kl
        ));
    }
    print(&(lines.join("\n") + "\n"))
}
