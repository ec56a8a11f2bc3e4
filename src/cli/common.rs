//! What several subcommands share.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    data::{self, Dataset, Images},
    models::MlpVae,
    recipe::Recipe,
    training::load_model,
};

/// Arguments that cannot be used; the process ends with status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

impl Usage {
    /// From any message or error.
    pub fn new(message: impl ToString) -> Self {
        Self(message.to_string())
    }
}

/// A trained model.
#[derive(Debug, Args)]
pub struct ModelArgument {
    /// A model.safetensors that `elbo train` wrote
    #[arg(value_name = "MODEL")]
    model: PathBuf,
}

/// A model and the recipe it came from.
pub struct Trained {
    pub recipe: Recipe,
    pub vae: MlpVae<f32>,
    pub height: usize,
    pub width: usize,
}

impl ModelArgument {
    pub fn load(&self) -> Result<Trained> {
        let (recipe, vae) = load_model(&self.model)?;
        let Some([height, width]) = recipe.image else {
            bail!("{} does not say how large its images are", self.model.display());
        };
        Ok(Trained { recipe, vae, height, width })
    }
}

/// Which images to use.
#[derive(Debug, Args)]
pub struct DataArguments {
    /// A folder with MNIST's four IDX files (plain or .gz), .npy arrays, or PNG files
    #[arg(long, value_name = "DIR", default_value = "data/mnist")]
    data: PathBuf,
    /// Which part of the data
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    Train,
    Test,
}

impl DataArguments {
    /// The images and labels, which must be of the model's size.
    pub fn load(&self, trained: &Trained) -> Result<Dataset> {
        let part = match self.part {
            Part::Train => data::Part::Train,
            Part::Test => data::Part::Test,
        };
        let dataset = data::load(&self.data, part)?;
        let (height, width) = (dataset.images.height(), dataset.images.width());
        if (height, width) != (trained.height, trained.width) {
            bail!(
                "the images in {} are {height} x {width}, but the model's are {} x {}",
                self.data.display(),
                trained.height,
                trained.width
            );
        }
        Ok(dataset)
    }
}

/// Refuses an index that is not one of an image.
pub fn check_index(images: &Images, option: &str, index: usize) -> Result<(), Usage> {
    if index < images.len() {
        return Ok(());
    }
    let last = images.len() - 1;
    Err(Usage::new(format!("{option} is {index}, but the images are numbered 0 to {last}")))
}

/// Names a written file on standard error.
pub fn report_file(path: &Path) {
    eprintln!("wrote {}", path.display());
}

/// Prints one JSON object on standard output.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
