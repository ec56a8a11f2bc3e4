//! Variational autoencoders on a CPU: every layer, gradient, objective and optimiser written out by
//! hand, every gradient checked.
//!
//! # The map, in reading order
//!
//! | where | what |
//! | --- | --- |
//! | [`models::Vae`] | the walk of one batch: images -> (μ, log σ²) -> z -> logits -> objective, and back |
//! | [`layers`] | maps with parameters, `forward` beside `backward`: dense, activations, MLP, gated, masked |
//! | [`models`] | besides: the VampPrior, two layers of latent variables, a flow as the posterior, labels beside the images |
//! | [`distributions`] | the Gaussian posterior and its divergence, the likelihoods of pixels |
//! | [`objectives`] | the ELBO, weighted, warmed up or sampled, and the importance-weighted bound, with gradients |
//! | [`optim`] | Adam, AdamW, SGD, RMSprop; schedules, clipping |
//! | [`guide`] | the chapters, from latent variables to the kernels |
//! | [`gradcheck`] | hand-written gradients against difference quotients |
//! | [`study`] | one training step taken apart |
//! | [`parameters`], [`real`], [`random`] | named tensors; the two precisions; counter-based noise |
//! | [`training`] | the loop, metrics, model files, checkpoints, a start from another model's weights |
//! | [`evaluation`] | the ELBO with its parts, the importance-sampled log-likelihood, the quality of samples, PCA |
//! | [`generation`] | samples, reconstructions, the latent plane, paths through it |
//! | [`uses`] | what trained models are good for: telling anomalies, probes of latent variables, learning from few labels, repair, completion |
//! | [`data`], [`pictures`], [`files`] | images in; PNG and SVG out; atomic writes |
//! | [`recipe`] | what decides a run, in TOML |
//!
//! Below all of it lies the crate `elbo-kernels` (GEMM, vector mathematics, fused passes), the only
//! place with `unsafe` code.
//!
//! # Features
//!
//! | feature | what it adds | crates |
//! | --- | --- | --- |
//! | none | the mathematics: networks, objectives and optimisers; training, evaluation, generation and the [`uses`], on images in memory | arrays, random numbers, threads, derives |
//! | `files` | [`recipe`], [`pictures`], [`files`], the [`guide`]; of [`data`] the readers; of [`training`] whole runs, with model files, metrics and checkpoints; of [`uses`] calibrations and masks from pictures | formats |
//! | `cli`, the default | `files`, and the `elbo` command, [`cli`] | arguments, progress bars, Ctrl-C, NumPy's arrays written |
//!
//! # One training step
//!
//! ```
//! use elbo::{
//!     layers::{Activation, Init},
//!     models::MlpVae,
//!     objectives::Elbo,
//!     optim::Adam,
//!     parameters::Parameters,
//!     random::{self, Purpose},
//! };
//!
//! let rng = &mut random::rng(0, Purpose::Init, 0, 0);
//! let mut vae = MlpVae::<f32>::mlp(6, &[8], 2, Activation::Tanh, Init::Glorot, rng);
//! let mut adam = Adam::new(&vae, 0.01);
//! let (mut w, mut gradient) = (vae.workspace(4), vae.zeros_like());
//!
//! w.signals.x.indexed_iter_mut().for_each(|((n, j), x)| *x = ((n + j) % 2) as f32);
//! let mut elbo = vec![];
//! for step in 0..300 {
//!     random::fill_normal(&mut w.signals.eps, 0, Purpose::TrainNoise, step, 0..4);
//!     elbo.push(vae.gradient(&Elbo, &mut w, &mut gradient).elbo);
//!     adam.step(&mut vae, &gradient);
//! }
//! // Two kinds of image, so about ln 2 nats of information: the ELBO rises towards -ln 2.
//! assert!(elbo[0] < -4.0 && elbo[299] > -1.5, "{} {}", elbo[0], elbo[299]);
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// Documentation is that of all features: without one, links to what it holds lead nowhere.
#![cfg_attr(not(feature = "cli"), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "cli")]
pub mod cli;
pub mod data;
pub mod distributions;
pub mod evaluation;
#[cfg(feature = "files")]
pub mod files;
pub mod generation;
pub mod gradcheck;
#[cfg(feature = "files")]
pub mod guide;
pub mod layers;
pub mod models;
pub mod objectives;
pub mod optim;
pub mod parameters;
#[cfg(feature = "files")]
pub mod pictures;
pub mod random;
pub mod real;
#[cfg(feature = "files")]
pub mod recipe;
pub mod study;
pub mod training;
pub mod uses;

/// The README's example, compiled and run by `cargo test`.
#[cfg(all(doctest, feature = "files"))]
#[doc = include_str!("../README.md")]
struct Readme;
