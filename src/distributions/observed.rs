//! The likelihood of the pixels that were seen, where some are missing.

use ndarray::{Array1, Array2};

use super::Likelihood;
use crate::real::{Real, flat, flat_mut};

/// log p(x°|z) = Σⱼ mⱼ log p(xⱼ|z), with mⱼ = 1 where pixel j was seen and 0 where it is missing.
///
/// Given z, pixels are independent, so that to integrate the missing ones out of p(x|z) is to leave their
/// factors out. The model of the seen pixels is the same VAE with fewer of them, and log p(x°) ≥ ELBO°, the
/// bound with this likelihood and any posterior, among them q(z|x̃) of the image x̃ that has zeros where
/// pixels are missing (Mattei & Frellsen 2019, *MIWAE*, equations 4 and 5; one latent sample is the ELBO).
///
/// # For any likelihood
///
/// To the likelihood each pixel is an image of one pixel, whose log p is weighted by mⱼ. Its gradient at the
/// pixel's outputs is then weighted alike, and at the likelihood's own parameters mⱼ goes into the weight
/// that each image has there anyway. So a likelihood knows nothing of missing pixels, and whatever stands
/// in their places counts for exactly nothing.
///
/// # Gradient
///
/// ∂L/∂l = mⱼ ∂/∂l [-log p(xⱼ|z)] for every output l of pixel j: 0 where it is missing.
#[derive(Clone, Debug)]
pub struct Observed<T> {
    /// m, (N, pixels). Whoever fills in the images fills it.
    pub seen: Array2<T>,
    /// The pixels of all images as images of one pixel, (N·pixels, 1).
    x: Array2<T>,
    /// Their outputs for each sample, (K·N·pixels, outputs of a pixel), and the gradient there.
    logits: Array2<T>,
    d_logits: Array2<T>,
    /// log p of each, or its weight, (K·N·pixels).
    each: Array1<T>,
}

impl<T: Real> Observed<T> {
    /// For `images` images with `samples` latent samples of each, and so many decoder's outputs for their
    /// pixels.
    pub fn new(images: usize, samples: usize, pixels: usize, outputs: usize) -> Self {
        let zeros = |rows, columns| Array2::from_elem((rows, columns), T::ZERO);
        let logits = zeros(samples * images * pixels, outputs / pixels);
        Self {
            seen: zeros(images, pixels),
            x: zeros(images * pixels, 1),
            each: Array1::from_elem(logits.nrows(), T::ZERO),
            d_logits: logits.clone(),
            logits,
        }
    }

    /// As [`Likelihood::log_prob`], of the pixels that were seen.
    pub fn log_prob(
        &mut self,
        likelihood: &impl Likelihood<T>,
        (x, logits): (&Array2<T>, &Array2<T>),
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        self.spread(x, logits);
        let Self { x, logits, d_logits: d_each, each, .. } = self;
        likelihood.log_prob(x, logits, d_loss, each, d_each);
        let (images, pixels) = self.seen.dim();
        for (r, (log_prob, mut d)) in log_prob.iter_mut().zip(d_logits.rows_mut()).enumerate() {
            let mut sum = 0.0;
            for (j, &seen) in self.seen.row(r % images).iter().enumerate() {
                let is_seen = seen != T::ZERO;
                // Not a product: what stands in the place of a missing pixel may have an infinite log p.
                sum += if is_seen { self.each[r * pixels + j].to_f64() } else { 0.0 };
                for (c, &d_pixel) in self.d_logits.row(r * pixels + j).iter().enumerate() {
                    d[c * pixels + j] = if is_seen { d_pixel } else { T::ZERO };
                }
            }
            *log_prob = T::from_f64(sum);
        }
    }

    /// As [`Likelihood::backward_parameters`], of the pixels that were seen.
    pub fn backward_parameters<L: Likelihood<T>>(
        &mut self,
        likelihood: &L,
        (x, logits): (&Array2<T>, &Array2<T>),
        d_loss: &Array1<T>,
        d: &mut L,
    ) {
        self.spread(x, logits);
        let (images, pixels) = self.seen.dim();
        for (place, weight) in self.each.iter_mut().enumerate() {
            let (r, j) = (place / pixels, place % pixels);
            *weight = d_loss[r] * self.seen[[r % images, j]];
        }
        likelihood.backward_parameters(&self.x, &self.logits, &self.each, d);
    }

