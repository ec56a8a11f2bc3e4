//! Completing images: what the model is told, what it says, and how near that is.

use elbo::{
    data::{Images, Part, Pixels, View},
    evaluation::{Evaluator, log_likelihood},
    generation::Generate,
    models::{AnyCompletion, AnyModel, AnyVae, Given, Model},
    objectives::Elbo,
    random::{self, Purpose},
    recipe::Recipe,
    uses::completion::{Inference, complete, enlarge, fidelity, infer, psnr, ssim},
};
use ndarray::{Array2, Axis};
use safetensors::SafeTensors;

const SIZE: [usize; 2] = [4, 6];

fn model(given: &str, latent: usize) -> AnyCompletion<f64> {
    let given = given.parse().unwrap();
    let recipe =
        Recipe { hidden: vec![7], latent, given, image: Some(SIZE), seed: 3, ..Recipe::default() };
    recipe.validate().unwrap();
    match recipe.model() {
        AnyModel::Completion(model) => *model,
        _ => panic!("a model that completes images"),
    }
}

/// Random black and white images, of which a probability can be told.
fn images(count: usize) -> Images {
    use rand::Rng;
    let mut rng = random::rng(5, Purpose::Check, 0, 0);
    let pixels = (0..count * SIZE[0] * SIZE[1]).map(|_| 255 * rng.random_range(0..2u8)).collect();
    Images::new(SIZE[0], SIZE[1], Pixels::Bytes(pixels)).unwrap()
}

/// All of them, (images, pixels).
fn pixels(images: &Images) -> Array2<f64> {
    let mut x = Array2::zeros((images.len(), images.pixels_per_image()));
    images.gather(&(0..images.len()).collect::<Vec<_>>(), &mut x);
    x
}

