//! Quadrants completed by a network without z: what `elbo train --recipe completion` is measured against.
//!
//! ```sh
//! cargo run --release --example plain_completion
//! ```
//!
//! Hidden layers, optimiser, batch and early stopping are those of the recipe, which are those of Pyro's example
//! `cvae`. What is printed is -log p(missing | given) of the test images, in nats per image.

use std::{error::Error, path::Path};

use elbo::{
    data::{self, Part},
    distributions::bernoulli::Bernoulli,
    layers::Mlp,
    models::{Decoder, Given},
    optim::Optimiser,
    random::{self, Purpose},
    recipe::Recipe,
    uses::completion::Plain,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    let (train, test) = (data::load(&folder, Part::Train)?, data::load(&folder, Part::Test)?);
    let recipe = Recipe::find("completion")?;
    let (known, held_out) = recipe.view(&train, Part::Train).split(recipe.validation);
    let seen = recipe.view(&test, Part::Test);
    println!("| quadrants given | -log p(missing given) of a plain network | epochs |");
    println!("| --- | --- | --- |");
    for quadrants in 1..=3 {
        let given = Given::Quadrants(quadrants);
        let parts = given.parts([train.images.height(), train.images.width()])?;
        let rng = &mut random::rng(recipe.seed, Purpose::Init, 0, 0);
        let Recipe { hidden, activation, init, .. } = &recipe;
        let hidden = Mlp::<f32>::new(parts.given.len(), hidden, *activation, *init, rng);
        let network = Decoder::new(hidden, parts.missing.len(), *init, rng);
        let mut plain = Plain { network, likelihood: Bernoulli, parts };
        let mut optimiser = Optimiser::new(&plain.network, &recipe.optimiser());
        let (mut best, mut at, mut best_epoch) = (plain.clone(), f64::NEG_INFINITY, 0);
        for epoch in 1..=recipe.epochs {
            plain.train(&known, &mut optimiser, (recipe.batch_size, recipe.seed, epoch));
            let log_prob = plain.log_prob(&held_out);
            eprintln!("{given}, epoch {epoch}: {log_prob:.3} on images held out");
            if log_prob > at {
                (best, at, best_epoch) = (plain.clone(), log_prob, epoch);
            }
            if epoch >= best_epoch + recipe.patience {
                break;
            }
        }
        println!("| {quadrants} | {:.2} | {best_epoch} |", -best.log_prob(&seen));
    }
    Ok(())
}
