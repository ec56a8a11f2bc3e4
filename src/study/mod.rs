//! One training step under the microscope.
//!
//! [`study`] takes a small VAE through one complete step in f64, by the layers', the distributions'
//! and the optimiser's own functions, but one at a time: every quantity comes out in the order of its
//! computation, with its equation, the function that computes it in training, and its values. Beside
//! every gradient stands the numeric one, from the loss alone. A test holds that every signal,
//! gradient, moment and weight is, bit for bit, that of
//! [`Vae::gradient`](crate::models::Vae::gradient) and [`Adam::step`](crate::optim::Adam::step).
//!
//! A [`Fault`] spoils one gradient on the way. Whatever is computed from it is spoiled too, and
//! nothing else is, which is how a wrong line is found: it is where the first wrong gradient is.
//!
//! ```
//! use elbo::study::{Setup, study};
//!
//! let study = study(&Setup::default()).unwrap();
//! assert_eq!(study.network, [4, 3, 2, 3, 4]);
//! assert!(study.checked().all(|step| step.check.as_ref().unwrap().is_right()));
//! assert!(study.after.elbo > study.before.elbo); // one step against the gradient
//! ```

mod backward;
mod forward;
mod html;
mod names;
mod text;
mod update;

pub use html::html;
pub use text::text;

use std::fmt;

use ndarray::Array2;

use crate::{
    gradcheck::Check,
    layers::{Activation, Init},
    models::MlpVae,
    objectives::Figures,
    random::{self, Purpose},
};

/// What is studied.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The images, (batch, pixels), in \[0, 1\].
    pub x: Array2<f64>,
    /// Widths of the encoder's hidden layers; the decoder mirrors them.
    pub hidden: Vec<usize>,
    /// Dimensions of the latent space.
    pub latent: usize,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Seed of the weights and of the noise.
    pub seed: u64,
    /// A gradient to spoil.
    pub fault: Option<Fault>,
}

/// `4-3-2-3-4`, a batch of two.
impl Default for Setup {
    fn default() -> Self {
        Self {
            x: Self::random_images(2, 4, 0),
            hidden: vec![3],
            latent: 2,
            activation: Activation::Tanh,
            learning_rate: 0.01,
            seed: 0,
            fault: None,
        }
    }
}

impl Setup {
    /// Images of random pixels, some of them black, some white, some grey.
    pub fn random_images(batch: usize, pixels: usize, seed: u64) -> Array2<f64> {
        let mut x = Array2::zeros((batch, pixels));
        random::fill_normal(&mut x, seed, Purpose::Check, 0, 0..batch);
        x.mapv(|v: f64| (0.5 + 0.6 * v).clamp(0.0, 1.0))
    }

    /// The model that the step starts from.
    pub fn model(&self) -> MlpVae<f64> {
        let rng = &mut random::rng(self.seed, Purpose::Init, 0, 0);
        MlpVae::mlp(self.x.ncols(), &self.hidden, self.latent, self.activation, Init::Pytorch, rng)
    }

    /// ε of the step, (batch, latent).
    pub fn eps(&self) -> Array2<f64> {
        let mut eps = Array2::zeros((self.x.nrows(), self.latent));
        random::fill_normal(&mut eps, self.seed, Purpose::TrainNoise, 1, 0..self.x.nrows());
        eps
    }
}

/// A gradient that is made wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of its step, such as `d_z`.
    pub gradient: String,
    /// What is done to it.
    pub kind: FaultKind,
}

/// How a gradient is made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Multiplied by -1.
    Sign,
    /// Multiplied by 1/2.
    Half,
    /// Set to zero.
    Zero,
    /// Its largest element off by a thousandth.
    Element,
}

impl FaultKind {
    /// All of them with their names.
    pub const ALL: [(&str, Self); 4] = [
        ("sign", Self::Sign),
        ("half", Self::Half),
        ("zero", Self::Zero),
        ("element", Self::Element),
    ];

    fn spoil(self, gradient: &mut Array2<f64>) {
        match self {
            Self::Sign => gradient.mapv_inplace(|v| -v),
            Self::Half => *gradient *= 0.5,
            Self::Zero => gradient.fill(0.0),
            Self::Element => {
                let size = |v: &&mut f64| v.abs();
                let largest = gradient.iter_mut().max_by(|a, b| size(a).total_cmp(&size(b)));
                largest.into_iter().for_each(|v| *v *= 1.001);
            }
        }
    }
}

