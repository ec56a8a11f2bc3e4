//! `units.csv`: what each latent dimension does, epoch by epoch, so that posterior collapse is seen.

use std::path::Path;

use super::{MetricsError, metrics::check_header};
use crate::{
    evaluation::{ACTIVE_VARIANCE, Evaluation},
    files::{open_regular, write_atomically},
};

/// The latent dimensions after one epoch, on the test images.
#[derive(Clone, Debug, PartialEq)]
pub struct Units {
    /// From 1.
    pub epoch: u64,
    /// KL of each dimension, in nats per image; empty where the divergence has no closed form.
    pub kl: Vec<f64>,
    /// The variance over the images of each dimension's posterior mean, of the first layer where there
    /// are two; empty where that mean is not known.
    pub mean_variance: Vec<f64>,
}

impl Units {
    /// Those of an evaluation; none where neither is defined, as of a flow.
    pub fn of(epoch: u64, evaluation: &Evaluation) -> Option<Self> {
        let Evaluation { kl_per_dimension, mean_variance, .. } = evaluation;
        if kl_per_dimension.is_empty() && mean_variance.is_empty() {
            return None;
        }
        let rounded = |values: &[f64]| values.iter().map(|v| (v * 1e6).round() / 1e6).collect();
        Some(Self { epoch, kl: rounded(kl_per_dimension), mean_variance: rounded(mean_variance) })
    }

    /// The dimensions, from 1, that were active in the epoch before and no longer are.
    pub fn died_since(&self, before: &Self) -> Vec<usize> {
        let pairs = before.mean_variance.iter().zip(&self.mean_variance).enumerate();
        let died = |&(_, (before, now)): &(usize, (&f64, &f64))| {
            *before > ACTIVE_VARIANCE && *now <= ACTIVE_VARIANCE
        };
        pairs.filter(died).map(|(j, _)| j + 1).collect()
    }
}

/// Writes all rows, if there are any: `epoch,kl_1,..,variance_1,..`, without the columns of what is not
/// defined.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_units(path: &Path, rows: &[Units]) -> Result<(), MetricsError> {
    let Some(first) = rows.first() else { return Ok(()) };
    let columns = |name: &'static str, n: usize| (1..=n).map(move |j| format!("{name}_{j}"));
    let header = std::iter::once("epoch".to_string())
        .chain(columns("kl", first.kl.len()))
        .chain(columns("variance", first.mean_variance.len()));
    write_atomically(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(header)?;
        for Units { epoch, kl, mean_variance } in rows {
            let values = kl.iter().chain(mean_variance).map(ToString::to_string);
            csv.write_record(std::iter::once(epoch.to_string()).chain(values))?;
        }
        csv.flush().map_err(csv::Error::from)
    })?;
    Ok(())
}

/// Reads the rows back.
///
/// # Errors
///
/// If there is no such file or it does not hold these columns.
pub fn read_units(path: &Path) -> Result<Vec<Units>, MetricsError> {
    let fail = |cause| MetricsError::Read { path: path.into(), cause };
    let (file, _) = open_regular(path).map_err(|cause| fail(cause.into()))?;
    let mut csv = csv::Reader::from_reader(file);
    let header = csv.headers().map_err(fail)?;
    check_header(header).map_err(fail)?;
    let kl = header.iter().filter(|name| name.starts_with("kl_")).count();
    let rows = csv.deserialize::<(u64, Vec<f64>)>();
    rows.map(|row| {
        let (epoch, mut values) = row.map_err(fail)?;
        let mean_variance = values.split_off(kl.min(values.len()));
        Ok(Units { epoch, kl: values, mean_variance })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(epoch: u64, mean_variance: &[f64]) -> Units {
        Units { epoch, kl: vec![0.5; mean_variance.len()], mean_variance: mean_variance.to_vec() }
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("units.csv");
        let sampled = Units { kl: vec![], ..units(1, &[0.5, 1.25]) };
        for rows in [vec![units(1, &[0.5, 1.25]), units(2, &[0.0, 1.0])], vec![sampled]] {
            write_units(&path, &rows).unwrap();
            assert_eq!(read_units(&path).unwrap(), rows);
        }
    }

    #[test]
    fn a_unit_dies_when_it_was_active_and_is_no_longer() {
        let before = units(1, &[0.5, 0.009, 0.02, 0.0]);
        assert_eq!(units(2, &[0.01, 0.5, 0.011, 0.0]).died_since(&before), [1]);
        assert_eq!(before.died_since(&before), [0; 0]);
    }
}
