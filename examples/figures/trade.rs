//! What the two terms of the ELBO trade: the same VAE trained with the divergence weighted by β.

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

const EPOCHS: usize = 8;

pub fn draw() -> LinePlot {
    let (train, test) = (mnist(Part::Train), mnist(Part::Test));
    let mut curves: [Vec<(f64, f64)>; 3] = Default::default();
    println!("  beta  -reconstruction      kl    -elbo   active units of 20");
    for beta in [0.1, 0.3, 1.0, 3.0, 10.0, 30.0] {
        let rng = &mut random::rng(0, Purpose::Init, 0, 0);
        let vae = MlpVae::<f32>::mlp(784, &[200], 20, Activation::Relu, Init::Pytorch, rng);
        let objective = WeightedElbo::new(beta, WarmUp::None, 0.0);
        let mut trainer = Trainer::new(vae, objective, &train, 128, 1e-3, 0);
        for _ in 0..EPOCHS {
            trainer.epoch(|_| ControlFlow::Continue(())).expect("finite");
        }
        let e = Evaluator::new(&trainer.model, &test).evaluate(&trainer.model, &Elbo, 0, 0);
        let active = e.active_units.expect("the encoder puts out the posterior mean");
        println!("{beta:6}  {:15.1}  {:6.2}   {:6.1}   {active}", -e.reconstruction, e.kl, -e.elbo);
        let values = [-e.reconstruction, e.kl, -e.elbo];
        curves.iter_mut().zip(values).for_each(|(curve, v)| curve.push((beta, v)));
    }
    let names = ["-reconstruction", "KL", "-ELBO"];
    LinePlot {
        title: format!("MNIST's test set after {EPOCHS} epochs with the KL weighted by β"),
        x: "β".into(),
        y: "nats per image".into(),
        log_x: true,
        log_y: false,
        series: names.into_iter().zip(curves).map(|(name, curve)| series(name, curve)).collect(),
    }
}
