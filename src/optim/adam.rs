//! Adam.

use elbo_kernels::{AdamStep, AdamTensor};

use super::{Frozen, schedule::power};
use crate::{
    parameters::{Parameters, elements, elements_mut},
    real::Real,
};

/// Adam with bias correction. For every parameter θ with gradient g, at step t = 1, 2, ..:
///
/// - m ← β₁ m + (1 - β₁) g, the running mean of the gradient;
/// - v ← β₂ v + (1 - β₂) g², the running mean of its square;
/// - m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ): both start at 0, so after t steps they hold only a share
///   1 - βᵗ of the weight, which is divided out;
/// - θ ← θ - α m̂ / (√v̂ + ε).
///
/// Multiplied out, the last line is θ ← θ - α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε √(1 - β₂ᵗ)), with
/// one division for each parameter instead of three. That is what
/// [`elbo_kernels::adam`](elbo_kernels::adam()) computes.
///
/// The moments are models of the same type `M` as the parameters.
///
/// # Weight decay
///
/// Two things go by that name, and [`Decay`] tells them apart. A penalty ½ λ θ² in the loss adds λ θ to
/// the gradient, and so passes through the moments: a weight whose gradient is large is then held back
/// less, as √v̂ divides the penalty too. Decoupled decay takes the share α λ of every θ before the step,
/// whatever the gradient: that is AdamW.
///
/// Source: Kingma & Ba 2014, *Adam: A Method for Stochastic Optimization*, algorithm 1, and the end
/// of section 2 for the second form. Loshchilov & Hutter 2019, *Decoupled Weight Decay
/// Regularization*, algorithm 2, for AdamW.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam<M> {
    /// α.
    pub learning_rate: f64,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
    /// λ, and what it does.
    pub decay: Decay,
    /// t, the steps taken so far.
    pub step: u64,
    /// The first moment.
    pub m: M,
    /// The second moment.
    pub v: M,
    /// What it leaves alone.
    pub frozen: Frozen,
}

/// What weight decay does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// λ of a penalty ½ λ θ² in the loss; 0 for none.
    Penalty(f64),
    /// λ of AdamW: θ ← θ - α λ θ before the step.
    Decoupled(f64),
}

impl<M> Adam<M> {
    /// Adam for `model` with the paper's β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    pub fn new<T: Real>(model: &M, learning_rate: f64) -> Self
    where
        M: Parameters<T>,
    {
        let (m, v) = (model.zeros_like(), model.zeros_like());
        let (beta1, beta2, epsilon, decay) = (0.9, 0.999, 1e-8, Decay::Penalty(0.0));
        let frozen = Frozen::default();
        Self { learning_rate, beta1, beta2, epsilon, decay, step: 0, m, v, frozen }
    }

    /// One step of `model` against the gradient `d`.
    pub fn step<T: Real>(&mut self, model: &mut M, d: &M)
    where
        M: Parameters<T>,
    {
        self.step += 1;
        let correction1 = 1.0 - power(self.beta1, self.step);
        let sqrt_correction2 = (1.0 - power(self.beta2, self.step)).sqrt();
        let (penalty, decay) = match self.decay {
            Decay::Penalty(lambda) => (lambda, 0.0),
            Decay::Decoupled(lambda) => (0.0, lambda),
        };
        let step = AdamStep {
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
            step_size: T::from_f64(self.learning_rate * sqrt_correction2 / correction1),
            epsilon: T::from_f64(self.epsilon * sqrt_correction2),
            penalty: T::from_f64(penalty),
            decay: T::from_f64(self.learning_rate * decay),
        };
        let moments = self.m.tensors_mut().zip(self.v.tensors_mut());
        let tensors = model.tensors_mut().zip(d.tensors()).zip(moments);
        elbo_kernels::adam(
            &step,
            self.frozen.rest(tensors).map(|((theta, g), (m, v))| AdamTensor {
                param: elements_mut(theta),
                grad: elements(&g),
                m: elements_mut(m),
                v: elements_mut(v),
            }),
        );
    }
}
