//! `elbo project`: the latent plane.

use std::path::PathBuf;

use anyhow::Result;
use clap::{
    Args, ValueEnum,
    builder::{PathBufValueParser, TypedValueParser},
};
use ndarray::Array2;

use super::common::{DataArguments, ModelArgument, report_written};
use crate::{generation::Generate, pictures::Thumbnails};

/// Draw the latent means of images in the plane, coloured by label, as SVG or PNG
///
/// Two dimensions are drawn as they are. More are projected to the plane along which they vary most, that
/// of their first two principal components; of one, μ is drawn against σ. A PNG has numbers at
/// its axes and in its legend, and no other text.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// The file to write, .svg or .png
    #[arg(long, value_name = "F.svg|F.png", value_parser = picture_path())]
    out: PathBuf,
    /// Draw small images in place of points, as many as have room: those of the data, or what the
    /// decoder makes of their codes
    #[arg(long, value_name = "WHICH", value_enum, num_args = 0..=1, default_missing_value = "original")]
    thumbnails: Option<Which>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Original,
    Decoded,
}

/// A path that ends in .svg or .png.
fn picture_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.extension() {
        Some(ending) if ["svg", "png"].iter().any(|known| ending.eq_ignore_ascii_case(known)) => {
            Ok(path)
        }
        _ => Err("it must end in .svg or .png"),
    })
}

pub fn run(arguments: &Arguments) -> Result<()> {
    arguments.data.refuse_replacing("--out", Some(&arguments.out), &[&arguments.model.model])?;
    let trained = arguments.model.load()?;
    let data = arguments.data.load(&trained)?;
    let view = arguments.data.view(&trained, &data);
    let indices: Vec<usize> = view.indices().collect();
    let images = arguments.thumbnails.map(|which| match which {
        Which::Decoded => trained.vae.reconstruct(view, &indices),
        Which::Original => {
            let mut x = Array2::zeros((indices.len(), data.images.pixels_per_image()));
            view.gather(&indices, 0, &mut x);
            x
        }
    });
    let (height, width) = (trained.height, trained.width);
    let thumbnails = images.as_ref().map(|images| Thumbnails { images, height, width });
    let labels = data.labels.as_deref();
    let model = trained.path.display();
    super::pictures::latent(&arguments.out, model, &trained.vae, view, labels, thumbnails)?;
    report_written(arguments.json, &trained, &[&arguments.out], &[("images", indices.len())])
}
