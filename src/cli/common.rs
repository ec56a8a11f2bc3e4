//! What several subcommands share.

use std::{
    collections::BTreeSet,
    fmt::Display,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{
    Args, ValueEnum,
    builder::{PathBufValueParser, TypedValueParser},
};
use ndarray::Array1;
use serde::Serialize;

use crate::{
    data::{self, Dataset, Images, View},
    generation::Generate,
    models::{AnyModel, Model},
    recipe::{Recipe, RecipeError},
    training::{files::MODEL, load_model},
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

/// The long help of every `--data`.
pub const DATA_HELP: &str = "\
A folder of images, and of labels where there are any:
  IDX    train-images-idx3-ubyte, t10k-images-idx3-ubyte, train-labels-idx1-ubyte,
         t10k-labels-idx1-ubyte, as MNIST has them, each plain or .gz
  NumPy  train-images.npy, test-images.npy, train-labels.npy, test-labels.npy;
         or images.npy and labels.npy, every tenth image held out for testing
  PNG    train/*.png and test/*.png, or train/CLASS/*.png and test/CLASS/*.png;
         or *.png, every tenth image held out for testing";

/// A recipe by name or from a file. A name that does not exist is an argument at fault; a file that
/// is not right is a file at fault.
pub fn find_recipe(name: &str) -> Result<Recipe> {
    match Recipe::find(name) {
        Err(error @ RecipeError::Unknown { .. }) => Err(Usage::new(error).into()),
        Err(error) => Err(error.into()),
        Ok(recipe) => {
            recipe.validate().with_context(|| format!("in {name}"))?;
            Ok(recipe)
        }
    }
}

/// A trained model.
#[derive(Debug, Args)]
pub struct ModelArgument {
    /// A model.safetensors that `elbo train` wrote
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
}

/// A model, the file and the recipe it came from, and the size of its images.
pub struct Trained {
    pub path: PathBuf,
    pub recipe: Recipe,
    pub vae: AnyModel<f32>,
    pub height: usize,
    pub width: usize,
}

impl ModelArgument {
    pub fn load(&self) -> Result<Trained> {
        Trained::load(&self.model)
    }
}

impl Trained {
    pub fn load(path: &Path) -> Result<Self> {
        let inside = path.join(MODEL);
        if inside.is_file() {
            let (folder, model) = (path.display(), inside.display());
            return Err(Usage::new(format!("{folder} is a folder: its model is {model}")).into());
        }
        let (recipe, vae) = load_model(path)?;
        let Some([height, width]) = recipe.image else {
            bail!("{} does not say how large its images are", path.display());
        };
        Ok(Self { path: path.into(), recipe, vae, height, width })
    }
}

/// Where images are.
#[derive(Debug, Args)]
pub struct FolderArgument {
    /// A folder with MNIST's four IDX files (plain or .gz), .npy arrays, or PNG files
    #[arg(long, value_name = "DIR", default_value = "data/mnist", long_help = DATA_HELP)]
    pub data: PathBuf,
}

/// Which images to use.
#[derive(Debug, Args)]
pub struct DataArguments {
    #[command(flatten)]
    pub folder: FolderArgument,
    /// Which part of the data
    #[arg(long, value_enum, default_value_t = Part::Test)]
    pub part: Part,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Train,
    Test,
}

impl FolderArgument {
    /// The images and labels of a part, which must be of the model's size.
    pub fn load(&self, trained: &Trained, part: data::Part) -> Result<Dataset> {
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
        dataset
            .check_labels(trained.vae.classes())
            .with_context(|| format!("in {}", self.data.display()))?;
        Ok(dataset)
    }

    /// The labels of what was loaded, which must be there.
    pub fn labels<'a>(&self, data: &'a Dataset, part: data::Part) -> Result<&'a [u8]> {
        let folder = self.data.display();
        data.labels
            .as_deref()
            .with_context(|| format!("{folder}: the {part} images have no labels"))
    }
}

impl DataArguments {
    /// Refuses an output that would replace a file of the data, or one of the others that are read.
    pub fn refuse_replacing(
        &self,
        option: &str,
        output: Option<&Path>,
        others: &[&Path],
    ) -> Result<(), Usage> {
        refuse_same_files(&[(option, output)], &[&[self.folder.data.as_path()], others].concat())
    }

    /// The images and labels, which must be of the model's size.
    pub fn load(&self, trained: &Trained) -> Result<Dataset> {
        self.folder.load(trained, self.part())
    }

    /// The labels of what was loaded, which must be there.
    pub fn labels<'a>(&self, data: &'a Dataset) -> Result<&'a [u8]> {
        self.folder.labels(data, self.part())
    }

    /// The training images of the same data.
    pub fn training_images(&self) -> Result<Images> {
        Ok(data::load(&self.folder.data, data::Part::Train)?.images)
    }

    /// The part of the data.
    pub fn part(&self) -> data::Part {
        self.part.into()
    }

    /// The images as the model's recipe has them.
    pub fn view<'a>(&self, trained: &Trained, data: &'a Dataset) -> View<'a> {
        trained.recipe.view(data, self.part.into())
    }
}

impl From<Part> for data::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::Train => Self::Train,
            Part::Test => Self::Test,
        }
    }
}

/// The mean code of the images of a class, which must be there.
pub fn class_code(
    trained: &Trained,
    view: View<'_>,
    labels: &[u8],
    class: u8,
) -> Result<Array1<f64>, Usage> {
    trained.vae.class_code(view, labels, class).ok_or_else(|| {
        let classes: BTreeSet<u8> = labels.iter().copied().collect();
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        Usage::new(format!("no image is of class {class}; there are {}", classes.join(", ")))
    })
}

/// A positive number of which neither the square nor its inverse leaves what f32 can hold.
pub fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (1e-12..=1e12).contains(&value) => Ok(value),
        _ => Err("it must be a positive number, from 1e-12 to 1e12".into()),
    }
}

/// What is left out of a model's figures, and why; of which layer they are, where there are two, and of which
/// pixels.
pub fn notes(model: &AnyModel<f32>, recipe: &Recipe) -> Vec<&'static str> {
    let notes = [
        (
            !model.has_exact_kl(),
            "the divergence of this model has no closed form: it is estimated from samples, and not \
             split by dimension",
        ),
        (
            !model.has_exact_mean(),
            "the posterior mean of a flow has no closed form: active units are not counted",
        ),
        (
            model.classes() > 0,
            "this model is told the label of each image: its figures are of log p(x|y)",
        ),
        (
            matches!(model, AnyModel::Completion(_)),
            "this model is given a part of each image: its figures are of log p(missing | given)",
        ),
        (
            matches!(model, AnyModel::TwoLayer(_)),
            "active units are those of the first layer of latent variables",
        ),
        (
            recipe.missing > 0.0,
            "images lack pixels by this model's recipe: its figures are of those that are left",
        ),
    ];
    notes.into_iter().filter(|&(holds, _)| holds).map(|(_, note)| note).collect()
}

/// Refuses a figure that is no number, of weights so large that sums of them are none.
pub fn check_finite(trained: &Trained, name: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    bail!(
        "{}: {name} is {value}, not finite: its weights are too large to compute with",
        trained.path.display()
    )
}

/// Refuses an index that is not one of an image.
pub fn check_index(images: &Images, option: &str, index: usize) -> Result<(), Usage> {
    if index < images.len() {
        return Ok(());
    }
    let last = images.len() - 1;
    Err(Usage::new(format!("{option} is {index}, but the images are numbered 0 to {last}")))
}

/// Refuses an option about labels where the model knows of none.
pub fn require_classes(trained: &Trained, option: &str) -> Result<(), Usage> {
    if trained.vae.classes() > 0 {
        return Ok(());
    }
    let model = trained.path.display();
    Err(Usage::new(format!(
        "{model}: {option} is for a conditional model, which reads labels; train one with --set \
         conditional=true"
    )))
}

/// Refuses a model that has nothing to draw without a part of an image.
pub fn require_prior_codes(trained: &Trained) -> Result<(), Usage> {
    if trained.vae.has_prior_codes() {
        return Ok(());
    }
    Err(Usage::new(format!(
        "{} completes images, and draws none without a part of one: use `elbo complete`",
        trained.path.display()
    )))
}

/// Refuses a label that is none of the model's classes.
pub fn check_label(trained: &Trained, option: &str, label: usize) -> Result<(), Usage> {
    require_classes(trained, option)?;
    let classes = trained.vae.classes();
    if label < classes {
        return Ok(());
    }
    Err(Usage::new(format!("{option} is {label}, but the classes are 0 to {}", classes - 1)))
}

/// A path with this ending, as what is written there is of that kind.
pub fn path_ending_in(ending: &'static str) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| match path.extension() {
        Some(found) if found.eq_ignore_ascii_case(ending) => Ok(path),
        _ => Err(format!("it must end in .{ending}")),
    })
}

/// A path that ends in .png.
pub fn png_path() -> impl TypedValueParser<Value = PathBuf> {
    path_ending_in("png")
}

/// Refuses outputs, each with its option, of which two are one file, or one is a file that is read, or one of a
/// folder of data that is.
pub fn refuse_same_files(outputs: &[(&str, Option<&Path>)], read: &[&Path]) -> Result<(), Usage> {
    let read: Vec<PathBuf> = read.iter().map(|path| resolved(path)).collect();
    let mut seen: Vec<(&str, PathBuf)> = vec![];
    for &(option, path) in outputs {
        let Some(path) = path else { continue };
        let file = resolved(path);
        if read.iter().any(|read| file == *read || is_of_data(&file, read)) {
            return Err(Usage::new(format!(
                "{option} would replace {}, which is read: choose another",
                path.display()
            )));
        }
        if let Some((other, _)) = seen.iter().find(|(_, earlier)| *earlier == file) {
            return Err(Usage::new(format!("{other} and {option} are the same file")));
        }
        seen.push((option, file));
    }
    Ok(())
}

/// Refuses to write a run into the folder that its data is in: its pictures would be taken for data.
pub fn refuse_data_folder(out: &Path, data: &Path) -> Result<(), Usage> {
    let (out, data) = (resolved(out), resolved(data));
    let parts = ["train", "test"].map(|part| data.join(part));
    if out != data && !parts.iter().any(|part| out.starts_with(part)) {
        return Ok(());
    }
    Err(Usage::new(format!("--out is a folder of the data, {}: choose another", data.display())))
}

/// Whether a file is there, and where a folder of data has its files: in it, or below its `train` and `test`.
fn is_of_data(file: &Path, folder: &Path) -> bool {
    let Ok(within) = file.strip_prefix(folder) else { return false };
    let parts = || ["train", "test"].iter().any(|part| within.starts_with(part));
    file.exists() && (within.components().count() == 1 || parts())
}

/// The file that a path leads to, or would if it and the last folders before it were there.
fn resolved(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let found = whole.ancestors().find_map(|folder| {
        Some(folder.canonicalize().ok()?.iter().chain(whole.strip_prefix(folder).ok()?).collect())
    });
    found.unwrap_or(whole)
}

/// Puts a line on standard error. Where nobody reads it any more, the work goes on all the same.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", printable(&line.to_string()));
}

/// A text as a terminal may have it.
fn printable(text: &str) -> String {
    without_controls(text, |c| c.escape_default().to_string())
}

/// A text whose control characters, ends of lines and tabs aside, are written out: the name of a file may hold what
/// moves a terminal's cursor, changes its title, or turns the direction of the rest of the line.
fn without_controls(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match turns || c.is_control() && !"\n\t".contains(c) {
            true => out.push_str(&escape(c)),
            false => out.push(c),
        }
    }
    out
}

/// The threads that compute, with their number.
pub fn threads() -> String {
    match rayon::current_num_threads() {
        1 => "1 thread".into(),
        n => format!("{n} threads"),
    }
}

/// Names a written file on standard error.
pub fn report_file(path: &Path) {
    say(format_args!("wrote {}", path.display()));
}

/// Names what was written from a model: on standard error, and where `json` asks for it as an object that
/// has how many of what it is besides.
pub fn report_written(
    json: bool,
    trained: &Trained,
    files: &[&Path],
    counts: &[(&'static str, usize)],
) -> Result<()> {
    files.iter().for_each(|path| report_file(path));
    if !json {
        return Ok(());
    }
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let mut report = serde_json::Map::new();
    report.insert("model".into(), trained.path.display().to_string().into());
    report.insert("files".into(), names.into());
    report.extend(counts.iter().map(|&(what, count)| (what.into(), count.into())));
    print_json(&report)
}

/// Prints on standard output. A reader that has seen enough (`elbo info MODEL | head -1`) is no
/// failure.
pub fn print(text: &str) -> Result<()> {
    print_as_is(&printable(text))
}

/// The same, of a text that knows what it does, as one in colours.
pub fn print_as_is(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What came of writing to standard output.
pub fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints one JSON object on standard output.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    // Control characters from DEL on, and what turns a line, may stand in JSON's strings as they are.
    let json = without_controls(&json, |c| format!("\\u{:04x}", u32::from(c)));
    print_as_is(&format!("{json}\n"))
}
