//! How near one image is to another.

use ndarray::ArrayView1;

/// The mean squared difference over these pixels.
pub fn squared_error(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>, pixels: &[usize]) -> f64 {
    let squared = |&pixel: &usize| (f64::from(a[pixel]) - f64::from(b[pixel])).powi(2);
    pixels.iter().map(squared).sum::<f64>() / pixels.len() as f64
}

/// The peak signal-to-noise ratio in decibels, -10 log₁₀ of the mean squared error: with pixels in
/// \[0, 1\] the peak is 1. Infinite where the two are the same.
pub fn psnr(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f64 {
    let all: Vec<usize> = (0..a.len()).collect();
    -10.0 * squared_error(a, b, &all).log10()
}

/// The side of the window that [`ssim`] looks through.
const WINDOW: usize = 11;
/// Its width, in pixels.
const SIGMA: f64 = 1.5;

/// The structural similarity of two images of this height and width: the mean over all windows of
///
/// (2 μₐ μ_b + c₁)(2 σ_ab + c₂) / ((μₐ² + μ_b² + c₁)(σₐ² + σ_b² + c₂)), c₁ = 0.01², c₂ = 0.03²,
///
/// with means, variances and the covariance weighted by a Gaussian of σ = 1.5 over 11 x 11 pixels. 1 is for
/// the same image. A side of the image that is shorter than the window makes it as long as the side.
///
/// Source: Wang, Bovik, Sheikh & Simoncelli 2004, *Image Quality Assessment: From Error Visibility to
/// Structural Similarity*, equation 13.
pub fn ssim(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>, [height, width]: [usize; 2]) -> f64 {
    let (down, across) = (gaussian(height.min(WINDOW)), gaussian(width.min(WINDOW)));
    let (tops, lefts) = (height + 1 - down.len(), width + 1 - across.len());
    let at = |top: usize, left: usize| {
        let mut moments = [0.0; 5];
        for (i, wi) in down.iter().enumerate() {
            for (j, wj) in across.iter().enumerate() {
                let pixel = (top + i) * width + left + j;
                let (a, b) = (f64::from(a[pixel]), f64::from(b[pixel]));
                let terms = [a, b, a * a, b * b, a * b];
                moments.iter_mut().zip(terms).for_each(|(sum, term)| *sum += wi * wj * term);
            }
        }
        similarity(moments)
    };
    let places = (0..tops).flat_map(|top| (0..lefts).map(move |left| (top, left)));
    places.map(|(top, left)| at(top, left)).sum::<f64>() / (tops * lefts) as f64
}

/// The similarity in a window, from E[a], E[b], E[a²], E[b²] and E[ab] there.
fn similarity([a, b, aa, bb, ab]: [f64; 5]) -> f64 {
    let (c1, c2) = (0.01f64.powi(2), 0.03f64.powi(2));
    let (variances, covariance) = (aa - a * a + bb - b * b, ab - a * b);
    (2.0 * a * b + c1) * (2.0 * covariance + c2) / ((a * a + b * b + c1) * (variances + c2))
}

/// The weights of so many pixels in a row, 1 in sum.
fn gaussian(length: usize) -> Vec<f64> {
    let centre = (length - 1) as f64 / 2.0;
    let weight = |i: usize| (-0.5 * ((i as f64 - centre) / SIGMA).powi(2)).exp();
    let sum: f64 = (0..length).map(weight).sum();
    (0..length).map(|i| weight(i) / sum).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    #[test]
    fn the_error_is_of_the_pixels_that_are_asked_for() {
        let (a, b) = (array![0.0, 0.5, 1.0], array![1.0, 0.0, 1.0]);
        assert_eq!(squared_error(a.view(), b.view(), &[0, 2]), 0.5);
        assert!((psnr(a.view(), b.view()) - 10.0 * (3.0f64 / 1.25).log10()).abs() < 1e-12);
        assert_eq!(psnr(a.view(), a.view()), f64::INFINITY);
    }

    #[test]
    fn an_image_is_like_itself_and_less_like_its_negative_than_like_a_flat_one() {
        let a = Array1::from_shape_fn(20 * 14, |j| ((j * j) % 7) as f32 / 6.0);
        let to = |b: &Array1<f32>| ssim(a.view(), b.view(), [20, 14]);
        assert!((to(&a) - 1.0).abs() < 1e-12);
        let flat = Array1::from_elem(20 * 14, 0.5);
        let negative = a.mapv(|v| 1.0 - v);
        assert!(to(&negative) < 0.0 && to(&flat) > to(&negative) && to(&flat) < 0.2);
    }
}
