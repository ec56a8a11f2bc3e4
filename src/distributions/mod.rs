//! Log-densities and divergences, each beside its gradient.

pub mod any;
pub mod bernoulli;
mod bounds;
pub mod categorical;
pub mod continuous_bernoulli;
pub mod discretised_logistic;
pub mod fixed_variance;
pub mod gaussian;
pub mod mixture;
pub mod normal_quantile;
pub mod observed;
pub mod optimal_variance;
pub mod pixel_variance;
pub mod shared_variance;

use ndarray::{Array1, Array2};

use crate::{
    parameters::Parameters,
    real::{Real, flat, flat_mut},
};

/// p(x|z) as a function of what the decoder puts out.
///
/// `x` is (N, pixels). There are K latent samples of each image, sample by sample, so that row
/// k·N + n of `logits` (K·N, outputs) belongs to image n.
///
/// A new likelihood is a type that implements this trait, and [`Parameters`], as some have any of
/// their own.
pub trait Likelihood<T: Real>: Parameters<T> {
    /// The width of the decoder's output for images of so many pixels: a multiple of it, the first of all
    /// pixels' outputs coming before the second of any.
    fn outputs(&self, pixels: usize) -> usize {
        pixels
    }

    /// Writes log p(x|z) of each row in nats into `log_prob` (K·N), and into `d_logits`
    /// (K·N, outputs) the gradient of `d_loss` · Σ -log p(x|z), in one pass over the pixels.
    ///
    /// The upstream gradient `d_loss` is that of the *negative* log-likelihood, which is what
    /// training minimises.
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    );

    /// Writes into `d` the gradient of Σᵣ `d_loss`ᵣ · -log p(xᵣ|zᵣ) over the rows for the likelihood's
    /// own parameters. There are none unless a likelihood says so.
    fn backward_parameters(
        &self,
        _x: &Array2<T>,
        _logits: &Array2<T>,
        _d_loss: &Array1<T>,
        _d: &mut Self,
    ) {
    }

    /// Whether log p(x|z) of a row depends on that row alone, so that samples can be weighted one
    /// by one.
    fn factorises(&self) -> bool {
        true
    }

    /// Writes E[x|z], what a picture shows, into `mean` (rows, pixels).
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>);

    /// Draws from p(x|z) by the inverse of its distribution function: each u of `x` (rows, pixels), between
    /// 0 and 1, becomes the smallest pixel that lies with a probability of at least u at or below itself.
    /// Of uniform numbers that makes draws.
    ///
    /// # Panics
    ///
    /// If the likelihood does not [factorise](Self::factorises): no row has a p(x|z) of its own.
    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>);
}

/// A loss from the kernels, such as [`passes::logistic_loss`](elbo_kernels::passes::logistic_loss): of
/// (x, logits, columns, scale), into the gradient of scale · Σ loss and the loss of each row.
type RowLoss<T> = fn(&[T], &[T], usize, T, &mut [T], &mut [T]);

/// [`Likelihood::log_prob`] by a loss that is -log p, sample by sample.
fn log_prob_by<T: Real>(
    loss: RowLoss<T>,
    x: &Array2<T>,
    logits: &Array2<T>,
    d_loss: T,
    log_prob: &mut Array1<T>,
    d_logits: &mut Array2<T>,
) {
    let columns = logits.ncols();
    let rows = log_prob.as_slice_mut().expect("arrays of this crate are contiguous");
    let samples = flat(logits).chunks(x.len()).zip(flat_mut(d_logits).chunks_mut(x.len()));
    for ((logits, d_logits), rows) in samples.zip(rows.chunks_mut(x.nrows())) {
        loss(flat(x), logits, columns, d_loss, d_logits, rows);
    }
    log_prob.mapv_inplace(|loss| -loss);
}

/// [`Parameters`] of a type whose only tensor is a field, under the field's name.
macro_rules! one_parameter {
    ($type:ident, $field:ident) => {
        impl<T: $crate::real::Real> $crate::parameters::Parameters<T> for $type<T> {
            fn names(&self) -> Vec<String> {
                vec![stringify!($field).into()]
            }

            fn tensors(&self) -> impl Iterator<Item = ndarray::ArrayViewD<'_, T>> {
                std::iter::once(self.$field.view().into_dyn())
            }

            fn tensors_mut(&mut self) -> impl Iterator<Item = ndarray::ArrayViewMutD<'_, T>> {
                std::iter::once(self.$field.view_mut().into_dyn())
            }
        }
    };
}
pub(crate) use one_parameter;

/// [`Parameters`] of a type that has none.
macro_rules! no_parameters {
    ($type:ty) => {
        impl<T: $crate::real::Real> $crate::parameters::Parameters<T> for $type {
            fn names(&self) -> Vec<String> {
                vec![]
            }

            fn tensors(&self) -> impl Iterator<Item = ndarray::ArrayViewD<'_, T>> {
                std::iter::empty()
            }

            fn tensors_mut(&mut self) -> impl Iterator<Item = ndarray::ArrayViewMutD<'_, T>> {
                std::iter::empty()
            }
        }
    };
}
pub(crate) use no_parameters;
