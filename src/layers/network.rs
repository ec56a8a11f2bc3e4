//! A network that is chosen when the program runs.

use ndarray::{Array2, ArrayViewD, ArrayViewMutD};
use rand::RngCore;

use super::{Activation, Dense, Gated, Init, Layer, Mlp, MlpCache, Stack, StackCache};
use crate::{parameters::Parameters, real::Real};

/// The hidden layers of an encoder or a decoder: what a recipe describes.
#[derive(Clone, Debug, PartialEq)]
pub enum Network<T> {
    /// Dense layers with activations.
    Mlp(Mlp<T>),
    /// [`Gated`] layers.
    Gated(Stack<Gated<T>>),
}

/// The cache of the network at hand.
pub enum NetworkCache<T: Real> {
    /// That of an [`Mlp`].
    Mlp(MlpCache<T>),
    /// That of gated layers.
    Gated(StackCache<T, Gated<T>>),
}

impl<T: Real> Network<T> {
    /// Dense layers of these widths, each followed by `activation`.
    pub fn mlp(
        inputs: usize,
        widths: &[usize],
        activation: Activation,
        init: Init,
        rng: &mut impl RngCore,
    ) -> Self {
        Self::Mlp(Mlp::new(inputs, widths, activation, init, rng))
    }

    /// Gated layers of these widths.
    pub fn gated(inputs: usize, widths: &[usize], init: Init, rng: &mut impl RngCore) -> Self {
        let fan_ins = std::iter::once(&inputs).chain(widths);
        let layers = fan_ins.zip(widths).map(|(&i, &o)| Gated::new(i, o, init, rng)).collect();
        Self::Gated(Stack::new(inputs, layers))
    }
}

impl<T: Real> Network<T> {
    /// Its dense layers, those of a gated one both.
    pub fn dense_layers(&self) -> impl Iterator<Item = &Dense<T>> {
        let (mlp, gated): (&[Dense<T>], &[Gated<T>]) = match self {
            Self::Mlp(mlp) => (&mlp.layers, &[]),
            Self::Gated(stack) => (&[], &stack.layers),
        };
        mlp.iter().chain(gated.iter().flat_map(|layer| [&layer.value, &layer.gate]))
    }

    /// How many of them read x.
    pub fn first_layers(&self) -> usize {
        match self {
            Self::Mlp(mlp) => mlp.layers.len().min(1),
            Self::Gated(stack) => 2 * stack.layers.len().min(1),
        }
    }
}

impl<T: Real> Layer<T> for Network<T> {
    type Cache = NetworkCache<T>;

    fn inputs(&self) -> usize {
        match self {
            Self::Mlp(mlp) => mlp.inputs(),
            Self::Gated(stack) => stack.inputs(),
        }
    }

    fn outputs(&self) -> usize {
        match self {
            Self::Mlp(mlp) => mlp.outputs(),
            Self::Gated(stack) => stack.outputs(),
        }
    }

    fn cache(&self, batch: usize) -> NetworkCache<T> {
        match self {
            Self::Mlp(mlp) => NetworkCache::Mlp(mlp.cache(batch)),
            Self::Gated(stack) => NetworkCache::Gated(stack.cache(batch)),
        }
    }

    /// The forward pass of the network at hand.
    ///
    /// # Panics
    ///
    /// Here and in the backward pass, if the cache is that of another kind of network.
    fn forward(&self, x: &Array2<T>, y: &mut Array2<T>, cache: &mut NetworkCache<T>) {
        match (self, cache) {
            (Self::Mlp(mlp), NetworkCache::Mlp(cache)) => mlp.forward(x, y, cache),
            (Self::Gated(stack), NetworkCache::Gated(cache)) => stack.forward(x, y, cache),
            _ => panic!("a cache of another network"),
        }
    }

    fn backward(
        &self,
        x: &Array2<T>,
        y: &Array2<T>,
        d_y: &mut Array2<T>,
        d_x: Option<&mut Array2<T>>,
        cache: &mut NetworkCache<T>,
        d: &mut Self,
    ) {
        match (self, cache, d) {
            (Self::Mlp(mlp), NetworkCache::Mlp(cache), Self::Mlp(d)) => {
                mlp.backward(x, y, d_y, d_x, cache, d);
            }
            (Self::Gated(stack), NetworkCache::Gated(cache), Self::Gated(d)) => {
                stack.backward(x, y, d_y, d_x, cache, d);
            }
            _ => panic!("a cache or a gradient of another network"),
        }
    }
}

impl<T: Real> Parameters<T> for Network<T> {
    fn names(&self) -> Vec<String> {
        match self {
            Self::Mlp(mlp) => mlp.names(),
            Self::Gated(stack) => Parameters::<T>::names(stack),
        }
    }

    fn tensors(&self) -> impl Iterator<Item = ArrayViewD<'_, T>> {
        let (mlp, gated) = match self {
            Self::Mlp(mlp) => (Some(mlp), None),
            Self::Gated(stack) => (None, Some(stack)),
        };
        let mlp = mlp.into_iter().flat_map(Parameters::tensors);
        mlp.chain(gated.into_iter().flat_map(Parameters::tensors))
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, T>> {
        let (mlp, gated) = match self {
            Self::Mlp(mlp) => (Some(mlp), None),
            Self::Gated(stack) => (None, Some(stack)),
        };
        let mlp = mlp.into_iter().flat_map(Parameters::tensors_mut);
        mlp.chain(gated.into_iter().flat_map(Parameters::tensors_mut))
    }
}
