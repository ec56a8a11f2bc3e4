//! Recipes: everything that decides what a run computes, in one TOML file.

mod build;
mod count;
mod error;
mod origin;
mod validate;

pub use crate::objectives::MAX_SAMPLES;
pub use error::RecipeError;
pub use origin::Origin;

use std::{io, mem::replace, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    data::Treatment,
    distributions::any::LikelihoodKind,
    files::read_regular,
    generation::Manifold,
    layers::{Activation, Init},
    models::Given,
    objectives::{Estimator, WarmUp},
    optim::{Kind, Schedule},
    parameters::ModelPart,
};

/// The recipes that come with the crate: name and TOML.
pub const BUILT_IN: [(&str, &str); 16] = [
    ("tutorial", include_str!("../../recipes/tutorial.toml")),
    ("pytorch-example", include_str!("../../recipes/pytorch-example.toml")),
    ("beta-vae", include_str!("../../recipes/beta-vae.toml")),
    ("fashion", include_str!("../../recipes/fashion.toml")),
    ("davidson-2", include_str!("../../recipes/davidson-2.toml")),
    ("davidson-20", include_str!("../../recipes/davidson-20.toml")),
    ("pythae-vae", include_str!("../../recipes/pythae-vae.toml")),
    ("vampprior", include_str!("../../recipes/vampprior.toml")),
    ("iwae-vae", include_str!("../../recipes/iwae-vae.toml")),
    ("iwae-k5", include_str!("../../recipes/iwae-k5.toml")),
    ("iwae-k50", include_str!("../../recipes/iwae-k50.toml")),
    ("iwae-2layer", include_str!("../../recipes/iwae-2layer.toml")),
    ("iaf", include_str!("../../recipes/iaf.toml")),
    ("conditional", include_str!("../../recipes/conditional.toml")),
    ("completion", include_str!("../../recipes/completion.toml")),
    ("super-resolution", include_str!("../../recipes/super-resolution.toml")),
];

/// The most hidden layers that a recipe may ask for.
pub const MAX_HIDDEN_LAYERS: usize = 32;
/// The most steps of a flow that a recipe may ask for.
pub const MAX_FLOW_STEPS: usize = 32;
/// The most classes that labels can be of.
pub const MAX_CLASSES: usize = 256;
/// The widest layer or latent space that a recipe may ask for.
pub const MAX_WIDTH: usize = 65_536;
/// The largest batch that a recipe may ask for.
pub const MAX_BATCH: usize = 1 << 20;
/// The most parameters that a recipe may ask for: 8 GiB of weights, gradient and moments in f32.
pub const MAX_PARAMETERS: usize = 1 << 29;

/// The largest weight of the divergence, and the largest part of it that is free: far beyond any use, and far
/// below where sums in f32 end.
pub const MAX_WEIGHT: f64 = 1e12;

/// The smallest norm that gradients can be cut to: far below any use, and far above what f32 rounds to 0.
pub const MIN_NORM: f64 = 1e-12;

/// The most faults of a file that are listed. Each takes time by the length of the file.
const MOST_FAULTS: usize = 100;

/// The largest seed and number of epochs: TOML's integers end there.
pub const MAX_INTEGER: u64 = i64::MAX as u64;

