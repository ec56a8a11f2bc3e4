//! Whole models beside the VAE, each of its parameters.

use elbo::{
    distributions::{any::LikelihoodKind, bernoulli::Bernoulli},
    gradcheck::{self, Elements},
    layers::{Activation, Init},
    models::{Given, IafVae, MlpConditional, MlpTwoLayer, MlpVae, Model, Vamp},
    objectives::{AnyObjective, Elbo, Iwae, SampledElbo, WarmUp},
    parameters::Parameters,
    random::{self, Purpose},
    recipe::Recipe,
    uses::{
        completion::{Bound, Posteriors},
        semi::{MlpM2, Shares},
    },
};
use libtest_mimic::Trial;

use super::{normal, rows};

pub fn all(trials: &mut Vec<Trial>) {
    vamp(trials);
    conditional(trials);
    completion(trials);
    inference(trials);
    few_labels(trials);
    two_layer(trials);
    iaf(trials);
}

/// A whole model whose prior is learned, pseudo-inputs included.
fn vamp(trials: &mut Vec<Trial>) {
    let rng = &mut random::rng(5, Purpose::Init, 0, 0);
    for components in [1, 4] {
        let vae = MlpVae::mlp(9, &[6], 2, Activation::Tanh, Init::Pytorch, rng);
        let mut vamp = Vamp::new(vae, components, rng);
        vamp.pseudo_inputs += &normal(components, 9, 18);
        sampled_model(trials, &format!("vamp, {components} components"), &vamp);
    }
}

