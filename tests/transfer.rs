//! Weights from another model, and parts that stay as they are, of every kind of model.

use std::ops::ControlFlow;

use elbo::{
    data::{Dataset, Images, Part, Pixels},
    layers::{Dense, Init},
    models::AnyModel,
    optim::{Frozen, Kind, Optimiser, Settings},
    parameters::{ModelPart, Parameters},
    random::{self, Purpose},
    recipe::Recipe,
    training::{OtherTensors, Trainer, copy_tensors},
};
use rand::RngCore;

const KINDS: [&[&str]; 6] = [
    &[],
    &["gated=true", "likelihood=gaussian-shared"],
    &["prior=vampprior", "pseudo_inputs=3"],
    &["hidden2=[4]", "latent2=2"],
    &["flow_steps=2", "flow_width=5"],
    &["conditional=true", "classes=3"],
];

fn recipe(set: &[&str]) -> Recipe {
    let own = Recipe { hidden: vec![7], latent: 3, batch_size: 8, ..Recipe::default() };
    let own = Recipe { image: Some([4, 3]), ..own };
    let recipe = set.iter().fold(own, |recipe, set| recipe.with(set).unwrap());
    recipe.validate().unwrap();
    recipe
}

fn data() -> Dataset {
    let mut bytes = vec![0; 20 * 12];
    random::rng(5, Purpose::Prior, 0, 0).fill_bytes(&mut bytes);
    let images = Images::new(4, 3, Pixels::Bytes(bytes)).unwrap();
    Dataset { images, labels: Some((0..20).map(|n| n % 3).collect()) }
}

/// The recipe's model after two epochs, from this one.
fn trained(recipe: &Recipe, model: AnyModel<f64>) -> AnyModel<f64> {
    let data = data();
    let view = recipe.view(&data, Part::Train);
    let mut trainer = Trainer::with(model, recipe.objective(), view, recipe.plan());
    for _ in 0..2 {
        trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    }
    trainer.model
}

/// Which tensors of two models of one shape are equal.
fn equal<M: Parameters<f64>>(one: &M, other: &M) -> Vec<bool> {
    one.tensors().zip(other.tensors()).map(|(a, b)| a == b).collect()
}

#[test]
fn every_tensor_belongs_to_the_encoder_or_to_the_decoder_and_what_is_frozen_alone_stays() {
    for set in KINDS {
        for optimiser in ["adam", "adamw", "sgd", "rmsprop"] {
            for (part, freeze) in [(ModelPart::Encoder, "encoder"), (ModelPart::Decoder, "decoder")]
            {
                let (optimiser, freeze) =
                    (format!("optimiser={optimiser}"), format!("freeze={freeze}"));
                let by = ["weight_decay=0.1", "clip_norm=1", &optimiser, &freeze];
                let recipe = recipe(&[set, &by].concat());
                let start = recipe.model();
                let end = trained(&recipe, start.clone());
                let names = start.names();
                let frozen: Vec<bool> = names.iter().map(|name| part.has(name)).collect();
                assert_eq!(equal(&start, &end), frozen, "{names:?} {set:?} {by:?}");
                assert!(frozen.contains(&true) && frozen.contains(&false));
            }
        }
    }
}

#[test]
fn the_rest_of_a_model_takes_the_same_first_step_whatever_is_frozen() {
    for optimiser in [Kind::Adam, Kind::AdamW, Kind::Sgd, Kind::RmsProp] {
        let rng = &mut random::rng(1, Purpose::Init, 0, 0);
        let start = Dense::<f64>::new(4, 3, Init::Glorot, rng);
        let d = Dense::new(4, 3, Init::Glorot, rng);
        let settings = Settings { optimiser, weight_decay: 0.1, ..Settings::adam(0.1) };
        let step = |frozen: Frozen| {
            let mut layer = start.clone();
            let mut optimiser = Optimiser::new(&layer, &settings);
            optimiser.freeze(frozen);
            optimiser.step(&mut layer, &d);
            layer
        };
        let (all, bias) =
            (step(Frozen::default()), step(Frozen::new(&start, |name| name == "weight")));
        assert_eq!((&bias.weight, &bias.bias), (&start.weight, &all.bias), "{optimiser:?}");
        assert!(all.weight != start.weight);
    }
}

#[test]
fn a_part_is_copied_and_the_rest_is_not() {
    for set in KINDS {
        let source = recipe(&[set, &["seed=1"]].concat()).model::<f64>();
        for part in [ModelPart::None, ModelPart::Encoder, ModelPart::Decoder, ModelPart::All] {
            let start = recipe(set).model::<f64>();
            let mut target = start.clone();
            copy_tensors(&source, &mut target, |name| part.has(name)).unwrap();
            for (((name, from), before), after) in source
                .names()
                .iter()
                .zip(source.tensors())
                .zip(start.tensors())
                .zip(target.tensors())
            {
                assert_eq!(after, if part.has(name) { from } else { before }, "{name} {part}");
            }
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_named_and_nothing_is_copied() {
    let copies = |from: &[&str], to: &[&str]| {
        let source = recipe(&[from, &["seed=1"]].concat()).model::<f64>();
        let start = recipe(to).model::<f64>();
        let mut target = start.clone();
        let error =
            copy_tensors(&source, &mut target, |name| ModelPart::Encoder.has(name)).unwrap_err();
        assert_eq!(target, start);
        error
    };
    let name = |name: &str| name.to_string();
    let (name1, shape) = (name("encoder.hidden.1.weight"), name("encoder.mu.weight"));
    assert_eq!(copies(&[], &["hidden=[7,7]"]), OtherTensors::Missing { name: name1.clone() });
    assert_eq!(copies(&["hidden=[7,7]"], &[]), OtherTensors::Surplus { name: name1 });
    let expected = OtherTensors::Shape { name: shape, found: vec![3, 7], expected: vec![2, 7] };
    assert_eq!(copies(&[], &["latent=2"]), expected);
}
