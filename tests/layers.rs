//! Layers against their equations written as plain loops.

use elbo::{
    layers::{Activation, Dense, Init, Layer, Mlp},
    parameters::Parameters,
    random::{self, Purpose},
    real::Real,
};
use ndarray::{Array1, Array2, Axis};
use proptest::prelude::*;

/// Standard normal numbers that depend on `index` alone.
fn normal<T: Real>(rows: usize, columns: usize, index: usize) -> Array2<T> {
    let mut values = Array2::from_elem((1, rows * columns), T::ZERO);
    random::fill_normal(&mut values, 2015, Purpose::Prior, 0, [index]);
    values.into_shape_with_order((rows, columns)).unwrap()
}

fn nan<T: Real>(rows: usize, columns: usize) -> Array2<T> {
    Array2::from_elem((rows, columns), T::from_f64(f64::NAN))
}

fn dense<T: Real>(inputs: usize, outputs: usize) -> Dense<T> {
    let bias: Array1<T> = normal(1, outputs, 2).remove_axis(Axis(0));
    Dense { weight: normal(inputs, outputs, 1), bias }
}

/// Whether `ours` is the sum of `terms` up to what rounding can do to a sum of that many.
fn is_sum<T: Real>(ours: T, terms: impl Iterator<Item = f64>, epsilon: f64) -> bool {
    let (sum, size, count) = terms.fold((0.0, 0.0, 1.0), |(sum, size, count), term: f64| {
        (sum + term, size + term.abs(), count + 1.0)
    });
    (ours.to_f64() - sum).abs() <= count * epsilon * size
}

/// Forward and backward of one dense layer against triple loops in f64. Outputs are filled with
/// NaN before, so that nothing is added to what was there.
fn dense_is_its_equation<T: Real>(batch: usize, inputs: usize, outputs: usize, epsilon: f64) {
    let layer = dense::<T>(inputs, outputs);
    let (x, d_y) = (normal::<T>(batch, inputs, 3), normal::<T>(batch, outputs, 4));
    let (mut y, mut d_x) = (nan::<T>(batch, outputs), nan::<T>(batch, inputs));
    let mut d = layer.clone();
    d.tensors_mut().for_each(|mut t| t.fill(T::from_f64(f64::NAN)));
    layer.forward(&x, &mut y, &mut ());
    layer.backward(&x, &y, &mut d_y.clone(), Some(&mut d_x), &mut (), &mut d);

    let product = |a: T, b: T| a.to_f64() * b.to_f64();
    for ((n, j), &y) in y.indexed_iter() {
        let terms = (0..inputs).map(|i| product(x[[n, i]], layer.weight[[i, j]]));
        assert!(is_sum(y, terms.chain([layer.bias[j].to_f64()]), epsilon), "y[{n}, {j}]");
    }
    for ((n, i), &d_x) in d_x.indexed_iter() {
        let terms = (0..outputs).map(|j| product(d_y[[n, j]], layer.weight[[i, j]]));
        assert!(is_sum(d_x, terms, epsilon), "d_x[{n}, {i}]");
    }
    for ((i, j), &d_weight) in d.weight.indexed_iter() {
        let terms = (0..batch).map(|n| product(x[[n, i]], d_y[[n, j]]));
        assert!(is_sum(d_weight, terms, epsilon), "d_weight[{i}, {j}]");
    }
    for (j, &d_bias) in d.bias.indexed_iter() {
        let terms = (0..batch).map(|n| d_y[[n, j]].to_f64());
        assert!(is_sum(d_bias, terms, epsilon), "d_bias[{j}]");
    }
}

