//! Scores of single images against the figures of whole data sets and against arithmetic by hand, and
//! what they find and miss in data made for the purpose.

use std::ops::ControlFlow;

use elbo::{
    data::{Dataset, Images, OtherSize, Part, Pixels, View},
    distributions::Likelihood,
    evaluation::{Evaluator, log_likelihood, log_likelihoods, terms},
    generation::Generate,
    models::{AnyModel, Model},
    objectives::Elbo,
    random::{self, Purpose},
    recipe::{MAX_SAMPLES, Recipe},
    training::Trainer,
    uses::anomaly::{
        AnomalyError, Background, Codes, Kind, Score, explain, labelled, roc_auc, split,
    },
};
use ndarray::Array2;
use rand::{Rng, RngCore};

/// 300 images: a batch of 256 and a smaller one.
const IMAGES: usize = 300;

fn images(count: usize) -> Images {
    let grey = |i: usize| (i % 4 + i / 20 % 3) as f32 / 5.0;
    Images::new(4, 5, Pixels::Floats((0..20 * count).map(grey).collect())).unwrap()
}

/// A model of 20 pixels with such additions to the recipe.
fn model(set: &[&str]) -> AnyModel<f64> {
    let recipe = Recipe { hidden: vec![9], latent: 3, image: Some([4, 5]), ..Recipe::default() };
    set.iter().fold(recipe, |recipe, set| recipe.with(set).unwrap()).model()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * b.abs().max(1.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_terms_of_single_images_are_in_the_mean_those_of_all() {
    let images = images(IMAGES);
    for set in [&[][..], &["latent2=2"], &["flow_steps=2"], &["prior=vampprior"]] {
        let model = model(set);
        let all = Evaluator::new(&model, &images).evaluate(&model, &model.elbo(), 4, 0);
        let mut done = vec![];
        let each = terms(&model, &images, 1, 4, |n| done.push(n));
        assert_eq!(done, [256, IMAGES], "{set:?}");
        let reconstruction: Vec<f64> = each.iter().map(|t| t.reconstruction).collect();
        let kl: Vec<f64> = each.iter().map(|t| t.kl).collect();
        assert!(close(mean(&reconstruction), all.reconstruction) && close(mean(&kl), all.kl));
        assert!(kl.iter().any(|v| (v - kl[0]).abs() > 1e-6), "{set:?}: all images alike");
    }
}

/// Each image on its own, in a workspace of its own.
#[test]
fn several_samples_of_an_image_are_averaged_and_do_not_depend_on_the_images_beside_it() {
    let (images, samples) = (images(20), 30);
    let model = model(&[]);
    let each = terms(&model, &images, samples, 4, |_| ());
    for (n, terms) in each.iter().enumerate() {
        let mut w = model.workspace_for(1, samples);
        let s = AnyModel::signals(&mut w);
        images.gather(&[n], &mut s.x);
        random::fill_normal(&mut s.eps, 4, Purpose::TestNoise, 0, [n]);
        let alone = model.evaluate(&Elbo, &mut w);
        assert!(close(terms.reconstruction, alone.reconstruction), "{n}");
        assert!(close(terms.kl, alone.kl) && close(terms.elbo(), alone.elbo), "{n}");
    }
}

#[test]
fn the_likelihoods_of_single_images_are_in_the_mean_that_of_all() {
    let (images, model) = (images(IMAGES), model(&[]));
    let all = log_likelihood(&model, &images, 7, 2, |_| ()).log_likelihood;
    assert!(close(mean(&log_likelihoods(&model, &images, 7, 2, |_| ())), all));
}

#[test]
fn every_score_is_its_equation() {
    let (known, seen) = (images(40), images(IMAGES));
    let [known, seen] = [&known, &seen].map(|images| View::new(images, Part::Test));
    let model = model(&[]);
    let score = |kind: Kind| {
        let score = Score::fit(kind, 3, &model, known, 4, |_| ()).unwrap();
        assert_eq!(score.kind(), kind);
        score.of(&model, seen, 4, |_| ()).unwrap()
    };
    let (terms, known_terms) =
        (terms(&model, seen, 3, 4, |_| ()), terms(&model, known, 3, 4, |_| ()));
    let entropy = mean(&known_terms.iter().map(|t| -t.elbo()).collect::<Vec<_>>());
    let log_p = log_likelihoods(&model, seen, 3, 4, |_| ());
    let (background, mut x) = (Background::fit(&known), Array2::<f32>::zeros((IMAGES, 20)));
    seen.gather(&seen.indices().collect::<Vec<_>>(), 0, &mut x);
    let posterior = |view: View<'_>| model.posterior(view, &view.indices().collect::<Vec<_>>());
    let distances = Codes::fit(&posterior(known)).distances(posterior(seen).mu.view()).unwrap();

    let [elbo, reconstruction, likelihood, latent, typicality, ratio] = Kind::ALL.map(score);
    for n in 0..IMAGES {
        assert!(close(elbo[n], terms[n].kl - terms[n].reconstruction));
        assert!(close(reconstruction[n], -terms[n].reconstruction));
        assert!(close(likelihood[n], -log_p[n]));
        assert_eq!(latent[n], distances[n]);
        assert!(close(typicality[n], (elbo[n] - entropy).abs()));
        assert!(close(ratio[n], background.log_prob(x.row(n)) + elbo[n]));
    }
}

#[test]
fn a_score_of_a_model_of_another_size_is_refused() {
    let (known, model) = (images(40), model(&[]));
    let view = View::new(&known, Part::Test);
    let other = Recipe { latent: 2, image: Some([4, 5]), ..Recipe::default() }.model::<f64>();
    let latent = Score::fit(Kind::Latent, 1, &other, view, 0, |_| ()).unwrap();
    let background = Background { means: vec![0.5; 19] };
    let ratio = Score::LikelihoodRatio { samples: 1, background };
    for score in [latent, ratio] {
        let error = score.of(&model, view, 0, |_| ()).unwrap_err();
        assert!(matches!(error, AnomalyError::Parameters), "{error}");
    }
}

#[test]
fn a_score_of_no_samples_or_of_more_than_memory_holds_is_refused() {
    let (known, model) = (images(40), model(&[]));
    for samples in [0, MAX_SAMPLES + 1, usize::MAX] {
        for score in [Score::Elbo { samples }, Score::LogLikelihood { samples }] {
            let error = score.of(&model, View::new(&known, Part::Test), 0, |_| ()).unwrap_err();
            assert!(matches!(error, AnomalyError::Samples { .. }), "{error}");
        }
    }
}

#[test]
fn a_broken_model_has_no_scores() {
    let (known, mut model) = (images(40), model(&[]));
    let AnyModel::Vae(vae) = &mut model else { panic!("a VAE") };
    vae.decoder.output.bias[3] = f64::NAN;
    let view = View::new(&known, Part::Test);
    let error = Score::Elbo { samples: 1 }.of(&model, view, 0, |_| ()).unwrap_err();
    assert!(matches!(error, AnomalyError::NonFinite { index: 0 }), "{error}");
}

#[test]
fn models_whose_images_have_no_score_of_their_own_are_refused() {
    let recipe = Recipe::default();
    let with = |set: &str| recipe.with(set).unwrap();
    for kind in Kind::ALL {
        assert!(kind.check(&recipe).is_ok());
        let refused = kind.check(&with("conditional=true"));
        assert!(matches!(refused, Err(AnomalyError::Conditional)));
        let refused = kind.check(&with("likelihood=gaussian-optimal"));
        assert!(matches!(refused, Err(AnomalyError::Likelihood)));
        let is_refused = kind.check(&with("likelihood=gaussian")).is_err();
        assert_eq!(is_refused, kind == Kind::LikelihoodRatio);
    }
    let (images, score) = (images(4), Score::Elbo { samples: 1 });
    let view = View::new(&images, Part::Test).labelled(&[0, 1, 0, 1]);
    let scores = |set: &[&str]| score.of(&model(set), view, 0, |_| ());
    let refused = scores(&["conditional=true", "classes=2"]);
    assert!(matches!(refused, Err(AnomalyError::Conditional)));
    let refused = scores(&["likelihood=gaussian-optimal"]);
    assert!(matches!(refused, Err(AnomalyError::Likelihood)));
}

#[test]
fn an_explanation_shows_the_image_its_reconstruction_and_what_it_costs() {
    let (images, model) = (images(12), model(&[]));
    let view = View::new(&images, Part::Test);
    let vae = model.vae();
    let explanation = explain(&model, &vae.likelihood, view, &[7, 2]);
    let reconstructions = model.reconstruct(view, &[7, 2]);
    assert!((&explanation.reconstructions - &reconstructions).iter().all(|d| d.abs() < 1e-6));
    // At ε = 0, by the model itself.
    let mut w = model.workspace_for(2, 1);
    let s = AnyModel::signals(&mut w);
    images.gather(&[7, 2], &mut s.x);
    model.evaluate(&Elbo, &mut w);
    let s = AnyModel::signals(&mut w);
    for n in 0..2 {
        assert!((f64::from(explanation.surprise.row(n).sum()) + s.log_prob[n]).abs() < 1e-4);
        assert!(explanation.images.row(n).iter().zip(s.x.row(n)).all(|(&a, &b)| a == b as f32));
    }
    let mut means = Array2::zeros((2, 20));
    vae.likelihood.mean(&s.logits, &mut means);
    assert!((means.mapv(|v| v as f32) - explanation.reconstructions).iter().all(|d| *d == 0.0));
}

// --- the likelihood trap ---

/// 6 x 5 pixels. In the upper half one of five patterns of stripes; in the lower half pixels that have
/// nothing to do with each other, white with probability 0.3, or `calm`, all black.
fn striped(count: usize, calm: bool, rng: &mut impl RngCore) -> Vec<u8> {
    let mut pixels = vec![];
    for _ in 0..count {
        let shift: usize = rng.random_range(0..5);
        pixels.extend((0..15).map(|j| if (j + shift) % 5 < 2 { 255 } else { 0 }));
        pixels.extend((0..15).map(|_| if !calm && rng.random_bool(0.3) { 255 } else { 0 }));
    }
    pixels
}

fn binary(pixels: Vec<u8>) -> Images {
    Images::new(6, 5, Pixels::Bytes(pixels)).unwrap()
}

/// The calm images are more likely than any normal one, as each pixel of theirs is what it most often is.
/// The ELBO takes them for the most normal of all. From the likelihood ratio nearly all of that is gone,
/// as the background explains it too. Typicality sees that there is something about them. Where the
/// stripes are wrong, the image is strange to every score of p(x).
#[test]
fn an_image_that_is_too_likely_is_found_by_typicality_and_not_by_the_elbo() {
    let rng = &mut random::rng(5, Purpose::Check, 0, 0);
    let known = binary(striped(2000, false, rng));
    let recipe = Recipe {
        hidden: vec![20],
        latent: 2,
        image: Some([6, 5]),
        learning_rate: 3e-3,
        ..Recipe::default()
    };
    let mut trainer = Trainer::with(
        recipe.model::<f32>(),
        recipe.objective(),
        View::new(&known, Part::Train),
        recipe.plan(),
    );
    for _ in 0..60 {
        trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    }
    let model = trainer.model;
    let normal = striped(400, false, rng);
    let scores = |kind, anomalies: &[u8]| {
        let known = View::new(&known, Part::Train);
        let score = Score::fit(kind, 5, &model, known, 0, |_| ()).unwrap();
        let seen = binary([&normal, anomalies].concat());
        score.of(&model, View::new(&seen, Part::Test), 0, |_| ()).unwrap()
    };
    let area = |kind, anomalies: &[u8]| {
        let scores = scores(kind, anomalies);
        let anomalous: Vec<bool> = (0..scores.len()).map(|n| n >= 400).collect();
        roc_auc(&scores, &anomalous).unwrap()
    };
    let calm = striped(400, true, rng);
    assert!(area(Kind::Elbo, &calm) < 0.1, "{}", area(Kind::Elbo, &calm));
    assert!(area(Kind::Typicality, &calm) > 0.9, "{}", area(Kind::Typicality, &calm));
    let lead = |kind| {
        let scores = scores(kind, &calm);
        mean(&scores[..400]) - mean(&scores[400..])
    };
    let (elbo, ratio) = (lead(Kind::Elbo), lead(Kind::LikelihoodRatio));
    assert!(elbo > 3.0 && ratio.abs() < 0.25 * elbo, "{elbo} {ratio}");

    let mut wrong = striped(400, false, rng);
    for image in wrong.chunks_mut(30) {
        image[..15].iter_mut().enumerate().for_each(|(j, pixel)| *pixel = 255 * (j % 2) as u8);
    }
    for kind in [Kind::Elbo, Kind::Reconstruction, Kind::LogLikelihood, Kind::LikelihoodRatio] {
        assert!(area(kind, &wrong) > 0.95, "{kind} {}", area(kind, &wrong));
    }
}

// --- which images are normal ---

/// Eleven images of one pixel that says which it is.
fn numbered() -> Dataset {
    let images = Images::new(1, 1, Pixels::Bytes((0..11).collect())).unwrap();
    Dataset { images, labels: Some(vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 7]) }
}

#[test]
fn labels_choose_images_and_one_that_is_nowhere_is_named() {
    let chosen = labelled(&numbered(), &[7, 1]).unwrap();
    let chosen: Vec<usize> = (0..11).filter(|&index| chosen[index]).collect();
    assert_eq!(chosen, [1, 4, 7, 10]);
    let error = labelled(&numbered(), &[1, 3]).unwrap_err().to_string();
    assert_eq!(error, "no image has the label 3; the labels are 0, 1, 2, 7");
    let unlabelled = Dataset { labels: None, ..numbered() };
    assert!(matches!(labelled(&unlabelled, &[1]), Err(AnomalyError::NoLabels)));
}

#[test]
fn every_tenth_normal_image_is_held_back_with_its_label() {
    let (known, held_back) = split(numbered()).unwrap();
    assert_eq!(*held_back.images.pixels(), Pixels::Bytes(vec![9]));
    assert_eq!(held_back.labels, Some(vec![0]));
    assert_eq!(*known.images.pixels(), Pixels::Bytes(vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 10]));
    assert_eq!(known.labels, Some(vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 7]));
    let nine = numbered().filtered(|index| index < 9).unwrap();
    assert!(matches!(split(nine), Err(AnomalyError::TooFewNormal { images: 9 })));
    assert!(numbered().filtered(|_| false).is_none());
}

#[test]
fn data_that_follow_others_keep_their_pixels_and_the_labels_that_both_have() {
    let both = numbered().followed_by(numbered()).unwrap();
    assert_eq!((both.images.len(), both.labels.unwrap().len()), (22, 22));
    let floats = Images::new(1, 1, Pixels::Floats(vec![0.5])).unwrap();
    let mixed = numbered().followed_by(Dataset { images: floats, labels: None }).unwrap();
    assert_eq!(mixed.labels, None);
    let mut x = Array2::<f32>::zeros((12, 1));
    mixed.images.gather(&(0..12).collect::<Vec<_>>(), &mut x);
    let mut before = Array2::<f32>::zeros((11, 1));
    numbered().images.gather(&(0..11).collect::<Vec<_>>(), &mut before);
    assert!(x.iter().zip(before.iter().chain([&0.5])).all(|(a, b)| a == b));
    let wide = Dataset { images: images(1), labels: None };
    assert_eq!(
        numbered().followed_by(wide).unwrap_err(),
        OtherSize { expected: [1, 1], found: [4, 5] }
    );
}
