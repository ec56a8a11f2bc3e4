//! The updates of optimisers that keep one moment: SGD with momentum, and RMSprop.

use crate::adam::normal_or_zero;
use crate::isa::{Isa, Kernel};
use crate::scalar::Scalar;
use crate::team;

/// How one parameter and its moment change, given the gradient.
pub trait Update<T>: Sync {
    /// From (p, g, moment) to (p, moment).
    fn update(&self, param: T, grad: T, moment: T) -> (T, T);
}

/// Gradient descent with momentum:
///
/// b ← `momentum`·b + g + `penalty`·p,  p ← p − `step_size`·b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep<T> {
    /// α, the learning rate.
    pub step_size: T,
    /// μ, the share of the earlier direction that is kept.
    pub momentum: T,
    /// λ of a penalty ½ λ p² in the loss.
    pub penalty: T,
}

/// RMSprop:
///
/// v ← ρ·v + (1 − ρ)·g²,  p ← p − `step_size`·g/(√v + `epsilon`),  with g + `penalty`·p in place of g.
///
/// As in [`adam`](crate::adam()), a moment below the smallest normal number becomes 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropStep<T> {
    /// α, the learning rate.
    pub step_size: T,
    /// ρ, the decay of the moment.
    pub rho: T,
    /// 1 − ρ, to be formed in f64 and then rounded.
    pub rest: T,
    /// ε, added to the root of the moment.
    pub epsilon: T,
    /// λ of a penalty ½ λ p² in the loss.
    pub penalty: T,
}

impl<T: Scalar> Update<T> for SgdStep<T> {
    #[inline(always)]
    fn update(&self, param: T, grad: T, moment: T) -> (T, T) {
        let grad = self.penalty.mul_add(param, grad);
        let moment = normal_or_zero(self.momentum.mul_add(moment, grad));
        ((-self.step_size).mul_add(moment, param), moment)
    }
}

impl<T: Scalar> Update<T> for RmsPropStep<T> {
    #[inline(always)]
    fn update(&self, param: T, grad: T, moment: T) -> (T, T) {
        let grad = self.penalty.mul_add(param, grad);
        let moment = normal_or_zero((self.rest * grad).mul_add(grad, self.rho * moment));
        let root = moment.sqrt() + self.epsilon;
        ((-self.step_size).mul_add(grad / root, param), moment)
    }
}

/// A tensor of parameters with its gradient and its moment.
pub struct MomentTensor<'a, T> {
    /// p.
    pub param: &'a mut [T],
    /// g.
    pub grad: &'a [T],
    /// b or v.
    pub moment: &'a mut [T],
}

/// One step for all tensors, which the threads share all at once.
///
/// # Panics
/// When the lengths within a tensor differ. It is left as it is, but tensors before it may be a step further.
pub fn one_moment<'a, T: Scalar, U: Update<T>>(
    update: &U,
    tensors: impl IntoIterator<Item = MomentTensor<'a, T>>,
) {
    let isa = Isa::active();
    let run = |tensor| isa.run(OneMoment { update, tensor });
    let tensors = tensors.into_iter().inspect(MomentTensor::check);
    if team::threads() == 1 {
        return tensors.for_each(run);
    }
    let mut parts = tensors.flat_map(MomentTensor::parts).peekable();
    while parts.peek().is_some() {
        team::share(parts.by_ref().take(team::MAX_PARTS), run);
    }
}

/// Elements of a part: little enough for a fair division of the smaller models.
const PART: usize = 1 << 14;

impl<'a, T: Scalar> MomentTensor<'a, T> {
    fn check(&self) {
        let Self { param, grad, moment } = self;
        assert_eq!(param.len(), grad.len(), "an optimiser: the lengths of param and grad");
        assert_eq!(param.len(), moment.len(), "an optimiser: the lengths of param and moment");
    }

    fn parts(self) -> impl Iterator<Item = Self> {
        let chunks = self.param.chunks_mut(PART).zip(self.grad.chunks(PART));
        let chunks = chunks.zip(self.moment.chunks_mut(PART));
        chunks.map(|((param, grad), moment)| Self { param, grad, moment })
    }
}

struct OneMoment<'a, T, U> {
    update: &'a U,
    tensor: MomentTensor<'a, T>,
}

impl<T: Scalar, U: Update<T>> Kernel for OneMoment<'_, T, U> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let MomentTensor { param, grad, moment } = self.tensor;
        for ((p, &g), moment) in param.iter_mut().zip(grad).zip(moment) {
            (*p, *moment) = self.update.update(*p, g, *moment);
        }
    }
}
