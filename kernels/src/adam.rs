//! Adam's update in one pass.

use crate::isa::{Isa, Kernel};
use crate::scalar::Scalar;
use crate::team;

/// The numbers that are the same for all parameters in step t of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep<T> {
    /// 1 − β₁, the share of the gradient in the first moment.
    ///
    /// It and `rest2` are to be formed in f64 and then rounded: in f32, 1 − 0.999 is off by one
    /// part in 78,000.
    pub rest1: T,
    /// β₂, the decay of the second moment.
    pub beta2: T,
    /// 1 − β₂, the share of the squared gradient in the second moment.
    pub rest2: T,
    /// α·√(1 − β₂ᵗ)/(1 − β₁ᵗ): the learning rate with both moments' bias corrections.
    pub step_size: T,
    /// ε·√(1 − β₂ᵗ), added to the root of the second moment.
    pub epsilon: T,
    /// λ of a penalty ½ λ p² in the loss: λ·p is added to the gradient. 0 for none.
    pub penalty: T,
    /// The share of itself that a parameter loses before it is moved. 0 for none.
    pub decay: T,
}

/// A tensor of parameters with what Adam needs of it.
pub struct AdamTensor<'a, T> {
    /// p.
    pub param: &'a mut [T],
    /// g.
    pub grad: &'a [T],
    /// m.
    pub m: &'a mut [T],
    /// v.
    pub v: &'a mut [T],
}

/// One step of Adam for all tensors, in the order that Kingma and Ba (2015) give at the end of
/// section 2, with both bias corrections in the step size:
///
/// m ← m + (1 − β₁)·(g − m),  v ← β₂·v + (1 − β₂)·g²,  p ← p − `step_size`·m/(√v + `epsilon`)
///
/// with g + `penalty`·p in place of g, and p − `decay`·p in place of p in the last.
///
/// A moment below the smallest normal number becomes 0. Such a moment is far too small to move a
/// parameter, provided that `epsilon` is far above the root of that number (1e-19 in f32), but a
/// weight whose gradient has become 0 for good would keep it, and arithmetic with subnormal
/// numbers may take many times as long.
///
/// The tensors come together, so that the threads share all of them at once.
///
/// # Panics
/// When the lengths within a tensor differ. It is left as it is, but tensors before it may be a step further.
pub fn adam<'a, T: Scalar>(
    step: &AdamStep<T>,
    tensors: impl IntoIterator<Item = AdamTensor<'a, T>>,
) {
    let isa = Isa::active();
    let run = |tensor| isa.run(Adam { step, tensor });
    let tensors = tensors.into_iter().inspect(AdamTensor::check);
    if team::threads() == 1 {
        return tensors.for_each(run);
    }
    let mut parts = tensors.flat_map(AdamTensor::parts).peekable();
    while parts.peek().is_some() {
        team::share(parts.by_ref().take(team::MAX_PARTS), run);
    }
}

/// Elements of a part: little enough for a fair division of the smaller models.
const PART: usize = 1 << 14;

impl<'a, T: Scalar> AdamTensor<'a, T> {
    fn check(&self) {
        let Self { param, grad, m, v } = self;
        assert_eq!(param.len(), grad.len(), "adam: the lengths of param and grad");
        assert_eq!(param.len(), m.len(), "adam: the lengths of param and m");
        assert_eq!(param.len(), v.len(), "adam: the lengths of param and v");
    }

    fn parts(self) -> impl Iterator<Item = Self> {
        let moments = self.m.chunks_mut(PART).zip(self.v.chunks_mut(PART));
        let chunks = self.param.chunks_mut(PART).zip(self.grad.chunks(PART)).zip(moments);
        chunks.map(|((param, grad), (m, v))| Self { param, grad, m, v })
    }
}

struct Adam<'a, T> {
    step: &'a AdamStep<T>,
    tensor: AdamTensor<'a, T>,
}

impl<T: Scalar> Kernel for Adam<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let AdamStep { rest1, beta2, rest2, step_size, epsilon, penalty, decay } = *self.step;
        let AdamTensor { param, grad, m, v } = self.tensor;
        let moments = m.iter_mut().zip(v);
        for ((p, &g), (m, v)) in param.iter_mut().zip(grad).zip(moments) {
            let g = penalty.mul_add(*p, g);
            *m = normal_or_zero(rest1.mul_add(g - *m, *m));
            *v = normal_or_zero((rest2 * g).mul_add(g, beta2 * *v));
            *p = (-step_size).mul_add(*m / (v.sqrt() + epsilon), (-decay).mul_add(*p, *p));
        }
    }
}

/// x, or 0 for a subnormal x; NaN stays NaN.
#[inline(always)]
pub(crate) fn normal_or_zero<T: Scalar>(x: T) -> T {
    if x.abs() < T::MIN_POSITIVE { T::ZERO } else { x }
}
