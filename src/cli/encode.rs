//! `elbo encode`: the latent code of every image, for other programs.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use ndarray::Array2;
use ndarray_npy::WriteNpyExt;

use super::common::{DataArguments, ModelArgument, Usage, report_file};
use crate::{
    files::write_atomically,
    generation::{Generate, Posterior},
    models::Model,
};

/// Write the latent means of all images as .npy, or means, log-variances and labels as .csv
///
/// F.npy is a float32 array (images, latent). F.csv has a header and a row for each image: label
/// (empty where there is none), mu_1, .., log_var_1, ..
///
/// The posterior of a model with a flow is no Gaussian, and has neither. F.npy then has the z that the
/// image leads to without noise, from which `elbo reconstruct` decodes it, and F.csv has label,
/// z_1, .. Of a model with two layers, all is of the first one.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// The file to write, .npy or .csv
    #[arg(long, value_name = "F.npy|F.csv")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let out = &arguments.out;
    let write = match out.extension().and_then(|e| e.to_str()) {
        Some("npy") => write_npy,
        Some("csv") => write_csv,
        _ => return Err(Usage::new("--out must end in .npy or .csv").into()),
    };
    let trained = arguments.model.load()?;
    let data = arguments.data.load(&trained)?;
    let indices: Vec<usize> = (0..data.images.len()).collect();
    let view = arguments.data.view(&trained, &data);
    let codes = match trained.vae.has_exact_mean() {
        true => {
            let Posterior { mu, log_var } = trained.vae.posterior(view, &indices);
            vec![("mu", mu), ("log_var", log_var)]
        }
        false => vec![("z", trained.vae.codes(view, &indices))],
    };
    write(out, &codes, data.labels.as_deref())?;
    report_file(out);
    Ok(())
}

/// Names of columns, and an array (images, latent) of each.
type Codes = [(&'static str, Array2<f32>)];

/// The first array alone.
fn write_npy(path: &Path, codes: &Codes, _labels: Option<&[u8]>) -> Result<()> {
    Ok(write_atomically(path, |file| codes[0].1.write_npy(file))?)
}

fn write_csv(path: &Path, codes: &Codes, labels: Option<&[u8]>) -> Result<()> {
    let columns = codes
        .iter()
        .flat_map(|(name, values)| (1..=values.ncols()).map(move |j| format!("{name}_{j}")));
    write_atomically(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(std::iter::once("label".into()).chain(columns))?;
        for n in 0..codes[0].1.nrows() {
            let label = labels.map_or(String::new(), |labels| labels[n].to_string());
            let row = codes.iter().flat_map(|(_, values)| values.row(n));
            csv.write_record(std::iter::once(label).chain(row.map(ToString::to_string)))?;
        }
        csv.flush().map_err(csv::Error::from)
    })?;
    Ok(())
}
