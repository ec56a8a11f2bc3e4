//! The command line: one file per subcommand, and no mathematics.

mod anomaly;
mod check;
mod common;
mod complete;
mod encode;
mod evaluate;
mod info;
mod interpolate;
mod manifold;
mod pictures;
mod probe;
mod progress;
mod project;
mod published;
mod reconstruct;
mod repair;
mod sample;
mod semi;
mod signals;
mod speed;
mod study;
mod train;
mod walk;

use std::{process::ExitCode, time::Instant};

use anyhow::{Context, anyhow};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use elbo_kernels::Isa;

use common::Usage;

/// Variational autoencoders on a CPU.
///
/// `elbo train` trains the default recipe on data/mnist and writes the weights, the metrics and
/// pictures into runs/tutorial. The other commands use a trained model.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Threads to compute with; results do not depend on it [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

const EXAMPLES: &str = "\
Examples:
  elbo train                                      the default recipe on data/mnist
  elbo train --recipe pytorch-example --seed 1    another recipe, another seed
  elbo evaluate runs/tutorial/model.safetensors   the test ELBO with its parts
  elbo sample runs/tutorial/model.safetensors --out samples.png
  elbo study                                      one training step, number by number
  elbo check                                      every gradient of a model, checked
  elbo anomaly fit --held-out 7                   a detector of what is not like other digits
  elbo help train                                 all options of a command, explained

The environment variable ELBO_ISA (portable, avx2, avx512) forces an instruction set; results
do not depend on it.";

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Arguments),
    Evaluate(evaluate::Arguments),
    Sample(sample::Arguments),
    Reconstruct(reconstruct::Arguments),
    Repair(repair::Arguments),
    Manifold(manifold::Arguments),
    Encode(encode::Arguments),
    Project(project::Arguments),
    Probe(probe::Arguments),
    Interpolate(interpolate::Arguments),
    Walk(walk::Arguments),
    Complete(complete::Arguments),
    Semi(semi::Arguments),
    Info(info::Arguments),
    Study(study::Arguments),
    Check(check::Arguments),
    Anomaly(anomaly::Arguments),
}

/// Runs the command that the process was started with: 0 when done, 1 with one message on standard
/// error when it failed, 2 for arguments that cannot be used.
pub fn main() -> ExitCode {
    let started = Instant::now();
    match answer(started) {
        Ok(status) => status,
        Err(error) => {
            common::say(format_args!("error: {error:#}"));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// Does what the arguments ask for.
fn answer(started: Instant) -> anyhow::Result<ExitCode> {
    signals::survive_the_limit_on_files().context("cannot watch for the limit on files")?;
    let matches = with_negative_numbers(Arguments::command()).try_get_matches();
    match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => run(arguments, started)?,
        Err(refusal) if refusal.use_stderr() => {
            // Not by its own means: what it quotes may hold control characters.
            common::say(refusal.render().to_string().trim_end());
            return Ok(ExitCode::from(2));
        }
        Err(help) => common::written(help.print())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A command whose options take `-1` for a value, and say what is wrong with it.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let takes = |argument: clap::Arg| match argument.get_action().takes_values() {
        true => argument.allow_negative_numbers(true),
        false => argument,
    };
    command.mut_args(takes).mut_subcommands(with_negative_numbers)
}

fn run(arguments: Arguments, started: Instant) -> anyhow::Result<()> {
    Isa::from_env().map_err(Usage::new)?;
    let threads = arguments.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    // Its source is in its message.
    let pool = pool.map_err(|error| anyhow!("cannot start the threads: {error}"))?;
    pool.install(|| match arguments.command {
        Command::Train(a) => train::run(a, started),
        Command::Evaluate(a) => evaluate::run(&a),
        Command::Sample(a) => sample::run(&a),
        Command::Reconstruct(a) => reconstruct::run(&a),
        Command::Repair(a) => repair::run(&a),
        Command::Manifold(a) => manifold::run(&a),
        Command::Encode(a) => encode::run(&a),
        Command::Project(a) => project::run(&a),
        Command::Probe(a) => probe::run(&a),
        Command::Interpolate(a) => interpolate::run(&a),
        Command::Walk(a) => walk::run(&a),
        Command::Complete(a) => complete::run(&a),
        Command::Semi(a) => semi::run(&a),
        Command::Info(a) => info::run(&a),
        Command::Study(a) => study::run(&a),
        Command::Check(a) => check::run(&a),
        Command::Anomaly(a) => anomaly::run(&a, started),
    })
}
