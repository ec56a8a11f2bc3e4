//! Which images are normal, and which of these calibrate.

use super::AnomalyError;
use crate::data::Dataset;

/// Whether the label of each image is one of `labels`.
///
/// # Errors
///
/// If the images have no labels, or no image has one of those.
pub fn labelled(data: &Dataset, labels: &[u8]) -> Result<Vec<bool>, AnomalyError> {
    let all = data.labels.as_ref().ok_or(AnomalyError::NoLabels)?;
    if let Some(&label) = labels.iter().find(|label| !all.contains(label)) {
        let mut present = all.clone();
        present.sort_unstable();
        present.dedup();
        return Err(AnomalyError::NoSuchLabel { label, present });
    }
    Ok(all.iter().map(|label| labels.contains(label)).collect())
}

/// The normal images to learn from, and those to calibrate on: every tenth, so that an order by class
/// leaves neither without a class.
///
/// # Errors
///
/// If there are fewer than ten.
pub fn split(normal: Dataset) -> Result<(Dataset, Dataset), AnomalyError> {
    let images = normal.images.len();
    let is_held_back = |index: usize| index % 10 == 9;
    let held_back = normal.clone().filtered(is_held_back);
    let rest = normal.filtered(|index| !is_held_back(index));
    rest.zip(held_back).ok_or(AnomalyError::TooFewNormal { images })
}
