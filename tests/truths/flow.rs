//! The inverse autoregressive flow: an order that is kept, a determinant, and a density.

use std::f64::consts::PI;

use elbo::{
    distributions::bernoulli::Bernoulli,
    generation::Generate,
    layers::{Activation, Init, Mlp},
    models::{AutoregressiveStep, Decoder, IafVae, MlpVae, Model, Order},
    objectives::{SampledElbo, WarmUp},
    parameters::Parameters,
    random::{self, Purpose},
};
use ndarray::{Array1, Array2, Axis};

use super::{assert_close, images, normal};

type Iaf = IafVae<f64, Mlp<f64>, Decoder<f64, Mlp<f64>>, Bernoulli>;

/// A flow whose steps are far from the identity.
fn iaf(latent: usize, steps: usize) -> Iaf {
    let rng = &mut random::rng(12, Purpose::Init, 0, 0);
    let vae = MlpVae::mlp(6, &[5], latent, Activation::Tanh, Init::Pytorch, rng);
    let mut iaf = IafVae::new(vae, steps, 9, Activation::Tanh, Init::Pytorch, rng);
    iaf.steps.iter_mut().flat_map(|step| step.tensors_mut()).for_each(|mut t| t *= 3.0);
    iaf
}

/// z and log p(z) - log q(z|x) of one image, for each row of `eps` in turn.
fn flow(iaf: &Iaf, eps: &Array2<f64>) -> (Array2<f64>, Array1<f64>) {
    let mut w = iaf.workspace_for(1, eps.nrows());
    let s = Iaf::signals(&mut w);
    s.x.assign(&normal(6, 1));
    s.eps.assign(eps);
    iaf.encode(&mut w);
    iaf.log_weights(&mut w);
    let s = Iaf::signals(&mut w);
    (s.z.clone(), s.log_ratio.clone())
}

/// Gaussian elimination with the largest pivot.
fn determinant(mut a: Array2<f64>) -> f64 {
    let (n, mut product) = (a.nrows(), 1.0);
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[[i, k]].abs().total_cmp(&a[[j, k]].abs())).unwrap();
        for j in 0..n {
            a.swap([k, j], [pivot, j]);
        }
        product *= if pivot == k { a[[k, k]] } else { -a[[k, k]] };
        for i in k + 1..n {
            let factor = a[[i, k]] / a[[k, k]];
            for j in k..n {
                a[[i, j]] -= factor * a[[k, j]];
            }
        }
    }
    product
}

#[test]
fn a_dimension_of_a_step_depends_on_itself_by_the_gate_and_on_earlier_ones_alone() {
    let (latent, width) = (5, 11);
    for order in [Order::Forward, Order::Reversed] {
        let rng = &mut random::rng(13, Purpose::Init, 0, 0);
        let (activation, init) = (Activation::Tanh, Init::Pytorch);
        let step = AutoregressiveStep::new(latent, width, order, activation, init, rng);
        let (context, mut cache) = (normal(width, 2), step.cache(1));
        let mut step = |z: &Array2<f64>| {
            let (mut z, mut log_det) = (z.clone(), Array1::zeros(1));
            step.forward(&context, &mut z, &mut log_det, &mut cache);
            (z, log_det[0])
        };
        let z = normal(latent, 3);
        let (before, log_det) = step(&z);
        let mut gates = 0.0;
        for j in 0..latent {
            let mut moved = z.clone();
            moved[[0, j]] += 1.0;
            let (after, _) = step(&moved);
            let earlier = |i: usize| if order == Order::Forward { i < j } else { i > j };
            for i in 0..latent {
                let changed = after[[0, i]] != before[[0, i]];
                assert_eq!(changed, !earlier(i), "{order:?}: dimension {i} at a change of {j}");
            }
            // Linear in itself, so that a step of 1 has its slope.
            gates += (after[[0, j]] - before[[0, j]]).ln();
        }
        assert_close(log_det, gates, 1e-12);
    }
}

