//! Missing pixels by a walk through latent variables and pixels.

use elbo_kernels::team::team;
use ndarray::{Array2, ArrayView1, Axis, Zip};

use super::{RepairError, walk::Walk};
use crate::{
    data::View,
    distributions::Likelihood,
    evaluation::EffectiveSampleSize,
    models::Model,
    random::{self, Purpose},
    real::{Real, assign_cast},
};

/// Images that walk side by side.
const BATCH: usize = 128;

/// How missing pixels are found. What all of them estimate is E[xᵐ|x°] = ∫ E[xᵐ|z] p(z|x°) dz: given z, pixels
/// are independent, and so the seen ones matter through z alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Pseudo-Gibbs: z ~ q(z|x°, xᵐ), then xᵐ ~ p(xᵐ|z), again and again.
    ///
    /// With the true posterior in place of q that is Gibbs sampling of p(xᵐ, z|x°). With q it is another chain,
    /// whose equilibrium is off by as much as q is.
    ///
    /// Source: Rezende, Mohamed & Wierstra 2014, *Stochastic Backpropagation*, on the imputation of
    /// missing data.
    Gibbs,
    /// Metropolis within Gibbs: q proposes z′, which is accepted with the probability min(1, w(z′)/w(z)),
    /// w(z) = p(x|z) p(z) / q(z|x), and stays z otherwise; then xᵐ ~ p(xᵐ|z).
    ///
    /// A proposal that does not look at z is reversible with this acceptance: with π(z) ∝ p(x|z) p(z) = w(z) q(z|x),
    /// π(z) q(z′|x) min(1, w(z′)/w(z)) = q(z|x) q(z′|x) min(w(z), w(z′)) is symmetric in z and z′. So each half
    /// of a step leaves p(xᵐ, z|x°) as it is, and where q falls short, only patience is lost. It starts where
    /// pseudo-Gibbs has come to: far from p(z|x°), hardly anything would be accepted.
    ///
    /// Source: Mattei & Frellsen 2018, *Leveraging the exact likelihood of deep latent variable models*,
    /// on imputation by the exact conditional likelihood.
    Metropolis,
    /// Self-normalised importance sampling: z₁, …, z_K from q of a completed image, weighted by
    /// wₖ = p(x°|zₖ) p(zₖ) / q(zₖ|x°, xᵐ), and Σₖ wₖ E[xᵐ|zₖ] / Σₖ wₖ.
    ///
    /// The mean of w is p(x°), whatever the missing pixels were completed with, so that ln (1/K) Σₖ wₖ
    /// estimates log p(x°), from below in the mean. The quotient of two sums is biased by some 1/K.
    ///
    /// Source: Mattei & Frellsen 2019, *MIWAE*, equations 7 and 8.
    Importance(Proposal),
}

/// What the encoder reads in the places of missing pixels, when it proposes importance samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// Zeros: what it has learned from, where it was trained on images with missing pixels.
    Zeros,
    /// Draws of pseudo-Gibbs, another for each sample: what it has learned from, where it was trained on whole images.
    /// Given all that was drawn before, each weight has the mean p(x°).
    Chain,
}

/// How long, and from which draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How.
    pub method: Method,
    /// Steps of pseudo-Gibbs before the first that counts. [`Method::Metropolis`] takes at least one, and
    /// [`Proposal::Zeros`] none.
    pub burn_in: usize,
    /// Steps, or samples, that count; at least one.
    pub steps: usize,
    /// Of all draws.
    pub seed: u64,
}

/// Repaired images.
#[derive(Clone, Debug, PartialEq)]
pub struct Repaired {
    /// The pixels that were seen, and in the other places E[xᵐ|x°], (images, pixels).
    pub mean: Array2<f32>,
    /// The same with a draw from p(xᵐ|x°).
    pub draw: Array2<f32>,
    /// The share of the proposals that [`Method::Metropolis`] has accepted.
    pub acceptance: Option<f64>,
    /// log p(x°) of each image, by [`Method::Importance`].
    pub log_likelihood: Option<Vec<f64>>,
    /// The mean [`EffectiveSampleSize`] of its weights.
    pub effective_sample_size: Option<f64>,
}

impl Method {
    /// Whether a model can be asked so.
    ///
    /// # Errors
    ///
    /// If its likelihood is not one of single images, or the method needs a density that a flow does not know.
    pub fn check<T: Real>(self, model: &impl Model<T>) -> Result<(), RepairError> {
        match self {
            _ if !model.factorises() => Err(RepairError::Likelihood),
            Self::Metropolis if !model.has_exact_mean() => Err(RepairError::Flow),
            _ => Ok(()),
        }
    }
}

