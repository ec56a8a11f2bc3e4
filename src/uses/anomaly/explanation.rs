//! Why an image is strange: what the model makes of it, and where it did not expect what is there.

use ndarray::{Array1, Array2};

use crate::{
    data::View,
    distributions::Likelihood,
    models::Model,
    real::{Real, cast},
};

/// Images, what a model makes of them, and how much each pixel surprises it, (images, pixels) each.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// x.
    pub images: Array2<f32>,
    /// E[x|z] at the z of no noise, μ of a Gaussian posterior.
    pub reconstructions: Array2<f32>,
    /// −log p(xⱼ|z) at the same z, in nats.
    pub surprise: Array2<f32>,
}

/// Explains the images at `indices`, in one batch: for pictures.
pub fn explain<T: Real, M: Model<T>>(
    model: &M,
    likelihood: &impl Likelihood<T>,
    images: View<'_>,
    indices: &[usize],
) -> Explanation {
    let mut w = model.workspace_for(indices.len(), 1);
    M::signals(&mut w).read(&images, model.classes(), indices, 0);
    model.encode(&mut w);
    // ε of a fresh workspace is 0.
    model.log_weights(&mut w);
    let s = M::signals(&mut w);
    let mut means = Array2::from_elem(s.x.dim(), T::ZERO);
    likelihood.mean(&s.logits, &mut means);
    Explanation {
        images: cast(s.x.view()),
        reconstructions: cast(means.view()),
        surprise: cast(surprise(likelihood, &s.x, &s.logits).view()),
    }
}

/// −log p(xⱼ|z) of each pixel in nats, (images, pixels), from `x` (images, pixels) and `logits` (images,
/// outputs). A row sums to −log p(x|z): given z, pixels are independent.
///
/// To the likelihood, each pixel is an image of one pixel. Where it has several outputs for a pixel, the
/// first of all pixels come before the second of any.
pub fn surprise<T: Real>(
    likelihood: &impl Likelihood<T>,
    x: &Array2<T>,
    logits: &Array2<T>,
) -> Array2<T> {
    let (images, pixels) = x.dim();
    let place = |row: usize| (row / pixels, row % pixels);
    let alone = Array2::from_shape_fn((images * pixels, 1), |(row, _)| x[place(row)]);
    let outputs = Array2::from_shape_fn((images * pixels, likelihood.outputs(1)), |(row, c)| {
        let (image, pixel) = place(row);
        logits[[image, c * pixels + pixel]]
    });
    let mut log_prob = Array1::from_elem(images * pixels, T::ZERO);
    let mut d_outputs = outputs.clone();
    likelihood.log_prob(&alone, &outputs, T::ONE, &mut log_prob, &mut d_outputs);
    Array2::from_shape_fn((images, pixels), |(image, pixel)| -log_prob[image * pixels + pixel])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        distributions::any::{AnyLikelihood, LikelihoodKind},
        random::{self, Purpose},
    };

    #[test]
    fn what_surprises_at_the_pixels_is_in_sum_what_surprises_in_the_image() {
        for kind in LikelihoodKind::ALL.into_iter().filter(|kind| kind.factorises()) {
            let likelihood: AnyLikelihood<f64> = kind.build(0.1);
            let x = Array2::from_shape_fn((3, 7), |(n, j)| ((n + 3 * j) % 5) as f64 / 4.0);
            let mut logits = Array2::zeros((3, likelihood.outputs(7)));
            random::fill_normal(&mut logits, 0, Purpose::Check, 0, 0..3);
            let (mut log_prob, mut d_logits) = (Array1::zeros(3), logits.clone());
            likelihood.log_prob(&x, &logits, 1.0, &mut log_prob, &mut d_logits);
            let surprise = surprise(&likelihood, &x, &logits);
            for (surprise, log_prob) in surprise.rows().into_iter().zip(&log_prob) {
                assert!((surprise.sum() + log_prob).abs() < 1e-9, "{kind:?}");
            }
        }
    }

    #[test]
    fn a_pixel_that_the_model_is_sure_of_surprises_where_it_is_the_other() {
        let likelihood: AnyLikelihood<f64> = LikelihoodKind::Bernoulli.build(0.1);
        let x = ndarray::array![[1.0, 1.0, 0.0]];
        let surprise = surprise(&likelihood, &x, &ndarray::array![[5.0, -5.0, -5.0]]);
        let sure = (1.0 + (-5.0_f64).exp()).ln();
        let expected = ndarray::array![[sure, 5.0 + sure, sure]];
        assert!((surprise - expected).iter().all(|difference| difference.abs() < 1e-12));
    }
}