    /// Pixel by pixel. Where there are several outputs for a pixel, the decoder has the first of all pixels
    /// before the second of any.
    fn spread(&mut self, x: &Array2<T>, logits: &Array2<T>) {
        flat_mut(&mut self.x).copy_from_slice(flat(x));
        let (pixels, of_pixel) = (x.ncols(), self.logits.ncols());
        let rows = flat_mut(&mut self.logits).chunks_mut(pixels * of_pixel);
        for (to, from) in rows.zip(flat(logits).chunks(pixels * of_pixel)) {
            for (c, from) in from.chunks(pixels).enumerate() {
                let places = to.iter_mut().skip(c).step_by(of_pixel);
                places.zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        distributions::any::{AnyLikelihood, LikelihoodKind},
        parameters::Parameters,
        random::{self, Purpose},
    };

    /// Two images of five pixels with three samples of each: x, logits, weights of the samples.
    fn case(likelihood: &AnyLikelihood<f64>) -> (Array2<f64>, Array2<f64>, Array1<f64>) {
        let x = Array2::from_shape_fn((2, 5), |(n, j)| ((3 * n + 2 * j) % 5) as f64 / 4.0);
        let mut logits = Array2::zeros((6, likelihood.outputs(5)));
        random::fill_normal(&mut logits, 1, Purpose::Check, 0, 0..6);
        (x, logits, Array1::from_shape_fn(6, |r| 0.2 + r as f64))
    }

    fn all() -> impl Iterator<Item = AnyLikelihood<f64>> {
        let kinds = LikelihoodKind::ALL.into_iter().filter(|kind| kind.factorises());
        kinds.map(|kind| kind.build(0.3))
    }

    #[test]
    fn with_all_pixels_seen_it_is_the_likelihood_itself() {
        for likelihood in all() {
            let (x, logits, weights) = case(&likelihood);
            let mut observed = Observed::new(2, 3, 5, logits.ncols());
            observed.seen.fill(1.0);
            let (mut log_p, mut d) = (Array1::zeros(6), logits.clone());
            let (mut expected, mut d_expected) = (log_p.clone(), d.clone());
            observed.log_prob(&likelihood, (&x, &logits), 0.7, &mut log_p, &mut d);
            likelihood.log_prob(&x, &logits, 0.7, &mut expected, &mut d_expected);
            assert!((log_p - expected).iter().all(|v| v.abs() < 1e-12), "{likelihood:?}");
            assert!((d - d_expected).iter().all(|v| v.abs() < 1e-12), "{likelihood:?}");

            let (mut d, mut d_expected) = (likelihood.zeros_like(), likelihood.zeros_like());
            observed.backward_parameters(&likelihood, (&x, &logits), &weights, &mut d);
            likelihood.backward_parameters(&x, &logits, &weights, &mut d_expected);
            for (d, expected) in d.tensors().zip(d_expected.tensors()) {
                assert!((&d - &expected).iter().all(|v| v.abs() < 1e-11), "{likelihood:?}");
            }
        }
    }

    #[test]
    fn what_stands_in_the_place_of_a_missing_pixel_counts_for_nothing() {
        for likelihood in all() {
            let (mut x, mut logits, _) = case(&likelihood);
            let mut observed = Observed::new(2, 3, 5, logits.ncols());
            observed.seen.fill(1.0);
            observed.seen.row_mut(1).assign(&ndarray::arr1(&[1.0, 0.0, 1.0, 0.0, 0.0]));
            let mut of = |x: &Array2<f64>, logits: &Array2<f64>| {
                let (mut log_p, mut d) = (Array1::zeros(6), logits.clone());
                observed.log_prob(&likelihood, (x, logits), 1.0, &mut log_p, &mut d);
                (log_p, d)
            };
            let before = of(&x, &logits);
            for j in [1, 3, 4] {
                x[[1, j]] = 1.0;
                logits.rows_mut().into_iter().skip(1).step_by(2).for_each(|mut l| l[j] = 1e30);
            }
            let (log_p, d) = of(&x, &logits);
            assert_eq!(log_p, before.0, "{likelihood:?}");
            assert_eq!(d, before.1, "{likelihood:?}");
            assert!((1..6).step_by(2).all(|r| [1, 3, 4].map(|j| d[[r, j]]) == [0.0; 3]));
        }
    }
}
