//! Counter-based randomness: every draw is a function of (seed, purpose, epoch, index).
//!
//! Nothing depends on who asked first, so neither threads nor the size of a batch nor a stop and
//! a resume can change what is drawn: the noise of image 17 in epoch 3 is what it is.
//!
//! The integers are the same on every platform. Normal draws come from `rand_distr`'s ziggurat,
//! whose rare tail cases use the platform's `exp` and `ln` in f64, so between two platforms with
//! different mathematics libraries a last bit may differ.

use elbo_kernels::team;
use ndarray::{Array2, Axis};
use rand::{RngCore, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::real::Real;

/// What a draw is for. Two purposes never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The first values of the parameters.
    Init = 1,
    /// The order of the training images in an epoch.
    Shuffle = 2,
    /// ε of the reparameterisation in training.
    TrainNoise = 3,
    /// ε in evaluation.
    TestNoise = 4,
    /// z from the prior.
    Prior = 5,
    /// ε of importance samples; the sample's number takes the place of the epoch.
    Importance = 6,
    /// The values that gradients are checked at.
    Check = 7,
    /// Black or white, of the pixels of training images.
    TrainPixels = 8,
    /// The same of test images.
    TestPixels = 9,
    /// The same of a model's samples.
    SamplePixels = 10,
    /// Which of the labelled images are learned from.
    Labels = 11,
    /// z of the completions of an image; the completion's number takes the place of the epoch.
    Completion = 12,
    /// ε of the search for a posterior; the step takes the place of the epoch.
    Inference = 13,
    /// Which pixels of an image are missing; the part of the data takes the place of the epoch.
    HiddenPixels = 20,
    /// ε of a chain that repairs an image; its step takes the place of the epoch.
    Chain = 21,
    /// What the chain puts into the pixels.
    ChainPixels = 22,
    /// Whether it accepts what was proposed.
    Acceptance = 23,
    /// The noise that an image is spoilt with.
    Corruption = 24,
}

