//! What images cost by the logits of their pixels, Bernoulli or continuous Bernoulli variables, with
//! the gradient.

use std::marker::PhantomData;

use super::reductions::sum_lanes;
use super::rows::check_rows;
use super::{BLOCK, HEAVY, Pass, dispatch};
use crate::isa::Kernel;
use crate::math::{self, ExpOfMinusAbs, Exponential};
use crate::scalar::Scalar;

/// The logistic loss of every row and its gradient, with eˣ evaluated once per element:
///
/// `row_loss[i]` ← Σⱼ max(l, 0) − x·l + ln(1 + e^−|l|),  d_logits ← scale·(σ(l) − x)
///
/// where x and l are elements of `x` and `logits` (batch × columns). The loss is −ln p(x|l) for
/// Bernoulli variables, is right for x anywhere in [0, 1], and no term of it overflows for a finite
/// logit. An infinite one can make the loss NaN, but never the gradient.
/// `scale` multiplies the gradient only: 1/batch for a loss that is averaged over the batch.
///
/// An element of the gradient below the smallest normal number over the machine's epsilon, 1e-31 in f32,
/// becomes 0. A trained model is as sure as that of many a pixel, and the products of such elements with
/// weights and features are subnormal numbers, whose arithmetic takes many times as long.
///
/// # Panics
/// When the shapes don't agree: x, logits and d_logits batch × columns, row_loss batch.
pub fn logistic_loss<T: Scalar>(
    x: &[T],
    logits: &[T],
    columns: usize,
    scale: T,
    d_logits: &mut [T],
    row_loss: &mut [T],
) {
    row_losses::<T, Logistic>("logistic_loss", x, logits, columns, scale, d_logits, row_loss);
}

/// The same for continuous Bernoulli variables, whose density on [0, 1] is eˡˣ/∫₀¹ eˡᵗ dt:
///
/// `row_loss[i]` ← Σⱼ ln((eˡ − 1)/l) − x·l,  d_logits ← scale·(1/(1 − e⁻ˡ) − 1/l − x)
///
/// # Panics
/// When the shapes don't agree: x, logits and d_logits batch × columns, row_loss batch.
pub fn continuous_bernoulli_loss<T: Scalar>(
    x: &[T],
    logits: &[T],
    columns: usize,
    scale: T,
    d_logits: &mut [T],
    row_loss: &mut [T],
) {
    let name = "continuous_bernoulli_loss";
    row_losses::<T, ContinuousBernoulli>(name, x, logits, columns, scale, d_logits, row_loss);
}

/// What one element costs.
trait Loss<T> {
    /// The loss and its derivative at `l`, given `e` = e^−|l|.
    fn of(x: T, l: T, e: T) -> (T, T);
}

struct Logistic;

impl<T: Scalar> Loss<T> for Logistic {
    #[inline(always)]
    fn of(x: T, l: T, e: T) -> (T, T) {
        let loss = (-x).mul_add(l, math::relu(l)) + math::ln_1p(e);
        (loss, math::sigmoid_from(l, e) - x)
    }
}

struct ContinuousBernoulli;

impl<T: Scalar> Loss<T> for ContinuousBernoulli {
    #[inline(always)]
    fn of(x: T, l: T, e: T) -> (T, T) {
        let (linear, rest) = math::log_partition_from(l, e);
        ((-x).mul_add(l, linear) + rest, math::log_partition_slope_from(l, e) - x)
    }
}

fn row_losses<T: Scalar, F: Loss<T> + Send>(
    name: &str,
    x: &[T],
    logits: &[T],
    columns: usize,
    scale: T,
    d_logits: &mut [T],
    row_loss: &mut [T],
) {
    assert_eq!(x.len(), logits.len(), "{name}: the lengths of x and logits");
    assert_eq!(x.len(), d_logits.len(), "{name}: the lengths of x and d_logits");
    check_rows(name, x.len(), columns);
    assert!(
        row_loss.len().checked_mul(columns) == Some(x.len()),
        "{name}: {} losses for {} elements in rows of {columns}",
        row_loss.len(),
        x.len()
    );
    let loss = PhantomData::<F>;
    let pass = RowLosses { x, logits, columns, scale, d_logits, row_loss, loss };
    dispatch(pass, HEAVY.div_ceil(columns.max(1)));
}

struct RowLosses<'a, T, F> {
    x: &'a [T],
    logits: &'a [T],
    columns: usize,
    scale: T,
    d_logits: &'a mut [T],
    row_loss: &'a mut [T],
    loss: PhantomData<F>,
}

impl<T: Scalar, F: Loss<T>> Kernel for RowLosses<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let columns = self.columns;
        let mut between = [[T::ZERO; BLOCK]; 3];
        for (i, row_loss) in self.row_loss.iter_mut().enumerate() {
            let row = i * columns..(i + 1) * columns;
            let x = self.x[row.clone()].chunks(BLOCK);
            let logits = self.logits[row.clone()].chunks(BLOCK);
            let d_logits = self.d_logits[row].chunks_mut(BLOCK);
            *row_loss = T::ZERO;
            for ((x, logits), d_logits) in x.zip(logits).zip(d_logits) {
                *row_loss += block_loss::<T, F>(x, logits, self.scale, d_logits, &mut between);
            }
        }
    }
}

/// The loss of one block of a row, and its gradient. `between` is what the loops keep for each
/// other.
#[inline(always)]
fn block_loss<T: Scalar, F: Loss<T>>(
    x: &[T],
    logits: &[T],
    scale: T,
    d_logits: &mut [T],
    between: &mut [[T; BLOCK]; 3],
) -> T {
    let [t, r, e] = between.each_mut().map(|kept| &mut kept[..x.len()]);
    for ((&l, t), r) in logits.iter().zip(t.iter_mut()).zip(r.iter_mut()) {
        (*t, *r) = ExpOfMinusAbs::reduce(l);
    }
    for (((&l, &t), &r), e) in logits.iter().zip(t.iter()).zip(r.iter()).zip(e.iter_mut()) {
        *e = ExpOfMinusAbs::finish(l, t, r);
    }
    let losses = t;
    let inputs = x.iter().zip(logits).zip(e.iter());
    for (((&x, &l), &e), (d, loss)) in inputs.zip(d_logits.iter_mut().zip(losses.iter_mut())) {
        let (cost, slope) = F::of(x, l, e);
        *loss = cost;
        *d = math::zero_if_negligible(scale * slope);
    }
    sum_lanes(losses)
}

impl<T: Scalar, F: Loss<T> + Send> Pass for RowLosses<'_, T, F> {
    const GRAIN: usize = 1;

    fn units(&self) -> usize {
        self.row_loss.len()
    }

    fn split_at(self, mid: usize) -> (Self, Self) {
        let elements = mid * self.columns;
        let (x, other_x) = self.x.split_at(elements);
        let (logits, other_logits) = self.logits.split_at(elements);
        let (d_logits, other_d_logits) = self.d_logits.split_at_mut(elements);
        let (row_loss, other_row_loss) = self.row_loss.split_at_mut(mid);
        let Self { columns, scale, loss, .. } = self;
        (
            Self { x, logits, columns, scale, d_logits, row_loss, loss },
            Self {
                x: other_x,
                logits: other_logits,
                columns,
                scale,
                d_logits: other_d_logits,
                row_loss: other_row_loss,
                loss,
            },
        )
    }
}
