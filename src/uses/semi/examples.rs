//! What a semi-supervised model learns from: images, or the codes that another model has of them.

use ndarray::{Array2, Axis, Zip};

use crate::{
    data::View,
    generation::Posterior,
    random::{self, Purpose},
    real::Real,
};

/// Rows of numbers, by index.
pub trait Examples<T: Real>: Sync {
    /// Row n of `x` becomes example `indices[n]`, as it is in this epoch.
    fn gather(&self, indices: &[usize], epoch: u64, x: &mut Array2<T>);
}

impl<T: Real> Examples<T> for View<'_> {
    fn gather(&self, indices: &[usize], epoch: u64, x: &mut Array2<T>) {
        View::gather(self, indices, epoch, x);
    }
}

/// The codes of images, each drawn anew from its Gaussian in every epoch: z₁ ~ q(z₁|x). In epoch 0, where
/// nothing is learned, their means.
#[derive(Clone, Debug)]
pub struct Latents {
    mu: Array2<f32>,
    sigma: Array2<f32>,
    seed: u64,
}

impl Latents {
    /// The codes of a trained model in the dimensions that it uses, in standard units: less the mean and over
    /// the standard deviation that the posterior means have over the images of `standard`. Used are dimensions
    /// in which that deviation is above 0.1, as in the code of Kingma et al. 2014; another one is noise.
    pub fn new(posterior: &Posterior, standard: &Posterior, seed: u64) -> Self {
        let deviation = standard.mu.std_axis(Axis(0), 0.0);
        let used: Vec<usize> = (0..deviation.len()).filter(|&j| deviation[j] > 0.1).collect();
        let mean = standard.mu.mean_axis(Axis(0)).expect("there are images");
        let [mean, deviation] = [mean, deviation].map(|row| row.select(Axis(0), &used));
        let [mu, sigma] = [&posterior.mu, &posterior.sigma()].map(|a| a.select(Axis(1), &used));
        Self { mu: (mu - mean) / &deviation, sigma: sigma / deviation, seed }
    }

    /// How many dimensions there are.
    pub fn width(&self) -> usize {
        self.mu.ncols()
    }
}

impl<T: Real> Examples<T> for Latents {
    fn gather(&self, indices: &[usize], epoch: u64, x: &mut Array2<T>) {
        let mut eps = Array2::<f32>::zeros(x.dim());
        if epoch > 0 {
            let noise = indices.iter().copied();
            random::fill_normal(&mut eps, self.seed, Purpose::TrainPixels, epoch, noise);
        }
        let rows = x.rows_mut().into_iter().zip(eps.rows()).zip(indices);
        for ((x, eps), &n) in rows {
            Zip::from(x)
                .and(self.mu.row(n))
                .and(self.sigma.row(n))
                .and(eps)
                .for_each(|x, &mu, &sigma, &eps| *x = T::from_f64(f64::from(mu + sigma * eps)));
        }
    }
}
