//! Completing images: what is missing of each, drawn several times over.
//!
//! A [`Completion`] model is trained on whole images, and is then shown a part of each: some of their
//! quadrants, or all of them at a lower resolution. A z ~ N(0, I) beside that part decodes to one way in
//! which the image may go on; another z is another way.
//!
//! A model of whole images can do the same at more cost: [`infer`] searches for the posterior of z given the part,
//! image by image.
//!
//! How near a completion is to the image is said by the squared error and [`psnr`], which the mean over
//! many completions is best at, and by [`ssim`], which asks for edges and contrast too. What a model of
//! missing pixels is to be judged by is log p(m|o), as [`evaluation`](crate::evaluation) estimates it: it alone
//! asks that completions be as various as the images are.

mod bicubic;
mod fidelity;
mod inference;
mod plain;
mod table;

pub use bicubic::enlarge;
pub use fidelity::{psnr, squared_error, ssim};
pub use inference::{Bound, Inference, Posteriors, infer};
pub use plain::Plain;
pub use table::{Fidelity, Nearness, fidelity};

use ndarray::{Array2, Axis};

use crate::{
    data::View,
    distributions::Likelihood,
    generation::Generate,
    layers::Layer,
    models::{Completion, Model},
    random::{self, Purpose},
    real::Real,
};

/// Images, what was given of them, and what a model made of that, (images, pixels) each.
#[derive(Clone, Debug, PartialEq)]
pub struct Completed {
    /// x.
    pub originals: Array2<f32>,
    /// What was given: a mean at all of its pixels, and 0 where nothing is known.
    pub given: Array2<f32>,
    /// One completion of every image after another: what was given, and E[m|z, o] for a z ~ N(0, I).
    pub draws: Vec<Array2<f32>>,
}

impl Completed {
    /// The mean over the draws, an estimate of E[m|o]: of everything that can be said of the missing
    /// pixels, that is what has the least squared error.
    pub fn mean(&self) -> Array2<f32> {
        let zeros = Array2::zeros(self.given.dim());
        self.draws.iter().fold(zeros, |sum, draw| sum + draw) / self.draws.len() as f32
    }
}

/// Completes the images at `indices`, so many times each. A draw belongs to (`seed`, its number, image).
pub fn complete<'a, T, E, D, L>(
    model: &Completion<T, E, D, L>,
    images: impl Into<View<'a>>,
    indices: &[usize],
    draws: usize,
    seed: u64,
) -> Completed
where
    T: Real,
    E: Layer<T>,
    D: Layer<T>,
    L: Likelihood<T>,
    Completion<T, E, D, L>: Model<T>,
{
    let images = images.into();
    let mut originals = Array2::zeros((indices.len(), model.pixels()));
    images.gather(indices, 0, &mut originals);
    let mut numbers = Array2::zeros((indices.len(), model.given()));
    model.parts.give(&originals, &mut numbers);
    let mut given = Array2::zeros(originals.dim());
    for (numbers, image) in numbers.rows().into_iter().zip(given.rows_mut()) {
        model.parts.show(numbers, image);
    }

    let mut codes = Array2::zeros((indices.len(), model.latent() + model.given()));
    codes.view_mut().split_at(Axis(1), model.latent()).1.assign(&numbers.mapv(f64::from));
    let mut noise = Array2::zeros((indices.len(), model.latent()));
    let mut draw = |number| {
        let stream = indices.iter().copied();
        random::fill_normal(&mut noise, seed, Purpose::Completion, number as u64, stream);
        codes.view_mut().split_at(Axis(1), model.latent()).0.assign(&noise);
        model.decode_mean(codes.view())
    };
    let draws = (0..draws).map(&mut draw).collect();
    Completed { originals, given, draws }
}