#[test]
fn the_density_is_that_of_the_change_of_variables() {
    for (latent, steps) in [(1, 2), (2, 1), (4, 3)] {
        let (iaf, eps, h) = (iaf(latent, steps), normal(latent, 4), 1e-4);
        let (z, log_ratio) = flow(&iaf, &eps);
        let mut jacobian = Array2::zeros((latent, latent));
        for j in 0..latent {
            let at = |step: f64| {
                let mut moved = eps.clone();
                moved[[0, j]] += step * h;
                flow(&iaf, &moved).0.row(0).to_owned()
            };
            // Of fourth order in h.
            let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h);
            jacobian.column_mut(j).assign(&slope);
        }
        let log_normal =
            |v: &Array2<f64>| -> f64 { v.iter().map(|v| -0.5 * (v * v + (2.0 * PI).ln())).sum() };
        let log_q = log_normal(&eps) - determinant(jacobian).abs().ln();
        assert_close(log_normal(&z) - log_ratio[0], log_q, 1e-10);
    }
}

/// E_q[p(z)/q(z|x)] = ∫ p(z) dz over all that the flow reaches. It is 1 only for the right q and for a
/// flow that reaches everything. By the trapezoidal rule over ε, whose error falls faster than any
/// power of the spacing.
#[test]
fn the_prior_over_the_posterior_has_the_mean_one_under_the_posterior() {
    let (edge, points) = (12.0, 481usize);
    let spacing = 2.0 * edge / (points - 1) as f64;
    for latent in [1, 2] {
        let iaf = iaf(latent, 2);
        let eps = Array2::from_shape_fn((points.pow(latent as u32), latent), |(n, j)| {
            spacing * (n / points.pow(j as u32) % points) as f64 - edge
        });
        let (_, log_ratio) = flow(&iaf, &eps);
        let cell = (spacing / (2.0 * PI).sqrt()).powi(latent as i32);
        let squares = (&eps * &eps).sum_axis(Axis(1));
        let terms = squares.iter().zip(&log_ratio).map(|(squares, r)| (r - 0.5 * squares).exp());
        assert_close(cell * terms.sum::<f64>(), 1.0, 1e-9);
    }
}

#[test]
fn without_steps_it_is_the_vae() {
    let iaf = iaf(3, 0);
    let sampled = SampledElbo::new(0.7, WarmUp::None);
    let (x, eps) = (normal(24, 5), normal(24, 6));
    let (mut flow, mut vae) = (iaf.workspace_for(4, 2), iaf.vae.workspace_for(4, 2));
    for s in [Iaf::signals(&mut flow), &mut vae.signals] {
        s.x = x.clone().into_shape_with_order((4, 6)).unwrap();
        s.eps = eps.clone().into_shape_with_order((8, 3)).unwrap();
    }
    let ours = iaf.evaluate(&sampled, &mut flow);
    assert_eq!(ours, iaf.vae.evaluate(&sampled, &mut vae));
}

#[test]
fn the_code_of_an_image_is_where_the_flow_takes_the_mean() {
    let (iaf, images) = (iaf(3, 2), images(4, 2, 3));
    let mut w = iaf.workspace_for(1, 1);
    images.gather(&[2], &mut Iaf::signals(&mut w).x);
    iaf.encode(&mut w);
    iaf.log_weights(&mut w);
    let s = Iaf::signals(&mut w);
    assert_eq!(iaf.codes(&images, &[1, 2]).row(1), s.z.mapv(|z| z as f32).row(0));
    assert!(s.z != s.mu);
    assert_eq!(iaf.vae.codes(&images, &[2]), s.mu.mapv(|mu| mu as f32));
    let decoded = iaf.mean(s.z.mapv(|z| f64::from(z as f32)).view());
    assert_eq!(iaf.reconstruct(&images, &[2]), decoded);
}
