//! The cross-entropy of Bernoulli variables given by logits, with its gradient.

use super::reductions::sum_lanes;
use super::rows::check_rows;
use super::{HEAVY, Pass, dispatch};
use crate::isa::Kernel;
use crate::math;
use crate::scalar::Scalar;

/// The logistic loss of every row and its gradient, with eˣ evaluated once per element:
///
/// `row_loss[i]` ← Σⱼ max(l, 0) − x·l + ln(1 + e^−|l|),  d_logits ← scale·(σ(l) − x)
///
/// where x and l are elements of `x` and `logits` (batch × columns). The loss is −ln p(x|l) for
/// Bernoulli variables, is right for x anywhere in [0, 1], and overflows for no finite logit.
/// `scale` multiplies the gradient only: 1/batch for a loss that is averaged over the batch.
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
    assert_eq!(x.len(), logits.len(), "logistic_loss: the lengths of x and logits");
    assert_eq!(x.len(), d_logits.len(), "logistic_loss: the lengths of x and d_logits");
    check_rows("logistic_loss", x.len(), columns);
    assert!(
        row_loss.len().checked_mul(columns) == Some(x.len()),
        "logistic_loss: {} losses for {} elements in rows of {columns}",
        row_loss.len(),
        x.len()
    );
    let pass = LogisticLoss { x, logits, columns, scale, d_logits, row_loss };
    dispatch(pass, HEAVY.div_ceil(columns.max(1)));
}

struct LogisticLoss<'a, T> {
    x: &'a [T],
    logits: &'a [T],
    columns: usize,
    scale: T,
    d_logits: &'a mut [T],
    row_loss: &'a mut [T],
}

/// Elements whose losses are kept before they are summed.
const BLOCK: usize = 512;

impl<T: Scalar> Kernel for LogisticLoss<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let columns = self.columns;
        for (i, row_loss) in self.row_loss.iter_mut().enumerate() {
            let row = i * columns..(i + 1) * columns;
            let x = self.x[row.clone()].chunks(BLOCK);
            let logits = self.logits[row.clone()].chunks(BLOCK);
            let d_logits = self.d_logits[row].chunks_mut(BLOCK);
            *row_loss = T::ZERO;
            for ((x, logits), d_logits) in x.zip(logits).zip(d_logits) {
                *row_loss += logistic_block(x, logits, self.scale, d_logits);
            }
        }
    }
}

/// The loss of one block of a row, and its gradient.
#[inline(always)]
fn logistic_block<T: Scalar>(x: &[T], logits: &[T], scale: T, d_logits: &mut [T]) -> T {
    let mut losses = [T::ZERO; BLOCK];
    let losses = &mut losses[..x.len()];
    for (((&x, &l), d), loss) in x.iter().zip(logits).zip(d_logits).zip(losses.iter_mut()) {
        let e = math::exp(-l.abs());
        *loss = (-x).mul_add(l, math::relu(l)) + math::ln_1p_unit(e);
        *d = scale * (math::sigmoid_from(l, e) - x);
    }
    sum_lanes(losses)
}

impl<T: Scalar> Pass for LogisticLoss<'_, T> {
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
        let Self { columns, scale, .. } = self;
        (
            Self { x, logits, columns, scale, d_logits, row_loss },
            Self {
                x: other_x,
                logits: other_logits,
                columns,
                scale,
                d_logits: other_d_logits,
                row_loss: other_row_loss,
            },
        )
    }
}