proptest! {
    #[test]
    fn a_dense_layer_is_its_equation_both_ways(
        batch in 1..20usize,
        inputs in 1..70usize,
        outputs in 1..70usize,
    ) {
        dense_is_its_equation::<f64>(batch, inputs, outputs, f64::EPSILON);
        dense_is_its_equation::<f32>(batch, inputs, outputs, f32::EPSILON.into());
        dense_is_its_equation::<f32>(1, inputs, outputs, f32::EPSILON.into());
    }

    /// Layer by layer, with the public pieces.
    #[test]
    fn a_perceptron_is_its_layers_one_after_the_other(
        widths in prop::collection::vec(1..9usize, 1..5),
        batch in 1..5usize,
    ) {
        let rng = &mut random::rng(3, Purpose::Init, 0, 0);
        let mlp = Mlp::<f64>::new(4, &widths, Activation::Tanh, Init::Pytorch, rng);
        let mut outputs = vec![normal(batch, 4, 5)];
        for layer in &mlp.layers {
            let mut y = nan(batch, layer.outputs());
            layer.forward(&outputs[outputs.len() - 1], &mut y, &mut ());
            Activation::Tanh.forward(&mut y);
            outputs.push(y);
        }
        let (mut y, mut cache) = (nan(batch, mlp.outputs()), mlp.cache(batch));
        mlp.forward(&outputs[0], &mut y, &mut cache);
        prop_assert_eq!(&y, &outputs[outputs.len() - 1]);

        let mut d_y: Array2<f64> = normal(batch, mlp.outputs(), 6);
        let (mut d, mut d_x) = (mlp.zeros_like(), nan(batch, 4));
        mlp.backward(&outputs[0], &y, &mut d_y.clone(), Some(&mut d_x), &mut cache, &mut d);
        for (i, layer) in mlp.layers.iter().enumerate().rev() {
            let (x, y) = (&outputs[i], &outputs[i + 1]);
            let (mut d_layer, mut d_input) = (layer.zeros_like(), nan(batch, layer.inputs()));
            Activation::Tanh.backward(y, &mut d_y);
            layer.backward(x, y, &mut d_y, Some(&mut d_input), &mut (), &mut d_layer);
            prop_assert_eq!(&d.layers[i], &d_layer);
            d_y = d_input;
        }
        prop_assert_eq!(d_x, d_y);
    }
}

#[test]
fn a_perceptron_without_layers_is_the_identity_both_ways() {
    let rng = &mut random::rng(4, Purpose::Init, 0, 0);
    let mlp = Mlp::<f32>::new(5, &[], Activation::Relu, Init::Glorot, rng);
    let (x, d_y) = (normal(3, 5, 7), normal(3, 5, 8));
    let (mut y, mut d_x, mut cache) = (nan(3, 5), nan(3, 5), mlp.cache(3));
    mlp.forward(&x, &mut y, &mut cache);
    mlp.backward(&x, &y, &mut d_y.clone(), Some(&mut d_x), &mut cache, &mut mlp.clone());
    assert_eq!((y, d_x), (x, d_y));
    assert_eq!((mlp.inputs(), mlp.outputs(), mlp.parameter_count()), (5, 5, 0));
}

#[test]
fn parameters_are_shown_as_pytorch_has_them_and_written_through() {
    let mut layer = dense::<f64>(3, 2);
    assert_eq!(layer.names(), ["weight", "bias"]);
    assert_eq!(
        layer.tensors().map(|t| t.shape().to_vec()).collect::<Vec<_>>(),
        [vec![2, 3], vec![2]]
    );
    layer.tensors_mut().next().unwrap()[[1, 2]] = 42.0;
    assert_eq!(layer.weight[[2, 1]], 42.0);

    let rng = &mut random::rng(4, Purpose::Init, 0, 0);
    let mlp = Mlp::<f64>::new(3, &[4, 2], Activation::Relu, Init::He, rng);
    assert_eq!(mlp.names(), ["0.weight", "0.bias", "1.weight", "1.bias"]);
    assert_eq!(mlp.parameter_count(), 3 * 4 + 4 + 4 * 2 + 2);
}

#[test]
fn fresh_parameters_have_the_spread_that_their_initialiser_promises() {
    let (inputs, outputs) = (300, 100);
    let spread = |values: &[f64]| {
        let n = values.len() as f64;
        let largest = values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        (values.iter().sum::<f64>() / n, values.iter().map(|v| v * v).sum::<f64>() / n, largest)
    };
    for (init, bound, variance) in [
        (Init::Glorot, (6f64 / 400.0).sqrt(), 2f64 / 400.0),
        (Init::He, f64::INFINITY, 2.0 / 300.0),
        (Init::Small, f64::INFINITY, 1e-6),
        (Init::Pytorch, (1f64 / 300.0).sqrt(), 1.0 / 900.0),
    ] {
        let rng = &mut random::rng(5, Purpose::Init, 0, 0);
        let layer = Dense::<f64>::new(inputs, outputs, init, rng);
        let (mean, square, largest) = spread(layer.weight.as_slice().unwrap());
        assert!(mean.abs() < 4.0 * (variance / 30_000.0).sqrt(), "{init:?}: mean {mean}");
        // Fourth moments of 1.8 (uniform) and 3 (normal) give relative errors of 0.5 and 0.8 %.
        assert!((square / variance - 1.0).abs() < 0.03, "{init:?}: variance {square}");
        assert!(largest <= bound, "{init:?}: {largest}");
        let (_, square, largest) = spread(layer.bias.as_slice().unwrap());
        match init {
            Init::Pytorch | Init::Small => {
                assert!(largest <= bound && (square / variance - 1.0).abs() < 0.4);
            }
            _ => assert_eq!(largest, 0.0),
        }
    }
}
