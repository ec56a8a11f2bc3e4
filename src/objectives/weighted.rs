//! The evidence lower bound with a weight on the divergence, warmed up, and free bits.

use ndarray::Axis;

use super::{Figures, Objective, Signals, WarmUp};
use crate::{
    distributions::{Likelihood, gaussian},
    real::Real,
};

/// objective = E_q[log p(x|z)] - β Σⱼ max(λ, KLⱼ), with KLⱼ = (1/N) Σₙ KL(q(zⱼ|xₙ) ‖ p(zⱼ)) the mean
/// over the batch of one latent dimension's divergence.
///
/// - β is the price of a nat of divergence. Above 1 it buys codes of fewer, more independent
///   dimensions (Higgins et al. 2017, equation 4); β = 1 and λ = 0 is the ELBO.
/// - A [warm-up](WarmUp) lets β rise from 0 while the decoder is still bad, so that no dimension is
///   given up for good before it could be of use (Bowman et al. 2016; Sønderby et al. 2016).
/// - λ, the free bits (in nats), is what each dimension may cost without being charged for it. The
///   mean over the batch is compared with λ, not each image (Kingma et al. 2016, equation 15).
///
/// # Gradient
///
/// With w = β warmed up, L = -objective. The likelihood's part is the ELBO's. Of the divergence,
/// max(λ, KLⱼ) has the derivative 1 where KLⱼ > λ, and 0 where it is below: such a dimension's
/// posterior hears of the likelihood alone. So
///
/// - ∂L/∂μₙⱼ = (w/N) ∂KLₙⱼ/∂μₙⱼ and ∂L/∂log σ²ₙⱼ = (w/N) ∂KLₙⱼ/∂log σ²ₙⱼ where KLⱼ > λ, both 0
///   elsewhere.
///
/// `elbo`, `reconstruction` and `kl` of its figures are those of the unweighted ELBO.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightedElbo {
    /// β once warm-up is over.
    pub beta: f64,
    /// How β is reached.
    pub warm_up: WarmUp,
    /// λ, in nats per dimension.
    pub free_bits: f64,
    weight: f64,
}

impl WeightedElbo {
    /// With this β, reached by this warm-up, and so many nats of each dimension free.
    pub fn new(beta: f64, warm_up: WarmUp, free_bits: f64) -> Self {
        Self { beta, warm_up, free_bits, weight: beta * warm_up.weight(0.0) }
    }
}

impl<T: Real> Objective<T> for WeightedElbo {
    fn evaluate(&self, likelihood: &impl Likelihood<T>, s: &mut Signals<T>) -> Figures {
        let (images, draws) = (s.x.nrows() as f64, s.logits.nrows() as f64);
        let (d_kl, d_loss) = (T::from_f64(self.weight / images), T::from_f64(1.0 / draws));

        s.reconstruction(likelihood, d_loss);
        s.weights.fill(d_loss);
        gaussian::kl(&s.mu, &s.log_var, &mut s.kl);
        gaussian::kl_backward(&s.mu, &s.log_var, d_kl, &mut s.d_mu, &mut s.d_log_var);

        let reconstruction = s.log_prob.iter().map(|v| v.to_f64()).sum::<f64>() / draws;
        let (mut kl, mut charged) = (0.0, 0.0);
        for (j, column) in s.kl.columns().into_iter().enumerate() {
            let mean = column.iter().map(|v| v.to_f64()).sum::<f64>() / images;
            kl += mean;
            charged += if mean < self.free_bits { self.free_bits } else { mean };
            if mean < self.free_bits {
                s.d_mu.index_axis_mut(Axis(1), j).fill(T::ZERO);
                s.d_log_var.index_axis_mut(Axis(1), j).fill(T::ZERO);
            }
        }
        Figures {
            objective: reconstruction - self.weight * charged,
            elbo: reconstruction - kl,
            reconstruction,
            kl,
        }
    }

    fn advance(&mut self, epochs: f64) {
        self.weight = self.beta * self.warm_up.weight(epochs);
    }
}
