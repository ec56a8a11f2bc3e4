//! A score and its threshold, in a file beside the model.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Kind, Score};
use crate::files::{FileError, crc32, read_regular, write_atomically};

/// All that a model needs to tell anomalies: which score, what it knows of normal images, and from
/// where on an image is called an anomaly. A JSON file in the folder of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The name of the model's file, in the same folder.
    pub model: String,
    /// The CRC-32 of that file. It notices that the model was trained again; it is no protection
    /// against intent.
    pub model_crc32: u32,
    /// The score.
    pub score: Score,
    /// Of the latent samples.
    pub seed: u64,
    /// The labels of normal images, where these were chosen by label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normal: Option<Vec<u8>>,
    /// Images that were held back to calibrate on.
    pub images: usize,
    /// The rate of false positives that was asked for.
    pub false_positives: f64,
    /// An image that scores above it is called an anomaly.
    pub threshold: f64,
}

/// Why a calibration could not be written or used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The file could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// The file is no calibration.
    #[error("{} is not a calibration that `elbo anomaly fit` wrote: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The model was replaced since.
    #[error(
        "{} is a calibration of another model than {}, which has changed since: calibrate it again",
        path.display(), model.display()
    )]
    OtherModel {
        /// The calibration.
        path: PathBuf,
        /// The model.
        model: PathBuf,
    },
}

impl Calibration {
    /// The name of a calibration's file: `anomaly-elbo.json`, ..
    pub fn file_name(score: Kind) -> String {
        format!("anomaly-{score}.json")
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CalibrationError> {
        let json = serde_json::to_string_pretty(self).expect("a calibration is plain data");
        Ok(write_atomically(path, |file| writeln!(file, "{json}"))?)
    }

    /// Reads it back, with the path of its model, which is still the one that was calibrated.
    ///
    /// # Errors
    ///
    /// If either file cannot be read, the first is no calibration, or the second another model.
    pub fn load(path: &Path) -> Result<(Self, PathBuf), CalibrationError> {
        let calibration: Self = serde_json::from_slice(&read(path)?).map_err(|cause| {
            CalibrationError::Format { path: path.into(), message: cause.to_string() }
        })?;
        let wrong = |message| CalibrationError::Format { path: path.into(), message };
        let name = &calibration.model;
        // A path could lead anywhere.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(wrong(format!("its model, {name:?}, is not the name of a file beside it")));
        }
        let rate = calibration.false_positives;
        if !(rate > 0.0 && rate < 1.0) {
            return Err(wrong(format!(
                "its false_positives are {rate:?}, and not between 0 and 1"
            )));
        }
        let model = path.with_file_name(name);
        if model_crc32(&model)? != calibration.model_crc32 {
            return Err(CalibrationError::OtherModel { path: path.into(), model });
        }
        Ok((calibration, model))
    }
}

/// The CRC-32 of a model's file.
///
/// # Errors
///
/// If it cannot be read.
pub fn model_crc32(path: &Path) -> Result<u32, CalibrationError> {
    Ok(crc32(&read(path)?))
}

fn read(path: &Path) -> Result<Vec<u8>, CalibrationError> {
    read_regular(path).map_err(|cause| CalibrationError::Read { path: path.into(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uses::anomaly::{Background, Codes};

    fn calibration(score: Score) -> Calibration {
        Calibration {
            model: "model.safetensors".into(),
            model_crc32: 0xcbf4_3926,
            score,
            seed: 3,
            normal: Some(vec![1, 2]),
            images: 20,
            false_positives: 0.05,
            threshold: 0.1 + 0.2,
        }
    }

    #[test]
    fn what_is_written_is_read_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        // The check value of CRC-32.
        std::fs::write(folder.path().join("model.safetensors"), "123456789").unwrap();
        let codes = Codes { mean: vec![0.1], covariance: vec![1.0 / 3.0] };
        let background = Background { means: vec![1e-3, 0.7] };
        for score in [
            Score::Elbo { samples: 10 },
            Score::Reconstruction { samples: 1 },
            Score::LogLikelihood { samples: 100 },
            Score::Latent(codes),
            Score::Typicality { samples: 2, mean: 2.0 / 3.0 },
            Score::LikelihoodRatio { samples: 3, background },
        ] {
            let path = folder.path().join(Calibration::file_name(score.kind()));
            let written = calibration(score);
            written.save(&path).unwrap();
            let (read, model) = Calibration::load(&path).unwrap();
            assert_eq!((read, model), (written, folder.path().join("model.safetensors")));
        }
    }

    #[test]
    fn a_rate_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.safetensors"), "123456789").unwrap();
        let path = folder.path().join("c.json");
        for false_positives in [-1.0, 0.0, 1.0, 1e308] {
            let score = Score::Elbo { samples: 1 };
            Calibration { false_positives, ..calibration(score) }.save(&path).unwrap();
            let message = Calibration::load(&path).unwrap_err().to_string();
            assert!(message.contains("between 0 and 1"), "{message}");
        }
    }

    #[test]
    fn a_model_that_changed_or_is_gone_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, model) = (folder.path().join("c.json"), folder.path().join("model.safetensors"));
        calibration(Score::Elbo { samples: 1 }).save(&path).unwrap();
        let gone = Calibration::load(&path).unwrap_err();
        assert!(matches!(gone, CalibrationError::Read { path, .. } if path == model));
        std::fs::write(&model, "123456780").unwrap();
        assert!(matches!(Calibration::load(&path), Err(CalibrationError::OtherModel { .. })));
    }
}
