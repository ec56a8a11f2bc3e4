//! `metrics.csv`: a row for every epoch.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::files::{FileError, open_regular, write_atomically};

/// One epoch. Figures are in nats per image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// From 1.
    pub epoch: u64,
    /// The mean over the epoch of what was maximised.
    pub train_objective: f64,
    /// The mean over the epoch, while the weights moved.
    pub train_elbo: f64,
    /// Its first term.
    pub train_reconstruction: f64,
    /// Its second term.
    pub train_kl: f64,
    /// After the epoch, over the whole test set, with one latent sample per image.
    pub test_elbo: f64,
    /// Its first term.
    pub test_reconstruction: f64,
    /// Its second term.
    pub test_kl: f64,
    /// Latent dimensions whose posterior mean varies over the test set by more than 0.01; an empty
    /// field where that mean is not known.
    pub active_units: Option<usize>,
    /// The optimiser's learning rate in this epoch.
    pub learning_rate: f64,
    /// Wall-clock seconds of the training part alone; where the epoch was stopped and resumed, of
    /// what came after.
    pub seconds: f64,
    /// Training images per second in that time.
    pub images_per_second: f64,
    /// After the epoch, over the images held out of training; no column where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_elbo: Option<f64>,
}

/// Why metrics could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file could not be read, or is no metrics file.
    #[error(
        "cannot read the metrics in {}: {cause}; once the file is moved away, a run goes on without its rows",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and on which line.
        cause: csv::Error,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

/// Writes all rows, with a header.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_metrics(path: &Path, rows: &[Row]) -> Result<(), MetricsError> {
    write_atomically(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        rows.iter().try_for_each(|row| csv.serialize(row))?;
        csv.flush().map_err(csv::Error::from)
    })?;
    Ok(())
}

/// Reads the rows back.
///
/// # Errors
///
/// If there is no such file or it does not hold these columns.
pub fn read_metrics(path: &Path) -> Result<Vec<Row>, MetricsError> {
    let read = || {
        let (file, _) = open_regular(path)?;
        let mut csv = csv::Reader::from_reader(file);
        check_header(csv.headers()?)?;
        csv.into_deserialize().collect::<Result<_, _>>()
    };
    read().map_err(|cause| MetricsError::Read { path: path.into(), cause })
}

/// Refuses a header of something else: without rows below it, nobody would notice.
pub(super) fn check_header(header: &csv::StringRecord) -> Result<(), csv::Error> {
    match header.get(0) {
        Some("epoch") => Ok(()),
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "its first column is not `epoch`")
                .into())
        }
    }
}

impl Row {
    /// Six decimals are more than the noise of any figure here, and read better than seventeen. Rows
    /// are rounded when they are made, so that a row read back is the row that was written.
    pub(super) fn rounded(self) -> Self {
        let round = |v: f64| (v * 1e6).round() / 1e6;
        Self {
            train_objective: round(self.train_objective),
            train_elbo: round(self.train_elbo),
            train_reconstruction: round(self.train_reconstruction),
            train_kl: round(self.train_kl),
            test_elbo: round(self.test_elbo),
            test_reconstruction: round(self.test_reconstruction),
            test_kl: round(self.test_kl),
            seconds: round(self.seconds),
            images_per_second: self.images_per_second.round(),
            validation_elbo: self.validation_elbo.map(round),
            ..self
        }
    }
}
