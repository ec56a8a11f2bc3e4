//! A whole system against a known optimum: a VAE with linear networks and a Gaussian likelihood of
//! fixed variance is probabilistic PCA, whose largest likelihood is known in closed form. Trained by
//! the trainer that trains everything else, it must arrive there.
//!
//! Tipping & Bishop 1999, *Probabilistic Principal Component Analysis*: for a given σ², the best
//! decoder is W = U (Λ - σ²I)^½ R, with U and Λ the first eigenvectors and eigenvalues of the data's
//! covariance and R any rotation. The posterior of z has the covariance σ² (WᵀW + σ²I)⁻¹. A diagonal
//! q is exact where WᵀW is diagonal, and so the largest ELBO is the largest log-likelihood
//! (Lucas et al. 2019, *Don't Blame the ELBO!*).

use std::{f64::consts::PI, ops::ControlFlow};

use elbo::{
    data::{Images, Pixels},
    distributions::fixed_variance::FixedVariance,
    evaluation::{Evaluator, pca::Pca},
    layers::{Activation, Init, Mlp},
    models::{Decoder, MlpVae, Vae},
    objectives::Elbo,
    random::{self, Purpose},
    training::Trainer,
};
use ndarray::{Array2, Axis, arr1, arr2};

const IMAGES: usize = 400;
const PIXELS: usize = 6;
const LATENT: usize = 2;
const VARIANCE: f64 = 0.02;

type LinearVae = Vae<f64, Mlp<f64>, Decoder<f64, Mlp<f64>>, FixedVariance>;

/// Images with two strong directions, a weaker third one and noise.
fn data() -> Array2<f64> {
    let mut draws = Array2::zeros((IMAGES, 3 + PIXELS));
    random::fill_normal(&mut draws, 4, Purpose::Prior, 0, 0..IMAGES);
    let directions = arr2(&[
        [0.24, 0.14, -0.10, 0.05, 0.20, -0.14],
        [-0.07, 0.17, 0.12, -0.20, 0.05, 0.10],
        [0.05, -0.02, 0.07, 0.05, -0.05, 0.07],
    ]);
    let noise = draws.slice(ndarray::s![.., 3..]).mapv(|v| 0.11 * v);
    let x = draws.slice(ndarray::s![.., ..3]).dot(&directions) + noise + 0.5;
    // Whatever the images hold, they hold in f32.
    x.mapv(|v: f64| f64::from(v.clamp(0.0, 1.0) as f32))
}

fn images(x: &Array2<f64>) -> Images {
    Images::new(2, 3, Pixels::Floats(x.iter().map(|&v| v as f32).collect())).unwrap()
}

/// The eigenvalues of the data's covariance, its first eigenvectors as rows, and the largest
/// log-likelihood per image of probabilistic PCA with σ²:
/// -½ (D ln 2π + ln|C| + tr C⁻¹S), where C has the eigenvalues λ₁ .. λ_q, σ², .., σ².
fn optimum(x: &Array2<f64>) -> (Vec<f64>, Array2<f64>, f64) {
    let Pca { components, variances, .. } = Pca::fit(x.view(), PIXELS);
    let n = x.nrows() as f64;
    let lambda: Vec<f64> = variances.iter().map(|v| v * (n - 1.0) / n).collect();
    let log_det = lambda[..LATENT].iter().map(|l| l.ln()).sum::<f64>()
        + (PIXELS - LATENT) as f64 * VARIANCE.ln();
    let trace = LATENT as f64 + lambda[LATENT..].iter().sum::<f64>() / VARIANCE;
    let log_p = -0.5 * (PIXELS as f64 * (2.0 * PI).ln() + log_det + trace);
    (lambda, components.slice(ndarray::s![..LATENT, ..]).to_owned(), log_p)
}

fn trained(images: &Images) -> LinearVae {
    let rng = &mut random::rng(2, Purpose::Init, 0, 0);
    let MlpVae { encoder, decoder, .. } =
        MlpVae::<f64>::mlp(PIXELS, &[], LATENT, Activation::Relu, Init::Glorot, rng);
    let vae = Vae { encoder, decoder, likelihood: FixedVariance::new(VARIANCE) };
    let mut trainer = Trainer::new(vae, Elbo, images, 100, 0.0, 0);
    for (learning_rate, epochs) in [(1e-2, 1000), (3e-3, 3000), (1e-3, 1500), (1e-4, 500)] {
        trainer.plan.optimiser.learning_rate = learning_rate;
        for _ in 0..epochs {
            trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
        }
    }
    trainer.model
}