/// A run, complete: the same recipe on the same data gives the same weights, bit for bit.
///
/// A recipe file may leave fields out; they then have the values of the `tutorial` recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// What the run is called; `runs/<name>` is its default folder.
    pub name: String,
    /// Widths of the encoder's hidden layers; the decoder has them in reverse.
    pub hidden: Vec<usize>,
    /// Dimensions of z.
    pub latent: usize,
    /// What follows every hidden layer.
    pub activation: Activation,
    /// Whether hidden layers, those of a flow aside, are gated in place of that, y = (x·W + b) ⊙ σ(x·V + c).
    pub gated: bool,
    /// p(z).
    pub prior: Prior,
    /// Components of the `vampprior`.
    pub pseudo_inputs: usize,
    /// Widths of the hidden layers from z₁ to z₂, where there is a second layer of latent variables;
    /// p(z₁|z₂) has them in reverse.
    pub hidden2: Vec<usize>,
    /// Dimensions of z₂; 0 for one layer of latent variables. Then `latent` is of z₁:
    /// [`TwoLayer`](crate::models::TwoLayer).
    pub latent2: usize,
    /// Steps of the flow that makes the posterior of a Gaussian, 0 for none:
    /// [`IafVae`](crate::models::IafVae).
    pub flow_steps: usize,
    /// Hidden units of each step, at least `latent`.
    pub flow_width: usize,
    /// Whether both networks read the image's label: [`Conditional`](crate::models::Conditional).
    pub conditional: bool,
    /// What is given of every image, so that the model is one of the rest:
    /// [`Completion`](crate::models::Completion).
    pub given: Given,
    /// How the weights start.
    pub init: Init,
    /// How the bias of the decoder's last layer starts.
    pub output_bias: OutputBias,
    /// What the pixels are.
    pub pixels: Treatment,
    /// The share of pixels that are missing of every image, at random but the same whenever the image is used;
    /// 0 where images are whole. The model learns from the others alone:
    /// [`Observed`](crate::distributions::observed::Observed).
    pub missing: f64,
    /// p(x|z).
    pub likelihood: LikelihoodKind,
    /// σ² of `gaussian`, and where `gaussian-shared` and `discretised-logistic` start.
    pub variance: f64,
    /// What is maximised.
    pub objective: Bound,
    /// K, latent samples of each image.
    pub samples: usize,
    /// β, the weight of the divergence.
    pub beta: f64,
    /// How β is reached.
    pub warm_up: WarmUp,
    /// Nats of each latent dimension's divergence that cost nothing.
    pub free_bits: f64,
    /// How the gradient of `iwae` is estimated.
    pub estimator: Estimator,
    /// Passes over the training images.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// How the weights are moved.
    pub optimiser: Kind,
    /// α.
    pub learning_rate: f64,
    /// How α changes from epoch to epoch.
    pub schedule: Schedule,
    /// β₁ of Adam and AdamW.
    pub beta1: f64,
    /// β₂ of Adam and AdamW; ρ of RMSprop.
    pub beta2: f64,
    /// ε of Adam, AdamW and RMSprop.
    pub epsilon: f64,
    /// What Adam's second moment starts at.
    pub second_moment: f64,
    /// μ of SGD.
    pub momentum: f64,
    /// λ.
    pub weight_decay: f64,
    /// The largest norm of the whole gradient; 0 sets no limit.
    pub clip_norm: f64,
    /// The part of the model that keeps the weights it starts with.
    pub freeze: ModelPart,
    /// Images, the first of the training set, that the run has; 0 for all.
    pub train_images: usize,
    /// Images, the last of those, that are held out of training to choose the best weights
    /// by; 0 keeps the last epoch's.
    pub validation: usize,
    /// Epochs without a better ELBO on those images after which the run ends; 0 never ends it.
    pub patience: u64,
    /// Of all randomness.
    pub seed: u64,
    /// The points that `manifold.png` decodes, where `latent` is 2.
    pub manifold: Manifold,
    /// Height and width of the images. Filled in from the data; where a file gives it, the data
    /// must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 2]>,
    /// Classes of a `conditional` model, whose labels are 0 to `classes` - 1. Filled in from the
    /// training labels; where a file gives it, they must fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Another model, from which a part takes the weights that it starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<Origin>,
}

/// p(z).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prior {
    /// N(0, I).
    #[default]
    Normal,
    /// A mixture of the posteriors of learned pseudo-inputs: [`Vamp`](crate::models::Vamp).
    #[serde(rename = "vampprior")]
    VampPrior,
}

/// A bound on log p(x).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The evidence lower bound.
    #[default]
    Elbo,
    /// The importance-weighted bound.
    Iwae,
}