/// Repairs the images of a view that [hides](View::hiding) some pixels. `likelihood` is the model's own.
///
/// The draws belong to (`seed`, image, step), so that no image's repair depends on the others.
/// `after_batch` is told how many images are done.
///
/// # Errors
///
/// As [`Method::check`], and if the model is broken.
///
/// # Panics
///
/// If no step counts.
pub fn repair<T: Real, M: Model<T>>(
    model: &M,
    likelihood: &impl Likelihood<T>,
    images: View<'_>,
    settings: Settings,
    mut after_batch: impl FnMut(usize) + Send,
) -> Result<Repaired, RepairError> {
    settings.method.check(model)?;
    assert!(settings.steps > 0, "an estimate needs at least one step");
    let indices: Vec<usize> = images.indices().collect();
    let zeros = Array2::zeros((indices.len(), model.pixels()));
    let (mut mean, mut draw) = (zeros.clone(), zeros);
    let (mut accepted, mut log_p, mut sizes) = (0, vec![], vec![]);
    team(|| {
        let means = mean.axis_chunks_iter_mut(Axis(0), BATCH);
        let draws = draw.axis_chunks_iter_mut(Axis(0), BATCH);
        for ((indices, mean), draw) in indices.chunks(BATCH).zip(means).zip(draws) {
            let (model, how) = ((model, likelihood), (settings.method, settings.seed));
            let mut walk = Walk::new(model, &images, indices, how);
            let average = walk_on(&mut walk, settings, indices);
            assign_cast(average.mean().view(), mean);
            assign_cast(average.draw.view(), draw);
            accepted += walk.accepted;
            log_p.extend((0..indices.len()).map(|n| average.log_mean_weight(n)));
            sizes.extend(average.sizes.iter().map(|size| size.value()));
            after_batch(log_p.len());
        }
    });
    let is_broken = |row: ArrayView1<'_, f32>| !row.iter().all(|v| v.is_finite());
    if let Some(n) = mean.rows().into_iter().position(is_broken) {
        return Err(RepairError::NonFinite { index: indices[n] });
    }
    let count = indices.len() as f64;
    let weighted = matches!(settings.method, Method::Importance(_));
    Ok(Repaired {
        mean,
        draw,
        acceptance: (settings.method == Method::Metropolis)
            .then(|| accepted as f64 / (count * settings.steps as f64)),
        effective_sample_size: weighted.then(|| sizes.iter().sum::<f64>() / count),
        log_likelihood: weighted.then_some(log_p),
    })
}

/// Takes all steps of a batch.
fn walk_on<T: Real, M: Model<T>, L: Likelihood<T>>(
    walk: &mut Walk<'_, T, M, L>,
    settings: Settings,
    indices: &[usize],
) -> Average<T> {
    let Settings { method, burn_in, steps, seed } = settings;
    let burn_in = match method {
        Method::Metropolis => burn_in.max(1),
        Method::Importance(Proposal::Zeros) => 0,
        _ => burn_in,
    };
    for _ in 0..burn_in {
        walk.propose();
        walk.redraw();
    }
    let mut average = Average::new(walk.x.dim());
    for step in 0..steps {
        match method {
            Method::Metropolis => walk.accept_or_stay(),
            _ => walk.propose(),
        }
        walk.draw();
        match method {
            Method::Importance(_) => {
                let log_weights = walk.log_weights();
                let mut uniform = Array2::zeros((indices.len(), 1));
                let (purpose, noise) = (Purpose::Acceptance, indices.iter().copied());
                random::fill_uniform(&mut uniform, seed, purpose, step as u64, noise);
                average.add(|n| log_weights[n], uniform.column(0), &walk.mean, &walk.draw);
            }
            // The draw of a chain is where it stands.
            _ => average.add(
                |_| 0.0,
                ArrayView1::from(&vec![0.0; indices.len()]),
                &walk.mean,
                &walk.draw,
            ),
        }
        if method != Method::Importance(Proposal::Zeros) {
            walk.x.assign(&walk.draw);
        }
    }
    average
}

