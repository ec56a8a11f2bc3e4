//! The importance-weighted bound.

use elbo_kernels::math;
use serde::{Deserialize, Serialize};

use super::{Figures, Objective, Signals};
use crate::{distributions::Likelihood, real::Real};

/// log p(x) ≥ L_K = E[ln (1/K) Σₖ wₖ], wₖ = p(x|zₖ) p(zₖ) / q(zₖ|x), with K independent zₖ ~ q(z|x).
///
/// K = 1 is the ELBO. With K the bound rises towards log p(x), since a sample that explains the image
/// badly is outvoted rather than averaged in.
///
/// # Gradient
///
/// With ℓₖ = ln wₖ and w̃ₖ = wₖ / Σⱼ wⱼ,
///
/// ∂/∂θ ln Σₖ exp ℓₖ = Σₖ (exp ℓₖ / Σⱼ exp ℓⱼ) ∂ℓₖ/∂θ = Σₖ w̃ₖ ∂ℓₖ/∂θ:
///
/// the ELBO's gradient sample by sample, each counted for w̃ₖ in place of 1/K. So with L = -objective
/// and N images, -∂L/∂log p(x|zₖ) = -∂L/∂(log p(zₖ) - log q(zₖ|x)) = w̃ₖ/N, which is what `weights`
/// holds. w̃ is computed from ℓ less its largest, so that no exponential overflows.
///
/// The `elbo` of its figures is the mean of ℓ over the samples, `reconstruction` and `kl` its two parts.
///
/// Source: Burda, Grosse & Salakhutdinov 2015, equations 8, 13 and 14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Iwae {
    /// How the gradient at μ and log σ² is estimated.
    pub estimator: Estimator,
}

/// How the gradient of a sampled bound at the posterior's μ and log σ² is estimated.
///
/// ℓ = log p(x, z) - log q(z|x) depends on them through z, and through the density q itself: the
/// score. The score has mean zero under q, so that with one sample it can be dropped; what is left is noise
/// of the smaller variance the closer q comes to the true posterior.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// The whole derivative, w̃ₖ (∂ℓ/∂z · ∂z/∂(μ, log σ²) - ∂log q/∂(μ, log σ²)).
    #[default]
    Total,
    /// "Sticking the landing" (Roeder, Wu & Duvenaud 2017): the score is left out,
    /// w̃ₖ ∂ℓ/∂z · ∂z/∂(μ, log σ²). Unbiased for K = 1; for more samples it is not, as the mean of w̃ₖ times
    /// the score is not zero (Tucker et al. 2019).
    Stl,
    /// Doubly reparameterised: w̃ₖ² ∂ℓ/∂z · ∂z/∂(μ, log σ²). The score's mean under the weights w̃ is
    /// itself turned into a derivative along the path, which leaves w̃ₖ² and no bias for any K
    /// (Tucker et al. 2019, equation 8).
    Dreg,
}

/// # Panics
///
/// [`Objective::evaluate`] panics if the likelihood does not [factorise](Likelihood::factorises).
impl<T: Real> Objective<T> for Iwae {
    fn evaluate(&self, likelihood: &impl Likelihood<T>, s: &mut Signals<T>) -> Figures {
        assert!(likelihood.factorises(), "samples can be weighted one by one");
        let (images, samples) = (s.images(), s.samples());
        let share = 1.0 / images as f64;
        let d_loss = T::from_f64(share);
        s.reconstruction(likelihood, d_loss);

        let mut bound = 0.0;
        for n in 0..images {
            bound += normalise(n, images, s) - (samples as f64).ln();
        }
        for (mut d, weight) in s.d_logits.rows_mut().into_iter().zip(&mut s.weights) {
            let own = *weight;
            d.mapv_inplace(|d| math::zero_if_negligible(d * own));
            *weight = own * d_loss;
        }
        s.ratio_weight = T::ONE;
        let draws = (images * samples) as f64;
        let reconstruction = s.log_prob.iter().map(|v| v.to_f64()).sum::<f64>() / draws;
        let kl = -s.log_ratio.iter().map(|v| v.to_f64()).sum::<f64>() / draws;
        let elbo = reconstruction - kl;
        Figures { objective: bound * share, elbo, reconstruction, kl }
    }

    fn sampled(&self) -> bool {
        true
    }

    fn estimator(&self) -> Estimator {
        self.estimator
    }
}

/// Writes w̃ₖ of image n into `weights`, and returns ln Σₖ wₖ.
fn normalise<T: Real>(n: usize, images: usize, s: &mut Signals<T>) -> f64 {
    let rows = (n..s.log_prob.len()).step_by(images);
    let log_weight = |r: usize| s.log_prob[r].to_f64() + s.log_ratio[r].to_f64();
    let largest = rows.clone().map(log_weight).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = rows.clone().map(|r| (log_weight(r) - largest).exp()).sum();
    for r in rows {
        s.weights[r] = T::from_f64((log_weight(r) - largest).exp() / sum);
    }
    largest + sum.ln()
}
