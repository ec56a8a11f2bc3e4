//! The error of the difference quotient against its step, in f32, in f64, and extrapolated.

use elbo::{
    layers::{Activation, Init},
    models::MlpVae,
    objectives::Elbo,
    parameters::Parameters,
    pictures::LinePlot,
    random::{self, Purpose},
    real::Real,
};
use ndarray::Array2;

use super::series;

const BATCH: usize = 4;

pub fn draw() -> LinePlot {
    let exact = gradient();
    let steps: Vec<f64> = (0..=56).map(|i| 10f64.powf(-11.0 + 0.2 * f64::from(i))).collect();
    let (double, single) = (loss::<f64>(), loss::<f32>());
    let central = |f: &dyn Fn(f64) -> f64, h: f64| (f(h) - f(-h)) / (2.0 * h);
    let error = |quotient: f64| (quotient / exact - 1.0).abs().max(1e-17);
    let curve = |name: &str, quotient: &dyn Fn(f64) -> f64| {
        let points: Vec<(f64, f64)> = steps.iter().map(|&h| (h, error(quotient(h)))).collect();
        let best = points.iter().fold((0.0, f64::INFINITY), |a, &b| if b.1 < a.1 { b } else { a });
        println!("{name}: least relative error {:.0e} at h = {:.0e}", best.1, best.0);
        series(name, points)
    };
    let once = |h: f64| (4.0 * central(&double, h / 2.0) - central(&double, h)) / 3.0;
    LinePlot {
        title: "Central differences of one weight's loss".into(),
        x: "step h".into(),
        y: "relative error".into(),
        log_x: true,
        log_y: true,
        series: vec![
            curve("f32", &|h| central(&single, h)),
            curve("f64", &|h| central(&double, h)),
            curve("f64, extrapolated once", &once),
        ],
    }
}

fn model<T: Real>() -> MlpVae<T> {
    let rng = &mut random::rng(0, Purpose::Init, 0, 0);
    MlpVae::mlp(9, &[6], 2, Activation::Tanh, Init::Pytorch, rng)
}

/// The batch: images and noise.
fn batch<T: Real>() -> (Array2<T>, Array2<T>) {
    let (mut x, mut eps) = (Array2::zeros((BATCH, 9)), Array2::zeros((BATCH, 2)));
    random::fill_normal(&mut x, 0, Purpose::Prior, 0, 0..BATCH);
    random::fill_normal(&mut eps, 0, Purpose::TrainNoise, 0, 0..BATCH);
    let pixel = |v: f64| T::from_f64((0.5 + 0.6 * v).clamp(0.0, 1.0));
    (x.mapv(pixel), eps.mapv(|v: f64| T::from_f64(v)))
}

/// The loss with the first weight of the model moved by so much.
fn loss<T: Real>() -> impl Fn(f64) -> f64 {
    |step| {
        let mut vae = model::<T>();
        let weight = &mut vae.encoder.hidden.layers[0].weight[[0, 0]];
        *weight = T::from_f64(weight.to_f64() + step);
        let mut w = vae.workspace(BATCH);
        (w.signals.x, w.signals.eps) = batch();
        -vae.evaluate(&Elbo, &mut w).objective
    }
}

/// Its gradient by hand, in f64.
fn gradient() -> f64 {
    let vae = model::<f64>();
    let (mut w, mut d) = (vae.workspace(BATCH), vae.zeros_like());
    (w.signals.x, w.signals.eps) = batch();
    vae.gradient(&Elbo, &mut w, &mut d);
    d.encoder.hidden.layers[0].weight[[0, 0]]
}
