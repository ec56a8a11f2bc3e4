//! Noise, and how a model takes it out.

use elbo_kernels::team::team;
use ndarray::{Array2, Axis, Zip};

use super::{Method, RepairError, walk::Walk};
use crate::{
    data::View,
    distributions::any::{AnyLikelihood, LikelihoodKind},
    models::Model,
    random::{self, Purpose},
    real::{Real, assign_cast, cast},
};

/// Images that walk side by side.
const BATCH: usize = 128;

/// How an image was spoilt, pixel by pixel: y from x.
///
/// To a Bernoulli variable x that the model has the logit l of, p(x|y, z) ∝ p(y|x) p(x|z) is again a Bernoulli variable,
/// with the logit l + ln p(y|1) - ln p(y|0): the noise adds what it knows. A pixel that may as well have been
/// flipped as not adds nothing, and is a missing one; one that cannot have been is a seen one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// A pixel x is 1 - x with this probability ρ, below ½: ln p(y|1) - ln p(y|0) = (2y - 1) ln (1-ρ)/ρ.
    Flip(f64),
    /// y = x + τ ε, ε ~ N(0, 1), with this τ: ln p(y|1) - ln p(y|0) = (2y - 1)/(2τ²).
    Gaussian(f64),
}

/// What was found for each image, (images, pixels).
#[derive(Clone, Debug, PartialEq)]
pub struct Denoised {
    /// E[x|z], the mean over z ~ q(z|y): the noisy image taken for a clean one, once through the model.
    pub once: Array2<f32>,
    /// E[x|y], by a walk that knows of the noise.
    pub walk: Array2<f32>,
}

impl Noise {
    /// This noise, if it is one.
    ///
    /// # Errors
    ///
    /// If the rate is not between 0 and ½, or the deviation is not from 1e-12 to 1e12.
    pub fn checked(self) -> Result<Self, RepairError> {
        match self {
            Self::Flip(rate) if !(rate > 0.0 && rate < 0.5) => {
                Err(RepairError::Rate { rate, below: 0.5 })
            }
            Self::Gaussian(deviation) if !(1e-12..=1e12).contains(&deviation) => {
                Err(RepairError::Deviation { deviation })
            }
            noise => Ok(noise),
        }
    }

    /// The images spoilt so, (images, pixels). The noise belongs to (`seed`, image).
    pub fn spoil(self, images: View<'_>, seed: u64) -> Array2<f32> {
        let indices: Vec<usize> = images.indices().collect();
        let mut y = Array2::zeros((indices.len(), images.images.pixels_per_image()));
        images.gather(&indices, 0, &mut y);
        let mut draws = y.clone();
        let noise = indices.iter().copied();
        match self {
            Self::Flip(rate) => {
                random::fill_uniform(&mut draws, seed, Purpose::Corruption, 0, noise);
                let is_flipped = |draw: f32| f64::from(draw) < rate;
                y.zip_mut_with(&draws, |y, &draw| {
                    *y = if is_flipped(draw) { 1.0 - *y } else { *y }
                });
            }
            Self::Gaussian(deviation) => {
                random::fill_normal(&mut draws, seed, Purpose::Corruption, 0, noise);
                y.zip_mut_with(&draws, |y, &draw| *y += deviation as f32 * draw);
            }
        }
        y
    }

    /// ln p(y|1) - ln p(y|0).
    fn log_odds(self, y: f64) -> f64 {
        match self {
            Self::Flip(rate) => (2.0 * y - 1.0) * ((1.0 - rate) / rate).ln(),
            Self::Gaussian(deviation) => (2.0 * y - 1.0) / (2.0 * deviation * deviation),
        }
    }
}

