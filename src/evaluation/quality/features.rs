//! The principal components of images, as features to compare them by.

use elbo_kernels::{Output, gemm_sparse, team};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::{
    data::View,
    evaluation::{EVALUATION_BATCH, pca::Pca},
    real::{cast, mat, mat_mut},
};

/// Images below which a second thread does not pay.
const IMAGES_PER_PART: usize = 16;

/// A map from images to their coordinates along the components of others.
pub(super) struct Features {
    pca: Pca,
    /// The variance of all pixels together.
    total_variance: f64,
}

impl Features {
    /// The first `count` principal components of `images`.
    pub(super) fn fit(images: &View<'_>, count: usize) -> Self {
        let (mean, covariance) = moments(images);
        let total_variance = covariance.diag().sum();
        Self { pca: Pca::of_covariance(mean, &covariance, count), total_variance }
    }

    /// The features of some images, (images, pixels) to (images, features).
    pub(super) fn of(&self, images: ArrayView2<f32>) -> Array2<f64> {
        assert_eq!(images.ncols(), self.pca.mean.len(), "images of another size");
        let mut features = Array2::zeros((images.nrows(), self.pca.components.nrows()));
        let parts = team::part_count(images.nrows(), IMAGES_PER_PART);
        let rows = images.nrows().div_ceil(parts).max(1);
        let parts = images.axis_chunks_iter(Axis(0), rows);
        team::share(parts.zip(features.axis_chunks_iter_mut(Axis(0), rows)), |(x, mut y)| {
            let x = x.axis_chunks_iter(Axis(0), EVALUATION_BATCH);
            for (x, mut y) in x.zip(y.axis_chunks_iter_mut(Axis(0), EVALUATION_BATCH)) {
                y.assign(&self.pca.project(cast(x).view()));
            }
        });
        features
    }

    /// The share of the variance of the fitted images that is along the components; 1 if they do not
    /// vary.
    pub(super) fn explained_variance(&self) -> f64 {
        if self.total_variance > 0.0 { self.pca.variances.sum() / self.total_variance } else { 1.0 }
    }
}

/// The mean μ, (pixels), and the covariance C = (Xᵀ·X − n·μ·μᵀ) / (n − 1), (pixels, pixels), of
/// images; zero for a single one.
///
/// In one pass over the images, and without the products of black pixels. The difference
/// cancels digits where the mean of a pixel is large against its deviation; with pixels in [0, 1]
/// the error of C is some 1e-16 times n at most, far below what shows in an image.
fn moments(images: &View<'_>) -> (Array1<f64>, Array2<f64>) {
    let pixels = images.images.pixels_per_image();
    let (mut sum, mut products) = (Array1::zeros(pixels), Array2::zeros((pixels, pixels)));
    let indices: Vec<usize> = images.indices().collect();
    for batch in indices.chunks(EVALUATION_BATCH) {
        let mut x = Array2::<f64>::zeros((batch.len(), pixels));
        images.gather(batch, 0, &mut x);
        sum += &x.sum_axis(Axis(0));
        gemm_sparse(mat(&x).t(), mat(&x), Output::Accumulate, mat_mut(&mut products));
    }
    let n = images.count as f64;
    let mean = sum / n;
    products.indexed_iter_mut().for_each(|((i, j), product)| {
        *product = (*product - n * (mean[i] * mean[j])) / (n - 1.0).max(1.0);
    });
    (mean, products)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Images, Part, Pixels, Treatment};

    fn images() -> Images {
        // 600 is more than two batches.
        let pixel = |i: usize| [0, 0, 0, 255, 90, 17][(i * i / 7 + i) % 6];
        Images::new(3, 4, Pixels::Bytes((0..600 * 12).map(pixel).collect())).unwrap()
    }

    fn all(view: &View<'_>) -> Array2<f64> {
        let indices: Vec<usize> = view.indices().collect();
        let mut x = Array2::zeros((indices.len(), 12));
        view.gather(&indices, 0, &mut x);
        x
    }

    #[test]
    fn the_components_are_those_of_the_images_as_the_view_treats_them() {
        let images = images();
        for view in [
            View::new(&images, Part::Train),
            View::new(&images, Part::Train).treated(Treatment::Binarised, 3),
            View::new(&images, Part::Test).split(100).1,
        ] {
            let expected = Pca::fit(all(&view).view(), 5);
            let found = Features::fit(&view, 5);
            let near = |a: &Array1<f64>, b: &Array1<f64>| (a - b).iter().all(|v| v.abs() < 1e-13);
            assert!(near(&found.pca.mean, &expected.mean));
            assert!(near(&found.pca.variances, &expected.variances), "{:?}", found.pca.variances);
        }
    }

    #[test]
    fn all_components_explain_all_variance_and_keep_all_distances() {
        let images = images();
        let features = Features::fit(&View::from(&images), 99);
        assert!((features.explained_variance() - 1.0).abs() < 1e-12);
        let x = all(&View::from(&images));
        let y = features.of(cast(x.view()).view());
        assert_eq!(y.dim(), (600, 12));
        let distance = |a: &Array2<f64>| (&a.row(1) - &a.row(500)).mapv(|v| v * v).sum();
        assert!((distance(&x) - distance(&y)).abs() < 1e-6, "{} {}", distance(&x), distance(&y));
    }

    #[test]
    fn images_that_do_not_vary_are_all_explained() {
        let images = Images::new(2, 2, Pixels::Bytes(vec![255; 12])).unwrap();
        let features = Features::fit(&View::from(&images), 2);
        assert_eq!(features.explained_variance(), 1.0);
        assert_eq!(features.of(Array2::ones((3, 4)).view()), Array2::<f64>::zeros((3, 2)));
    }
}
