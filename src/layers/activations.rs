//! Element-wise activations.

use elbo_kernels::passes;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::real::{Real, flat, flat_mut};

/// y = f(x), element by element.
///
/// All four derivatives are functions of the *output*, so the forward pass works in place and the
/// backward pass needs `y` alone:
///
/// | | f(x) | f′ in terms of y |
/// | --- | --- | --- |
/// | ReLU | max(x, 0) | 1 where y > 0, else 0 |
/// | tanh | (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ) | 1 - y² |
/// | sigmoid | 1 / (1 + e⁻ˣ) | y (1 - y) |
/// | softplus | ln(1 + eˣ) | sigmoid(x) = 1 - e⁻ʸ |
///
/// The last: eʸ = 1 + eˣ, so 1 - e⁻ʸ = eˣ / (1 + eˣ). At x = 0 ReLU has no derivative; 0 is used,
/// as everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// The logistic function.
    Sigmoid,
    /// ln(1 + eˣ)
    Softplus,
}

impl Activation {
    /// Replaces x by y = f(x); any shape.
    pub fn forward<T: Real>(self, y: &mut Array2<T>) {
        let y = flat_mut(y);
        match self {
            Activation::Relu => passes::relu(y),
            Activation::Tanh => passes::tanh(y),
            Activation::Sigmoid => passes::sigmoid(y),
            Activation::Softplus => passes::softplus(y),
        }
    }

    /// Replaces ∂L/∂y by ∂L/∂x = ∂L/∂y · f′, given y = f(x) of the same shape.
    pub fn backward<T: Real>(self, y: &Array2<T>, d_y: &mut Array2<T>) {
        let (y, d) = (flat(y), flat_mut(d_y));
        match self {
            Activation::Relu => passes::relu_backward(y, d),
            Activation::Tanh => passes::tanh_backward(y, d),
            Activation::Sigmoid => passes::sigmoid_backward(y, d),
            Activation::Softplus => passes::softplus_backward(y, d),
        }
    }
}
