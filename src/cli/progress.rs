//! Progress on standard error: a bar where it is a terminal, plain lines where it is not.

use std::{
    fmt::Write,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use super::common::say;
use crate::{
    evaluation::ACTIVE_VARIANCE,
    objectives::AnyObjective,
    recipe::Recipe,
    training::{Observer, Progress, Row},
};

/// A bar over images; invisible where standard error is no terminal.
pub fn images(message: &'static str, of: usize) -> ProgressBar {
    let style = "{msg} {wide_bar} {human_pos}/{human_len} images  {eta} left";
    bar(of as u64, style).with_message(message)
}

fn bar(length: u64, style: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(style).expect("the templates here are valid");
    let rate = |state: &ProgressState, out: &mut dyn Write| {
        // There is nowhere to report a failure to; the bar is then drawn without its rate.
        let _ = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
    };
    ProgressBar::new(length).with_style(style.with_key("rate", rate))
}

/// Shows a training run, and stops it when asked to.
pub struct TrainingProgress {
    stop: Arc<AtomicBool>,
    epochs: u64,
    latent: usize,
    /// What may keep a latent dimension from dying.
    remedy: &'static str,
    bar: Option<ProgressBar>,
    /// When the first step was done.
    pub first_step: Option<Instant>,
}

impl TrainingProgress {
    /// For a run of this recipe, which `stop` ends after the current step.
    pub fn new(stop: Arc<AtomicBool>, recipe: &Recipe) -> Self {
        let remedy = match recipe.objective() {
            AnyObjective::Elbo(_) | AnyObjective::Weighted(_) => {
                "; warm_up or free_bits may keep it"
            }
            AnyObjective::Sampled(_) => "; warm_up may keep it",
            AnyObjective::Iwae(_) => "",
        };
        let Recipe { epochs, latent, .. } = *recipe;
        Self { stop, epochs, latent, remedy, bar: None, first_step: None }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }
}

impl Observer for TrainingProgress {
    fn step(&mut self, progress: &Progress) -> ControlFlow<()> {
        self.first_step.get_or_insert_with(Instant::now);
        let style = "epoch {msg} {wide_bar} {rate}  {eta} left";
        let start = || {
            // What an earlier process did of this epoch counts as done, but not towards the rate.
            let bar = bar(progress.of, style).with_position(progress.images);
            bar.tick();
            bar.reset_eta();
            bar
        };
        let bar = self.bar.get_or_insert_with(start);
        if progress.images < bar.position() {
            bar.reset();
        }
        if !bar.is_hidden() {
            let (figures, width) = (progress.figures, self.epochs.to_string().len());
            bar.set_message(format!(
                "{:>width$}/{}  elbo {:.1} = {:.1} - {:.1}",
                progress.epoch, self.epochs, figures.elbo, figures.reconstruction, figures.kl
            ));
        }
        bar.set_position(progress.images);
        if self.stop.load(Ordering::Relaxed) {
            bar.finish_and_clear();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, row: &Row, died: &[usize]) {
        let width = self.epochs.to_string().len();
        let active = |units: usize| format!("   active {units}/{}", self.latent);
        self.say(&format!(
            "epoch {:>width$}/{}  train elbo {:8.3} = {:8.3} - {:6.3}   test elbo {:8.3} = {:8.3} \
             - {:6.3}{}   {:.2} s, {:.0} images/s",
            row.epoch,
            self.epochs,
            row.train_elbo,
            row.train_reconstruction,
            row.train_kl,
            row.test_elbo,
            row.test_reconstruction,
            row.test_kl,
            row.active_units.map_or(String::new(), active),
            row.seconds,
            row.images_per_second,
        ));
        if !died.is_empty() {
            let died: Vec<_> = died.iter().map(ToString::to_string).collect();
            self.say(&format!(
                "warning: latent dimension {} no longer carries information (its posterior mean varies \
                 by less than {ACTIVE_VARIANCE}){}",
                died.join(", "),
                self.remedy
            ));
        }
        if row.active_units == Some(0) && (row.epoch == self.epochs || !died.is_empty()) {
            self.say(
                "warning: no latent dimension carries information: the posterior has collapsed onto the \
                 prior",
            );
        }
    }
}
