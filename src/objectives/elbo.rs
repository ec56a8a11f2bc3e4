//! The evidence lower bound.

use super::{Figures, Objective, Signals};
use crate::{
    distributions::{Likelihood, gaussian},
    real::Real,
};

/// log p(x) ≥ ELBO = E_{q(z|x)}[log p(x|z)] - KL(q(z|x) ‖ p(z)).
///
/// The expectation is estimated with the one z that the model drew, or the mean of K of them
/// (unbiased, since z is a sample of q); the divergence is exact ([`gaussian::kl`]). Training
/// minimises L = -(1/N) Σₙ ELBOₙ over a batch of N images, so the terms arrive with the upstream
/// gradients 1/(K·N) and 1/N:
///
/// - ∂L/∂l = (1/(K·N)) ∂(-log p(x|z))/∂l, from the likelihood;
/// - ∂L/∂μ = (1/N) ∂KL/∂μ and ∂L/∂log σ² = (1/N) ∂KL/∂log σ², from the divergence.
///
/// Source: Kingma & Welling 2013, equations 3, 7 and 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elbo;

impl<T: Real> Objective<T> for Elbo {
    fn evaluate(&self, likelihood: &impl Likelihood<T>, s: &mut Signals<T>) -> Figures {
        let (images, draws) = (s.x.nrows() as f64, s.logits.nrows() as f64);
        let (d_kl, d_loss) = (T::from_f64(1.0 / images), T::from_f64(1.0 / draws));

        s.reconstruction(likelihood, d_loss);
        s.weights.fill(d_loss);
        gaussian::kl(&s.mu, &s.log_var, &mut s.kl);
        gaussian::kl_backward(&s.mu, &s.log_var, d_kl, &mut s.d_mu, &mut s.d_log_var);

        let reconstruction = s.log_prob.iter().map(|v| v.to_f64()).sum::<f64>() / draws;
        let kl = s.kl.iter().map(|v| v.to_f64()).sum::<f64>() / images;
        let elbo = reconstruction - kl;
        Figures { objective: elbo, elbo, reconstruction, kl }
    }
}
