//! Learning from few labels: what images without one have to teach.

use elbo::{
    data::{Images, Part, Pixels, View},
    distributions::bernoulli::Bernoulli,
    layers::{Activation, Init, Mlp},
    models::Decoder,
    optim::{Optimiser, Settings},
    parameters::Parameters,
    random::{self, Purpose},
    uses::semi::{Classifier, M2Settings, M2Trainer, MlpM2, accuracy, fit_classifier},
};
use rand::Rng;

const CLASSES: usize = 3;
const COUNT: usize = 300;

/// Black and white images of 12 pixels, four of which a class lights up; one pixel in four is the other way round.
fn images() -> (Images, Vec<u8>) {
    let rng = &mut random::rng(1, Purpose::Check, 0, 0);
    let labels: Vec<u8> = (0..COUNT).map(|n| (n % CLASSES) as u8).collect();
    let mut pixel = |label: u8, j: usize| {
        let lit = j / 4 == usize::from(label);
        f32::from(u8::from(lit != (rng.random_range(0..4) == 0)))
    };
    let pixels = labels.iter().flat_map(|&y| (0..12).map(|j| pixel(y, j)).collect::<Vec<_>>());
    (Images::new(3, 4, Pixels::Floats(pixels.collect())).unwrap(), labels)
}

/// The weights of a model that has learned with the labels of the first of each class, and the accuracy of its
/// classifier on all images.
fn learned(epochs: usize, labelled_weight: Option<f64>) -> (Vec<u32>, f64) {
    let (images, labels) = images();
    let view = View::new(&images, Part::Train);
    let rng = &mut random::rng(0, Purpose::Init, 0, 0);
    let (tanh, init) = (Activation::Tanh, Init::Glorot);
    let model = MlpM2::<f32, _>::mlp_with(Bernoulli, [12, CLASSES], &[16], 1, tanh, init, rng);
    let optimiser = Optimiser::new(&model, &Settings::adam(0.01));
    let settings =
        M2Settings { unlabelled: 33, labelled: 10, alpha: 1.0, labelled_weight, seed: 0 };
    let labelled: Vec<usize> = (0..CLASSES).collect();
    let mut trainer = M2Trainer::new(model, optimiser, &view, (&labels, &labelled), settings);
    for _ in 0..epochs {
        trainer.epoch(|_| ()).unwrap();
    }
    let all: Vec<usize> = (0..COUNT).collect();
    let reached = accuracy(&trainer.model.classifier, &view, &all, &labels);
    (trainer.model.tensors().flatten().map(|v| v.to_bits()).collect(), reached)
}

#[test]
fn one_label_of_each_class_and_many_images_without_teach_more_than_the_labels_alone() {
    let (images, labels) = images();
    let view = View::new(&images, Part::Train);
    let rng = &mut random::rng(0, Purpose::Init, 0, 0);
    let hidden = Mlp::new(12, &[16], Activation::Tanh, Init::Glorot, rng);
    let mut alone: Classifier<f32> = Decoder::new(hidden, CLASSES, Init::Glorot, rng);
    let mut optimiser = Optimiser::new(&alone, &Settings::adam(0.01));
    let labelled: Vec<usize> = (0..CLASSES).collect();
    fit_classifier(&mut alone, &view, &labelled, &labels, 300, &mut optimiser, (10, 0));
    assert_eq!(accuracy(&alone, &view, &labelled, &labels), 1.0);
    let all: Vec<usize> = (0..COUNT).collect();
    let alone = accuracy(&alone, &view, &all, &labels);
    let (_, together) = learned(400, None);
    assert!(together > alone + 0.03, "{together} {alone}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let in_pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| learned(2, None)).0
    };
    let alone = in_pool(1);
    assert!(in_pool(2) == alone && in_pool(3) == alone);
}

#[test]
fn labelled_images_count_by_their_share_unless_a_weight_is_given() {
    let share = CLASSES as f64 / COUNT as f64;
    let by_share = learned(2, None).0;
    assert!(learned(2, Some(share)).0 == by_share);
    assert!(learned(2, Some(1.0)).0 != by_share);
}
