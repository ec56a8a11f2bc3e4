//! Adam's update in one pass.

use crate::isa::Kernel;
use crate::passes::{LIGHT, Pass, dispatch};
use crate::scalar::Scalar;

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

/// One step of Adam (Kingma and Ba 2015), in the form and with the rounding order of PyTorch:
///
/// m ← m + (1 − β₁)·(g − m),  v ← β₂·v + (1 − β₂)·g²,
/// p ← p − step_size · m/(√v/sqrt_correction2 + ε)
///
/// # Panics
/// When the lengths differ.
pub fn adam<T: Scalar>(step: &AdamStep<T>, param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T]) {
    assert_eq!(param.len(), grad.len(), "adam: the lengths of param and grad");
    assert_eq!(param.len(), m.len(), "adam: the lengths of param and m");
    assert_eq!(param.len(), v.len(), "adam: the lengths of param and v");
    dispatch(Adam { step, param, grad, m, v }, LIGHT);
}

struct Adam<'a, T> {
    step: &'a AdamStep<T>,
    param: &'a mut [T],
    grad: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
}

impl<T: Scalar> Kernel for Adam<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let AdamStep { rest1, beta2, rest2, step_size, sqrt_correction2, epsilon } = *self.step;
        let moments = self.m.iter_mut().zip(self.v);
        for ((p, &g), (m, v)) in self.param.iter_mut().zip(self.grad).zip(moments) {
            *m = rest1.mul_add(g - *m, *m);
            *v = (rest2 * g).mul_add(g, beta2 * *v);
            let denominator = v.sqrt() / sqrt_correction2 + epsilon;
            *p = (-step_size).mul_add(*m / denominator, *p);
        }
    }
}

impl<T: Scalar> Pass for Adam<'_, T> {
    fn units(&self) -> usize {
        self.param.len()
    }

    fn split_at(self, mid: usize) -> (Self, Self) {
        let (param, other_param) = self.param.split_at_mut(mid);
        let (grad, other_grad) = self.grad.split_at(mid);
        let (m, other_m) = self.m.split_at_mut(mid);
        let (v, other_v) = self.v.split_at_mut(mid);
        let step = self.step;
        (
            Self { step, param, grad, m, v },
            Self { step, param: other_param, grad: other_grad, m: other_m, v: other_v },
        )
    }
}
