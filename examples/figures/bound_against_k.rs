//! The importance-sampled bound against the number of samples, for a model whose log p(x) is known
//! by quadrature.

use elbo::{
    data::{Images, Pixels},
    distributions::Likelihood,
    evaluation::log_likelihood,
    layers::{Activation, Init},
    models::MlpVae,
    parameters::Parameters,
    pictures::LinePlot,
    random::{self, Purpose},
};
use ndarray::Array2;

use super::series;

const BYTES: [u8; 6] = [0, 255, 255, 0, 0, 255];

pub fn draw() -> LinePlot {
    let rng = &mut random::rng(9, Purpose::Init, 0, 0);
    let mut vae = MlpVae::<f64>::mlp(6, &[5], 1, Activation::Tanh, Init::Pytorch, rng);
    vae.tensors_mut().for_each(|mut t| t *= 2.0);
    // A posterior that is off, so that there is a gap to close.
    vae.encoder.mu.bias += 1.5;
    let log_p = log_p(&vae);
    println!("log p(x) = {log_p:.4}");

    let copies = Images::new(2, 3, Pixels::Bytes(BYTES.repeat(20_000))).expect("whole images");
    let points: Vec<(f64, f64)> = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500]
        .into_iter()
        .map(|k| {
            let estimate = log_likelihood(&vae, &copies, k, 0, |_| ());
            let (bound, error) = (estimate.log_likelihood, estimate.log_likelihood_standard_error);
            println!("k = {k:3}: {bound:.4} ± {error:.4}");
            (k as f64, bound)
        })
        .collect();
    LinePlot {
        title: "The importance-sampled bound".into(),
        x: "samples k".into(),
        y: "nats".into(),
        log_x: true,
        log_y: false,
        series: vec![
            series("log p(x)", vec![(1.0, log_p), (500.0, log_p)]),
            series("bound with k samples", points),
        ],
    }
}

/// log p(x) by the trapezoidal rule.
fn log_p(vae: &MlpVae<f64>) -> f64 {
    let (points, edge) = (4001, 10.0);
    let spacing = 2.0 * edge / (points - 1) as f64;
    let mut w = vae.workspace(points);
    let s = &mut w.signals;
    s.z = Array2::from_shape_fn((points, 1), |(i, _)| spacing * i as f64 - edge);
    let image = ndarray::arr1(&BYTES.map(|b| f64::from(b) / 255.0));
    s.x.rows_mut().into_iter().for_each(|mut x| x.assign(&image));
    vae.decode(&mut w);
    let s = &mut w.signals;
    vae.likelihood.log_prob(&s.x, &s.logits, 1.0, &mut s.log_prob, &mut s.d_logits);
    let normal = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let terms = s.log_prob.iter().zip(&s.z).map(|(l, &z)| spacing * l.exp() * normal(z));
    terms.sum::<f64>().ln()
}
