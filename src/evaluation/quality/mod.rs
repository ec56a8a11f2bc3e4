//! How good the samples of a model are, next to real images.
//!
//! The ELBO says how well a model explains real images, not how its own look: the two can part ways
//! (Theis, van den Oord & Bethge 2016, section 3.2). Here samples and real images are two clouds of
//! points, and the questions are whether the samples lie where real images do (precision), whether
//! they are everywhere where real images are (recall), and whether the two can be told apart at all.
//!
//! # Why there is no FID
//!
//! The Fréchet Inception distance (Heusel et al. 2017) compares the features of a network that was
//! trained on ImageNet. There is no such network here, and one that were trained for the purpose
//! would give figures that compare with nobody's. The features here are principal components of
//! the training images: they need nothing but the data, and everybody can compute them again. But
//! they are linear. They notice blur, missing kinds of image and wrong strokes; they do not know
//! what a stroke is. Figures compare if features, k, pixels and the numbers of images are the same,
//! and not with published ones, whose features are those of networks.

mod features;
mod two_sample;

use elbo_kernels::team::team;
use ndarray::ArrayView2;
use serde::Serialize;

use super::neighbours::{Across, Points, across, within};
use crate::data::View;
use features::Features;
use two_sample::{Side, nearest_neighbours, null};

/// How samples are compared with real images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Principal components that images are compared along; no more than there are pixels.
    pub features: usize,
    /// k: a ball reaches to the k-th nearest neighbour.
    pub k: usize,
}

/// 50 components hold about five sixths of the variance of MNIST's pixels; k = 3 is the paper's.
impl Default for Settings {
    fn default() -> Self {
        Self { features: 50, k: 3 }
    }
}

/// The quality of a model's samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Real images that samples were compared with.
    pub images: usize,
    /// Samples.
    pub samples: usize,
    /// Principal components.
    pub features: usize,
    /// The share of the training images' variance along them.
    pub explained_variance: f64,
    /// The figures.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Two clouds of points: features of real images, and of samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// k of the two that follow.
    pub k: usize,
    /// The share of the samples that lie in the ball of a real image: samples look real.
    pub precision: f64,
    /// The share of the real images that lie in the ball of a sample: no kind is missing.
    pub recall: f64,
    /// The share of all points whose nearest neighbour, themselves left out, is of their own kind.
    /// About ½: they cannot be told apart. 1: they never mix. Below ½: samples lie closer to the
    /// real images than those to each other, as copies do.
    pub nearest_neighbour_accuracy: f64,
    /// The same share of the real images. Low where samples are many and lie among them.
    pub nearest_neighbour_accuracy_on_real: f64,
    /// The same share of the samples. High where they crowd together, as in mode collapse.
    pub nearest_neighbour_accuracy_on_samples: f64,
    /// The accuracy to expect of two sets of these sizes from one distribution.
    pub nearest_neighbour_null_accuracy: f64,
    /// The standard error of the accuracy in that case. Approximately normal: an accuracy two of
    /// them from the expected has a p-value of 0.05.
    pub nearest_neighbour_null_standard_error: f64,
}

/// Compares samples with real images, along the principal components of the training images.
///
/// `real` (images, pixels) are images that the model has not seen, and `samples` (samples, pixels)
/// draws from the model. Both must be what the model is a model of: for binary pixels, binarised
/// images and draws of the pixels, and not their probabilities, which are another kind of image and
/// told from the real ones at a glance. `train` are the training images in the same treatment, or
/// grey: they decide the features and nothing else.
///
/// What a perfect model would get is what training images in place of the samples get, and that is
/// less than two draws from one distribution would. 10,000 of MNIST's against its 10,000 test images,
/// with the default settings: precision 0.859, recall 0.870, accuracy 0.566, sixteen standard errors
/// above the expected, because the writers of the two sets are not the same.
///
/// The components are not whitened: distances are those between images, as far as the components
/// show them. Whitened, the weakest of them, which hold more noise than shape, would weigh as much
/// as the first.
///
/// The same bits on any number of threads. Time grows with images·samples, memory with
/// images + samples; 10,000 against 10,000 of MNIST take seconds.
///
/// # Panics
///
/// If images are not all of one size, if `real` or `samples` are not more than k or have a pixel that
/// is not finite, or if `settings` has a 0.
pub fn quality<'a>(
    train: impl Into<View<'a>>,
    real: ArrayView2<f32>,
    samples: ArrayView2<f32>,
    settings: Settings,
) -> Quality {
    let train = train.into();
    assert!(settings.features > 0, "images are compared along at least one component");
    team(|| {
        let features = Features::fit(&train, settings.features);
        let [real_features, sample_features] = [real, samples].map(|images| features.of(images));
        Quality {
            images: real.nrows(),
            samples: samples.nrows(),
            features: real_features.ncols(),
            explained_variance: features.explained_variance(),
            comparison: compare(real_features.view(), sample_features.view(), settings.k),
        }
    })
}

