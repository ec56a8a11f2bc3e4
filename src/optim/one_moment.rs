//! The optimisers that keep one moment: SGD with momentum, and RMSprop.

use elbo_kernels::{MomentTensor, RmsPropStep, SgdStep, one_moment, one_moment::Update};

use super::Frozen;
use crate::{
    parameters::{Parameters, elements, elements_mut},
    real::Real,
};

/// Gradient descent with momentum. For every parameter θ with gradient g:
///
/// - b ← μ b + g + λ θ, a direction that remembers earlier ones: after many steps along one slope it
///   is g / (1 - μ);
/// - θ ← θ - α b.
///
/// μ = 0 is plain gradient descent; λ is that of a penalty ½ λ θ² in the loss.
///
/// Source: Polyak 1964; Sutskever et al. 2013, in the form of PyTorch's `SGD`, whose b is not scaled
/// by α.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd<M> {
    /// α.
    pub learning_rate: f64,
    /// μ.
    pub momentum: f64,
    /// λ.
    pub penalty: f64,
    /// The steps taken so far.
    pub step: u64,
    /// b.
    pub b: M,
    /// What it leaves alone.
    pub frozen: Frozen,
}

/// RMSprop. For every parameter θ with gradient g, to which λ θ is added first:
///
/// - v ← ρ v + (1 - ρ) g², the running mean of the gradient's square;
/// - θ ← θ - α g / (√v + ε): every parameter moves by about α, however steep its slope.
///
/// It is Adam without the first moment and without the correction of v's start at 0, so that its first
/// steps are larger than α by up to 1/√(1 - ρ).
///
/// Source: Hinton 2012, *Neural Networks for Machine Learning*, lecture 6e.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsProp<M> {
    /// α.
    pub learning_rate: f64,
    /// ρ.
    pub rho: f64,
    /// ε.
    pub epsilon: f64,
    /// λ of a penalty ½ λ θ² in the loss.
    pub penalty: f64,
    /// The steps taken so far.
    pub step: u64,
    /// v.
    pub v: M,
    /// What it leaves alone.
    pub frozen: Frozen,
}

impl<M> Sgd<M> {
    /// Gradient descent for `model` with this momentum and no penalty.
    pub fn new<T: Real>(model: &M, learning_rate: f64, momentum: f64) -> Self
    where
        M: Parameters<T>,
    {
        let (b, frozen) = (model.zeros_like(), Frozen::default());
        Self { learning_rate, momentum, penalty: 0.0, step: 0, b, frozen }
    }

    /// One step of `model` against the gradient `d`.
    pub fn step<T: Real>(&mut self, model: &mut M, d: &M)
    where
        M: Parameters<T>,
    {
        self.step += 1;
        let update = SgdStep {
            step_size: T::from_f64(self.learning_rate),
            momentum: T::from_f64(self.momentum),
            penalty: T::from_f64(self.penalty),
        };
        apply(&update, model, d, &mut self.b, &self.frozen);
    }
}

impl<M> RmsProp<M> {
    /// RMSprop for `model` with ρ = 0.99, ε = 1e-8 and no penalty, PyTorch's defaults.
    pub fn new<T: Real>(model: &M, learning_rate: f64) -> Self
    where
        M: Parameters<T>,
    {
        let (rho, epsilon, v) = (0.99, 1e-8, model.zeros_like());
        Self { learning_rate, rho, epsilon, penalty: 0.0, step: 0, v, frozen: Frozen::default() }
    }

    /// One step of `model` against the gradient `d`.
    pub fn step<T: Real>(&mut self, model: &mut M, d: &M)
    where
        M: Parameters<T>,
    {
        self.step += 1;
        let update = RmsPropStep {
            step_size: T::from_f64(self.learning_rate),
            rho: T::from_f64(self.rho),
            rest: T::from_f64(1.0 - self.rho),
            epsilon: T::from_f64(self.epsilon),
            penalty: T::from_f64(self.penalty),
        };
        apply(&update, model, d, &mut self.v, &self.frozen);
    }
}

/// One update of all tensors that are not frozen.
fn apply<T: Real, M: Parameters<T>>(
    update: &impl Update<T>,
    model: &mut M,
    d: &M,
    moment: &mut M,
    frozen: &Frozen,
) {
    let tensors = model.tensors_mut().zip(d.tensors()).zip(moment.tensors_mut());
    one_moment(
        update,
        frozen.rest(tensors).map(|((theta, g), moment)| MomentTensor {
            param: elements_mut(theta),
            grad: elements(&g),
            moment: elements_mut(moment),
        }),
    );
}
