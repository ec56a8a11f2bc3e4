//! Passes whose elements don't meet.

use std::marker::PhantomData;

use super::{BLOCK, HEAVY, LIGHT, Pass, dispatch};
use crate::isa::Kernel;
use crate::math::{self, Exponential};
use crate::scalar::Scalar;

/// The gradient at a function's input, from the function's output and the gradient there.
trait Derivative<T> {
    fn call(y: T, d: T) -> T;
}

/// x ← F(x) for every element, F being a function of an exponential.
struct MapExponential<'a, T, F> {
    x: &'a mut [T],
    function: PhantomData<F>,
}

impl<T: Scalar, F: Exponential<T>> Kernel for MapExponential<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [mut t, mut r] = [[T::ZERO; BLOCK]; 2];
        for x in self.x.chunks_mut(BLOCK) {
            for ((&x, t), r) in x.iter().zip(&mut t).zip(&mut r) {
                (*t, *r) = F::reduce(x);
            }
            for ((x, &t), &r) in x.iter_mut().zip(&t).zip(&r) {
                *x = F::finish(*x, t, r);
            }
        }
    }
}

impl<T: Scalar, F: Exponential<T> + Send> Pass for MapExponential<'_, T, F> {
    fn units(&self) -> usize {
        self.x.len()
    }

    fn split_at(self, mid: usize) -> (Self, Self) {
        let (one, other) = self.x.split_at_mut(mid);
        (Self { x: one, function: PhantomData }, Self { x: other, function: PhantomData })
    }
}

/// d ← F(y, d) for every pair.
struct Backward<'a, T, F> {
    y: &'a [T],
    d: &'a mut [T],
    derivative: PhantomData<F>,
}

impl<'a, T: Scalar, F: Derivative<T>> Backward<'a, T, F> {
    fn new(y: &'a [T], d: &'a mut [T]) -> Self {
        assert_eq!(y.len(), d.len(), "a backward pass: the lengths of y and d");
        Self { y, d, derivative: PhantomData }
    }
}

impl<T: Scalar, F: Derivative<T>> Kernel for Backward<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (d, &y) in self.d.iter_mut().zip(self.y) {
            *d = F::call(y, *d);
        }
    }
}

impl<T: Scalar, F: Derivative<T> + Send> Pass for Backward<'_, T, F> {
    fn units(&self) -> usize {
        self.d.len()
    }

    fn split_at(self, mid: usize) -> (Self, Self) {
        let (y, other_y) = self.y.split_at(mid);
        let (d, other_d) = self.d.split_at_mut(mid);
        (
            Self { y, d, derivative: PhantomData },
            Self { y: other_y, d: other_d, derivative: PhantomData },
        )
    }
}

/// Makes one public pass out of the name of an [`Exponential`], or out of a derivative's formula.
macro_rules! pass {
    ($(#[$doc:meta])* $name:ident, $Function:ident) => {
        $(#[$doc])*
        pub fn $name<T: Scalar>(x: &mut [T]) {
            dispatch(MapExponential::<T, math::$Function> { x, function: PhantomData }, HEAVY);
        }
    };
    ($(#[$doc:meta])* $name:ident, $Name:ident, $task:ident, |$y:ident, $d:ident| $formula:expr) => {
        struct $Name;

        impl<T: Scalar> Derivative<T> for $Name {
            #[inline(always)]
            fn call($y: T, $d: T) -> T {
                $formula
            }
        }

        $(#[$doc])*
        ///
        /// # Panics
        /// When the lengths differ.
        pub fn $name<T: Scalar>(y: &[T], d: &mut [T]) {
            dispatch(Backward::<T, $Name>::new(y, d), $task);
        }
    };
}

pass!(
    /// x ← eˣ ([`math::exp`]).
    exp, Exp
);
pass!(
    /// x ← eˣ − 1 ([`math::exp_m1`]).
    exp_m1, ExpM1
);
pass!(
    /// x ← tanh x ([`math::tanh`]).
    tanh, Tanh
);
pass!(
    /// x ← 1/(1 + e⁻ˣ) ([`math::sigmoid`]).
    sigmoid, Sigmoid
);
pass!(
    /// x ← 1/(1 − e⁻ˣ) − 1/x, and 1/2 at 0: the mean of the density on [0, 1] that is proportional to
    /// eˣᵗ in t, a continuous Bernoulli variable's.
    continuous_bernoulli_mean, LogPartitionSlope
);
pass!(
    /// x ← ln(1 + eˣ) ([`math::softplus`]).
    softplus, Softplus
);
// The sum is for the compiler, as in `Relu`.
pass!(
    /// d ← 0 where y = max(x, 0) is 0; where y is NaN, d stays.
    relu_backward, ReluBackward, LIGHT, |y, d| (if y <= T::ZERO { T::ZERO } else { d }) + T::ZERO
);
pass!(
    /// d ← d·(1 − y²) for y = tanh x.
    tanh_backward, TanhBackward, LIGHT, |y, d| d * (-y).mul_add(y, T::ONE)
);
pass!(
    /// d ← d·y·(1 − y) for y = σ(x).
    sigmoid_backward, SigmoidBackward, LIGHT, |y, d| d * (y * (T::ONE - y))
);
pass!(
    /// d ← d·(1 − e⁻ʸ) for y = ln(1 + eˣ): the derivative σ(x), without cancellation where y is
    /// small.
    softplus_backward, SoftplusBackward, HEAVY, |y, d| d * -math::exp_m1(-y)
);

/// x ← max(x, 0); NaN stays NaN.
pub fn relu<T: Scalar>(x: &mut [T]) {
    dispatch(Relu { x }, LIGHT);
}

struct Relu<'a, T> {
    x: &'a mut [T],
}

impl<T: Scalar> Kernel for Relu<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.x {
            // Without the sum, the compiler stores only the zeros, one by one behind a branch. It
            // makes −0 positive.
            *x = math::relu(*x) + T::ZERO;
        }
    }
}

impl<T: Scalar> Pass for Relu<'_, T> {
    fn units(&self) -> usize {
        self.x.len()
    }

    fn split_at(self, mid: usize) -> (Self, Self) {
        let (one, other) = self.x.split_at_mut(mid);
        (Self { x: one }, Self { x: other })
    }
}

/// `out[i]` ← `bytes[i]`/255, correctly rounded.
///
/// # Panics
/// When the lengths differ.
pub fn bytes_to_unit<T: Scalar>(bytes: &[u8], out: &mut [T]) {
    assert_eq!(bytes.len(), out.len(), "bytes_to_unit: the lengths of bytes and out");
    dispatch(BytesToUnit { bytes, out }, LIGHT);
}

struct BytesToUnit<'a, T> {
    bytes: &'a [u8],
    out: &'a mut [T],
}

impl<T: Scalar> Kernel for BytesToUnit<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let white = T::from_u8(u8::MAX);
        for (out, &byte) in self.out.iter_mut().zip(self.bytes) {
            *out = T::from_u8(byte) / white;
        }
    }
}

impl<T: Scalar> Pass for BytesToUnit<'_, T> {
    fn units(&self) -> usize {
        self.out.len()
    }

    fn split_at(self, mid: usize) -> (Self, Self) {
        let (bytes, other_bytes) = self.bytes.split_at(mid);
        let (out, other_out) = self.out.split_at_mut(mid);
        (Self { bytes, out }, Self { bytes: other_bytes, out: other_out })
    }
}
