//! What is known of images without looking at more than one pixel at a time.

use ndarray::{ArrayView1, Zip};
use serde::{Deserialize, Serialize};

use crate::data::View;

/// Independent Bernoulli pixels, each with its own mean: log p₀(x) = Σⱼ xⱼ ln πⱼ + (1−xⱼ) ln(1−πⱼ).
///
/// The largest likelihood of such a model has πⱼ at the mean of pixel j over the images. It is clipped
/// to \[0.001, 0.999\], as for the decoder's [first bias](crate::recipe::OutputBias::Data): a pixel
/// that was black in all images may be white in another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Background {
    /// π, (pixels).
    pub means: Vec<f64>,
}

impl Background {
    /// The background of these images, whose treatment leaves the mean as it is.
    pub fn fit(images: &View<'_>) -> Self {
        Self { means: images.mean().iter().map(|mean| mean.clamp(0.001, 0.999)).collect() }
    }

    /// log p₀(x) in nats.
    ///
    /// # Panics
    ///
    /// If x has another number of pixels.
    pub fn log_prob(&self, x: ArrayView1<'_, f32>) -> f64 {
        let means = ArrayView1::from(&self.means);
        Zip::from(x).and(means).fold(0.0, |sum, &x, &mean| {
            let x = f64::from(x);
            sum + x * mean.ln() + (1.0 - x) * (1.0 - mean).ln()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Images, Part, Pixels};
    use ndarray::Array1;

    fn background() -> Background {
        let pixels = vec![0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.25, 0.0, 0.0, 1.0, 0.75, 0.0];
        let images = Images::new(1, 3, Pixels::Floats(pixels)).unwrap();
        Background::fit(&View::new(&images, Part::Train))
    }

    #[test]
    fn the_probabilities_of_all_binary_images_sum_to_one() {
        let image = |n: u32| Array1::from_shape_fn(3, |j| (n >> j & 1) as f32);
        let total: f64 = (0..8).map(|n| background().log_prob(image(n).view()).exp()).sum();
        assert!((total - 1.0).abs() < 1e-12, "{total}");
    }

    #[test]
    fn the_means_are_those_of_the_images_within_bounds() {
        assert_eq!(background().means, [0.5625, 0.4375, 0.25]);
        let black = Images::new(1, 1, Pixels::Bytes(vec![0])).unwrap();
        assert_eq!(Background::fit(&View::new(&black, Part::Train)).means, [0.001]);
    }
}