impl fmt::Display for Fault {
    /// `d_z with its sign turned`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FaultKind::Sign => "with its sign turned",
            FaultKind::Half => "halved",
            FaultKind::Zero => "set to zero",
            FaultKind::Element => "with its largest element off by a thousandth",
        };
        write!(f, "{} {what}", self.gradient)
    }
}

/// There is no gradient of that name in this network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no gradient {name:?} in this step; there are: {}", gradients.join(", "))]
pub struct UnknownGradient {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub gradients: Vec<String>,
}

/// Which part of the training step a quantity belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// From images to logits.
    Forward,
    /// The objective and its terms.
    Loss,
    /// From the loss back to every parameter.
    Backward,
    /// Adam's moments and its step.
    Update,
    /// The loss once more.
    After,
}

impl Part {
    /// All of them in order.
    pub const ALL: [Self; 5] =
        [Self::Forward, Self::Loss, Self::Backward, Self::Update, Self::After];

    /// A heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Forward => "Forward: images → (μ, log σ²) → z → logits",
            Self::Loss => "Loss: the ELBO and its two terms",
            Self::Backward => "Backward: from the loss to every parameter",
            Self::Update => "Update: one step of Adam",
            Self::After => "After the step: the same images, the same noise",
        }
    }
}

/// One quantity of the training step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, such as `d_z` or `encoder.hidden.0.h`.
    pub name: String,
    /// The part that it belongs to.
    pub part: Part,
    /// The layer that it belongs to, such as `encoder.hidden.0`, or `sample`, `objective`.
    pub layer: String,
    /// What it is, in words.
    pub title: String,
    /// Its equation.
    pub equation: String,
    /// The function that computes it.
    pub code: &'static str,
    /// The file of that function.
    pub file: &'static str,
    /// The chapter of the guide that derives it.
    pub chapter: u8,
    /// Names of the quantities that it is computed from.
    pub from: Vec<String>,
    /// Its values; a vector is a row.
    pub values: Array2<f64>,
    /// Of a gradient: the same by difference quotients of the loss, and what comparing the two found.
    pub check: Option<Check>,
}

/// The numbers of a check, one for each element of a matrix, in its shape.
fn shaped(values: &Array2<f64>, numbers: &[f64]) -> Array2<f64> {
    let columns = values.ncols();
    Array2::from_shape_fn(values.dim(), |(i, j)| numbers[i * columns + j])
}

/// A training step, quantity by quantity.
#[derive(Clone, Debug)]
pub struct Study {
    /// Widths from the images through the latent space to the logits.
    pub network: Vec<usize>,
    /// The quantities in the order of their computation.
    pub steps: Vec<Step>,
    /// The objective before the step.
    pub before: Figures,
    /// The objective after it.
    pub after: Figures,
    /// The fault that was planted.
    pub fault: Option<Fault>,
}

impl Study {
    /// The gradients, each held against the numeric one.
    pub fn checked(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.check.is_some())
    }

    /// Whether `step` was computed from `from`, directly or not.
    pub fn comes_from(&self, step: &Step, from: &str) -> bool {
        step.from.iter().any(|name| {
            let before = self.steps.iter().find(|step| step.name == *name);
            name == from || before.is_some_and(|before| self.comes_from(before, from))
        })
    }

    /// The gradients that are wrong, in the order of their computation.
    pub fn wrong(&self) -> impl Iterator<Item = &Step> {
        self.checked().filter(|step| step.check.as_ref().is_some_and(|check| !check.is_right()))
    }
}

/// Takes one training step apart.
///
/// # Errors
/// [`UnknownGradient`] if the fault names no gradient of this network.
///
/// # Panics
/// If there is no image, no pixel or no latent dimension.
pub fn study(setup: &Setup) -> Result<Study, UnknownGradient> {
    assert!(!setup.x.is_empty() && setup.latent > 0, "an image, a pixel and a latent dimension");
    let model = setup.model();
    let forward = forward::forward(&model, setup);
    let before = forward.figures(&model);
    let (mut steps, gradient) = backward::backward(&model, &forward, setup.fault.as_ref())?;
    steps.splice(0..0, forward.steps(&model));
    let (update, moved) = update::update(&model, &gradient, setup.learning_rate);
    steps.extend(update);
    let after = forward.figures(&moved);
    steps.push(update::after(&steps, before, after));
    let mirrored = setup.hidden.iter().rev();
    let widths = setup.hidden.iter().chain([&setup.latent]).chain(mirrored);
    let pixels = setup.x.ncols();
    let network = std::iter::once(&pixels).chain(widths).chain([&pixels]).copied().collect();
    Ok(Study { network, steps, before, after, fault: setup.fault.clone() })
}

#[cfg(test)]
mod tests;
