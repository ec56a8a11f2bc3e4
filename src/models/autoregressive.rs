//! One step of an inverse autoregressive flow.

use elbo_kernels::{Output, passes};
use ndarray::{Array1, Array2, ArrayViewD, ArrayViewMutD, Axis, Zip};
use rand::RngCore;

use crate::{
    layers::{Activation, Init, Layer, Masked, MaskedCache},
    parameters::{Parameters, prefixed},
    real::{Real, flat_mut},
};

/// What is added to every gate before the sigmoid. A step starts with s near σ(2) = 0.88, so that it
/// changes little and the first updates find the Gaussian that it starts from.
pub const GATE_BIAS: f64 = 2.0;

/// Which dimension comes first in a step's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first one.
    Forward,
    /// The last one.
    Reversed,
}

impl Order {
    /// How many dimensions come before dimension i of `latent`.
    fn place(self, i: usize, latent: usize) -> usize {
        match self {
            Order::Forward => i,
            Order::Reversed => latent - 1 - i,
        }
    }
}

/// z′ = s ⊙ z + (1 - s) ⊙ m, where mᵢ and sᵢ are functions of a context and of the dimensions of z that
/// come before i in the step's order.
///
/// # The network
///
/// h = f(z·W + b + context), m = h·W_m + b_m, s = σ(h·W_s + b_s + [`GATE_BIAS`]), all three W
/// [masked](Masked). Hidden unit k sees the first (k mod D) dimensions of the order, and
/// dimension i reads the units that see no more than those before it. So no path leads from a
/// dimension to its own m and s, nor to those of an earlier one, while every one of them hears of the
/// context.
///
/// # The determinant
///
/// In the step's order ∂z′/∂z is triangular, and zᵢ itself enters z′ᵢ by the factor sᵢ alone. So
/// ln |det ∂z′/∂z| = Σᵢ ln sᵢ, with no more work than the sum. ln s = -ln(1 + e⁻ᵍ) is computed from the
/// g under the sigmoid, without the rounding of s.
///
/// # Gradient
///
/// ∂L/∂z′ arrives, and, as the loss has -c Σ ln sᵢ of each sample, -c at every ln sᵢ. With s = σ(g),
/// ∂s/∂g = s (1 - s) and ∂ln s/∂g = 1 - s:
///
/// - ∂L/∂g = (1 - s) (s (z - m) ∂L/∂z′ - c);
/// - ∂L/∂m = (1 - s) ∂L/∂z′;
/// - ∂L/∂h = ∂L/∂m·W_mᵀ + ∂L/∂g·W_sᵀ, which f′ turns into the gradient at z·W + b + context;
/// - ∂L/∂context is that, summed over the samples of an image;
/// - ∂L/∂z = s ⊙ ∂L/∂z′, and what comes back through W.
///
/// Source: Kingma et al. 2016, *Improving Variational Inference with Inverse Autoregressive Flow*,
/// algorithm 1; the masks are those of Germain et al. 2015, with units added that see nothing but the
/// context.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoregressiveStep<T> {
    /// From z (rows, latent) to h (rows, width), before the context is added.
    pub hidden: Masked<T>,
    /// From h to m (rows, latent).
    pub mean: Masked<T>,
    /// From h to the g of s = σ(g), less the constant.
    pub gate: Masked<T>,
    /// f.
    pub activation: Activation,
}

/// The signals of one step and the scratch of its backward pass.
#[derive(Clone, Debug)]
pub struct AutoregressiveCache<T> {
    /// The z that the step began with.
    z: Array2<T>,
    h: Array2<T>,
    m: Array2<T>,
    s: Array2<T>,
    /// -ln s, then ∂L/∂g.
    d_gate: Array2<T>,
    d_m: Array2<T>,
    d_h: Array2<T>,
    hidden: MaskedCache<T>,
    mean: MaskedCache<T>,
    gate: MaskedCache<T>,
}

impl<T: Real> AutoregressiveStep<T> {
    /// A step for `latent` dimensions with a hidden layer of `width` units.
    pub fn new(
        latent: usize,
        width: usize,
        order: Order,
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        let seen = |unit: usize| unit % latent;
        let into = |i, unit| order.place(i, latent) < seen(unit);
        let out_of = |unit, i| seen(unit) <= order.place(i, latent);
        Self {
            hidden: Masked::new(latent, width, into, init, rng),
            mean: Masked::new(width, latent, out_of, init, rng),
            gate: Masked::new(width, latent, out_of, init, rng),
            activation,
        }
    }

