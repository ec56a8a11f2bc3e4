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
    /// part in 75,000.
    pub rest1: T,
    /// β₂, the decay of the second moment.
    pub beta2: T,
    /// 1 − β₂, the share of the squared gradient in the second moment.
    pub rest2: T,
    /// lr/(1 − β₁ᵗ): the learning rate with the first moment's bias correction.
    pub step_size: T,
    /// √(1 − β₂ᵗ): the second moment's bias correction.
    pub sqrt_correction2: T,
    /// ε, added to the root of the second moment.
    pub epsilon: T,
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

/// One step of Adam (Kingma and Ba 2015) for all tensors, in the form and with the rounding order
/// of PyTorch:
///
/// m ← m + (1 − β₁)·(g − m),  v ← β₂·v + (1 − β₂)·g²,
/// p ← p − step_size · m/(√v/sqrt_correction2 + ε)
///
/// The tensors come together, so that the threads share all of them at once.
///
/// # Panics
/// When the lengths within a tensor differ.
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
        let AdamStep { rest1, beta2, rest2, step_size, sqrt_correction2, epsilon } = *self.step;
        let AdamTensor { param, grad, m, v } = self.tensor;
        let moments = m.iter_mut().zip(v);
        for ((p, &g), (m, v)) in param.iter_mut().zip(grad).zip(moments) {
            *m = rest1.mul_add(g - *m, *m);
            *v = (rest2 * g).mul_add(g, beta2 * *v);
            let denominator = v.sqrt() / sqrt_correction2 + epsilon;
            *p = (-step_size).mul_add(*m / denominator, *p);
        }
    }
}