/// Takes this noise out of `noisy`, the images of a view spoilt by it, (images, pixels). Of the view itself only the
/// labels are read, where the model needs them.
///
/// The walk goes as for missing pixels, by [`Method::Gibbs`] or [`Method::Metropolis`] from the likelier value
/// of each pixel on, with `steps` steps that count after a third as many that do not; the single pass takes as many
/// samples. All pixels are redrawn, each from p(x|y, z).
///
/// # Errors
///
/// As [`Method::check`], if the likelihood is not the Bernoulli, or the model is broken.
///
/// # Panics
///
/// If no step counts, or the method is importance sampling, which is of missing pixels.
pub fn denoise<T: Real, M: Model<T>>(
    model: &M,
    likelihood: &AnyLikelihood<T>,
    (images, noisy, noise): (View<'_>, &Array2<f32>, Noise),
    (method, steps, seed): (Method, usize, u64),
    mut after_batch: impl FnMut(usize) + Send,
) -> Result<Denoised, RepairError> {
    method.check(model)?;
    check_likelihood(likelihood)?;
    assert!(steps > 0, "an estimate needs at least one step");
    assert!(!matches!(method, Method::Importance(_)), "noise is taken out by a walk");
    let indices: Vec<usize> = images.indices().collect();
    let mut found = Denoised { once: noisy.clone(), walk: noisy.clone() };
    team(|| {
        let noisy = noisy.axis_chunks_iter(Axis(0), BATCH);
        let once = found.once.axis_chunks_iter_mut(Axis(0), BATCH);
        let walk = found.walk.axis_chunks_iter_mut(Axis(0), BATCH);
        let mut done = 0;
        for (((indices, noisy), once), walk) in indices.chunks(BATCH).zip(noisy).zip(once).zip(walk)
        {
            let batch = Batch { of: (model, likelihood), images, indices, y: cast(noisy), seed };
            assign_cast(batch.once(steps).view(), once);
            assign_cast(batch.walk(noise, method, steps).view(), walk);
            done += indices.len();
            after_batch(done);
        }
    });
    let mut rows = found.once.rows().into_iter().zip(found.walk.rows());
    match rows.position(|(once, walk)| !once.iter().chain(walk).all(|v| v.is_finite())) {
        Some(n) => Err(RepairError::NonFinite { index: indices[n] }),
        None => Ok(found),
    }
}

/// Images side by side, y of each.
struct Batch<'a, T, M> {
    of: (&'a M, &'a AnyLikelihood<T>),
    images: View<'a>,
    indices: &'a [usize],
    y: Array2<T>,
    seed: u64,
}

impl<T: Real, M: Model<T>> Batch<'_, T, M> {
    /// The mean of E[x|z] over z ~ q(z|y), of y held to \[0, 1\].
    fn once(&self, steps: usize) -> Array2<f64> {
        let held = self.y.mapv(|y| T::from_f64(y.to_f64().clamp(0.0, 1.0)));
        let nothing_known = Array2::from_elem(held.dim(), T::ZERO);
        let how = (Method::Gibbs, self.seed);
        let walk = Walk::new(self.of, &self.images, self.indices, how);
        let mut walk = walk.doubting(held, nothing_known);
        mean(steps, || {
            walk.propose();
            walk.mean.clone()
        })
    }

    /// The mean of E[x|y, z] along the walk.
    fn walk(&self, noise: Noise, method: Method, steps: usize) -> Array2<f64> {
        let log_odds = self.y.mapv(|y| T::from_f64(noise.log_odds(y.to_f64())));
        let likelier = log_odds.mapv(|odds| if odds > T::ZERO { T::ONE } else { T::ZERO });
        let walk = Walk::new(self.of, &self.images, self.indices, (method, self.seed));
        let mut walk = walk.doubting(likelier, log_odds);
        for _ in 0..steps.div_ceil(3) {
            walk.propose();
            walk.redraw();
        }
        mean(steps, || {
            match method {
                Method::Metropolis => walk.accept_or_stay(),
                _ => walk.propose(),
            }
            walk.redraw();
            walk.mean.clone()
        })
    }
}

/// The mean of what so many steps give.
fn mean<T: Real>(steps: usize, mut step: impl FnMut() -> Array2<T>) -> Array2<f64> {
    let mut sum: Array2<f64> = cast(step().view());
    for _ in 1..steps {
        Zip::from(&mut sum).and(&step()).for_each(|sum, v| *sum += v.to_f64());
    }
    sum / steps as f64
}

/// Whether noise can be taken out of pixels of this likelihood.
fn check_likelihood<T>(likelihood: &AnyLikelihood<T>) -> Result<(), RepairError> {
    let likelihood = match likelihood {
        AnyLikelihood::Bernoulli(_) => return Ok(()),
        AnyLikelihood::ContinuousBernoulli(_) => LikelihoodKind::ContinuousBernoulli,
        AnyLikelihood::Gaussian(_) => LikelihoodKind::Gaussian,
        AnyLikelihood::GaussianShared(_) => LikelihoodKind::GaussianShared,
        AnyLikelihood::GaussianPerPixel(_) => LikelihoodKind::GaussianPerPixel,
        AnyLikelihood::GaussianOptimal(_) => LikelihoodKind::GaussianOptimal,
        AnyLikelihood::DiscretisedLogistic(_) => LikelihoodKind::DiscretisedLogistic,
    };
    Err(RepairError::Noise { likelihood })
}
