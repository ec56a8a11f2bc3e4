//! Where the encoder puts normal images, and how far from there it puts another.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::{generation::Posterior, real::cast};

/// The mean and the covariance of z over normal images.
///
/// With x drawn from the N normal images and z from q(z|x) = N(μ(x), diag σ²(x)),
///
/// m = (1/N) Σₙ μₙ,
/// S = (1/N) Σₙ (μₙ − m)(μₙ − m)ᵀ + (1/N) Σₙ diag σₙ²,
///
/// the second by the law of total variance. Its first term alone would be singular where a latent
/// dimension has collapsed: such a dimension's μ says nothing of an image, but hardly varies, so that
/// rounding in it would count for many standard deviations. Its σ² is 1, and with the second term it
/// counts for nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Codes {
    /// m, (latent).
    pub mean: Vec<f64>,
    /// S, (latent, latent), row by row.
    pub covariance: Vec<f64>,
}

impl Codes {
    /// Of the posteriors of normal images.
    pub fn fit(posterior: &Posterior) -> Self {
        let mu: Array2<f64> = cast(posterior.mu.view());
        let sigma: Array2<f64> = cast(posterior.sigma().view());
        let images = mu.nrows() as f64;
        let mean = mu.sum_axis(Axis(0)) / images;
        let centred = &mu - &mean;
        let mut covariance = centred.t().dot(&centred) / images;
        let within = (&sigma * &sigma).sum_axis(Axis(0)) / images;
        covariance.diag_mut().scaled_add(1.0, &within);
        Self { mean: mean.to_vec(), covariance: covariance.into_iter().collect() }
    }

    /// The Mahalanobis distance of each μ, (images, latent), from the mean: √((μ−m)ᵀ S⁻¹ (μ−m)).
    ///
    /// With the Cholesky factor S = L·Lᵀ it is the length of y in L·y = μ − m, found from the first
    /// row down. `None` if S is not positive definite, or not of this many dimensions.
    ///
    /// Source: Mahalanobis 1936; Lee et al. 2018, *A simple unified framework for detecting
    /// out-of-distribution samples and adversarial attacks*, section 2, with a single class.
    pub fn distances(&self, mu: ArrayView2<'_, f32>) -> Option<Vec<f64>> {
        let latent = mu.ncols();
        if self.mean.len() != latent || self.covariance.len() != latent * latent {
            return None;
        }
        let covariance = ArrayView2::from_shape((latent, latent), &self.covariance).ok()?;
        let (factor, mean) = (cholesky(covariance)?, ArrayView1::from(&self.mean));
        let mu: Array2<f64> = cast(mu);
        let length = |mu: ArrayView1<'_, f64>| {
            let y = solve(&factor, &mu - &mean);
            y.dot(&y).sqrt()
        };
        Some(mu.rows().into_iter().map(length).collect())
    }
}

/// The lower triangular L with S = L·Lᵀ, if S is positive definite; only its lower half is read.
fn cholesky(s: ArrayView2<'_, f64>) -> Option<Array2<f64>> {
    let mut l = Array2::zeros(s.dim());
    for i in 0..s.nrows() {
        for j in 0..=i {
            let rest = s[[i, j]] - (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum::<f64>();
            l[[i, j]] = match i == j {
                // NaN is not above 0 either.
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / l[[j, j]],
            };
        }
    }
    Some(l)
}

/// The y with L·y = v.
fn solve(l: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    for i in 0..v.len() {
        let known: f64 = (0..i).map(|k| l[[i, k]] * v[k]).sum();
        v[i] = (v[i] - known) / l[[i, i]];
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn posterior(mu: Array2<f32>, variance: f32) -> Posterior {
        let log_var = mu.mapv(|_| variance.ln());
        Posterior { mu, log_var }
    }

    #[test]
    fn the_covariance_is_that_within_and_that_between_images() {
        let mu = array![[1.0, 2.0], [3.0, 2.0], [1.0, 6.0], [3.0, 6.0]];
        let codes = Codes::fit(&posterior(mu, 0.25));
        assert_eq!(codes.mean, [2.0, 4.0]);
        let expected = [1.25, 0.0, 0.0, 4.25];
        assert!(codes.covariance.iter().zip(expected).all(|(s, e)| (s - e).abs() < 1e-6));
    }

    /// Against the inverse of a 2 x 2 matrix by its formula.
    #[test]
    fn the_distance_is_that_of_the_inverse_covariance() {
        let (a, b, d) = (2.0, 0.75, 1.5);
        let codes = Codes { mean: vec![0.5, -1.0], covariance: vec![a, b, b, d] };
        let (x, y) = (1.25 - 0.5, 3.0 + 1.0);
        let squared = (d * x * x - 2.0 * b * x * y + a * y * y) / (a * d - b * b);
        let found = codes.distances(array![[1.25_f32, 3.0], [0.5, -1.0]].view()).unwrap();
        assert!((found[0] - squared.sqrt()).abs() < 1e-12, "{found:?}");
        assert_eq!(found[1], 0.0);
    }

    #[test]
    fn a_collapsed_dimension_counts_for_next_to_nothing() {
        let mu = Array2::from_shape_fn((40, 2), |(n, j)| match j {
            0 => (n as f32 - 19.5) / 10.0,
            _ => 1e-4 * (n % 3) as f32,
        });
        let mut posterior = posterior(mu, 1.0);
        posterior.log_var.column_mut(0).fill(0.01_f32.ln());
        let codes = Codes::fit(&posterior);
        let far = codes.distances(array![[0.0_f32, 0.01], [3.0, 0.0]].view()).unwrap();
        assert!(far[0] < 0.02 && far[1] > 2.0, "{far:?}");
    }

    #[test]
    fn what_is_no_covariance_gives_no_distance() {
        let mu = array![[1.0_f32, 2.0]];
        let not_positive = [vec![1.0, 2.0, 2.0, 1.0], vec![1.0, f64::NAN, f64::NAN, 1.0]];
        let of_other_size = [vec![1.0], vec![1.0, 0.0, 0.0, 1.0, 5.0]];
        for covariance in not_positive.into_iter().chain(of_other_size) {
            assert!(Codes { mean: vec![0.0; 2], covariance }.distances(mu.view()).is_none());
        }
    }
}
