//! Recipes: everything that decides what a run computes, in one TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    generation::Manifold,
    layers::{Activation, Init},
    models::MlpVae,
    random::{self, Purpose},
    real::Real,
};

/// The recipes that come with the crate: name and TOML.
pub const BUILT_IN: [(&str, &str); 2] = [
    ("tutorial", include_str!("../recipes/tutorial.toml")),
    ("pytorch-example", include_str!("../recipes/pytorch-example.toml")),
];

/// The most hidden layers that a recipe may ask for.
pub const MAX_HIDDEN_LAYERS: usize = 32;
/// The widest layer or latent space that a recipe may ask for.
pub const MAX_WIDTH: usize = 65_536;
/// The largest batch that a recipe may ask for.
pub const MAX_BATCH: usize = 1 << 20;
/// The most parameters that a recipe may ask for: 8 GiB of weights, gradient and moments in f32.
pub const MAX_PARAMETERS: usize = 1 << 29;

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
    /// How the weights start.
    pub init: Init,
    /// Passes over the training images.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Adam's α.
    pub learning_rate: f64,
    /// Of all randomness.
    pub seed: u64,
    /// The points that `manifold.png` decodes, where `latent` is 2.
    pub manifold: Manifold,
    /// Height and width of the images. Filled in from the data; where a file gives it, the data
    /// must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 2]>,
}

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Neither a built-in name nor a file.
    #[error(
        "there is no recipe `{name}`: built in are {}; a recipe of your own is a path that ends in \
         .toml",
        built_in_names()
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file could not be read.
    #[error("cannot read the recipe {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of another type.
    #[error("the recipe {origin} is not valid: {message}")]
    Parse {
        /// A file or a built-in name.
        origin: String,
        /// Where and what.
        message: String,
    },
    /// An override that is no `key=value` of a recipe.
    #[error("`{assignment}` does not set a field of the recipe: {message}")]
    Override {
        /// What was given.
        assignment: String,
        /// What is wrong with it.
        message: String,
    },
    /// Values that make no sense, all of them.
    #[error("the recipe cannot be run: {}", faults.join("; "))]
    Invalid {
        /// One sentence each.
        faults: Vec<String>,
    },
}

