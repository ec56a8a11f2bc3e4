//! `elbo train`: a recipe, from data to weights and pictures.

mod plan;

pub use plan::{Plan, RunArguments};

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde::Serialize;

use super::{
    common::{DATA_HELP, Usage, notes, print_json, refuse_data_folder, report_file, say, threads},
    pictures,
    progress::TrainingProgress,
    signals, speed,
};
use crate::{
    data::{self, Dataset, Images, Part},
    generation::Generate,
    models::{AnyModel, Given, Model},
    parameters::{ModelPart, Parameters},
    pictures::save_grid,
    recipe::{BUILT_IN, Origin, Recipe},
    training::{Checkpoint, Lock, Outcome, Position, Row, Run, files},
    uses::completion::complete,
};

/// Train a model and write its weights, metrics and pictures
///
/// Without options: the recipe `tutorial` on data/mnist, into runs/tutorial. The same recipe, seed
/// and data give the same weights, bit for bit, on any number of threads.
#[derive(Debug, Args)]
#[command(after_help = recipes())]
pub struct Arguments {
    /// A folder with MNIST's four IDX files (plain or .gz), .npy arrays, or PNG files
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA, long_help = DATA_HELP)]
    data: PathBuf,
    #[command(flatten)]
    run: RunArguments,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Says what recipes there are.
fn recipes() -> String {
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    format!("{EXAMPLES}\n\nBuilt-in recipes: {}", names.join(", "))
}

const EXAMPLES: &str = "\
Examples:
  elbo train
  elbo train --recipe pytorch-example --seed 1 --out runs/seed1
  elbo train --latent 10 --hidden 400,200 --set activation=tanh --epochs 20 --out runs/mine
  elbo train --data ~/fashion-mnist --out runs/fashion
  elbo train --data ~/fashion-mnist --init-from runs/tutorial/model.safetensors --freeze encoder
  elbo train --out runs/mine --epochs 40 --resume";

pub const DEFAULT_DATA: &str = "data/mnist";

/// A training run of a process that `started` then.
pub fn run(arguments: Arguments, started: Instant) -> Result<()> {
    let plan = arguments.run.plan(|recipe| Path::new("runs").join(&recipe.name))?;
    refuse_data_folder(&plan.out, &arguments.data)?;
    let train = data::load(&arguments.data, Part::Train)?;
    let test = data::load(&arguments.data, Part::Test)?;
    let (data, default) = (&arguments.data, Path::new(DEFAULT_DATA));
    check_sizes(data, plan.image(), &train.images, &test.images)?;
    let data = (data != default).then(|| format!(" --data {}", quoted(data)));
    let again =
        format!("`elbo train{} --out {} --resume`", data.unwrap_or_default(), quoted(&plan.out));
    let report = arguments.run.train(plan, &train, &test, &again, started)?;
    if arguments.json { print_json(&report) } else { Ok(()) }
}

/// What came of a run.
#[derive(Serialize)]
pub struct Report {
    recipe: String,
    model: String,
    files: Vec<String>,
    parameters: usize,
    /// The last epoch.
    #[serde(flatten)]
    row: Option<Row>,
    /// Of the weights that are kept, where images are held out to choose them by.
    #[serde(skip_serializing_if = "Option::is_none")]
    best_epoch: Option<u64>,
    stopped_early: bool,
}

