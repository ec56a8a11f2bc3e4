//! The divergence of a deep VAE with and without a warm-up of its weight.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicU64, Ordering},
};

use elbo::{
    data::Part,
    distributions::Likelihood,
    evaluation::Evaluator,
    layers::{Activation, Init},
    models::MlpVae,
    objectives::{Elbo, Figures, Objective, Signals},
    pictures::LinePlot,
    random::{self, Purpose},
    real::Real,
    training::Trainer,
};

use super::{mnist, series, trade::Weighted};

const EPOCHS: u64 = 20;

/// [`Weighted`] with a β that grows while it trains.
struct Scheduled<'a>(&'a AtomicU64);

impl<T: Real> Objective<T> for Scheduled<'_> {
    fn evaluate(&self, likelihood: &impl Likelihood<T>, s: &mut Signals<T>) -> Figures {
        let beta = f64::from_bits(self.0.load(Ordering::Relaxed));
        Weighted { beta }.evaluate(likelihood, s)
    }
}

pub fn draw() -> LinePlot {
    let (train, test) = (mnist(Part::Train), mnist(Part::Test));
    let runs = [("β = 1 throughout", 0), ("β from 0 to 1 over 10 epochs", 10)];
    let series = runs.map(|(name, warm_up)| {
        let beta = AtomicU64::new(0);
        let rng = &mut random::rng(0, Purpose::Init, 0, 0);
        let vae = MlpVae::<f32>::mlp(784, &[200, 200], 50, Activation::Tanh, Init::Glorot, rng);
        let mut trainer = Trainer::new(vae, Scheduled(&beta), &train, 128, 1e-3, 0);
        let mut points = vec![];
        for epoch in 1..=EPOCHS {
            let now = if warm_up == 0 { 1.0 } else { (epoch as f64 / warm_up as f64).min(1.0) };
            beta.store(now.to_bits(), Ordering::Relaxed);
            trainer.epoch(|_| ControlFlow::Continue(())).expect("finite");
            let e = Evaluator::new(&trainer.model, &test).evaluate(&trainer.model, &Elbo, 0, epoch);
            points.push((epoch as f64, e.kl));
            if epoch == EPOCHS {
                println!(
                    "{name}: -elbo {:.2} = {:.2} + {:.2}, {} active units of 50",
                    -e.elbo, -e.reconstruction, e.kl, e.active_units
                );
            }
        }
        series(name, points)
    });
    LinePlot {
        title: "KL on MNIST's test set, 784-200-200-50, tanh".into(),
        x: "epoch".into(),
        y: "nats per image".into(),
        log_x: false,
        log_y: false,
        series: series.into(),
    }
}