fn built_in_names() -> String {
    BUILT_IN.map(|(name, _)| name).join(", ")
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "tutorial".into(),
            hidden: vec![256],
            latent: 2,
            activation: Activation::Relu,
            init: Init::Pytorch,
            epochs: 50,
            batch_size: 128,
            learning_rate: 1e-3,
            seed: 0,
            manifold: Manifold::Square,
            image: None,
        }
    }
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
        let text = std::fs::read_to_string(path)
            .map_err(|cause| RecipeError::Read { path: path.into(), cause })?;
        let mut recipe = Self::parse(name_or_path, &text)?;
        let named = text.parse::<toml::Table>().is_ok_and(|t| t.contains_key("name"));
        if !named && let Some(stem) = path.file_stem() {
            recipe.name = stem.to_string_lossy().into_owned();
        }
        Ok(recipe)
    }

    fn parse(origin: &str, text: &str) -> Result<Self, RecipeError> {
        toml::from_str(text).map_err(|e| RecipeError::Parse {
            origin: origin.into(),
            message: e.to_string().trim_end().into(),
        })
    }

    /// The recipe as TOML.
    ///
    /// # Panics
    ///
    /// If the recipe is not [valid](Self::validate): TOML has no integers beyond [`MAX_INTEGER`].
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe is a flat table")
    }

    /// The recipe with one `key=value` of its TOML replaced: `latent=20`, `hidden=[400,200]`,
    /// `activation=tanh`.
    ///
    /// # Errors
    ///
    /// If there is no such key, the value is of another type, or another field has a value that
    /// TOML cannot hold.
    pub fn with(&self, assignment: &str) -> Result<Self, RecipeError> {
        let fail =
            |message: String| RecipeError::Override { assignment: assignment.into(), message };
        let (key, value) =
            assignment.split_once('=').ok_or_else(|| fail("expected key=value".into()))?;
        let (key, value) = (key.trim(), value.trim());
        let mut table = toml::Table::try_from(self).map_err(|e| fail(e.to_string()))?;
        if !table.contains_key(key) && key != "image" {
            let keys: Vec<_> = table.keys().map(String::as_str).collect();
            return Err(fail(format!("the fields are {}", keys.join(", "))));
        }
        let quoted = || toml::Value::String(value.into());
        let is_text = table.get(key).is_some_and(toml::Value::is_str);
        let parsed = value.parse::<toml::Value>().ok();
        // A name may look like a number: `name=2024`.
        let fits = |parsed: &toml::Value| !is_text || parsed.is_str();
        table.insert(key.into(), parsed.filter(fits).unwrap_or_else(quoted));
        table.try_into().map_err(|e: toml::de::Error| fail(e.message().to_string()))
    }

    /// Checks every field, and reports all faults at once.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Invalid`].
    pub fn validate(&self) -> Result<(), RecipeError> {
        let mut faults = vec![];
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        let in_range = |n: usize, max: usize| (1..=max).contains(&n);
        demand(
            in_range(self.latent, MAX_WIDTH),
            format!("latent is {}, and must be 1 to {MAX_WIDTH}", self.latent),
        );
        demand(
            self.hidden.len() <= MAX_HIDDEN_LAYERS,
            format!("hidden has {} layers, and may have {MAX_HIDDEN_LAYERS}", self.hidden.len()),
        );
        demand(
            self.hidden.iter().all(|&w| in_range(w, MAX_WIDTH)),
            format!("hidden is {:?}, and each width must be 1 to {MAX_WIDTH}", self.hidden),
        );
        demand(
            in_range(self.batch_size, MAX_BATCH),
            format!("batch_size is {}, and must be 1 to {MAX_BATCH}", self.batch_size),
        );
        demand(
            (1..=MAX_INTEGER).contains(&self.epochs),
            format!("epochs is {}, and must be 1 to {MAX_INTEGER}", self.epochs),
        );
        demand(
            self.seed <= MAX_INTEGER,
            format!("seed is {}, and must be 0 to {MAX_INTEGER}", self.seed),
        );
        demand(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            format!("learning_rate is {}, and must be a positive number", self.learning_rate),
        );
        demand(
            !self.name.is_empty()
                && self.name != ".."
                && self.name != "."
                && !self.name.contains(['/', '\\', '\0']),
            format!("name is {:?}, and must be usable as a folder's name", self.name),
        );
        if let Some([height, width]) = self.image {
            demand(
                in_range(height, MAX_WIDTH) && in_range(width, MAX_WIDTH),
                format!("image is {height} x {width}, and each must be 1 to {MAX_WIDTH}"),
            );
            demand(
                self.parameter_count().is_some_and(|n| n <= MAX_PARAMETERS),
                format!("the model would have more than {MAX_PARAMETERS} parameters"),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(RecipeError::Invalid { faults }) }
    }

    /// Pixels of an image, once `image` is known.
    pub fn pixels(&self) -> Option<usize> {
        self.image.and_then(|[height, width]| height.checked_mul(width))
    }

    /// The number of parameters of [`Recipe::model`], without building it; `None` before `image`
    /// is known, or where it overflows.
    pub fn parameter_count(&self) -> Option<usize> {
        let pixels = self.pixels()?;
        let dense = |inputs: usize, outputs: usize| inputs.checked_add(1)?.checked_mul(outputs);
        let mut count = 0usize;
        let mut add = |n: Option<usize>| {
            count = count.checked_add(n?)?;
            Some(())
        };
        let widths: Vec<usize> = std::iter::once(pixels).chain(self.hidden.clone()).collect();
        for pair in widths.windows(2) {
            add(dense(pair[0], pair[1]))?;
        }
        let features = *widths.last()?;
        add(dense(features, self.latent))?;
        add(dense(features, self.latent))?;
        let widths: Vec<usize> =
            std::iter::once(self.latent).chain(self.hidden.iter().rev().copied()).collect();
        for pair in widths.windows(2) {
            add(dense(pair[0], pair[1]))?;
        }
        add(dense(*widths.last()?, pixels))?;
        Some(count)
    }

    /// The model as it starts.
    ///
    /// # Panics
    ///
    /// If `image` is not known yet, or the recipe is not [valid](Self::validate).
    pub fn model<T: Real>(&self) -> MlpVae<T> {
        let pixels = self.pixels().expect("the size of the images is known");
        let rng = &mut random::rng(self.seed, Purpose::Init, 0, 0);
        MlpVae::mlp(pixels, &self.hidden, self.latent, self.activation, self.init, rng)
    }
}