/// Σₖ wₖ E[x|zₖ] / Σₖ wₖ of a batch, from weights that come one at a time by their logarithms, and a draw of which
/// sample k is taken with the probability wₖ / Σₖ wₖ.
///
/// Sums are kept relative to the largest weight so far. Sample k takes the place of the draw before with the
/// probability wₖ / Σ_{i≤k} wᵢ, and keeps it with ∏_{j>k} (1 - wⱼ / Σ_{i≤j} wᵢ) = Σ_{i≤k} wᵢ / Σᵢ wᵢ.
struct Average<T> {
    sum: Array2<f64>,
    weights: Vec<f64>,
    largest: Vec<f64>,
    sizes: Vec<EffectiveSampleSize>,
    draw: Array2<T>,
    count: usize,
}

impl<T: Real> Average<T> {
    fn new((images, pixels): (usize, usize)) -> Self {
        Self {
            sum: Array2::zeros((images, pixels)),
            weights: vec![0.0; images],
            largest: vec![f64::NEG_INFINITY; images],
            sizes: vec![EffectiveSampleSize::default(); images],
            draw: Array2::from_elem((images, pixels), T::ZERO),
            count: 0,
        }
    }

    /// One more sample of each image.
    fn add(
        &mut self,
        log_weight: impl Fn(usize) -> f64,
        uniform: ArrayView1<'_, f64>,
        mean: &Array2<T>,
        draw: &Array2<T>,
    ) {
        self.count += 1;
        for n in 0..self.weights.len() {
            let log_w = log_weight(n);
            self.sizes[n].add(log_w);
            if log_w == f64::NEG_INFINITY {
                continue;
            }
            if log_w > self.largest[n] {
                let scale = (self.largest[n] - log_w).exp();
                self.weights[n] *= scale;
                self.sum.row_mut(n).mapv_inplace(|sum| sum * scale);
                self.largest[n] = log_w;
            }
            let w = (log_w - self.largest[n]).exp();
            self.weights[n] += w;
            Zip::from(self.sum.row_mut(n)).and(mean.row(n)).for_each(|sum, mean| {
                *sum += w * mean.to_f64();
            });
            if uniform[n] < w / self.weights[n] {
                self.draw.row_mut(n).assign(&draw.row(n));
            }
        }
    }

    /// Without a single weight above 0, there is none: NaN.
    fn mean(&self) -> Array2<f64> {
        let weights = ArrayView1::from(&self.weights).insert_axis(Axis(1));
        &self.sum / &weights
    }

    /// ln (1/K) Σₖ wₖ.
    fn log_mean_weight(&self, n: usize) -> f64 {
        self.largest[n] + (self.weights[n] / self.count as f64).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_count_by_their_weights_however_small_these_are_and_whatever_comes_first() {
        for log_weights in [[0.0, 1.0, -1.0], [1.0, -1.0, 0.0], [-1.0, 0.0, 1.0]] {
            let mut average = Average::<f64>::new((1, 1));
            for log_w in log_weights {
                let value = Array2::from_elem((1, 1), log_w);
                average.add(|_| log_w - 2000.0, ArrayView1::from(&[0.0]), &value, &value);
            }
            average.add(
                |_| f64::NEG_INFINITY,
                ArrayView1::from(&[0.0]),
                &Array2::ones((1, 1)),
                &Array2::ones((1, 1)),
            );
            let (e, sum) = (1f64.exp(), 1.0 + 1f64.exp() + (-1f64).exp());
            assert!((average.mean()[[0, 0]] - (e - 1.0 / e) / sum).abs() < 1e-12);
            assert!((average.log_mean_weight(0) + 2000.0 - (sum / 4.0).ln()).abs() < 1e-12);
            assert_eq!(average.draw[[0, 0]], log_weights[2]);
        }
    }

    #[test]
    fn a_draw_is_taken_as_often_as_its_weight_says() {
        let log_weights = [0.3_f64, -0.5, 1.0];
        const CHAINS: usize = 40_000;
        let mut average = Average::<f64>::new((CHAINS, 1));
        let mut uniform = Array2::zeros((CHAINS, 3));
        random::fill_uniform(&mut uniform, 0, Purpose::Check, 0, 0..CHAINS);
        for (k, log_w) in log_weights.into_iter().enumerate() {
            let value = Array2::from_elem((CHAINS, 1), k as f64);
            average.add(|_| log_w, uniform.column(k), &value, &value);
        }
        let sum: f64 = log_weights.iter().map(|w| w.exp()).sum();
        for (k, log_w) in log_weights.into_iter().enumerate() {
            let (p, n) = (log_w.exp() / sum, CHAINS as f64);
            let share = average.draw.iter().filter(|&&draw| draw == k as f64).count() as f64 / n;
            assert!((share - p).abs() < 4.0 * (p * (1.0 - p) / n).sqrt(), "{k}: {share}, not {p}");
        }
    }
}
