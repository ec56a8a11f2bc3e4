//! How much of the labels the latent variables tell, to one who has seen few labels.
//!
//! A model that was trained without labels is judged by what a simple classifier makes of its latent
//! variables: one that asks the nearest labelled images, and one that draws straight lines
//! ([`linear`]). Neither can make up for what the encoder has thrown away, so their accuracy
//! says how far the classes lie apart, and how simply.
//!
//! Sources: nearest neighbours on posterior means with 100, 600 and 1000 labels, Davidson et al. 2018,
//! *Hyperspherical Variational Auto-Encoders*; linear probes, Alain & Bengio 2016, *Understanding
//! intermediate layers using linear classifier probes*.

pub mod linear;

use elbo_kernels::team::team;
use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;
use thiserror::Error;

use crate::{
    data::{Part, TooFewLabels, stratified},
    evaluation::neighbours::{Points, nearest},
};

/// Features of images, and their labels.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// (images, features).
    pub features: ArrayView2<'a, f64>,
    /// A label for each image.
    pub labels: &'a [u8],
}

/// How probes learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// k: how many neighbours are asked.
    pub neighbours: usize,
    /// τ: the weights of the linear probe have the prior N(0, 1/τ), see [`linear`].
    pub penalty: f64,
    /// Of the choice of the labels.
    pub seed: u64,
}

/// k = 5; a standard normal prior of the weights.
impl Default for Settings {
    fn default() -> Self {
        Self { neighbours: 5, penalty: 1.0, seed: 0 }
    }
}

/// Why features were not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProbeError {
    /// There are not so many labels.
    #[error(transparent)]
    TooFewLabels(#[from] TooFewLabels),
    /// Nobody has so many labelled neighbours.
    #[error("{neighbours} neighbours are to be asked, but only {labels} images have a label")]
    TooFewNeighbours {
        /// k.
        neighbours: usize,
        /// How many images have a label.
        labels: usize,
    },
    /// A feature is NaN or infinite.
    #[error("the features of {part} image {image} are not finite")]
    NotFinite {
        /// Where.
        part: Part,
        /// The image, from 0.
        image: usize,
    },
}

/// The share of test images that a probe calls by their label, of 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// How many labels it has learned from.
    pub labels: usize,
    /// Of the k nearest neighbours.
    pub nearest_neighbours: f64,
    /// Of the linear probe, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linear: Option<f64>,
}

/// The accuracy on `test` of both probes, having learned from `labels` labels of `train`,
/// [as many of each class](stratified).
///
/// # Errors
///
/// [`ProbeError`] if there are fewer labels than that, if those are fewer than the neighbours that are
/// to be asked, or if a feature is not finite.
///
/// # Panics
///
/// If features and labels differ in number, train and test in the number of features, or
/// if no label or no neighbour is asked for.
pub fn probe(
    train: Labelled<'_>,
    test: Labelled<'_>,
    labels: usize,
    settings: Settings,
) -> Result<Accuracy, ProbeError> {
    let found = probe_neighbours(train, test, labels, settings)?;
    let (x, y) = chosen(train, labels, settings.seed)?;
    let predicted =
        team(|| linear::Probe::fit(x.view(), &y, settings.penalty).predict(test.features));
    Ok(Accuracy { linear: Some(share_right(&predicted, test.labels)), ..found })
}

/// The same of the nearest neighbours alone: for features as many as pixels.
///
/// # Errors
///
/// As [`probe`].
///
/// # Panics
///
/// As [`probe`].
pub fn probe_neighbours(
    train: Labelled<'_>,
    test: Labelled<'_>,
    labels: usize,
    settings: Settings,
) -> Result<Accuracy, ProbeError> {
    train.check(Part::Train)?;
    test.check(Part::Test)?;
    assert_eq!(train.features.ncols(), test.features.ncols(), "features of two kinds");
    let (x, y) = chosen(train, labels, settings.seed)?;
    let Settings { neighbours, .. } = settings;
    if neighbours > labels {
        return Err(ProbeError::TooFewNeighbours { neighbours, labels });
    }
    let predicted = team(|| vote(x.view(), &y, test.features, neighbours));
    let nearest_neighbours = share_right(&predicted, test.labels);
    Ok(Accuracy { labels, nearest_neighbours, linear: None })
}

impl Labelled<'_> {
    fn check(&self, part: Part) -> Result<(), ProbeError> {
        assert_eq!(self.features.nrows(), self.labels.len(), "a label for each image");
        let is_finite = |image: &ndarray::ArrayView1<f64>| image.iter().all(|v| v.is_finite());
        match self.features.rows().into_iter().position(|image| !is_finite(&image)) {
            Some(image) => Err(ProbeError::NotFinite { part, image }),
            None => Ok(()),
        }
    }
}

/// Features and labels of so many images, every class alike.
fn chosen(
    Labelled { features, labels }: Labelled<'_>,
    count: usize,
    seed: u64,
) -> Result<(Array2<f64>, Vec<u8>), TooFewLabels> {
    assert!(count > 0, "a probe that has seen no label");
    let indices = stratified(labels, count, seed)?;
    let y = indices.iter().map(|&index| labels[index]).collect();
    Ok((features.select(Axis(0), &indices), y))
}

/// The label of each of `points` by its k nearest of `x`, whose labels are `y`: the one that most of
/// them have and, where several labels are equally many, of these the one of the nearest neighbour.
///
/// Of neighbours equally far, those that stand first in `x` count as nearer.
///
/// # Panics
///
/// If `k` is 0, or there are no `x`.
pub fn vote(x: ArrayView2<f64>, y: &[u8], points: ArrayView2<f64>, k: usize) -> Vec<u8> {
    assert!(k > 0 && !y.is_empty(), "without neighbours there is no label");
    let nearest = nearest(&Points::new(points), &Points::new(x), k);
    nearest.iter().map(|nearest| majority(nearest.iter().map(|&index| y[index]))).collect()
}

/// The most frequent of some labels; of several, the one that comes first.
fn majority(labels: impl Iterator<Item = u8> + Clone) -> u8 {
    let mut votes = [0_usize; 256];
    labels.clone().for_each(|label| votes[usize::from(label)] += 1);
    let most = votes.iter().max();
    let first = labels.clone().find(|&label| Some(&votes[usize::from(label)]) == most);
    first.expect("there is a neighbour")
}

fn share_right(predicted: &[u8], labels: &[u8]) -> f64 {
    let right = predicted.iter().zip(labels).filter(|(a, b)| a == b).count();
    right as f64 / labels.len() as f64
}
