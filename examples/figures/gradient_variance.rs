//! The variance of the two gradient estimators at the posterior's mean, for VAEs trained on MNIST
//! with more and more latent dimensions.

use std::ops::ControlFlow;

use elbo::{
    data::{Images, Part},
    distributions::{Likelihood, gaussian},
    layers::{Activation, Init, Layer},
    models::MlpVae,
    objectives::Elbo,
    pictures::LinePlot,
    random::{self, Purpose},
    training::Trainer,
};
use ndarray::{Array1, Array2, Axis};

use super::{mnist, series};

const IMAGES: usize = 20;
const DRAWS: usize = 1000;

pub fn draw() -> LinePlot {
    let images = mnist(Part::Test);
    let mut curves: [Vec<(f64, f64)>; 3] = Default::default();
    println!("latent   path       score      score with baseline");
    for latent in [1, 2, 5, 10, 20, 50] {
        let vae = trained(&images, latent);
        let mut sums = [0.0; 3];
        for image in 0..IMAGES {
            let variances = variances(&vae, &images, image);
            sums.iter_mut().zip(variances).for_each(|(sum, v)| *sum += v / IMAGES as f64);
        }
        println!("{latent:6}   {:.2e}   {:.2e}   {:.2e}", sums[0], sums[1], sums[2]);
        curves.iter_mut().zip(sums).for_each(|(curve, v)| curve.push((latent as f64, v)));
    }
    let names = ["reparameterised", "score function", "score function with a baseline"];
    LinePlot {
        title: "Variance of the gradient of E_q[log p(x|z)] at the mean of q(z|x)".into(),
        x: "latent dimensions".into(),
        y: "variance per dimension".into(),
        log_x: true,
        log_y: true,
        series: names.into_iter().zip(curves).map(|(name, curve)| series(name, curve)).collect(),
    }
}

/// Three epochs on the test images.
fn trained(images: &Images, latent: usize) -> MlpVae<f64> {
    let rng = &mut random::rng(0, Purpose::Init, 0, 0);
    let pixels = images.pixels_per_image();
    let vae = MlpVae::<f64>::mlp(pixels, &[128], latent, Activation::Relu, Init::Pytorch, rng);
    let mut trainer = Trainer::new(vae, Elbo, images, 64, 1e-3, 0);
    for _ in 0..3 {
        trainer.epoch(|_| ControlFlow::Continue(())).expect("finite");
    }
    trainer.model
}

/// The variances over draws of z of the three estimates at μ, mean over its dimensions.
fn variances(vae: &MlpVae<f64>, images: &Images, image: usize) -> [f64; 3] {
    let mut w = vae.workspace(DRAWS);
    let s = &mut w.signals;
    images.gather(&[image; DRAWS], &mut s.x);
    random::fill_normal(&mut s.eps, 1, Purpose::Prior, image as u64, 0..DRAWS);
    vae.encode(&mut w);
    let s = &mut w.signals;
    gaussian::sample(&s.mu, &s.log_var, &s.eps, &mut s.sigma, &mut s.z);

    let (mut logits, mut cache) = (s.logits.clone(), vae.decoder.cache(DRAWS));
    vae.decoder.forward(&s.z, &mut logits, &mut cache);
    let (mut f, mut d_logits) = (Array1::zeros(DRAWS), logits.clone());
    // d_logits is the gradient of -f, so d_z is, too.
    vae.likelihood.log_prob(&s.x, &logits, 1.0, &mut f, &mut d_logits);
    let (mut d_z, mut d) = (s.z.clone(), vae.decoder.clone());
    vae.decoder.backward(&s.z, &logits, &mut d_logits, Some(&mut d_z), &mut cache, &mut d);

    let (mut path, mut unused) = (Array2::zeros(d_z.dim()), Array2::zeros(d_z.dim()));
    gaussian::sample_backward(&s.log_var, &s.eps, &s.sigma, &d_z, &mut path, &mut unused);
    let mut score = |f: &Array1<f64>| {
        let mut d_mu = Array2::zeros(d_z.dim());
        gaussian::score_function(f, &s.log_var, &s.eps, &s.sigma, &mut d_mu, &mut unused);
        d_mu
    };
    let plain = score(&f);
    let baseline = f.mean().expect("there are draws");
    let with_baseline = score(&(&f - baseline));
    [path, plain, with_baseline].map(|d| d.var_axis(Axis(0), 1.0).mean().expect("a dimension"))
}