/// A whole model of labelled images, with as many classes as images and with fewer.
fn conditional(trials: &mut Vec<Trial>) {
    let objectives = [
        ("elbo", AnyObjective::Elbo(Elbo), 1),
        ("sampled", AnyObjective::Sampled(SampledElbo::new(0.7, WarmUp::None)), 2),
        ("iwae", AnyObjective::Iwae(Iwae::default()), 3),
    ];
    for (classes, hidden) in [(2, &[6][..]), (3, &[]), (5, &[7, 6])] {
        let rng = &mut random::rng(5, Purpose::Init, 0, 0);
        let (activation, init) = (Activation::Tanh, Init::Pytorch);
        let model =
            MlpConditional::mlp_with(Bernoulli, [9, classes], hidden, 2, activation, init, rng);
        let x = normal(3, 9, 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
        for (name, objective, k) in &objectives {
            let eps = normal(3 * k, model.noise(), 15);
            let report = gradcheck::model(&model, objective, &x, &eps, Elements::All);
            rows(trials, &format!("conditional, {classes} classes, {hidden:?}, {name}"), report);
        }
    }
}

/// A whole model of images of which a part is given, by the pixel or by the block, and where a likelihood wants
/// several outputs for each missing pixel.
fn completion(trials: &mut Vec<Trial>) {
    for given in ["quadrants-1", "quadrants-2", "quadrants-3", "pooled-2"] {
        for likelihood in [LikelihoodKind::Bernoulli, LikelihoodKind::GaussianPerPixel] {
            let recipe = Recipe {
                hidden: vec![6],
                latent: 2,
                activation: Activation::Tanh,
                given: given.parse().unwrap(),
                likelihood,
                image: Some([4, 6]),
                ..Recipe::default()
            };
            let model = recipe.model::<f64>();
            let x = normal(3, 24, 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
            let eps = normal(3, 2, 15);
            let report = gradcheck::model(&model, &Elbo, &x, &eps, Elements::All);
            rows(trials, &format!("completion, {given}, {likelihood}"), report);
        }
    }
}

/// The bound on log p(o) of single images, for μ and log σ² of each.
fn inference(trials: &mut Vec<Trial>) {
    for given in [Given::Quadrants(1), Given::Pooled(2)] {
        let rng = &mut random::rng(5, Purpose::Init, 0, 0);
        let vae = MlpVae::<f64>::mlp(24, &[6], 3, Activation::Tanh, Init::Pytorch, rng);
        let parts = given.parts([4, 6]).unwrap();
        let numbers = normal(4, parts.given.len(), 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
        let mut bound = Bound::new(&vae.decoder, &parts, numbers, 0.3);
        let q = Posteriors { mu: normal(4, 3, 15), log_var: normal(4, 3, 16) };
        let (eps, mut d) = (normal(4, 3, 17), q.zeros_like());
        bound.gradient(&q, &eps, &mut d);
        let loss = |q: &Posteriors<f64>| bound.evaluate(q, &eps);
        let report = gradcheck::parameters(&q, &d, Elements::All, loss);
        rows(trials, &format!("inference, {given}"), report);
    }
}

/// M2, of batches with images of both kinds and of one alone.
fn few_labels(trials: &mut Vec<Trial>) {
    for ([unlabelled, labelled], hidden) in
        [([3, 2], &[6][..]), ([1, 1], &[]), ([2, 0], &[5, 4]), ([0, 3], &[6])]
    {
        let rng = &mut random::rng(6, Purpose::Init, 0, 0);
        let (activation, init) = (Activation::Tanh, Init::Pytorch);
        let model = MlpM2::mlp_with(Bernoulli, [9, 3], hidden, 2, activation, init, rng);
        let shares = Shares { unlabelled: 0.3, labelled: 0.7, classifier: 1.9 };
        let mut w = model.workspace(unlabelled, labelled);
        w.x.assign(&normal(unlabelled + labelled, 9, 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0)));
        w.labels.iter_mut().enumerate().for_each(|(n, label)| *label = (n + 1) % 3);
        let noise = normal(3 * unlabelled + labelled, 2, 15);
        MlpConditional::<f64, Bernoulli>::signals(&mut w.rows).eps.assign(&noise);
        let mut d = model.zeros_like();
        d.tensors_mut().for_each(|mut t| t.fill(f64::NAN));
        model.gradient(&shares, &mut w, &mut d);
        let report = gradcheck::parameters(&model, &d, Elements::All, |model| {
            -model.evaluate(&shares, &mut w).objective
        });
        rows(trials, &format!("m2, {unlabelled} + {labelled} images, {hidden:?}"), report);
    }
}

/// A whole model on three images with one and with three samples of each, for both objectives of a
/// model without a divergence in closed form.
fn sampled_model(trials: &mut Vec<Trial>, title: &str, model: &impl Model<f64>) {
    let x = normal(3, model.pixels(), 14).mapv(|v| (0.5 + 0.6 * v).clamp(0.0, 1.0));
    let objectives = [
        ("elbo", AnyObjective::Sampled(SampledElbo::new(0.7, WarmUp::None))),
        ("iwae", AnyObjective::Iwae(Iwae::default())),
    ];
    for ((name, objective), k) in objectives.iter().flat_map(|o| [(o, 1), (o, 3)]) {
        let eps = normal(3 * k, model.noise(), 15);
        let report = gradcheck::model(model, objective, &x, &eps, Elements::All);
        rows(trials, &format!("{title}, {k} samples, {name}"), report);
    }
}

fn two_layer(trials: &mut Vec<Trial>) {
    for (hidden, hidden2) in [(&[][..], &[][..]), (&[6], &[5]), (&[7, 6], &[5, 4])] {
        let rng = &mut random::rng(5, Purpose::Init, 0, 0);
        let (activation, init) = (Activation::Tanh, Init::Pytorch);
        let layers = [(hidden, 3), (hidden2, 2)];
        let model = MlpTwoLayer::mlp_with(Bernoulli, 9, layers, activation, init, rng);
        sampled_model(trials, &format!("two layers 9-{hidden:?}-3-{hidden2:?}-2"), &model);
    }
}

/// No step, one dimension (whose steps see the context alone), an order and its reverse, and hidden
/// layers narrower and wider than z.
fn iaf(trials: &mut Vec<Trial>) {
    for (latent, steps, width) in [(2, 0, 3), (1, 2, 3), (3, 1, 2), (3, 3, 7)] {
        let rng = &mut random::rng(5, Purpose::Init, 0, 0);
        let (activation, init) = (Activation::Tanh, Init::Pytorch);
        let vae = MlpVae::mlp(9, &[6], latent, activation, init, rng);
        let model = IafVae::new(vae, steps, width, activation, init, rng);
        sampled_model(
            trials,
            &format!("iaf, latent {latent}, {steps} steps, {width} wide"),
            &model,
        );
    }
}