/// The mean of log p(m|o) by the rectangle rule over a z of one dimension.
fn integrated(model: &AnyCompletion<f64>, images: &Images) -> f64 {
    let (x, step) = (pixels(images), 0.004);
    let codes = |z: f64| {
        let mut codes = Array2::from_elem((x.nrows(), 1 + model.given()), z);
        let mut given = Array2::zeros((x.nrows(), model.given()));
        model.parts.give(&x, &mut given);
        codes.view_mut().split_at(Axis(1), 1).1.assign(&given);
        codes
    };
    let mut sums = vec![0.0; x.nrows()];
    for z in (-2000..=2000).map(|k| step * f64::from(k)) {
        let means = model.decode_mean(codes(z).view());
        for ((sum, x), p) in sums.iter_mut().zip(x.rows()).zip(means.rows()) {
            let log_p = |&j: &usize| {
                let p = f64::from(p[j]);
                if x[j] == 1.0 { p.ln() } else { (1.0 - p).ln() }
            };
            let log_p: f64 = model.parts.missing.iter().map(log_p).sum();
            *sum += step * (log_p - 0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        }
    }
    sums.iter().map(|sum| sum.ln()).sum::<f64>() / sums.len() as f64
}

#[test]
fn the_likelihood_of_the_missing_pixels_is_its_integral_over_z_and_the_bound_is_below() {
    let images = images(5);
    let view = View::new(&images, Part::Test);
    for given in ["quadrants-1", "quadrants-3", "pooled-2"] {
        let model = model(given, 1);
        let truth = integrated(&model, &images);
        let estimate = log_likelihood(&model, view, 100_000, 0, |_| ()).log_likelihood;
        // Four standard errors of so many samples of five images.
        assert!((estimate - truth).abs() < 3e-3, "{given}: {estimate} for {truth}");
        let bound: f64 = (0..50)
            .map(|epoch| Evaluator::new(&model, view).evaluate(&model, &Elbo, 0, epoch).elbo)
            .sum::<f64>()
            / 50.0;
        assert!(bound < truth, "{given}: {bound} {truth}");
    }
}

#[test]
fn the_decoder_is_told_what_is_given_and_nothing_of_what_is_missing() {
    for (given, [a, b]) in [("quadrants-2", [9, 10]), ("pooled-2", [10, 11])] {
        let model = model(given, 2);
        let mut w = model.workspace_for(1, 1);
        let mut x = pixels(&images(1));
        // Of two missing pixels, in the same block, one is white and the other black.
        let mut evaluate = |white: usize| {
            (x[[0, a]], x[[0, b]]) = (0.0, 0.0);
            x[[0, white]] = 1.0;
            AnyCompletion::signals(&mut w).x.assign(&x);
            let figures = model.evaluate(&Elbo, &mut w);
            assert_eq!(AnyCompletion::signals(&mut w).x, x, "whole images, as they were");
            let mu = AnyCompletion::signals(&mut w).mu.clone();
            model.encode(&mut w);
            // The same z for both, whatever the encoder made of them.
            AnyCompletion::signals(&mut w).mu.fill(0.5);
            model.log_weights(&mut w);
            (mu, AnyCompletion::signals(&mut w).logits.clone(), figures.reconstruction)
        };
        let (one, other) = (evaluate(a), evaluate(b));
        assert_eq!(one.1, other.1, "{given}: the decoder");
        assert_ne!(one.0, other.0, "{given}: the encoder");
        assert_ne!(one.2, other.2, "{given}: the likelihood");
        x[[0, 12]] = 1.0 - x[[0, 12]];
        AnyCompletion::signals(&mut w).x.assign(&x);
        model.encode(&mut w);
        AnyCompletion::signals(&mut w).mu.fill(0.5);
        model.log_weights(&mut w);
        assert_ne!(AnyCompletion::signals(&mut w).logits, other.1, "{given}: a given pixel");
    }
}

#[test]
fn a_completion_keeps_what_is_given_and_belongs_to_its_image_and_number() {
    let images = images(4);
    let model = model("quadrants-2", 3);
    let completed = complete(&model, &images, &[1, 3], 3, 8);
    for draw in &completed.draws {
        for (n, image) in draw.rows().into_iter().enumerate() {
            for pixel in (0..24).filter(|pixel| pixel % 6 < 3) {
                assert_eq!(image[pixel], completed.originals[[n, pixel]]);
                assert_eq!(completed.given[[n, pixel]], image[pixel]);
            }
            assert!(model.parts.missing.iter().all(|&pixel| completed.given[[n, pixel]] == 0.0));
        }
    }
    let [first, second, ..] = &completed.draws[..] else { panic!("three draws") };
    assert_ne!(first, second);
    assert_eq!(complete(&model, &images, &[3], 2, 8).draws[1].row(0), second.row(1));
    assert_ne!(complete(&model, &images, &[3], 2, 9).draws[1].row(0), second.row(1));
    let mean = (&completed.draws[0] + &completed.draws[1] + &completed.draws[2]) / 3.0;
    assert!((mean - completed.mean()).iter().all(|difference| difference.abs() < 1e-6));
}

#[test]
fn a_whole_image_of_a_pooled_one_is_decoded() {
    let images = images(3);
    let completed = complete(&model("pooled-2", 3), &images, &[0, 2], 1, 0);
    assert_eq!(completed.draws[0].dim(), (2, 24));
    let block = [0, 1, 6, 7].map(|pixel| completed.originals[[1, pixel]]);
    for pixel in [0, 1, 6, 7] {
        assert_eq!(completed.given[[1, pixel]], block.iter().sum::<f32>() / 4.0);
    }
}

#[test]
fn fidelity_is_of_all_images_and_best_for_the_image_itself() {
    let images = images(300);
    let view = View::new(&images, Part::Test);
    let model = model("quadrants-1", 2);
    let mut done = 0;
    let all: Vec<usize> = view.indices().collect();
    let given = (Given::Quadrants(1), &model.parts);
    let by_model = |batch: &[usize]| complete(&model, view, batch, 4, 0);
    let found = fidelity(&view, &all, given, &view.mean(), by_model, |n| done += n);
    assert_eq!(done, 300);
    // The mean over several draws is nearer than one, and fair coins are a mean squared error of 1/4.
    assert!(found.mean.rmse < found.one.rmse);
    assert!((found.without_model.rmse - 0.5).abs() < 0.01, "{found:?}");
}

/// A VAE of images of 4 x 6 pixels.
fn vae() -> AnyVae<f64> {
    let recipe = Recipe { hidden: vec![7], latent: 2, image: Some(SIZE), ..Recipe::default() };
    match recipe.model() {
        AnyModel::Vae(vae) => vae,
        _ => panic!("a VAE"),
    }
}

#[test]
fn a_posterior_that_is_searched_for_explains_what_is_given_better_than_the_encoder_does() {
    let (vae, images) = (vae(), images(6));
    let parts = Given::Pooled(2).parts(SIZE).unwrap();
    let error = |steps| {
        let by = Inference { steps, ..Inference::default() };
        let completed = infer(&vae, &parts, &images, &[0, 2, 5], 1, (by, 3));
        let mut numbers = [0, 1].map(|_| Array2::zeros((3, parts.given.len())));
        parts.give(&completed.originals, &mut numbers[0]);
        parts.give(&completed.draws[0], &mut numbers[1]);
        (&numbers[0] - &numbers[1]).mapv(|v: f32| v * v).sum()
    };
    // Without a step, it is the encoder's.
    assert!(error(300) < 0.9 * error(0), "{} {}", error(300), error(0));
}

#[test]
fn a_search_keeps_the_pixels_that_are_given_and_belongs_to_its_images() {
    let (vae, images) = (vae(), images(6));
    let parts = Given::Quadrants(2).parts(SIZE).unwrap();
    let by = Inference { steps: 20, ..Inference::default() };
    let completed = infer(&vae, &parts, &images, &[4, 1], 2, (by, 3));
    for pixel in (0..24).filter(|pixel| pixel % 6 < 3) {
        assert_eq!(completed.draws[1].column(pixel), completed.originals.column(pixel));
    }
    assert_ne!(completed.draws[0], completed.draws[1]);
    let alone = infer(&vae, &parts, &images, &[1], 2, (by, 3));
    assert_eq!(alone.draws[1].row(0), completed.draws[1].row(1));
}

#[test]
fn similarity_and_interpolation_are_those_of_well_known_libraries() {
    let bytes = std::fs::read("tests/golden/fidelity.safetensors").unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| {
        let view = file.tensor(name).unwrap();
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        let rows = 2;
        let columns = view.data().len() / 4 / rows;
        Array2::from_shape_vec((rows, columns), values.collect()).unwrap()
    };
    let (a, b, expected) = (tensor("a"), tensor("b"), tensor("ssim"));
    for n in 0..2 {
        let found = ssim(a.row(n), b.row(n), [28, 28]);
        assert!((found - f64::from(expected[[n, 0]])).abs() < 1e-6, "{found} {expected}");
        assert!((10.0..25.0).contains(&psnr(a.row(n), b.row(n))));
    }
    let large = enlarge(tensor("small").view(), [7, 5], 4);
    assert!((large - tensor("large")).iter().all(|difference| difference.abs() < 1e-6));
}
