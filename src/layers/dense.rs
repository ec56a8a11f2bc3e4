//! The dense (fully connected) layer.

use elbo_kernels::{Output, gemm, gemm_sparse, passes};
use ndarray::{Array1, Array2, ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use super::{Init, Layer};
use crate::{
    parameters::Parameters,
    real::{Real, flat, mat, mat_mut},
};

/// y = x·W + b.
///
/// | symbol | shape | in code |
/// | --- | --- | --- |
/// | x | (batch, inputs) | `x` |
/// | W | (inputs, outputs) | `weight` |
/// | b | (outputs) | `bias` |
/// | y | (batch, outputs) | `y` |
///
/// # Derivation
///
/// Written with indices, yₙⱼ = Σᵢ xₙᵢ Wᵢⱼ + bⱼ. Let L be the scalar that is minimised, and
/// ∂L/∂yₙⱼ the gradient that arrives. Each weight reaches L only through column j of y, each bias
/// too, and each input through all columns of its row:
///
/// - ∂L/∂Wᵢⱼ = Σₙ ∂L/∂yₙⱼ · ∂yₙⱼ/∂Wᵢⱼ = Σₙ xₙᵢ ∂L/∂yₙⱼ, so ∂L/∂W = xᵀ·∂L/∂y;
/// - ∂L/∂bⱼ = Σₙ ∂L/∂yₙⱼ, the sum over the rows of ∂L/∂y;
/// - ∂L/∂xₙᵢ = Σⱼ ∂L/∂yₙⱼ · ∂yₙⱼ/∂xₙᵢ = Σⱼ ∂L/∂yₙⱼ Wᵢⱼ, so ∂L/∂x = ∂L/∂y·Wᵀ.
///
/// The backward pass needs `x` and nothing else of the forward pass, so there is no cache.
///
/// # Zeros
///
/// In both products that read x, an xₙᵢ = 0 contributes nothing, and where x is full of zeros, as
/// black pixels are, they are skipped ([`gemm_sparse`]). The results are the same bits, provided
/// that W and ∂L/∂y are finite: 0·∞ may be skipped, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense<T> {
    /// W (inputs, outputs). [`Parameters`] shows its transpose, PyTorch's `outputs x inputs`.
    pub weight: Array2<T>,
    /// b (outputs).
    pub bias: Array1<T>,
}

impl<T: Real> Dense<T> {
    /// A layer with fresh parameters drawn from `rng` as `init` says.
    pub fn new(inputs: usize, outputs: usize, init: Init, rng: &mut impl RngCore) -> Self {
        let (weight, bias) = init.draw(inputs, outputs, rng);
        Self { weight, bias }
    }

    /// ∂L/∂x = ∂L/∂y·Wᵀ, written to `d_x` or added to it.
    ///
    /// Two layers that read the same `x` (the heads of an encoder) overwrite with the first and
    /// accumulate with the second.
    pub fn backward_input(&self, d_y: &Array2<T>, output: Output<'_, T>, d_x: &mut Array2<T>) {
        gemm(mat(d_y), mat(&self.weight).t(), output, mat_mut(d_x));
    }

    /// ∂L/∂W = xᵀ·∂L/∂y and ∂L/∂b = Σₙ ∂L/∂yₙ, written to `d`.
    pub fn backward_parameters(&self, x: &Array2<T>, d_y: &Array2<T>, d: &mut Self) {
        gemm_sparse(mat(x).t(), mat(d_y), Output::Overwrite, mat_mut(&mut d.weight));
        passes::sum_rows(flat(d_y), d.bias.as_slice_mut().expect("a bias is contiguous"));
    }
}

impl<T: Real> Layer<T> for Dense<T> {
    type Cache = ();

    fn inputs(&self) -> usize {
        self.weight.nrows()
    }

    fn outputs(&self) -> usize {
        self.weight.ncols()
    }

    fn cache(&self, _batch: usize) {}

    /// y = x·W + b: every sum starts from its bias.
    fn forward(&self, x: &Array2<T>, y: &mut Array2<T>, _cache: &mut ()) {
        let bias = self.bias.as_slice().expect("a bias is contiguous");
        gemm_sparse(mat(x), mat(&self.weight), Output::AddRow(bias), mat_mut(y));
    }

    /// The three products of the derivation above.
    fn backward(
        &self,
        x: &Array2<T>,
        _y: &Array2<T>,
        d_y: &mut Array2<T>,
        d_x: Option<&mut Array2<T>>,
        _cache: &mut (),
        d: &mut Self,
    ) {
        self.backward_parameters(x, d_y, d);
        if let Some(d_x) = d_x {
            self.backward_input(d_y, Output::Overwrite, d_x);
        }
    }
}

impl<T: Real> Parameters<T> for Dense<T> {
    fn names(&self) -> Vec<String> {
        vec!["weight".into(), "bias".into()]
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        [self.weight.t().into_dyn(), self.bias.view().into_dyn()].into_iter()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let weight = self.weight.view_mut().reversed_axes();
        [weight.into_dyn(), self.bias.view_mut().into_dyn()].into_iter()
    }
}