/// How the bias of the decoder's last layer starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputBias {
    /// As `init` has it.
    #[default]
    Init,
    /// The logit of each pixel's mean over the training images, the mean clipped to \[0.001, 0.999\]
    /// (Burda, Grosse & Salakhutdinov 2015, released code): the decoder starts from the average image.
    Data,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "tutorial".into(),
            hidden: vec![256],
            latent: 2,
            activation: Activation::Relu,
            gated: false,
            prior: Prior::Normal,
            pseudo_inputs: 500,
            hidden2: vec![],
            latent2: 0,
            flow_steps: 0,
            flow_width: 320,
            conditional: false,
            given: Given::Nothing,
            init: Init::Pytorch,
            output_bias: OutputBias::Init,
            pixels: Treatment::Grey,
            missing: 0.0,
            likelihood: LikelihoodKind::Bernoulli,
            variance: 0.1,
            objective: Bound::Elbo,
            samples: 1,
            beta: 1.0,
            warm_up: WarmUp::None,
            free_bits: 0.0,
            estimator: Estimator::Total,
            epochs: 50,
            batch_size: 128,
            optimiser: Kind::Adam,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            second_moment: 0.0,
            momentum: 0.0,
            weight_decay: 0.0,
            clip_norm: 0.0,
            freeze: ModelPart::None,
            train_images: 0,
            validation: 0,
            patience: 0,
            seed: 0,
            manifold: Manifold::Square,
            image: None,
            classes: None,
            init_from: None,
        }
    }
}

/// The longest recipe file that is read: its text is taken apart with many times as much memory.
const MAX_BYTES: usize = 1 << 20;

fn not_text(cause: std::string::FromUtf8Error) -> io::Error {
    io::Error::other(format!("it is not UTF-8 text ({cause})"))
}

impl Recipe {
    /// The built-in recipe of that name, or the one in the file, if it ends in `.toml`.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be read. Values are not looked at: [`Recipe::validate`]
    /// does that once all overrides are in.
    pub fn find(name_or_path: &str) -> Result<Self, RecipeError> {
        if let Some((name, toml)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(name, toml);
        }
        let path = Path::new(name_or_path);
        if path.extension().is_none_or(|e| e != "toml") {
            return Err(RecipeError::Unknown { name: name_or_path.into() });
        }
        let text = read_regular(path)
            .and_then(|bytes| match bytes.len() {
                ..=MAX_BYTES => String::from_utf8(bytes).map_err(not_text),
                more => Err(io::Error::other(format!("{more} bytes are too many for a recipe"))),
            })
            .map_err(|cause| RecipeError::Read { path: path.into(), cause })?;
        let mut recipe = Self::parse(name_or_path, &text)?;
        let named = text.parse::<toml::Table>().is_ok_and(|t| t.contains_key("name"));
        if !named && let Some(stem) = path.file_stem() {
            recipe.name = stem.to_string_lossy().into_owned();
        }
        Ok(recipe)
    }

    /// Takes key by key over the default recipe, so that every fault is found and not the first alone.
    fn parse(origin: &str, text: &str) -> Result<Self, RecipeError> {
        let syntax = |e: toml::de::Error| {
            let message = e.to_string().trim_end().into();
            RecipeError::Syntax { origin: origin.into(), message }
        };
        let mut table: toml::Table = text.parse().map_err(syntax)?;
        let spans = toml::de::DeTable::parse(text).map_err(syntax)?;
        let mut places: Vec<(usize, usize, String)> = spans
            .get_ref()
            .iter()
            .map(|(key, v)| (key.span().start, v.span().start, key.get_ref().to_string()))
            .collect();
        places.sort();
        let (mut recipe, mut faults) = (Self::default(), vec![]);
        for (key_at, value_at, key) in places {
            if faults.len() == MOST_FAULTS {
                faults.push("and there may be more".into());
                break;
            }
            let Some(value) = table.remove(&key) else { continue };
            match recipe.replaced(&key, value) {
                Ok(replaced) => recipe = replaced,
                Err(fault) => {
                    let at = if fault.starts_with(UNKNOWN) { key_at } else { value_at };
                    faults.push(format!("{}: {fault}", line_and_column(text, at)));
                }
            }
        }
        if faults.is_empty() {
            return Ok(recipe);
        }
        if let Err(RecipeError::Invalid { faults: others }) = recipe.validate() {
            faults.extend(others);
        }
        Err(RecipeError::Parse { origin: origin.into(), faults })
    }

