//! The evidence lower bound with the divergence estimated from the samples.

use super::{Figures, Objective, Signals, WarmUp};
use crate::{distributions::Likelihood, real::Real};

/// ELBO = E_q[log p(x|z) + log p(z) - log q(z|x)], all of it estimated with the K samples of each
/// image. What is maximised weights the divergence by β as [`WeightedElbo`](super::WeightedElbo)
/// does:
///
/// objective = (1/(K·N)) Σ [log p(x|z) + β (log p(z) - log q(z|x))].
///
/// For a posterior and a prior without a closed form of KL(q ‖ p), as a normalising flow, a mixture
/// or several layers of latent variables have none. Each sample counts for 1/(K·N), and the
/// logarithm of the ratio for β times that.
///
/// Source: Kingma & Welling 2013, equation 6.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampledElbo {
    /// β once warm-up is over.
    pub beta: f64,
    /// How β is reached.
    pub warm_up: WarmUp,
    weight: f64,
}

impl SampledElbo {
    /// With this β, reached by this warm-up.
    pub fn new(beta: f64, warm_up: WarmUp) -> Self {
        Self { beta, warm_up, weight: beta * warm_up.weight(0.0) }
    }
}

impl<T: Real> Objective<T> for SampledElbo {
    fn evaluate(&self, likelihood: &impl Likelihood<T>, s: &mut Signals<T>) -> Figures {
        let draws = s.logits.nrows() as f64;
        let d_loss = T::from_f64(1.0 / draws);
        s.reconstruction(likelihood, d_loss);
        s.weights.fill(d_loss);
        s.ratio_weight = T::from_f64(self.weight);
        let reconstruction = s.log_prob.iter().map(|v| v.to_f64()).sum::<f64>() / draws;
        let kl = -s.log_ratio.iter().map(|v| v.to_f64()).sum::<f64>() / draws;
        Figures {
            objective: reconstruction - self.weight * kl,
            elbo: reconstruction - kl,
            reconstruction,
            kl,
        }
    }

    fn sampled(&self) -> bool {
        true
    }

    fn advance(&mut self, epochs: f64) {
        self.weight = self.beta * self.warm_up.weight(epochs);
    }
}
