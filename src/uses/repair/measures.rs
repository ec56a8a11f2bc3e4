//! How good a repair is, where what was there is known.

use ndarray::{ArrayView2, Zip};

/// The root of the mean squared error over all pixels that were missing of any image; NaN where none was. `seen` is 0
/// at those, all are (images, pixels).
pub fn root_mean_square(
    repaired: ArrayView2<'_, f32>,
    truth: ArrayView2<'_, f32>,
    seen: ArrayView2<'_, f32>,
) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    Zip::from(repaired).and(truth).and(seen).for_each(|&repaired, &truth, &seen| {
        if seen == 0.0 {
            sum += f64::from(repaired - truth).powi(2);
            count += 1.0;
        }
    });
    f64::sqrt(sum / count)
}

/// Σ xᵐ ln π + (1 - xᵐ) ln(1 - π) over the missing pixels of an image, the mean over the images: the log-likelihood of
/// pixels that are independent with the means π that a repair has found, held to \[0.001, 0.999\].
///
/// Not log p(xᵐ|x°) of a model, whose pixels are independent given z only: the best π for this sum are the
/// E[xᵐ|x°], and what pixels say of each other is lost.
pub fn bernoulli_log_likelihood(
    repaired: ArrayView2<'_, f32>,
    truth: ArrayView2<'_, f32>,
    seen: ArrayView2<'_, f32>,
) -> f64 {
    let mut sum = 0.0;
    Zip::from(repaired).and(truth).and(seen).for_each(|&repaired, &truth, &seen| {
        if seen == 0.0 {
            let (mean, x) = (f64::from(repaired).clamp(0.001, 0.999), f64::from(truth));
            sum += x * mean.ln() + (1.0 - x) * (1.0 - mean).ln();
        }
    });
    sum / truth.nrows() as f64
}

/// -10 log₁₀ of the mean squared error, in decibels: the peak signal-to-noise ratio of pixels between 0 and 1.
pub fn peak_signal_to_noise(found: ArrayView2<'_, f32>, truth: ArrayView2<'_, f32>) -> f64 {
    let squares = Zip::from(found)
        .and(truth)
        .fold(0.0, |sum, &found, &truth| sum + f64::from(found - truth).powi(2));
    -10.0 * (squares / truth.len() as f64).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn only_missing_pixels_are_measured() {
        let truth = array![[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]];
        let repaired = array![[0.5, 0.0, 0.8], [0.0, 0.1, 1.0]];
        let seen = array![[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]];
        let [repaired, truth, seen] = [&repaired, &truth, &seen].map(|a| a.view());
        let error = root_mean_square(repaired, truth, seen);
        assert!((error - (0.05_f64 / 2.0).sqrt()).abs() < 1e-7, "{error}");
        let log_p = bernoulli_log_likelihood(repaired, truth, seen);
        assert!((log_p - (0.8_f64.ln() + 0.9_f64.ln()) / 2.0).abs() < 1e-7, "{log_p}");
    }

    #[test]
    fn a_tenth_of_white_is_twenty_decibels() {
        let truth = array![[0.0, 1.0], [0.5, 0.3]];
        let found = &truth + 0.1;
        assert!((peak_signal_to_noise(found.view(), truth.view()) - 20.0).abs() < 1e-5);
    }
}
