//! The evidence lower bound with a weight for each image.

use elbo_kernels::math;
use ndarray::{Array1, Array2};

use super::{Figures, Objective, Signals};
use crate::{
    distributions::{Likelihood, gaussian},
    real::Real,
};

/// objective = Σₙ wₙ ELBOₙ, for weights of the images that do not depend on what the networks put out.
///
/// A batch in which images count differently: with all wₙ = 1/N it is [`Elbo`](super::Elbo). L = -objective,
/// so everything that the ELBO's gradient has of image n is multiplied by N wₙ:
///
/// - ∂L/∂l = (wₙ/K) ∂(-log p(x|z))/∂l;
/// - ∂L/∂μ = wₙ ∂KL/∂μ and ∂L/∂log σ² = wₙ ∂KL/∂log σ².
///
/// Of its figures `objective` is as above; the others are means over the images, each counted once.
#[derive(Clone, Copy, Debug)]
pub struct EachElbo<'a, T> {
    /// w, (images).
    pub weights: &'a Array1<T>,
}

/// # Panics
///
/// [`Objective::evaluate`] panics if the likelihood does not [factorise](Likelihood::factorises), or there
/// is another number of images than of weights.
impl<T: Real> Objective<T> for EachElbo<'_, T> {
    fn evaluate(&self, likelihood: &impl Likelihood<T>, s: &mut Signals<T>) -> Figures {
        assert!(likelihood.factorises(), "images can be weighted one by one");
        assert_eq!(self.weights.len(), s.images(), "a weight for each image");
        let (images, samples) = (s.images() as f64, s.samples() as f64);
        s.reconstruction(likelihood, T::ONE);
        gaussian::kl(&s.mu, &s.log_var, &mut s.kl);
        gaussian::kl_backward(&s.mu, &s.log_var, T::ONE, &mut s.d_mu, &mut s.d_log_var);

        let share = T::from_f64(1.0 / samples);
        let weights = self.weights.iter().cycle();
        s.weights.iter_mut().zip(weights).for_each(|(weight, &w)| *weight = w * share);
        scale_rows(&mut s.d_logits, &s.weights);
        scale_rows(&mut s.d_mu, self.weights);
        scale_rows(&mut s.d_log_var, self.weights);

        let (mut objective, mut reconstruction, mut kl) = (0.0, 0.0, 0.0);
        for ((n, kl_n), &weight) in s.kl.rows().into_iter().enumerate().zip(self.weights) {
            let kl_n = kl_n.iter().map(|v| v.to_f64()).sum::<f64>();
            let draws = s.log_prob.iter().skip(n).step_by(s.x.nrows());
            let reconstruction_n = draws.map(|v| v.to_f64()).sum::<f64>() / samples;
            objective += weight.to_f64() * (reconstruction_n - kl_n);
            reconstruction += reconstruction_n / images;
            kl += kl_n / images;
        }
        Figures { objective, elbo: reconstruction - kl, reconstruction, kl }
    }
}

/// Row n times `weights[n]`.
fn scale_rows<T: Real>(rows: &mut Array2<T>, weights: &Array1<T>) {
    for (mut row, &weight) in rows.rows_mut().into_iter().zip(weights) {
        row.mapv_inplace(|v| math::zero_if_negligible(v * weight));
    }
}
