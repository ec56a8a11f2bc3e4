//! Figures over a data set against the same figures image by image, and against published ones.

use std::{ops::ControlFlow, path::Path};

use elbo::{
    data::{self, Images, Part, Pixels},
    evaluation::Evaluator,
    layers::{Activation, Init},
    models::{AnyModel, MlpVae, Model},
    objectives::Elbo,
    parameters::Parameters,
    random::{self, Purpose},
    recipe::Recipe,
    training::Trainer,
};
use ndarray::{Array1, Axis};

use super::{assert_close, images, mean_and_error};

/// One image on its own: its reconstruction term, its KL and its μ.
struct Alone {
    reconstruction: f64,
    kl: Array1<f64>,
    mu: Array1<f64>,
}

fn one_at_a_time(
    vae: &MlpVae<f64>,
    images: &Images,
    seed: u64,
    purpose: Purpose,
    epoch: u64,
) -> Vec<Alone> {
    let mut w = vae.workspace(1);
    let evaluate = |n| {
        images.gather(&[n], &mut w.signals.x);
        random::fill_normal(&mut w.signals.eps, seed, purpose, epoch, [n]);
        let reconstruction = vae.evaluate(&Elbo, &mut w).reconstruction;
        let (kl, mu) = (w.signals.kl.row(0).to_owned(), w.signals.mu.row(0).to_owned());
        Alone { reconstruction, kl, mu }
    };
    (0..images.len()).map(evaluate).collect()
}

/// 300 images: a batch of 256 and a smaller one.
#[test]
fn evaluation_is_the_mean_over_images_whatever_the_batches() {
    let images = images(300, 4, 5);
    let rng = &mut random::rng(10, Purpose::Init, 0, 0);
    let vae = MlpVae::mlp(20, &[9], 3, Activation::Tanh, Init::Pytorch, rng);
    let ours = Evaluator::new(&vae, &images).evaluate(&vae, &Elbo, 4, 7);
    let alone = one_at_a_time(&vae, &images, 4, Purpose::TestNoise, 7);

    let elbo = mean_and_error(alone.iter().map(|a| a.reconstruction - a.kl.sum()));
    assert_eq!(ours.images, 300);
    assert_close(ours.elbo, elbo.0, 1e-12);
    assert_close(ours.elbo_standard_error, elbo.1, 1e-9);
    let reconstruction = mean_and_error(alone.iter().map(|a| a.reconstruction)).0;
    assert_close(ours.reconstruction, reconstruction, 1e-12);
    assert_close(ours.kl, mean_and_error(alone.iter().map(|a| a.kl.sum())).0, 1e-12);
    for j in 0..3 {
        assert_close(
            ours.kl_per_dimension[j],
            mean_and_error(alone.iter().map(|a| a.kl[j])).0,
            1e-12,
        );
        let mean = mean_and_error(alone.iter().map(|a| a.mu[j])).0;
        let variance = mean_and_error(alone.iter().map(|a| (a.mu[j] - mean).powi(2))).0;
        assert_close(ours.mean_variance[j], variance, 1e-9);
    }
}

/// With a learning rate too small to move a weight, an epoch's figures are those of its start.
#[test]
fn an_epoch_s_figures_weight_the_odd_last_batch_by_its_images() {
    let images = images(41, 4, 5);
    let rng = &mut random::rng(11, Purpose::Init, 0, 0);
    let vae = MlpVae::mlp(20, &[9], 3, Activation::Tanh, Init::Pytorch, rng);
    let alone = one_at_a_time(&vae, &images, 5, Purpose::TrainNoise, 1);
    let mut trainer = Trainer::new(vae.clone(), Elbo, &images, 16, 1e-300, 5);
    let ours = trainer.epoch(|_| ControlFlow::Continue(())).unwrap().unwrap();
    assert!(trainer.model == vae);
    assert_close(
        ours.reconstruction,
        mean_and_error(alone.iter().map(|a| a.reconstruction)).0,
        1e-12,
    );
    assert_close(ours.kl, mean_and_error(alone.iter().map(|a| a.kl.sum())).0, 1e-12);
    assert_eq!(ours.elbo, ours.reconstruction - ours.kl);
    assert_close(ours.objective, ours.elbo, 1e-12);
}

