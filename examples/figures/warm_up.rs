//! The divergence of a deep VAE with and without a warm-up of its weight.

use std::ops::ControlFlow;

use elbo::{
    data::Part,
    evaluation::Evaluator,
    layers::{Activation, Init},
    models::MlpVae,
    objectives::{Elbo, WarmUp, WeightedElbo},
    pictures::LinePlot,
    random::{self, Purpose},
    training::Trainer,
};

use super::{mnist, series};

const EPOCHS: u64 = 20;

pub fn draw() -> LinePlot {
    let (train, test) = (mnist(Part::Train), mnist(Part::Test));
    let runs = [
        ("β = 1 throughout", WarmUp::None),
        ("β from 0 to 1 over 10 epochs", WarmUp::Linear { epochs: 10 }),
    ];
    let series = runs.map(|(name, warm_up)| {
        let rng = &mut random::rng(0, Purpose::Init, 0, 0);
        let vae = MlpVae::<f32>::mlp(784, &[200, 200], 50, Activation::Tanh, Init::Glorot, rng);
        let objective = WeightedElbo::new(1.0, warm_up, 0.0);
        let mut trainer = Trainer::new(vae, objective, &train, 128, 1e-3, 0);
        let mut points = vec![];
        for epoch in 1..=EPOCHS {
            trainer.epoch(|_| ControlFlow::Continue(())).expect("finite");
            let e = Evaluator::new(&trainer.model, &test).evaluate(&trainer.model, &Elbo, 0, epoch);
            points.push((epoch as f64, e.kl));
            if epoch == EPOCHS {
                let active = e.active_units.expect("the encoder puts out the posterior mean");
                println!(
                    "{name}: -elbo {:.2} = {:.2} + {:.2}, {active} active units of 50",
                    -e.elbo, -e.reconstruction, e.kl
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
