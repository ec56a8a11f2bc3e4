//! The matrix products of a training step, without the rest of it.

use elbo::{layers::Dense, models::MlpVae};
use elbo_peers::Peer;
use ndarray::Array2;

/// The matrix products of one training step and nothing else, for another crate to do: no noise,
/// no biases, no activations, no objective, no optimiser.
#[derive(Clone)]
pub struct StepProducts {
    layers: Vec<Layer>,
}

/// A dense layer with W (inputs, outputs), as matrices to multiply.
#[derive(Clone)]
struct Layer {
    x: Array2<f32>,
    w: Array2<f32>,
    /// y, and then what stands for ∂L/∂y: no product needs both at a time.
    y: Array2<f32>,
    d_w: Array2<f32>,
    /// Not for the layer that reads the images.
    d_x: Option<Array2<f32>>,
}

impl StepProducts {
    /// Those of a batch of `batch` images.
    pub fn new(vae: &MlpVae<f32>, batch: usize) -> Self {
        let deep = !vae.encoder.hidden.layers.is_empty();
        let layer = |(i, layer): (usize, &Dense<f32>)| {
            let reads_images = i == 0 && deep;
            let (inputs, outputs) = layer.weight.dim();
            let x = Array2::from_elem((batch, inputs), 0.5);
            Layer {
                d_x: (!reads_images).then(|| x.clone()),
                x,
                w: layer.weight.clone(),
                y: Array2::zeros((batch, outputs)),
                d_w: layer.weight.clone(),
            }
        };
        Self { layers: vae.dense_layers().enumerate().map(layer).collect() }
    }

    /// Forward y = x·W from the first layer to the last, then back ∂L/∂W = xᵀ·∂L/∂y and
    /// ∂L/∂x = ∂L/∂y·Wᵀ from the last to the first.
    pub fn run(&mut self, peer: Peer, threads: usize) {
        for Layer { x, w, y, .. } in &mut self.layers {
            peer.multiply(x.view(), w.view(), y.view_mut(), threads);
        }
        for Layer { x, w, y, d_w, d_x } in self.layers.iter_mut().rev() {
            peer.multiply(x.t(), y.view(), d_w.view_mut(), threads);
            if let Some(d_x) = d_x {
                peer.multiply(y.view(), w.t(), d_x.view_mut(), threads);
            }
        }
    }

    /// Multiply-adds of all of them.
    pub fn multiply_adds(&self) -> usize {
        let products = |layer: &Layer| 2 + usize::from(layer.d_x.is_some());
        self.layers.iter().map(|l| products(l) * l.x.nrows() * l.w.len()).sum()
    }
}
