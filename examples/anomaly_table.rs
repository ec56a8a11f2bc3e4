//! One digit held out as the anomaly, each of the ten in turn: how well the scores of
//! `elbo::uses::anomaly` tell it from the others, with two latent dimensions and with 32.
//!
//! ```sh
//! cargo run --release --example anomaly_table
//! cargo run --release --example anomaly_table -- likelihood=gaussian variance=0.5
//! ```
//!
//! Any `key=value` of a recipe can be given; without one it is `784-256-latent`, 3 epochs. The model
//! learns from the training images of the other nine digits, and is asked about all test images. What is
//! printed is the area under the ROC curve.

use std::{error::Error, ops::ControlFlow, path::Path};

use elbo::{
    data::{self, Dataset, Part},
    models::AnyModel,
    recipe::Recipe,
    training::Trainer,
    uses::anomaly::{Kind, Score, labelled, roc_auc},
};

const DIGITS: [u8; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    let (train, test) = (data::load(&folder, Part::Train)?, data::load(&folder, Part::Test)?);
    let own = Recipe { hidden: vec![256], epochs: 3, ..Recipe::default() };
    let recipe = std::env::args().skip(1).try_fold(own, |recipe, set| recipe.with(&set))?;
    let kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| kind.check(&recipe).is_ok()).collect();
    if kinds.is_empty() {
        return Err("no score is defined for models of this recipe".into());
    }
    for latent in [2, 32] {
        let recipe = Recipe { latent, image: Some([28, 28]), ..recipe.clone() };
        recipe.validate()?;
        let areas = DIGITS
            .iter()
            .map(|&digit| {
                let areas = areas(&recipe, &kinds, digit, &train, &test);
                eprintln!("latent {latent}, without digit {digit}: {areas:.3?}");
                areas
            })
            .collect::<Result<Vec<_>, _>>()?;
        println!("| {latent} latent dimensions | {} |", DIGITS.map(|d| d.to_string()).join(" | "));
        println!("|{}", " --- |".repeat(1 + DIGITS.len()));
        for (row, kind) in kinds.iter().enumerate() {
            let cells = areas.iter().map(|areas| format!("{:.3}", areas[row]));
            println!("| `{kind}` | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        println!();
    }
    Ok(())
}

/// The area under the ROC curve by each of these scores, of a model that has not seen the digit.
fn areas(
    recipe: &Recipe,
    kinds: &[Kind],
    digit: u8,
    train: &Dataset,
    test: &Dataset,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let is_digit = labelled(train, &[digit])?;
    let normal = train.clone().filtered(|index| !is_digit[index]).expect("nine digits are left");
    let model = trained(recipe, &normal)?;
    let (known, seen) = (recipe.view(&normal, Part::Train), recipe.view(test, Part::Test));
    let anomalous = labelled(test, &[digit])?;
    let area = |&kind: &Kind| {
        let samples = kind.default_samples() / 5;
        let score = Score::fit(kind, samples, &model, known, recipe.seed, |_| ())?;
        let scores = score.of(&model, seen, recipe.seed, |_| ())?;
        Ok(roc_auc(&scores, &anomalous).expect("some are the digit and some are not"))
    };
    kinds.iter().map(area).collect()
}

/// The recipe's model after its epochs.
fn trained(recipe: &Recipe, images: &Dataset) -> Result<AnyModel<f32>, Box<dyn Error>> {
    let view = recipe.view(images, Part::Train);
    let mut trainer = Trainer::with(recipe.model(), recipe.objective(), view, recipe.plan());
    for _ in 0..recipe.epochs {
        trainer.epoch(|_| ControlFlow::Continue(()))?;
    }
    Ok(trainer.model)
}
