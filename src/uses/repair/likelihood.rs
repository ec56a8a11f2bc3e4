//! How probable what was missing is, given what was seen.

use super::{Method, RepairError, Repaired, Settings, repair};
use crate::{
    data::View, distributions::Likelihood, evaluation::log_likelihoods as of_whole_images,
    models::Model, real::Real,
};

/// log p(xᵐ|x°) = log p(x) - log p(x°) of each image, of a view that hides pixels whose values are known, and what
/// [`repair`] by the same samples of p(x°) makes of it.
///
/// Both terms are importance-sampled, with `settings.steps` samples each: log p(x) as
/// [`evaluation::log_likelihoods`](crate::evaluation::log_likelihoods) has it, log p(x°) by
/// [`Method::Importance`]. Each estimate is too low in the mean, and their errors partly cancel. The second is
/// commonly the worse one, as the encoder has to guess pixels for it, and then what is found for log p(xᵐ|x°) is
/// too high: a figure to be trusted only once it no longer falls with more samples.
///
/// # Errors
///
/// As [`repair`].
///
/// # Panics
///
/// If the method is not importance sampling, or there are no samples.
pub fn log_likelihoods<T: Real, M: Model<T>>(
    model: &M,
    likelihood: &impl Likelihood<T>,
    images: View<'_>,
    settings: Settings,
    mut after_batch: impl FnMut(usize) + Send,
) -> Result<(Vec<f64>, Repaired), RepairError> {
    assert!(matches!(settings.method, Method::Importance(_)), "log p(x°) is importance-sampled");
    let repaired = repair(model, likelihood, images, settings, &mut after_batch)?;
    let whole = images.hiding(None);
    let of_whole = of_whole_images(model, whole, settings.steps, settings.seed, |_| ());
    let of_seen = repaired.log_likelihood.as_ref().expect("importance sampling has log p(x°)");
    Ok((of_whole.iter().zip(of_seen).map(|(whole, seen)| whole - seen).collect(), repaired))
}