#[test]
fn a_unit_is_active_where_its_posterior_mean_varies_and_nowhere_else() {
    // Pixel 2 takes the values 0 and 1 in turns, so its variance is ¼; the others are constant.
    let bytes = (0..600).flat_map(|n| [255, 0, if n % 2 == 0 { 0 } else { 255 }, 90]).collect();
    let images = Images::new(2, 2, Pixels::Bytes(bytes)).unwrap();
    let rng = &mut random::rng(12, Purpose::Init, 0, 0);
    let mut vae = MlpVae::<f64>::mlp(4, &[], 3, Activation::Relu, Init::Glorot, rng).zeros_like();
    vae.encoder.mu.bias.fill(3.0);
    vae.encoder.mu.weight[[0, 0]] = 1.0;
    for (weight, active) in [(0.0, 0), (0.19, 0), (0.21, 1), (-2.0, 1)] {
        vae.encoder.mu.weight[[2, 1]] = weight;
        let ours = Evaluator::new(&vae, &images).evaluate(&vae, &Elbo, 0, 0);
        assert_eq!(ours.active_units, Some(active), "{:?}", ours.mean_variance);
        for (variance, truth) in ours.mean_variance.iter().zip([0.0, weight * weight / 4.0, 0.0]) {
            assert!((variance - truth).abs() < 1e-12, "{:?}", ours.mean_variance);
        }
    }
}

/// The divergence of each dimension where the objective estimates it as a whole, and how the posterior mean
/// varies where it is not known.
#[test]
fn what_is_not_defined_is_left_out() {
    let images = images(40, 4, 5);
    let evaluate = |set: &[&str]| {
        let recipe =
            Recipe { hidden: vec![9], latent: 3, image: Some([4, 5]), ..Recipe::default() };
        let recipe = set.iter().fold(recipe, |recipe, set| recipe.with(set).unwrap());
        let model = recipe.model::<f64>();
        let ours = Evaluator::new(&model, &images).evaluate(&model, &model.elbo(), 0, 0);
        let mut w = model.workspace_for(40, 1);
        images.gather(&(0..40).collect::<Vec<_>>(), &mut AnyModel::signals(&mut w).x);
        model.encode(&mut w);
        (ours, AnyModel::signals(&mut w).mu.var_axis(Axis(0), 0.0))
    };
    let (vae, _) = evaluate(&[]);
    assert_eq!((vae.kl_per_dimension.len(), vae.mean_variance.len()), (3, 3));
    for set in [&["prior=vampprior", "pseudo_inputs=5"][..], &["hidden2=[4]", "latent2=2"]] {
        let (ours, variance) = evaluate(set);
        assert!(ours.kl_per_dimension.is_empty() && ours.active_units.is_some(), "{set:?}");
        assert!(ours.kl.abs() > 1e-3, "{set:?}");
        for (ours, truth) in ours.mean_variance.iter().zip(variance) {
            assert_close(*ours, truth, 1e-9);
        }
    }
    let (flow, _) = evaluate(&["flow_steps=2", "flow_width=9"]);
    assert!(flow.kl_per_dimension.is_empty() && flow.mean_variance.is_empty());
    assert_eq!(flow.active_units, None);
}

#[test]
fn figures_of_a_broken_model_are_no_numbers_rather_than_zero() {
    let images = images(5, 2, 2);
    let rng = &mut random::rng(13, Purpose::Init, 0, 0);
    let mut vae = MlpVae::<f64>::mlp(4, &[3], 2, Activation::Relu, Init::Glorot, rng);
    vae.encoder.mu.bias[0] = f64::NAN;
    let ours = Evaluator::new(&vae, &images).evaluate(&vae, &Elbo, 0, 0);
    assert!(ours.elbo.is_nan() && ours.elbo_standard_error.is_nan());
    assert!(ours.mean_variance[0].is_nan() && ours.mean_variance[1].is_finite());
}

/// Logits near 0 cost ln 2 for each of the 784 pixels: 543.4. Published logs of the PyTorch example
/// begin with 547 to 551.
#[test]
fn the_first_batch_of_mnist_costs_about_one_bit_per_pixel() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    let images = data::load(&folder, Part::Train).unwrap().images;
    let recipe = Recipe { image: Some([28, 28]), ..Recipe::find("pytorch-example").unwrap() };
    let mut trainer = Trainer::new(
        recipe.model::<f32>(),
        Elbo,
        &images,
        recipe.batch_size,
        recipe.learning_rate,
        recipe.seed,
    );
    let mut first = f64::NAN;
    let stopped = trainer.epoch(|progress| {
        first = -progress.figures.elbo;
        ControlFlow::Break(())
    });
    assert_eq!(stopped, Ok(None));
    assert!((540.0..556.0).contains(&first), "{first}");
}
