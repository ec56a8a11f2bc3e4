//! How near completions are to the images, beside what can be said without a model.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::Serialize;

use super::{Completed, enlarge, psnr, squared_error, ssim};
use crate::{
    data::View,
    evaluation::EVALUATION_BATCH,
    models::{Given, Parts},
    real::cast,
};

/// How near images are to the originals, means over the images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Nearness {
    /// The square root of the mean squared error of the missing pixels.
    pub rmse: f64,
    /// [`psnr`] of the whole image, in decibels.
    pub psnr: f64,
    /// [`ssim`] of the whole image.
    pub ssim: f64,
}

/// The nearness of completions, and of what can be said without a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Fidelity {
    /// Of the mean over the draws.
    pub mean: Nearness,
    /// Of the first draw alone.
    pub one: Nearness,
    /// Of bicubic interpolation where a lower resolution is given, and else of the mean training image in the
    /// place of the missing pixels.
    pub without_model: Nearness,
}

/// The fidelity of the completions that `complete` makes of images at some indices, for all indices. `mean_image`
/// (pixels) is that of the training images.
pub fn fidelity(
    images: &View<'_>,
    indices: &[usize],
    (given, parts): (Given, &Parts),
    mean_image: &Array1<f64>,
    mut complete: impl FnMut(&[usize]) -> Completed,
    mut after_batch: impl FnMut(usize),
) -> Fidelity {
    let size = [images.images.height(), images.images.width()];
    let mut sums = [Nearness::default(); 3];
    for batch in indices.chunks(EVALUATION_BATCH) {
        let completed = complete(batch);
        let without = without_model(parts, &completed, given, size, mean_image);
        let originals = completed.originals.view();
        for (sum, others) in sums.iter_mut().zip([&completed.mean(), &completed.draws[0], &without])
        {
            add(sum, originals, others.view(), &parts.missing, size);
        }
        after_batch(batch.len());
    }
    let [mean, one, without_model] = sums.map(|sum| sum.over(indices.len()));
    Fidelity { mean, one, without_model }
}

impl Nearness {
    /// The mean, of sums over so many images, the error squared.
    fn over(self, images: usize) -> Self {
        let n = images as f64;
        Self { rmse: (self.rmse / n).sqrt(), psnr: self.psnr / n, ssim: self.ssim / n }
    }
}

fn add(
    sum: &mut Nearness,
    originals: ArrayView2<'_, f32>,
    others: ArrayView2<'_, f32>,
    missing: &[usize],
    size: [usize; 2],
) {
    for (a, b) in originals.rows().into_iter().zip(others.rows()) {
        sum.rmse += squared_error(a, b, missing);
        sum.psnr += psnr(a, b);
        sum.ssim += ssim(a, b, size);
    }
}

/// What can be said of the images without a model, (images, pixels).
fn without_model(
    parts: &Parts,
    completed: &Completed,
    given: Given,
    [height, width]: [usize; 2],
    mean_image: &Array1<f64>,
) -> Array2<f32> {
    if let Given::Pooled(side) = given {
        let side = usize::from(side);
        let numbers = parts.given.len();
        let first = |n: usize, number: usize| completed.given[[n, parts.given[number][0]]];
        let small = Array2::from_shape_fn((completed.given.nrows(), numbers), |(n, j)| first(n, j));
        let size = [height / side, width / side];
        return enlarge(small.view(), size, side).mapv(|v| v.clamp(0.0, 1.0));
    }
    let mean_image: Array2<f32> = cast(mean_image.view().insert_axis(Axis(0)));
    let mut filled = completed.given.clone();
    for mut image in filled.rows_mut() {
        parts.missing.iter().for_each(|&pixel| image[pixel] = mean_image[[0, pixel]]);
    }
    filled
}