/// Compares two clouds of points, (images, features) and (samples, features).
///
/// # Precision and recall
///
/// A set Φ stands for the region that its balls cover, one about each point φ′ that reaches to its
/// k-th nearest neighbour NNₖ(φ′, Φ) among the others:
///
/// f(φ, Φ) = 1 if ‖φ − φ′‖ ≤ ‖φ′ − NNₖ(φ′, Φ)‖ for at least one φ′ ∈ Φ, else 0   (equation 1);
/// precision = Σ f(φ, real)/samples over the samples,
/// recall = Σ f(φ, samples)/images over the real images   (equation 2).
///
/// For two sets from one distribution both are below 1: two halves of MNIST's test images reach
/// 0.9. Ties need no rule of their own: a point on the
/// surface of a ball is in it, duplicates of φ′ count among its neighbours, and so a point with k
/// duplicates has a ball of radius 0, in which only another duplicate lies.
///
/// Source: T. Kynkäänniemi et al., "Improved precision and recall metric for assessing generative
/// models", 2019, equations 1 and 2.
///
/// # The two-sample test
///
/// A point is called real or a sample as its nearest neighbour among all others is. How often that
/// is right is the accuracy of a classifier that was trained on all points but the one that it is
/// asked about. Where the nearest real point and the nearest sample are equally far, the answer is
/// half right. Among images that repeat, as few binary pixels do, such ties are common, and the
/// standard error, which takes a tie for a neighbour of the own kind, is then approximate.
///
/// The usual standard error √(¼/N) takes the N answers for independent. They are not: two points
/// that are each other's neighbours are both right or both wrong. The one here is exact over
/// all ways to call as many of these points real; the normal distribution of the accuracy alone is
/// an approximation for large sets.
///
/// Source: D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", 2017; with one
/// neighbour and one point left out: Q. Xu et al., "An empirical study on evaluation metrics of
/// generative adversarial networks", 2018, section 2.
///
/// # Panics
///
/// If the two differ in the number of features, if one has not more than `k` points or a feature
/// that is not finite, or if `k` is 0.
pub fn compare(real: ArrayView2<f64>, samples: ArrayView2<f64>, k: usize) -> Comparison {
    assert_eq!(real.ncols(), samples.ncols(), "points of different spaces");
    let [real, samples] = [real, samples].map(|x| {
        let finite = x.iter().all(|v| v.is_finite());
        assert!(finite, "features that are not finite have no distances");
        Points::new(x)
    });
    team(|| {
        let (real_within, samples_within) = (within(&real, k), within(&samples, k));
        let real_across = across(&real, &samples, &samples_within);
        let samples_across = across(&samples, &real, &real_within);
        let on_real = Side { within: &real_within, across: &real_across };
        let on_samples = Side { within: &samples_within, across: &samples_across };

        let (n, m) = (real.len() as f64, samples.len() as f64);
        let (real_accuracy, samples_accuracy) = (on_real.accuracy(), on_samples.accuracy());
        let null = null(&nearest_neighbours(&on_real, &on_samples), real.len());
        Comparison {
            k,
            precision: covered(&samples_across),
            recall: covered(&real_across),
            nearest_neighbour_accuracy: (n * real_accuracy + m * samples_accuracy) / (n + m),
            nearest_neighbour_accuracy_on_real: real_accuracy,
            nearest_neighbour_accuracy_on_samples: samples_accuracy,
            nearest_neighbour_null_accuracy: null.mean,
            nearest_neighbour_null_standard_error: null.standard_error,
        }
    })
}

/// The share of points that the balls of the other set cover.
fn covered(points: &[Across]) -> f64 {
    points.iter().filter(|point| point.is_covered).count() as f64 / points.len() as f64
}
