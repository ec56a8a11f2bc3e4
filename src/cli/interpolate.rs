//! `elbo interpolate`: from one image to another through the latent space.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use ndarray::{Array1, Array2};

use super::common::{
    DataArguments, ModelArgument, Trained, Usage, check_index, class_code, png_path,
    refuse_same_files, report_written,
};
use crate::{
    data::{Dataset, Images, Pixels, View, png_folder},
    generation::{Course, Generate},
    models::Model,
    pictures::save_grid,
    real::cast,
};

/// Write the pictures on the way between the latent means of two images as one PNG
///
/// An end is an image of the data by its index, a PNG file, or the mean of all images of a class. Of a
/// model with a flow, the way is between the points where it takes the means; of a conditional one, the
/// label goes straight from that of one end to that of the other.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// The first end: an index in the data, from 0; a PNG file; or class:LABEL
    #[arg(long, value_name = "I|F.png|class:C", value_parser = parse_end)]
    from: End,
    /// The other end, likewise
    #[arg(long, value_name = "J|F.png|class:C", value_parser = parse_end)]
    to: End,
    /// Go along an arc about 0 instead of a straight line
    #[arg(long)]
    spherical: bool,
    /// The PNG to write
    #[arg(long, value_name = "F.png", value_parser = png_path())]
    out: PathBuf,
    /// Pictures, both ends included
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1000))]
    steps: u32,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo interpolate runs/tutorial/model.safetensors --from 3 --to 5 --out path.png
  elbo interpolate runs/tutorial/model.safetensors --from class:1 --to class:7 --spherical --out path.png
  elbo interpolate runs/tutorial/model.safetensors --from mine.png --to 0 --out path.png";

/// An end of the way.
#[derive(Clone, Debug)]
enum End {
    Image(usize),
    Class(u8),
    File(PathBuf),
}

impl End {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }
}

fn parse_end(text: &str) -> Result<End, String> {
    if let Some(class) = text.strip_prefix("class:") {
        let class = class.parse().map(End::Class);
        return class.map_err(|_| "a class is a label from 0 to 255".into());
    }
    match text.parse() {
        Ok(index) => Ok(End::Image(index)),
        Err(_) if text.to_ascii_lowercase().ends_with(".png") => Ok(End::File(text.into())),
        Err(_) => Err("it must be an index, a file that ends in .png, or class:LABEL".into()),
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let ends = [&arguments.from, &arguments.to].into_iter();
    let others = [arguments.data.folder.data.as_path(), &arguments.model.model];
    let read: Vec<&Path> = ends.filter_map(End::file).chain(others).collect();
    refuse_same_files(&[("--out", Some(&arguments.out))], &read)?;
    let trained = arguments.model.load()?;
    let from = code(arguments, &trained, "--from", &arguments.from)?;
    let to = code(arguments, &trained, "--to", &arguments.to)?;
    let course = if arguments.spherical { Course::Spherical } else { Course::Straight };
    let codes = trained.vae.path(from.view(), to.view(), arguments.steps as usize, course);
    let path = trained.vae.decode_mean(codes.view());
    let columns = path.nrows().min(20);
    save_grid(&arguments.out, path.view(), trained.height, trained.width, columns)?;
    report_written(arguments.json, &trained, &[&arguments.out], &[("pictures", path.nrows())])
}

/// The code at an end.
fn code(arguments: &Arguments, trained: &Trained, option: &str, end: &End) -> Result<Array1<f64>> {
    let of_image = |view: View<'_>, index: usize| {
        let codes: Array2<f64> = cast(trained.vae.codes(view, &[index]).view());
        codes.row(0).to_owned()
    };
    let data = match end {
        End::File(path) => read_image(trained, option, path)?,
        _ => arguments.data.load(trained)?,
    };
    let view = arguments.data.view(trained, &data);
    match *end {
        End::File(_) => Ok(of_image(view, 0)),
        End::Class(class) => Ok(class_code(trained, view, arguments.data.labels(&data)?, class)?),
        End::Image(index) => {
            check_index(&data.images, option, index)?;
            Ok(of_image(view, index))
        }
    }
}

/// A PNG file as a data set of one image of the model's size.
fn read_image(trained: &Trained, option: &str, path: &Path) -> Result<Dataset> {
    if trained.vae.classes() > 0 {
        let (model, file) = (trained.path.display(), path.display());
        return Err(Usage::new(format!(
            "{model} reads labels beside images, and {option} {file} has none"
        ))
        .into());
    }
    let image = png_folder::read(path)?;
    let (height, width) = (image.height as usize, image.width as usize);
    if (height, width) != (trained.height, trained.width) {
        bail!(
            "{} is {height} x {width} pixels, but the model's images are {} x {}",
            path.display(),
            trained.height,
            trained.width
        );
    }
    let images = Images::new(height, width, Pixels::Bytes(image.pixels))?;
    Ok(Dataset { images, labels: None })
}