/// The ELBO itself, without sampling: for a linear decoder
/// E_q|x - Wz - b|² = |x - Wμ - b|² + Σⱼ σⱼ² |Wⱼ|².
fn exact_elbo(vae: &LinearVae, x: &Array2<f64>) -> f64 {
    let mut w = vae.workspace(x.nrows());
    w.signals.x.assign(x);
    vae.encode(&mut w);
    w.signals.z = w.signals.mu.clone();
    vae.decode(&mut w);
    let s = &w.signals;
    let norms = (&vae.decoder.output.weight * &vae.decoder.output.weight).sum_axis(Axis(1));
    let elbo = |n: usize| {
        let error = (&s.x.row(n) - &s.logits.row(n)).mapv(|v| v * v).sum();
        let sigma2 = s.log_var.row(n).mapv(f64::exp);
        let spread = (&sigma2 * &norms).sum();
        let kl = 0.5 * (&s.mu.row(n).mapv(|v| v * v) + &sigma2 - 1.0 - s.log_var.row(n)).sum();
        -0.5 * ((error + spread) / VARIANCE + PIXELS as f64 * (2.0 * PI * VARIANCE).ln()) - kl
    };
    (0..x.nrows()).map(elbo).sum::<f64>() / x.nrows() as f64
}

#[test]
fn a_trained_linear_vae_reaches_the_likelihood_of_probabilistic_pca() {
    let x = data();
    let (lambda, components, log_p) = optimum(&x);
    assert!(lambda[1] > 2.0 * VARIANCE && lambda[2] < lambda[1] / 2.0, "{lambda:?}");
    let images = images(&x);
    let vae = trained(&images);

    // No ELBO is above it, and this one hardly below.
    let elbo = exact_elbo(&vae, &x);
    assert!(elbo <= log_p + 1e-9, "{elbo} above {log_p}");
    assert!(elbo >= log_p - 1e-3, "{elbo} below {log_p}");
    let sampled = Evaluator::new(&vae, &images).evaluate(&vae, &Elbo, 0, 0);
    let (sampled, error) = (sampled.elbo, sampled.elbo_standard_error);
    assert!((sampled - elbo).abs() < 4.0 * error && error < 0.2, "{sampled} ± {error}, {elbo}");

    // W, here (latent, pixels): its rows span the first principal components, each of length
    // √(λⱼ - σ²) in the order in which training left them.
    let w = &vae.decoder.output.weight;
    let inside = w.dot(&components.t());
    for row in 0..LATENT {
        let (all, within) = (w.row(row).dot(&w.row(row)), inside.row(row).dot(&inside.row(row)));
        assert!(within / all > 0.999, "row {row}: {within} of {all} in the subspace");
    }
    let gram = w.dot(&w.t());
    assert!(gram[[0, 1]].abs() < 0.02 * gram[[1, 1]].min(gram[[0, 0]]), "{gram}");
    let mut lengths = gram.diag().to_vec();
    lengths.sort_by(|a, b| b.total_cmp(a));
    for (length, lambda) in lengths.iter().zip(&lambda) {
        assert!((length / (lambda - VARIANCE) - 1.0).abs() < 0.02, "{lengths:?}, {lambda:?}");
    }

    // The posterior's variance is σ²/(|Wⱼ|² + σ²), the same for every image.
    let mut workspace = vae.workspace(IMAGES);
    workspace.signals.x.assign(&x);
    vae.encode(&mut workspace);
    let expected = gram.diag().mapv(|length| (VARIANCE / (length + VARIANCE)).ln());
    for row in workspace.signals.log_var.rows() {
        assert!((&row - &expected).iter().all(|off| off.abs() < 0.1), "{row}, not {expected}");
    }
    // And the decoder's bias is the mean image.
    let off = &vae.decoder.output.bias - &x.mean_axis(Axis(0)).unwrap_or(arr1(&[]));
    assert!(off.iter().all(|v| v.abs() < 2e-3), "{off}");
}
