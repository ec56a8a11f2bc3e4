//! Numbers at the edge: training goes on with finite numbers, or stops with the tensor and the step by name.

use std::ops::ControlFlow;

use elbo::{
    data::{Images, Part, Pixels},
    distributions::{any::LikelihoodKind, gaussian},
    models::AnyModel,
    parameters::Parameters,
    recipe::Recipe,
    training::{NonFinite, Trainer},
};
use ndarray::{Array2, arr2};
use proptest::prelude::*;

const IMAGES: usize = 12;
const PIXELS: usize = 6;

/// Models, objectives and optimisers of every kind, with these settings above a small network.
const KINDS: [&[&str]; 10] = [
    &[],
    &["objective=iwae", "samples=3"],
    &["free_bits=0.1", "beta=2", "warm_up={ linear = { epochs = 2 } }"],
    &["samples=2", "optimiser=adamw", "weight_decay=0.1"],
    &["optimiser=sgd", "clip_norm=1"],
    &["optimiser=rmsprop", "activation=relu"],
    &["prior=vampprior", "pseudo_inputs=3", "gated=true"],
    &["hidden2=[4,3]", "latent2=2"],
    &["flow_steps=2", "flow_width=5"],
    &["missing=0.5"],
];

fn recipe(settings: &[&str]) -> Recipe {
    let (hidden, image) = (vec![5, 4], Some([2, 3]));
    let recipe = Recipe { hidden, image, latent: 3, batch_size: 5, epochs: 3, ..Recipe::default() };
    settings.iter().fold(recipe, |recipe, set| recipe.with(set).unwrap())
}

fn images(count: usize, pixel: impl Fn(usize) -> u8) -> Images {
    Images::new(2, 3, Pixels::Bytes((0..count * PIXELS).map(pixel).collect())).unwrap()
}

fn ordinary() -> Images {
    images(IMAGES, |i| (i * 37 % 256) as u8)
}

/// Three epochs. Where they come to their end, every figure is finite and so is every weight.
fn train(
    recipe: &Recipe,
    images: &Images,
    fault: impl Fn(&mut AnyModel<f32>),
) -> Result<(), NonFinite> {
    let mut model = recipe.model::<f32>();
    fault(&mut model);
    let data = elbo::data::Dataset { images: images.clone(), labels: None };
    let view = recipe.view(&data, Part::Train);
    let mut trainer = Trainer::with(model, recipe.objective(), view, recipe.plan());
    for _ in 0..recipe.epochs {
        let figures = trainer.epoch(|_| ControlFlow::Continue(()))?.expect("nobody stops it");
        let all = [figures.objective, figures.elbo, figures.reconstruction, figures.kl];
        assert!(all.iter().all(|v| v.is_finite()), "{figures:?}");
        let is_sampled = recipe.latent2 > 0 || recipe.flow_steps > 0 || recipe.pseudo_inputs > 0;
        assert!(is_sampled || figures.kl >= 0.0, "{figures:?}");
        assert!(trainer.model.tensors().all(|t| t.iter().all(|v| v.is_finite())));
    }
    Ok(())
}

/// Trains every kind with every likelihood. What stops must name a tensor of the model, of its optimiser or of
/// the batch. How many went on, and how many stopped.
fn survey(images: &Images, more: &[&str], fault: impl Fn(&mut AnyModel<f32>)) -> (usize, usize) {
    let mut ends = (0, 0);
    for settings in KINDS {
        for likelihood in LikelihoodKind::ALL {
            let likelihood = format!("likelihood={likelihood}");
            let settings = [settings, more, &[&likelihood]].concat();
            let recipe = recipe(&settings);
            if recipe.validate().is_err() {
                continue;
            }
            match train(&recipe, images, &fault) {
                Ok(()) => ends.0 += 1,
                Err(NonFinite { tensor, step, epoch }) => {
                    let known = recipe.model::<f32>().names();
                    let named = known.iter().any(|name| tensor.ends_with(name.as_str()));
                    let signals = ["mu", "log_var", "z", "logits", "kl", "log_prob", "log_ratio"];
                    assert!(named || signals.contains(&tensor.as_str()), "{settings:?}: {tensor}");
                    assert!(step > 0 && epoch > 0, "{settings:?}");
                    ends.1 += 1;
                }
            }
        }
    }
    assert!(ends.0 + ends.1 > 50, "{ends:?}");
    ends
}