    /// The recipe with another value of one field, or of a key inside of one, or what is wrong with that.
    fn replaced(&self, key: &str, value: toml::Value) -> Result<Self, String> {
        let mut table = toml::Table::try_from(self).map_err(|e| e.to_string())?;
        let mut takes = None;
        let (given, is_list) = (value.to_string(), value.is_array());
        if OPTIONAL.contains(&key) {
            table.insert(key.into(), value);
        } else {
            let old = replace(place(&mut table, key)?, value);
            // Of a list that is not taken, it is something inside that does not fit.
            takes = takes_in_words(&old).filter(|_| !(is_list && old.is_array()));
        }
        table.try_into().map_err(|e: toml::de::Error| match takes {
            Some(takes) => format!("{key} takes {takes}, and not {given}"),
            None if e.message().ends_with("expected struct variant") => format!(
                "{key}: {given} has numbers in it, which belong beside it; recipes/README.md shows how"
            ),
            None => format!("{key}: {}", e.message()),
        })
    }

    /// The recipe as TOML.
    ///
    /// # Panics
    ///
    /// If the recipe is not [valid](Self::validate): TOML has no integers beyond [`MAX_INTEGER`].
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a valid recipe is a table")
    }

    /// Every key that is set, with its value.
    pub(crate) fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a valid recipe is a table")
    }

    /// The recipe with one `key=value` of its TOML replaced: `latent=20`, `hidden=[400,200]`,
    /// `activation=tanh`; a path leads into a table, as in `schedule.growing.ratio=2`.
    ///
    /// # Errors
    ///
    /// If there is no such key (the nearest is named), the value is of another type, or another field
    /// has a value that TOML cannot hold.
    pub fn with(&self, assignment: &str) -> Result<Self, RecipeError> {
        let fail =
            |message: String| RecipeError::Override { assignment: assignment.into(), message };
        let (key, value) =
            assignment.split_once('=').ok_or_else(|| fail("expected key=value".into()))?;
        let (key, value) = (key.trim(), value.trim());
        let quoted = || toml::Value::String(value.into());
        let mut table = toml::Table::try_from(self).map_err(|e| fail(e.to_string()))?;
        let is_text = place(&mut table, key).is_ok_and(|old| old.is_str());
        let parsed = value.parse::<toml::Value>().ok();
        // A name may look like a number, as in `name=2024`, and other texts may be tables instead.
        let fits = |parsed: &toml::Value| !is_text || parsed.is_str() || parsed.is_table();
        self.replaced(key, parsed.filter(fits).unwrap_or_else(quoted)).map_err(fail)
    }
}

/// `line 2, column 1` of the byte `at`.
fn line_and_column(text: &str, at: usize) -> String {
    let before = &text[..at];
    let (line, start) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |i| i + 1));
    format!("line {line}, column {}", before[start..].chars().count() + 1)
}

/// What is taken where `value` stands, or `None` if that is one of a few names: then the message about another
/// value has them.
fn takes_in_words(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::Integer(_) => Some(format!("a whole number from 0 to {MAX_INTEGER}")),
        toml::Value::Float(_) => Some("a number".into()),
        toml::Value::Boolean(_) => Some("true or false".into()),
        toml::Value::Array(_) => Some("a list of numbers in brackets, with commas".into()),
        _ => None,
    }
}

/// The value under a key, or under a path of keys such as `schedule.growing.ratio`.
fn place<'a>(table: &'a mut toml::Table, path: &str) -> Result<&'a mut toml::Value, String> {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    if !table.contains_key(key) {
        let known: Vec<&str> = table.keys().map(String::as_str).collect();
        return Err(unknown_key(key, &known));
    }
    match (&mut table[key], rest) {
        (value, None) => Ok(value),
        (toml::Value::Table(inner), Some(rest)) => place(inner, rest),
        (value, Some(rest)) => Err(format!("{key} is {value}, and has no `{rest}` in it")),
    }
}

/// The keys that a recipe may lack: two are of the data, and few start from another model.
const OPTIONAL: [&str; 3] = ["image", "classes", "init_from"];

/// How the message about an unknown key starts.
const UNKNOWN: &str = "there is no key";

/// Names the known key that is nearest to an unknown one, or all of them where none is near.
fn unknown_key(key: &str, known: &[&str]) -> String {
    let similarity = |known: &str| strsim::jaro_winkler(key, known);
    let nearest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match nearest.filter(|nearest| similarity(nearest) > 0.75) {
        Some(nearest) => format!("{UNKNOWN} `{key}`; did you mean `{nearest}`?"),
        None => format!("{UNKNOWN} `{key}`; the keys are {}", known.join(", ")),
    }
}
