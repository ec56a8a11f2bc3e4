//! The ELBO of a model with one latent dimension as the posterior is moved: below log p(x) by the
//! divergence from the true posterior.

use elbo::{
    distributions::Likelihood,
    layers::{Activation, Init},
    models::MlpVae,
    parameters::Parameters,
    pictures::LinePlot,
    random::{self, Purpose},
};
use ndarray::{Array1, Array2};

use super::series;

const POINTS: usize = 4001;
const EDGE: f64 = 10.0;

pub fn draw() -> LinePlot {
    let log_joint = log_joint();
    let spacing = 2.0 * EDGE / (POINTS - 1) as f64;
    let z = |i: usize| spacing * i as f64 - EDGE;
    let log_p = log_joint.iter().map(|l| l.exp() * spacing).sum::<f64>().ln();
    let elbo = |mu: f64, sigma: f64| -> f64 {
        let term = |(i, joint): (usize, &f64)| {
            let log_q = log_normal(z(i), mu, sigma);
            spacing * log_q.exp() * (joint - log_q)
        };
        log_joint.iter().enumerate().map(term).sum()
    };
    let means: Vec<f64> = (0..=60).map(|i| -3.0 + 0.1 * f64::from(i)).collect();
    let curve = |sigma: f64| means.iter().map(|&mu| (mu, elbo(mu, sigma))).collect::<Vec<_>>();
    let curves = [0.3, 0.6, 1.0].map(|sigma| (sigma, curve(sigma)));
    let mut lines = vec![series("log p(x)", vec![(-3.0, log_p), (3.0, log_p)])];
    println!("log p(x) = {log_p:.4}");
    for (sigma, points) in curves {
        let best =
            points.iter().fold((0.0, f64::NEG_INFINITY), |a, &b| if b.1 > a.1 { b } else { a });
        println!("σ = {sigma}: the largest ELBO is {:.4}, at μ = {:.1}", best.1, best.0);
        lines.push(series(format!("ELBO, σ = {sigma}"), points));
    }
    LinePlot {
        title: "The ELBO as the posterior moves".into(),
        x: "mean of q(z|x)".into(),
        y: "nats".into(),
        log_x: false,
        log_y: false,
        series: lines,
    }
}

/// log p(x, z) of one image of six pixels on the grid.
fn log_joint() -> Array1<f64> {
    let rng = &mut random::rng(9, Purpose::Init, 0, 0);
    let mut vae = MlpVae::<f64>::mlp(6, &[5], 1, Activation::Tanh, Init::Pytorch, rng);
    vae.tensors_mut().for_each(|mut t| t *= 2.0);
    let mut w = vae.workspace(POINTS);
    let spacing = 2.0 * EDGE / (POINTS - 1) as f64;
    w.signals.z = Array2::from_shape_fn((POINTS, 1), |(i, _)| spacing * i as f64 - EDGE);
    vae.decode(&mut w);
    let s = &mut w.signals;
    s.x.rows_mut()
        .into_iter()
        .for_each(|mut x| x.assign(&ndarray::arr1(&[0., 1., 1., 0., 0., 1.])));
    vae.likelihood.log_prob(&s.x, &s.logits, 1.0, &mut s.log_prob, &mut s.d_logits);
    let prior = s.z.column(0).mapv(|z| log_normal(z, 0.0, 1.0));
    &s.log_prob + &prior
}

fn log_normal(z: f64, mu: f64, sigma: f64) -> f64 {
    -0.5 * (2.0 * std::f64::consts::PI).ln() - sigma.ln() - 0.5 * ((z - mu) / sigma).powi(2)
}