impl RunArguments {
    /// Trains as planned, draws all pictures and says what was written. What is to be said `again` goes on
    /// with a run that was stopped.
    pub fn train(
        &self,
        plan: Plan,
        train: &Dataset,
        test: &Dataset,
        again: &str,
        started: Instant,
    ) -> Result<Report> {
        let Plan { recipe, out, checkpoint } = plan;
        let mut run = match checkpoint {
            Some(checkpoint) => Run::resume(recipe, checkpoint, &out, train, test)?,
            None => {
                refuse_own_origin(&recipe, &out)?;
                Lock::check(&out)?;
                refuse_unfinished(&out, self.overwrite)?;
                Run::start(recipe, &out, train, test)?
            }
        };
        announce(&run, &out, self.resume);
        let earlier = run.rows().len();

        let stop = signals::watch_for_the_end().context("cannot watch for Ctrl-C")?;
        let mut progress = TrainingProgress::new(stop.clone(), run.recipe());
        let failed = || format!("the run in {} failed", out.display());
        let outcome = run.train(&mut progress).with_context(failed)?;
        if outcome == Outcome::Stopped {
            let (epoch, epochs) = (run.trainer().position.epoch + 1, run.recipe().epochs);
            bail!("stopped in epoch {epoch} of {epochs}; {again} goes on from there");
        }
        say_best(&run, outcome);
        // All that is left is pictures of a saved model: from here on, one Ctrl-C ends the process.
        stop.store(true, Ordering::Relaxed);
        progress.finish();
        run.check_folder()?;
        let written = draw(&run, &out, test)?;
        if self.verbose {
            let first_step = progress.first_step.map(|at| at - started);
            speed::report(
                &run.trainer().model,
                run.recipe().samples,
                &run.rows()[earlier..],
                first_step,
            );
        }
        Ok(Report {
            recipe: run.recipe().name.clone(),
            model: out.join(files::MODEL).display().to_string(),
            files: written.iter().map(|path| path.display().to_string()).collect(),
            parameters: run.model().parameter_count(),
            row: run.rows().last().cloned(),
            best_epoch: run.best().map(|best| best.epoch),
            stopped_early: outcome == Outcome::StoppedEarly,
        })
    }
}

