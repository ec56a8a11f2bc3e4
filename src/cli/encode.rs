//! `elbo encode`: the latent code of every image, for other programs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use ndarray::{Array1, Array2};
use ndarray_npy::WriteNpyExt;

use super::common::{
    DataArguments, ModelArgument, Usage, check_finite, path_ending_in, refuse_same_files,
    report_written,
};
use crate::{
    files::{check_replaceable, write_atomically},
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
///
/// --log-var and --labels write what else F.csv has as .npy, beside an F.npy.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,
    #[command(flatten)]
    data: DataArguments,
    /// The file to write, .npy or .csv
    #[arg(long, value_name = "F.npy|F.csv")]
    out: PathBuf,
    /// Also write the log-variances as a float32 array (images, latent)
    #[arg(long, value_name = "G.npy", value_parser = path_ending_in("npy"))]
    log_var: Option<PathBuf>,
    /// Also write the labels as a uint8 array (images)
    #[arg(long, value_name = "H.npy", value_parser = path_ending_in("npy"))]
    labels: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let out = &arguments.out;
    let ending = out.extension().map(|ending| ending.to_ascii_lowercase());
    let write = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("npy") => write_npy,
        Some("csv") => write_csv,
        _ => return Err(Usage::new("--out must end in .npy or .csv").into()),
    };
    let paths = [Some(out), arguments.log_var.as_ref(), arguments.labels.as_ref()];
    let [out_path, log_var, labels] = paths.map(|path| path.map(PathBuf::as_path));
    let outputs = [("--out", out_path), ("--log-var", log_var), ("--labels", labels)];
    refuse_same_files(&outputs, &[&arguments.data.folder.data, &arguments.model.model])?;
    for path in paths.into_iter().flatten() {
        check_replaceable(path)?;
    }
    let trained = arguments.model.load()?;
    if arguments.log_var.is_some() && !trained.vae.has_exact_mean() {
        let model = trained.path.display();
        bail!("{model}: the posterior of a flow is no Gaussian, and has no --log-var");
    }
    let data = arguments.data.load(&trained)?;
    if arguments.labels.is_some() {
        arguments.data.labels(&data)?;
    }
    let indices: Vec<usize> = (0..data.images.len()).collect();
    let view = arguments.data.view(&trained, &data);
    let codes = match trained.vae.has_exact_mean() {
        true => {
            let Posterior { mu, log_var } = trained.vae.posterior(view, &indices);
            vec![("mu", mu), ("log_var", log_var)]
        }
        false => vec![("z", trained.vae.codes(view, &indices))],
    };
    for &value in codes.iter().flat_map(|(_, values)| values) {
        check_finite(&trained, "a code", value.into())?;
    }
    write(out, &codes, data.labels.as_deref())?;
    let mut files = vec![out.as_path()];
    if let (Some(path), Some((_, log_var))) = (&arguments.log_var, codes.get(1)) {
        write_atomically(path, |file| log_var.write_npy(file))?;
        files.push(path);
    }
    if let (Some(path), Some(labels)) = (&arguments.labels, data.labels) {
        write_atomically(path, |file| Array1::from(labels).write_npy(file))?;
        files.push(path);
    }
    let counts = [("images", indices.len()), ("latent_dimensions", trained.vae.latent())];
    report_written(arguments.json, &trained, &files, &counts)
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
