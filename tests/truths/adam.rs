//! Adam against its paper's recurrence.

use elbo::{
    layers::Dense,
    optim::Adam,
    parameters::Parameters,
    real::{Real, cast},
};
use ndarray::{Array2, arr1, arr2};

use super::{assert_close, normal};

/// The gradients of six steps for a parameter of index i: of very different sizes, one of them 0.
fn gradient(step: usize, i: usize) -> f64 {
    normal(6, i)[[0, step]] * [1.0, 1e-6, 1e3, 0.0, 1.0][i]
}

/// Kingma & Ba 2014, algorithm 1, for one parameter, line by line.
fn by_the_paper(mut theta: f64, gradients: impl Iterator<Item = f64>) -> f64 {
    let (alpha, beta1, beta2, epsilon): (f64, f64, f64, f64) = (0.01, 0.9, 0.999, 1e-8);
    let (mut m, mut v) = (0.0, 0.0);
    for (g, t) in gradients.zip(1..) {
        m = beta1 * m + (1.0 - beta1) * g;
        v = beta2 * v + (1.0 - beta2) * g * g;
        let m_hat = m / (1.0 - beta1.powi(t));
        let v_hat = v / (1.0 - beta2.powi(t));
        theta -= alpha * m_hat / (v_hat.sqrt() + epsilon);
    }
    theta
}

fn follows_the_paper<T: Real>(tolerance: f64) {
    let weight: Array2<T> = cast(arr2(&[[0.3], [-2.0], [5.0], [1.0]]).view());
    let mut layer = Dense { weight, bias: arr1(&[T::ONE]) };
    let (start, mut d) = (layer.clone(), layer.zeros_like());
    let mut adam = Adam::new(&layer, 0.01);
    for steps in 1..=6 {
        (0..4).for_each(|i| d.weight[[i, 0]] = T::from_f64(gradient(steps - 1, i)));
        d.bias[0] = T::from_f64(gradient(steps - 1, 4));
        adam.step(&mut layer, &d);

        let gradients = |i| (0..steps).map(move |s| gradient(s, i));
        let start = start.weight.iter().chain(&start.bias).map(|v| v.to_f64());
        let ours = layer.weight.iter().chain(&layer.bias).map(|v| v.to_f64());
        for (i, (start, ours)) in start.zip(ours).enumerate() {
            assert_close(ours, by_the_paper(start, gradients(i)), tolerance);
        }
    }
    assert_eq!((adam.step, layer.weight[[3, 0]]), (6, T::ONE), "no gradient, no move");
}

#[test]
fn adam_follows_its_paper_s_recurrence() {
    follows_the_paper::<f64>(1e-14);
    follows_the_paper::<f32>(1e-6);
}

#[test]
fn the_first_step_is_the_learning_rate_against_the_gradient_s_sign() {
    let mut layer = Dense { weight: arr2(&[[1.0, 1.0]]), bias: arr1(&[1.0, 1.0]) };
    let d = Dense { weight: arr2(&[[1e-2, -30.0]]), bias: arr1(&[-1.0, 1e4]) };
    Adam::new(&layer, 0.25).step(&mut layer, &d);
    let moved = [layer.weight[[0, 0]], layer.weight[[0, 1]], layer.bias[0], layer.bias[1]];
    for (theta, truth) in moved.into_iter().zip([0.75, 1.25, 1.25, 0.75]) {
        assert_close(theta, truth, 1e-6);
    }
}
