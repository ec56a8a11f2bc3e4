//! The mixture of Gaussians and the prior made of it.

use elbo::{
    distributions::mixture::Mixture,
    layers::{Activation, Init},
    models::{MlpVae, Model, Vamp},
    random::{self, Purpose},
};
use ndarray::{Array1, Array2, Axis, array};

use super::{assert_close, mean_and_error, normal};

/// ln Σ_c (1/C) ∏ⱼ N(zⱼ; μ_cj, e^s_cj), with nothing done to keep it in range.
fn by_definition(mu: &Array2<f64>, log_var: &Array2<f64>, z: ndarray::ArrayView1<'_, f64>) -> f64 {
    let density = |c: usize| -> f64 {
        let terms = z.iter().zip(mu.row(c)).zip(log_var.row(c));
        let normal = |((z, mu), s): ((&f64, &f64), &f64)| {
            (-0.5 * (z - mu).powi(2) / s.exp()).exp()
                / (2.0 * std::f64::consts::PI * s.exp()).sqrt()
        };
        terms.map(normal).product()
    };
    ((0..mu.nrows()).map(density).sum::<f64>() / mu.nrows() as f64).ln()
}

fn log_prob(mu: &Array2<f64>, log_var: &Array2<f64>, z: &Array2<f64>) -> Array1<f64> {
    let mut mixture = Mixture::new(mu.nrows(), z.nrows(), z.ncols());
    let constant = -0.5 * z.ncols() as f64 * (2.0 * std::f64::consts::PI).ln();
    let mut log_prob = Array1::from_elem(z.nrows(), constant);
    mixture.log_prob(mu, log_var, z, &mut log_prob);
    log_prob
}

#[test]
fn the_log_density_is_that_of_the_definition_and_integrates_to_one() {
    let mu = normal(15, 1).into_shape_with_order((5, 3)).unwrap();
    let log_var = normal(15, 2).into_shape_with_order((5, 3)).unwrap();
    let z = normal(30, 3).into_shape_with_order((10, 3)).unwrap();
    for (z, ours) in z.rows().into_iter().zip(log_prob(&mu, &log_var, &z)) {
        assert_close(ours, by_definition(&mu, &log_var, z), 1e-12);
    }
    let (mu, log_var) = (array![[-2.0], [0.5], [3.0]], array![[-1.0], [0.3], [-3.0]]);
    let grid = Array1::linspace(-12.0, 12.0, 4801).insert_axis(Axis(1));
    let integral: f64 = log_prob(&mu, &log_var, &grid).iter().map(|v| v.exp() * 0.005).sum();
    assert_close(integral, 1.0, 1e-12);
}

#[test]
fn far_from_every_component_it_is_still_a_number() {
    let (mu, log_var) = (array![[0.0], [1.0]], array![[-5.0], [-5.0]]);
    let ours = log_prob(&mu, &log_var, &array![[40.0]])[0];
    let nearest = -0.5 * (39.0f64.powi(2) * 5.0f64.exp() - 5.0 + (2.0 * std::f64::consts::PI).ln());
    assert_close(ours, nearest - 2.0f64.ln(), 1e-12);
}

/// Posteriors of a trained model are narrow, with σ far below |μ|.
#[test]
fn narrow_components_lose_no_more_than_f32_must() {
    let mu = 3.0 * normal(160, 6).into_shape_with_order((4, 40)).unwrap();
    let log_var = normal(160, 7).into_shape_with_order((4, 40)).unwrap() - 8.0;
    // One sample near each component.
    let noise = normal(160, 8).into_shape_with_order((4, 40)).unwrap();
    let z = &mu + &(log_var.mapv(|v| (0.5 * v).exp()) * noise);
    let z = z.mapv(|v| v as f32);
    let exact = log_prob(&mu, &log_var, &z.mapv(f64::from));
    let [mu, log_var] = [mu, log_var].map(|a| a.mapv(|v| v as f32));
    // μ itself is rounded in f32, which moves log p by about 2e-7 · 3 / σ for each dimension.
    let exact_of_rounded =
        log_prob(&mu.mapv(f64::from), &log_var.mapv(f64::from), &z.mapv(f64::from));
    let mut ours = Array1::from_elem(4, -0.5 * 40.0 * (2.0 * std::f32::consts::PI).ln());
    Mixture::new(4, 4, 40).log_prob(&mu, &log_var, &z, &mut ours);
    for ((ours, exact), rounded) in ours.iter().zip(&exact).zip(&exact_of_rounded) {
        assert!((f64::from(*ours) - rounded).abs() < 1e-4, "{ours} {rounded}");
        assert!((exact - rounded).abs() < 0.1, "{exact} {rounded}");
    }
}

#[test]
fn one_component_is_one_gaussian() {
    let (mu, log_var): (Array2<f64>, Array2<f64>) = (array![[0.3, -1.2]], array![[0.4, -2.0]]);
    let z = normal(10, 9).into_shape_with_order((5, 2)).unwrap();
    let gaussian = |z: ndarray::ArrayView1<'_, f64>| -> f64 {
        let terms = z.iter().zip(mu.row(0)).zip(log_var.row(0));
        let ln_2pi = (2.0 * std::f64::consts::PI).ln();
        terms.map(|((z, mu), s)| -0.5 * ((z - mu).powi(2) / s.exp() + s + ln_2pi)).sum()
    };
    for (z, ours) in z.rows().into_iter().zip(log_prob(&mu, &log_var, &z)) {
        assert_close(ours, gaussian(z), 1e-13);
    }
}

#[test]
fn draws_from_the_prior_have_the_mixture_s_mean_and_variance() {
    let rng = &mut random::rng(3, Purpose::Init, 0, 0);
    let vae = MlpVae::<f64>::mlp(6, &[5], 2, Activation::Tanh, Init::Pytorch, rng);
    let mut vamp = Vamp::new(vae, 3, rng);
    vamp.pseudo_inputs = 4.0 * normal(18, 5).into_shape_with_order((3, 6)).unwrap();
    let mut w = vamp.vae.workspace(3);
    w.signals.x = vamp.pseudo_inputs.mapv(|t| 1.0 / (1.0 + (-t).exp()));
    vamp.vae.encode(&mut w);
    let s = &w.signals;
    let z = vamp.prior(40_000, 7);
    for j in 0..2 {
        let mean = s.mu.column(j).mean().unwrap();
        let second = s.mu.column(j).mapv(|mu| mu * mu) + s.log_var.column(j).mapv(f64::exp);
        let (ours, error) = mean_and_error(z.column(j).iter().copied());
        assert!((ours - mean).abs() < 4.0 * error, "{ours} ± {error}, not {mean}");
        let (ours, error) = mean_and_error(z.column(j).iter().map(|z| z * z));
        let second = second.mean().unwrap();
        assert!((ours - second).abs() < 4.0 * error, "{ours} ± {error}, not {second}");
    }
}