/// Sets every element of the tensors whose names end so.
fn set(end: &'static str, value: f32) -> impl Fn(&mut AnyModel<f32>) {
    move |model| {
        let names = model.names();
        let tensors = names.iter().zip(model.tensors_mut()).filter(|(name, _)| name.ends_with(end));
        let found = tensors.map(|(_, mut t)| t.fill(value)).count();
        assert!(found > 0, "no {end}");
    }
}

fn unchanged(_: &mut AnyModel<f32>) {}

#[test]
fn images_without_any_variety_train_on() {
    for byte in [0, 255, 7] {
        let (_, stopped) = survey(&images(IMAGES, |_| byte), &["learning_rate=0.01"], unchanged);
        assert_eq!(stopped, 0, "all pixels {byte}");
    }
}

#[test]
fn a_single_image_and_batches_of_one_train_on() {
    let (_, stopped) = survey(&images(1, |i| (i * 40) as u8), &[], unchanged);
    assert_eq!(stopped, 0);
    let (_, stopped) = survey(&ordinary(), &["batch_size=1"], unchanged);
    assert_eq!(stopped, 0);
}

#[test]
fn weights_that_are_subnormal_train_on() {
    let tiny = |model: &mut AnyModel<f32>| {
        model.tensors_mut().for_each(|mut t| t.mapv_inplace(|v| v * 1e-39));
    };
    assert_eq!(survey(&ordinary(), &[], tiny).1, 0);
}

#[test]
fn a_posterior_with_an_extreme_variance_trains_on_or_is_named() {
    for log_var in [1e4, -1e4, f32::MAX, f32::MIN] {
        survey(&ordinary(), &[], set("log_var.bias", log_var));
    }
    // The bound on log σ² holds for the plain model, whatever the decoder makes of σ = 2.2e4.
    for log_var in [1e4, -1e4] {
        train(&recipe(&[]), &ordinary(), set("log_var.bias", log_var)).unwrap();
    }
}

#[test]
fn extreme_logits_train_on_or_are_named() {
    for logit in [1e30, -1e30, 1e4, f32::MAX] {
        survey(&ordinary(), &[], set("output.bias", logit));
    }
    for logit in [1e30, -1e30] {
        train(&recipe(&[]), &ordinary(), set("output.bias", logit)).unwrap();
    }
}

#[test]
fn weights_at_the_limits_of_f32_are_named() {
    let (_, stopped) = survey(&ordinary(), &[], set("weight", f32::MAX));
    assert!(stopped > 0);
}

#[test]
fn a_learning_rate_of_ten_trains_on_or_is_named() {
    survey(&ordinary(), &["learning_rate=10"], unchanged);
}

proptest! {
    #[test]
    fn a_divergence_is_never_below_zero_and_nan_only_of_nan(mu: f32, log_var: f32) {
        let mut kl = Array2::zeros((1, 1));
        gaussian::kl(&arr2(&[[mu]]), &arr2(&[[log_var]]), &mut kl);
        prop_assert!(kl[[0, 0]] >= 0.0);
        for bits in 0..64 {
            let flipped = f32::from_bits(log_var.to_bits() ^ (1 << (bits % 32)));
            let mu = if bits < 32 { mu } else { 0.0 };
            gaussian::kl(&arr2(&[[mu]]), &arr2(&[[flipped]]), &mut kl);
            prop_assert!(kl[[0, 0]] >= 0.0 || flipped.is_nan() && kl[[0, 0]].is_nan());
        }
    }
}