/// Names the epoch whose weights are kept, where images are held out to choose it by.
fn say_best(run: &Run<'_, f32>, outcome: Outcome) {
    if let Some(best) = run.best() {
        let epoch = run.trainer().position.epoch;
        let early = if outcome == Outcome::StoppedEarly { "stopped early, " } else { "" };
        say(format_args!(
            "{early}after epoch {epoch}; the best weights by the held-out images are those of epoch {}, \
             with an ELBO of {:.3}",
            best.epoch, best.elbo
        ));
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// All images must be of one size: the recipe's, where it has one.
fn check_sizes(
    data: &Path,
    recipe: Option<[usize; 2]>,
    train: &Images,
    test: &Images,
) -> Result<()> {
    let [train, test] = [train, test].map(|images| [images.height(), images.width()]);
    let (whose, expected) = recipe.map_or(("the test images", test), |size| ("the recipe's", size));
    for (part, found) in [("training", train), ("test", test)] {
        if found != expected {
            let ([h, w], [height, width]) = (found, expected);
            bail!(
                "{}: the {part} images are {h} x {w}, but {whose} are {height} x {width}",
                data.display()
            );
        }
    }
    Ok(())
}

/// Refuses to write over the model that a run starts from.
fn refuse_own_origin(recipe: &Recipe, out: &Path) -> Result<(), Usage> {
    let Some(Origin { model, .. }) = &recipe.init_from else { return Ok(()) };
    match (Path::new(model).canonicalize(), out.join(files::MODEL).canonicalize()) {
        (Ok(origin), Ok(replaced)) if origin == replaced => Err(Usage::new(format!(
            "the run starts from {model}, and would replace it: choose another --out"
        ))),
        _ => Ok(()),
    }
}

/// Refuses to write over an unfinished run, over one of which nothing can be said, and over files that are of no
/// run.
fn refuse_unfinished(out: &Path, overwrite: bool) -> Result<()> {
    let path = out.join(files::CHECKPOINT);
    if overwrite {
        return Ok(());
    }
    if !path.is_file() {
        let all = files::WRITTEN.iter().chain(&files::PICTURES);
        return match all.map(|name| out.join(name)).find(|path| path.exists()) {
            None => Ok(()),
            Some(path) => bail!(
                "{} is there, but no checkpoint of a run that wrote it: replace it with --overwrite, or \
                 choose another --out",
                path.display()
            ),
        };
    }
    let checkpoint = Checkpoint::<f32>::load(&path)
        .map_err(|e| anyhow!("{e}; replace it with --overwrite, or choose another --out"))?;
    let Checkpoint { recipe, position, .. } = &checkpoint;
    if !checkpoint.is_finished() {
        bail!(
            "{} holds a run that stopped after {} of {} epochs: go on with --resume, replace it \
             with --overwrite, or choose another --out",
            out.display(),
            position.epoch,
            recipe.epochs
        );
    }
    say(format_args!(
        "the finished run of {} epochs in {} is replaced once this one has a checkpoint",
        position.epoch,
        out.display()
    ));
    Ok(())
}

fn announce(run: &Run<'_, f32>, out: &Path, resumed: bool) {
    let recipe = run.recipe();
    say(format_args!(
        "{}: {} on {} images, {}, {} kernels, into {}",
        recipe.name,
        architecture(recipe),
        run.trainer().images(),
        threads(),
        elbo_kernels::Isa::active(),
        out.display()
    ));
    if let Some(Origin { model, part, .. }) = &recipe.init_from {
        say(format_args!("{part} of {model} is what it starts from"));
    }
    if recipe.freeze != ModelPart::None {
        say(format_args!("{} keeps its weights", recipe.freeze));
    }
    notes(&run.trainer().model, recipe).iter().for_each(say);
    if resumed {
        let Position { epoch, batch, .. } = run.trainer().position;
        say(format_args!("resumed after {epoch} epochs and {batch} batches"));
        if (run.rows().len() as u64) < epoch {
            let metrics = out.join(files::METRICS);
            say(format_args!(
                "{} lacks rows of these epochs, and goes on without them",
                metrics.display()
            ));
        }
    }
}

/// The widths from x to z, such as `784-400-20`, and what follows z.
fn architecture(recipe: &Recipe) -> String {
    let path = |from: usize, hidden: &[usize], to: usize| {
        let widths = std::iter::once(&from).chain(hidden).chain([&to]);
        widths.map(ToString::to_string).collect::<Vec<_>>().join("-")
    };
    let Recipe { hidden, latent, hidden2, latent2, flow_steps, .. } = recipe;
    let first = path(recipe.pixel_count().unwrap_or_default(), hidden, *latent);
    match (latent2, flow_steps) {
        (0, 0) if recipe.conditional => {
            format!("{first} with labels of {} classes", recipe.classes.unwrap_or_default())
        }
        (0, 0) if recipe.given != Given::Nothing => format!("{first} with {} given", recipe.given),
        (0, 0) => first,
        (0, 1) => format!("{first} with a flow of 1 step"),
        (0, steps) => format!("{first} with a flow of {steps} steps"),
        (latent2, _) => format!("{first}, {} above it,", path(*latent, hidden2, *latent2)),
    }
}

/// Draws everything and names all files of the run.
fn draw(run: &Run<'_, f32>, out: &Path, test: &Dataset) -> Result<Vec<PathBuf>> {
    let (vae, recipe, images) = (run.model(), run.recipe(), &test.images);
    let view = recipe.view(test, Part::Test);
    let size @ [height, width] = [images.height(), images.width()];
    let mut written = vec![files::MODEL, files::CHECKPOINT, files::METRICS, files::RECIPE];
    if !run.units().is_empty() {
        written.push(files::UNITS);
    }

    pictures::reconstructions(&out.join(files::RECONSTRUCTIONS), vae, view, 30)?;
    let (model, labels) = (out.join(files::MODEL), test.labels.as_deref());
    pictures::latent(&out.join(files::LATENT), model.display(), vae, view, labels, None)?;
    pictures::curves(&out.join(files::CURVES), run.rows())?;
    written.extend([files::RECONSTRUCTIONS, files::LATENT, files::CURVES]);
    if let AnyModel::Completion(model) = vae {
        let shown: Vec<usize> = view.indices().take(10).collect();
        let completed = complete(model, view, &shown, 10, recipe.seed);
        pictures::completions(&out.join(files::COMPLETIONS), &completed, size)?;
        written.push(files::COMPLETIONS);
    } else {
        let samples = vae.sample(100, recipe.seed);
        save_grid(&out.join(files::SAMPLES), samples.view(), height, width, 10)?;
        written.push(files::SAMPLES);
    }
    if vae.classes() > 0 {
        let pictures = vae.sample_classes(10, recipe.seed);
        save_grid(&out.join(files::CLASSES), pictures.view(), height, width, vae.classes())?;
        written.push(files::CLASSES);
    } else if recipe.latent == 2 && vae.has_prior_codes() {
        let points = recipe.manifold.points(10);
        pictures::manifold(&out.join(files::MANIFOLD), vae, points.view(), size)?;
        written.push(files::MANIFOLD);
    }
    let written: Vec<PathBuf> = written.iter().map(|name| out.join(name)).collect();
    // A finished run that is only drawn again may have lost some.
    let written: Vec<PathBuf> = written.into_iter().filter(|path| path.is_file()).collect();
    written.iter().for_each(|path| report_file(path));
    Ok(written)
}
