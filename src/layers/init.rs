//! How the parameters of a dense layer start.

use ndarray::{Array1, Array2};
use ndarray_rand::{RandomExt, rand_distr::Normal, rand_distr::Uniform};
use rand::RngCore;
use rand_distr::Distribution;
use serde::{Deserialize, Serialize};

use crate::real::Real;

/// The distribution that a dense layer's parameters are first drawn from.
///
/// Draws are made in f64 and rounded, so that a model in f32 and one in f64 start from the same
/// point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// W ~ U(-a, a) with a = √(6 / (inputs + outputs)), b = 0: keeps the variance of signals
    /// and of gradients alike through linear layers (Glorot & Bengio 2010, equation 16).
    Glorot,
    /// W ~ N(0, 2 / inputs), b = 0: keeps the variance of signals through ReLU layers (He et al.
    /// 2015, equation 10).
    He,
    /// W, b ~ N(0, 0.001²): every output starts near 0, whatever is read (the code of Kingma et al. 2014). Where
    /// a network's first guess would be believed, as of labels, it has none.
    Small,
    /// W, b ~ U(-a, a) with a = 1/√inputs: the default of PyTorch's `nn.Linear`.
    Pytorch,
}

impl Init {
    /// A weight (inputs, outputs) and a bias (outputs).
    pub fn draw<T: Real>(
        self,
        inputs: usize,
        outputs: usize,
        rng: &mut impl RngCore,
    ) -> (Array2<T>, Array1<T>) {
        let (fan_in, fan_out) = (inputs as f64, outputs as f64);
        let zeros = || Array1::from_elem(outputs, T::ZERO);
        match self {
            Init::Glorot => {
                (weight(uniform((6.0 / (fan_in + fan_out)).sqrt()), inputs, outputs, rng), zeros())
            }
            Init::He => {
                let normal = Normal::new(0.0, (2.0 / fan_in).sqrt());
                let normal = normal.expect("a layer has at least one input, so this is finite");
                (weight(normal, inputs, outputs, rng), zeros())
            }
            Init::Small => {
                let normal = Normal::new(0.0, 0.001).expect("the deviation is finite");
                (weight(normal, inputs, outputs, rng), bias(normal, outputs, rng))
            }
            Init::Pytorch => {
                let distribution = uniform(1.0 / fan_in.sqrt());
                (weight(distribution, inputs, outputs, rng), bias(distribution, outputs, rng))
            }
        }
    }
}

/// U(-a, a).
fn uniform(a: f64) -> Uniform<f64> {
    Uniform::new(-a, a).expect("a layer has at least one input, so the bound is finite")
}

fn weight<T: Real>(
    distribution: impl Distribution<f64>,
    inputs: usize,
    outputs: usize,
    rng: &mut impl RngCore,
) -> Array2<T> {
    Array2::random_using((inputs, outputs), distribution, rng).mapv(T::from_f64)
}

fn bias<T: Real>(
    distribution: impl Distribution<f64>,
    outputs: usize,
    rng: &mut impl RngCore,
) -> Array1<T> {
    Array1::random_using(outputs, distribution, rng).mapv(T::from_f64)
}