/// The generator of one stream: ChaCha with the seed, purpose and epoch as its key and the index
/// as its stream number.
pub fn rng(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> ChaCha8Rng {
    sample_rng(seed, purpose, epoch, index, 0)
}

/// The same for the k-th latent sample of an image, which is in the key too.
fn sample_rng(seed: u64, purpose: Purpose, epoch: u64, index: u64, k: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&epoch.to_le_bytes());
    key[24..].copy_from_slice(&k.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

/// Rows of noise below which a second thread does not pay.
const ROWS_PER_PART: usize = 8;

/// Row n of `eps` becomes standard normal noise from the stream of `indices[n]`; where there are K
/// times as many rows as indices, row k·N + n that of sample k of `indices[n]`. The first sample's
/// noise does not depend on how many there are.
///
/// Draws are made in f64 and rounded, so f32 and f64 see the same noise.
pub fn fill_normal<T: Real>(
    eps: &mut Array2<T>,
    seed: u64,
    purpose: Purpose,
    epoch: u64,
    indices: impl IntoIterator<IntoIter: ExactSizeIterator<Item = usize> + Clone + Send>,
) {
    fill(eps, seed, purpose, epoch, indices, |rng| StandardNormal.sample(rng));
}

/// The same of numbers that are uniform between 0 and 1, neither of which they are. They are multiples of
/// 2⁻²⁴, so that none is rounded in f32.
pub fn fill_uniform<T: Real>(
    u: &mut Array2<T>,
    seed: u64,
    purpose: Purpose,
    epoch: u64,
    indices: impl IntoIterator<IntoIter: ExactSizeIterator<Item = usize> + Clone + Send>,
) {
    const STEPS: f64 = (1 << 23) as f64;
    fill(u, seed, purpose, epoch, indices, |rng| (f64::from(rng.next_u32() >> 9) + 0.5) / STEPS);
}

/// Each element of `values` becomes a draw from its row's stream.
fn fill<T: Real>(
    values: &mut Array2<T>,
    seed: u64,
    purpose: Purpose,
    epoch: u64,
    indices: impl IntoIterator<IntoIter: ExactSizeIterator<Item = usize> + Clone + Send>,
    draw: impl Fn(&mut ChaCha8Rng) -> f64 + Sync,
) {
    let indices = indices.into_iter();
    let (images, all) = (indices.len(), values.nrows());
    let rows = all.div_ceil(team::part_count(all, ROWS_PER_PART)).max(1);
    let parts = values.axis_chunks_iter_mut(Axis(0), rows).enumerate();
    let parts = parts.map(|(part, values)| {
        let samples = indices.clone().cycle().enumerate().skip(part * rows);
        (values, samples)
    });
    team::share(parts, |(mut values, samples)| {
        for (mut row, (r, index)) in values.rows_mut().into_iter().zip(samples) {
            let k = (r / images) as u64;
            let mut rng = sample_rng(seed, purpose, epoch, index as u64, k);
            row.mapv_inplace(|_| T::from_f64(draw(&mut rng)));
        }
    });
}

/// `order` becomes the permutation of its indices that belongs to `epoch`.
pub fn shuffle(order: &mut [usize], seed: u64, epoch: u64) {
    order.iter_mut().enumerate().for_each(|(i, o)| *o = i);
    order.shuffle(&mut rng(seed, Purpose::Shuffle, epoch, 0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_of_an_image_does_not_depend_on_the_batch_it_is_in() {
        let mut batch = Array2::<f32>::zeros((3, 4));
        fill_normal(&mut batch, 7, Purpose::TrainNoise, 2, [5, 9, 1]);
        let mut alone = Array2::<f32>::zeros((1, 4));
        fill_normal(&mut alone, 7, Purpose::TrainNoise, 2, [9]);
        assert_eq!(batch.row(1), alone.row(0));
    }

    #[test]
    fn seed_purpose_epoch_and_index_each_change_the_draw() {
        let draw = |seed, purpose, epoch, index| {
            let mut eps = Array2::<f64>::zeros((1, 1));
            fill_normal(&mut eps, seed, purpose, epoch, [index]);
            eps[[0, 0]]
        };
        let draws = [
            draw(1, Purpose::TrainNoise, 1, 1),
            draw(2, Purpose::TrainNoise, 1, 1),
            draw(1, Purpose::TestNoise, 1, 1),
            draw(1, Purpose::TrainNoise, 2, 1),
            draw(1, Purpose::TrainNoise, 1, 2),
        ];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws[i + 1..].iter().all(|b| a != b), "two streams agree: {draws:?}");
        }
    }

    #[test]
    fn uniform_numbers_keep_off_0_and_1_and_are_the_same_in_f32_and_f64() {
        let (mut a, mut b) = (Array2::<f32>::zeros((50, 2000)), Array2::<f64>::zeros((50, 2000)));
        fill_uniform(&mut a, 1, Purpose::ChainPixels, 0, 0..50);
        fill_uniform(&mut b, 1, Purpose::ChainPixels, 0, 0..50);
        assert_eq!(a.mapv(f64::from), b);
        assert!(a.iter().all(|&u| 0.0 < u && u < 1.0));
        // Four standard errors of 100,000 draws of the mean ½ and of the variance 1/12.
        let variance = b.mapv(|u| (u - 0.5) * (u - 0.5)).sum() / 1e5;
        assert!((b.sum() / 1e5 - 0.5).abs() < 0.0037 && (variance - 1.0 / 12.0).abs() < 0.001);
    }

    #[test]
    fn f32_and_f64_see_the_same_noise() {
        let (mut a, mut b) = (Array2::<f32>::zeros((2, 3)), Array2::<f64>::zeros((2, 3)));
        fill_normal(&mut a, 1, Purpose::Prior, 0, [0, 1]);
        fill_normal(&mut b, 1, Purpose::Prior, 0, [0, 1]);
        assert_eq!(a, b.mapv(|v| v as f32));
    }

    #[test]
    fn a_shuffle_is_a_permutation_that_depends_on_the_epoch_alone() {
        let (mut a, mut b) = (vec![0; 100], (0..100).rev().collect::<Vec<_>>());
        shuffle(&mut a, 3, 8);
        shuffle(&mut b, 3, 8);
        assert_eq!(a, b);
        shuffle(&mut b, 3, 9);
        assert_ne!(a, b);
        b.sort_unstable();
        assert_eq!(b, (0..100).collect::<Vec<_>>());
    }
}
