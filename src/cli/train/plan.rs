//! What is to be run: a recipe with all overrides, and the folder where it is or goes on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::super::common::{Usage, find_recipe};
use crate::{
    parameters::ModelPart,
    recipe::{Origin, Recipe},
    training::{Checkpoint, files, load_model},
};

/// What decides a run beside the data.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// A built-in recipe (tutorial, pytorch-example, davidson-20, ..) or a file that ends in .toml [default:
    /// tutorial; with --resume, the checkpoint's]
    #[arg(long, value_name = "NAME|FILE.toml")]
    recipe: Option<String>,
    /// The folder to write into [default: runs/<recipe>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Passes over the training images [default: the recipe's, as for all that follow]
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Images per step
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N")]
    latent: Option<usize>,
    /// Widths of the encoder's hidden layers; the decoder mirrors them. For no hidden layer use
    /// --set hidden=[]
    #[arg(long, value_name = "N[,N..]", value_delimiter = ',')]
    hidden: Option<Vec<usize>>,
    /// Seed of all randomness
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Override any key of the recipe; may be repeated: activation=relu|tanh|sigmoid|softplus,
    /// likelihood=gaussian, pixels=binarised, objective=iwae, samples=5, beta=4, learning_rate=0.001,
    /// schedule.growing.ratio=2, ..; recipes/README.md has all of them
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Start with the weights of another model's encoder; without --recipe, its recipe is taken as well
    #[arg(long, value_name = "MODEL")]
    init_from: Option<PathBuf>,
    /// Start with another part of that model's weights [default: encoder]
    #[arg(long, value_name = "PART", requires = "init_from", value_parser = part(["encoder", "decoder", "all"]))]
    init_part: Option<ModelPart>,
    /// Keep the weights that this part starts with, and train the rest
    #[arg(long, value_name = "PART", value_parser = part(["none", "encoder", "decoder"]))]
    freeze: Option<ModelPart>,
    /// Go on from the checkpoint in the output folder, to more --epochs if they are given
    #[arg(long)]
    pub(super) resume: bool,
    /// Replace an unfinished or unreadable run in the output folder
    #[arg(long, conflicts_with = "resume")]
    pub(super) overwrite: bool,
    /// Say at the end how fast training was, next to the most that this machine can do
    #[arg(long, short)]
    pub(super) verbose: bool,
}

/// A part of a model by one of these names.
fn part<const N: usize>(names: [&'static str; N]) -> impl TypedValueParser<Value = ModelPart> {
    PossibleValuesParser::new(names).map(|name| match name.as_str() {
        "encoder" => ModelPart::Encoder,
        "decoder" => ModelPart::Decoder,
        "all" => ModelPart::All,
        _ => ModelPart::None,
    })
}

/// What is to be run.
pub struct Plan {
    /// With all overrides.
    pub(super) recipe: Recipe,
    /// The folder to write into.
    pub out: PathBuf,
    /// Where a run goes on.
    pub(super) checkpoint: Option<Checkpoint<f32>>,
}

impl Plan {
    /// Height and width of the images, where they are known.
    pub(super) fn image(&self) -> Option<[usize; 2]> {
        self.recipe.image.or(self.checkpoint.as_ref().and_then(|c| c.recipe.image))
    }

    /// What the model and its pixels are to be.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }
}

impl RunArguments {
    /// The recipe with all overrides, and where it is run: in the folder that `default` has for it, unless
    /// one is given.
    pub fn plan(&self, default: impl Fn(&Recipe) -> PathBuf) -> Result<Plan> {
        let named = match (&self.recipe, &self.init_from) {
            (Some(name), _) => Some(find_recipe(name)?),
            (None, Some(path)) => Some(recipe_of(path)?),
            (None, None) => None,
        };
        if !self.resume {
            let recipe = self.overridden(named.unwrap_or_default())?;
            let out = self.out.clone().unwrap_or_else(|| default(&recipe));
            return Ok(Plan { recipe, out, checkpoint: None });
        }
        let folder = || default(named.as_ref().unwrap_or(&Recipe::default()));
        let out = self.out.clone().unwrap_or_else(folder);
        let path = out.join(files::CHECKPOINT);
        let checkpoint = Checkpoint::load(&path)
            .with_context(|| format!("cannot resume in {}", out.display()))?;
        let named = named.filter(|_| self.recipe.is_some());
        let recipe = self.overridden(named.unwrap_or_else(|| checkpoint.recipe.clone()))?;
        Ok(Plan { recipe, out, checkpoint: Some(checkpoint) })
    }

    fn overridden(&self, mut recipe: Recipe) -> Result<Recipe, Usage> {
        for assignment in &self.set {
            self.refuse_twice(assignment)?;
            recipe = recipe.with(assignment).map_err(Usage::new)?;
        }
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch_size = self.batch_size.unwrap_or(recipe.batch_size);
        recipe.latent = self.latent.unwrap_or(recipe.latent);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.hidden = self.hidden.clone().unwrap_or(recipe.hidden);
        recipe.freeze = self.freeze.unwrap_or(recipe.freeze);
        if let Some(path) = &self.init_from {
            let part = self.init_part.unwrap_or(ModelPart::Encoder);
            let model = path.display().to_string();
            recipe.init_from = Some(Origin { model, part, crc32: None });
        }
        recipe.validate().map_err(Usage::new)?;
        Ok(recipe)
    }

    /// Refuses to set a key that has been given as an option.
    fn refuse_twice(&self, assignment: &str) -> Result<(), Usage> {
        let key = assignment.split(['=', '.']).next().unwrap_or_default().trim();
        let is_given = match key {
            "epochs" => self.epochs.is_some(),
            "batch_size" => self.batch_size.is_some(),
            "latent" => self.latent.is_some(),
            "seed" => self.seed.is_some(),
            "hidden" => self.hidden.is_some(),
            "freeze" => self.freeze.is_some(),
            "init_from" => self.init_from.is_some(),
            _ => false,
        };
        if !is_given {
            return Ok(());
        }
        let option = key.replace('_', "-");
        Err(Usage::new(format!(
            "--{option} and --set {assignment} are both given: leave one of them out"
        )))
    }
}

/// The recipe of a model for one that starts from it.
fn recipe_of(path: &Path) -> Result<Recipe> {
    let (recipe, _) = load_model::<f32>(path).context("cannot start from another model")?;
    let name = format!("{}-transfer", recipe.name);
    Ok(Recipe { name, freeze: ModelPart::None, init_from: None, ..recipe })
}
