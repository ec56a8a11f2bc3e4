//! `elbo encode`: the posterior of every image, for other programs.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use ndarray_npy::WriteNpyExt;

use super::common::{DataArguments, ModelArgument, Usage, report_file};
use crate::{
    files::write_atomically,
    generation::{Generate, Posterior},
};

/// Write the latent means of all images as .npy, or means, log-variances and labels as .csv
///
/// F.npy is a float32 array (images, latent). F.csv has a header and a row for each image: label
/// (empty where there is none), mu_1, .., log_var_1, ..
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
    let view = arguments.data.view(&trained, &data.images);
    let posterior = trained.vae.posterior(view, &indices);
    write(out, &posterior, data.labels.as_deref())?;
    report_file(out);
    Ok(())
}

fn write_npy(path: &Path, posterior: &Posterior, _labels: Option<&[u8]>) -> Result<()> {
    Ok(write_atomically(path, |file| posterior.mu.write_npy(file))?)
}

fn write_csv(path: &Path, posterior: &Posterior, labels: Option<&[u8]>) -> Result<()> {
    let latent = posterior.mu.ncols();
    let columns = |name: &'static str| (1..=latent).map(move |j| format!("{name}_{j}"));
    let header = std::iter::once("label".into()).chain(columns("mu")).chain(columns("log_var"));
    write_atomically(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(header)?;
        for (n, (mu, log_var)) in
            posterior.mu.rows().into_iter().zip(posterior.log_var.rows()).enumerate()
        {
            let label = labels.map_or(String::new(), |labels| labels[n].to_string());
            let values = mu.into_iter().chain(log_var).map(ToString::to_string);
            csv.write_record(std::iter::once(label).chain(values))?;
        }
        csv.flush().map_err(csv::Error::from)
    })?;
    Ok(())
}
