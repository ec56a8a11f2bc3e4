//! The two terms of the ELBO, image by image.

use elbo_kernels::team::team;
use ndarray::Array1;

use super::EVALUATION_BATCH;
use crate::{
    data::View,
    models::Model,
    objectives::{Objective, Signals},
    random::{self, Purpose},
    real::Real,
};

/// The ELBO of one image, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// E_q[log p(x|z)], the mean over the samples.
    pub reconstruction: f64,
    /// KL(q(z|x) ‖ p(z)); where it has no closed form, the mean of log q(z|x) - log p(z) over them.
    pub kl: f64,
}

impl Terms {
    /// Their difference.
    pub fn elbo(self) -> f64 {
        self.reconstruction - self.kl
    }
}

/// The terms of each image with so many latent samples of it, in the order of the view.
///
/// The noise belongs to (`seed`, image, sample), so that neither the other images nor the number of
/// samples changes what the first sample is. `after_batch` is told how many images are done.
///
/// # Panics
///
/// If `samples` is 0, or the model's likelihood does not [factorise](Model::factorises): then no image has
/// an ELBO of its own.
pub fn terms<'a, T: Real, M: Model<T>>(
    model: &M,
    images: impl Into<View<'a>>,
    samples: usize,
    seed: u64,
    mut after_batch: impl FnMut(usize) + Send,
) -> Vec<Terms> {
    assert!(samples > 0, "an estimate needs at least one sample");
    assert!(model.factorises(), "an image has an ELBO of its own");
    let images = images.into();
    let objective = model.elbo();
    let sampled = Objective::<T>::sampled(&objective);
    let indices: Vec<usize> = images.indices().collect();
    let mut all = Vec::with_capacity(images.count);
    team(|| {
        for indices in indices.chunks((EVALUATION_BATCH / samples).max(1)) {
            let mut w = model.workspace_for(indices.len(), samples);
            let s = M::signals(&mut w);
            s.read(&images, model.classes(), indices, 0);
            let noise = indices.iter().copied();
            random::fill_normal(&mut s.eps, seed, Purpose::TestNoise, 0, noise);
            model.evaluate(&objective, &mut w);
            all.extend(of_batch(M::signals(&mut w), sampled));
            after_batch(all.len());
        }
    });
    all
}

/// Row k·N + n of what belongs to samples is of image n.
fn of_batch<T: Real>(s: &Signals<T>, sampled: bool) -> impl Iterator<Item = Terms> {
    let (images, samples) = (s.images(), s.samples() as f64);
    let mean = move |of: &Array1<T>, n: usize| {
        of.iter().skip(n).step_by(images).map(|v| v.to_f64()).sum::<f64>() / samples
    };
    (0..images).map(move |n| Terms {
        reconstruction: mean(&s.log_prob, n),
        kl: match sampled {
            true => -mean(&s.log_ratio, n),
            false => s.kl.row(n).iter().map(|v| v.to_f64()).sum(),
        },
    })
}