    /// The cache for exactly `rows` samples.
    pub fn cache(&self, rows: usize) -> AutoregressiveCache<T> {
        let zeros = |columns| Array2::from_elem((rows, columns), T::ZERO);
        let (latent, width) = (self.hidden.inputs(), self.hidden.outputs());
        AutoregressiveCache {
            z: zeros(latent),
            h: zeros(width),
            m: zeros(latent),
            s: zeros(latent),
            d_gate: zeros(latent),
            d_m: zeros(latent),
            d_h: zeros(width),
            hidden: self.hidden.cache(rows),
            mean: self.mean.cache(rows),
            gate: self.gate.cache(rows),
        }
    }

    /// z becomes z′ (K·N, latent), given the context (N, width) of each image, and ln |det ∂z′/∂z| is
    /// *added* to `log_det` (K·N). The cache keeps z.
    pub fn forward(
        &self,
        context: &Array2<T>,
        z: &mut Array2<T>,
        log_det: &mut Array1<T>,
        cache: &mut AutoregressiveCache<T>,
    ) {
        std::mem::swap(z, &mut cache.z);
        let AutoregressiveCache { z: before, h, m, s, d_gate: minus_log_s, .. } = cache;
        self.hidden.forward(before, h, &mut cache.hidden);
        for mut h in h.axis_chunks_iter_mut(Axis(0), context.nrows()) {
            h += context;
        }
        self.activation.forward(h);
        self.mean.forward(h, m, &mut cache.mean);
        self.gate.forward(h, s, &mut cache.gate);

        let bias = T::from_f64(GATE_BIAS);
        Zip::from(&mut *minus_log_s).and(&mut *s).for_each(|minus, g| {
            *g += bias;
            *minus = -*g;
        });
        passes::softplus(flat_mut(minus_log_s));
        passes::sigmoid(flat_mut(s));
        Zip::from(z).and(&*before).and(&*m).and(&*s).for_each(|z, &before, &m, &s| {
            *z = s * before + (T::ONE - s) * m;
        });
        for (log_det, row) in log_det.iter_mut().zip(minus_log_s.rows()) {
            *log_det += -row.iter().fold(T::ZERO, |sum, &v| sum + v);
        }
    }

    /// `d_z` becomes ∂L/∂z from ∂L/∂z′, where the loss has -β wᵣ ln |det| of sample r as well; *adds* to
    /// `d_context` (N, width), and writes the gradient of the parameters into `d`.
    pub fn backward(
        &self,
        beta: T,
        weights: &Array1<T>,
        d_z: &mut Array2<T>,
        d_context: &mut Array2<T>,
        cache: &mut AutoregressiveCache<T>,
        d: &mut Self,
    ) {
        let AutoregressiveCache { z, h, m, s, d_gate, d_m, d_h, .. } = cache;
        Zip::from(&mut *d_gate)
            .and(&*d_z)
            .and(&*z)
            .and(&*m)
            .and(&*s)
            .and_broadcast(weights.view().insert_axis(Axis(1)))
            .for_each(|d, &d_z, &z, &m, &s, &weight| {
                *d = (T::ONE - s) * (s * (z - m) * d_z - beta * weight);
            });
        Zip::from(&mut *d_m).and(&mut *d_z).and(&*s).for_each(|d_m, d_z, &s| {
            *d_m = (T::ONE - s) * *d_z;
            *d_z *= s;
        });

        self.mean.backward_parameters(h, d_m, &mut d.mean);
        self.gate.backward_parameters(h, d_gate, &mut d.gate);
        self.mean.backward_input(d_m, Output::Overwrite, d_h, &cache.mean);
        self.gate.backward_input(d_gate, Output::Accumulate, d_h, &cache.gate);
        self.activation.backward(h, d_h);
        for d_h in d_h.axis_chunks_iter(Axis(0), d_context.nrows()) {
            *d_context += &d_h;
        }
        self.hidden.backward_parameters(z, d_h, &mut d.hidden);
        self.hidden.backward_input(d_h, Output::Accumulate, d_z, &cache.hidden);
    }
}

impl<T: Real> Parameters<T> for AutoregressiveStep<T> {
    fn names(&self) -> Vec<String> {
        let hidden = prefixed("hidden", self.hidden.names());
        let heads = prefixed("mean", self.mean.names()).chain(prefixed("gate", self.gate.names()));
        hidden.chain(heads).collect()
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        self.hidden.tensors().chain(self.mean.tensors()).chain(self.gate.tensors())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let Self { hidden, mean, gate, .. } = self;
        hidden.tensors_mut().chain(mean.tensors_mut()).chain(gate.tensors_mut())
    }
}
