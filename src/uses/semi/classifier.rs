//! A classifier on its own: what labels alone can teach.

use ndarray::{Array2, ArrayView2, Axis};

use super::Examples;
use crate::{
    distributions::categorical::log_softmax,
    layers::{Layer, Mlp},
    models::Decoder,
    optim::Optimiser,
    random,
    real::Real,
};

/// q(y|x): hidden layers, and a linear map from the last of them to a logit for each class.
pub type Classifier<T> = Decoder<T, Mlp<T>>;

/// Images taken at a time where nothing is learned from them.
const BATCH: usize = 512;

/// Trains `classifier` on labelled examples for so many epochs of Adam, by the mean of -ln q(y|x) in
/// batches of `batch_size`. Example n has the label `labels[n]`.
///
/// What it reaches beside a semi-supervised model with the same labels is what the images without labels
/// have taught that one.
///
/// # Panics
///
/// If there are no examples, or a label is none of the classifier's outputs.
pub fn fit_classifier<T: Real, Q: Layer<T>>(
    classifier: &mut Q,
    examples: &impl Examples<T>,
    indices: &[usize],
    labels: &[u8],
    epochs: u64,
    optimiser: &mut Optimiser<Q>,
    (batch_size, seed): (usize, u64),
) {
    let mut d = classifier.zeros_like();
    let mut order = vec![0; indices.len()];
    for epoch in 1..=epochs {
        random::shuffle(&mut order, seed, epoch);
        for batch in order.chunks(batch_size) {
            let batch: Vec<usize> = batch.iter().map(|&at| indices[at]).collect();
            let mut x = Array2::from_elem((batch.len(), classifier.inputs()), T::ZERO);
            examples.gather(&batch, epoch, &mut x);
            let mut logits = Array2::from_elem((batch.len(), classifier.outputs()), T::ZERO);
            let mut cache = classifier.cache(batch.len());
            classifier.forward(&x, &mut logits, &mut cache);
            let mut d_logits = logits.clone();
            log_softmax(&logits, &mut d_logits);
            // q(j) - [j = y] of each image, over their number.
            let share = T::from_f64(1.0 / batch.len() as f64);
            for (mut d, &index) in d_logits.rows_mut().into_iter().zip(&batch) {
                d.mapv_inplace(|log_q| share * elbo_kernels::math::exp(log_q));
                d[usize::from(labels[index])] += -share;
            }
            classifier.backward(&x, &logits, &mut d_logits, None, &mut cache, &mut d);
            optimiser.step(classifier, &d);
        }
    }
}

/// The share of the examples at `indices` whose label has the largest logit; of equal ones the first counts.
pub fn accuracy<T: Real, Q: Layer<T>>(
    classifier: &Q,
    examples: &impl Examples<T>,
    indices: &[usize],
    labels: &[u8],
) -> f64 {
    let mut right = 0;
    for batch in indices.chunks(BATCH) {
        let mut x = Array2::from_elem((batch.len(), classifier.inputs()), T::ZERO);
        examples.gather(batch, 0, &mut x);
        let mut logits = Array2::from_elem((batch.len(), classifier.outputs()), T::ZERO);
        classifier.forward(&x, &mut logits, &mut classifier.cache(batch.len()));
        let guesses = guesses(logits.view());
        right += batch.iter().zip(guesses).filter(|&(&n, y)| usize::from(labels[n]) == y).count();
    }
    right as f64 / indices.len() as f64
}

/// The column of the largest element of each row, the first of equal ones.
fn guesses<T: Real>(logits: ArrayView2<'_, T>) -> Vec<usize> {
    let largest = |row: ndarray::ArrayView1<'_, T>| {
        (0..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best })
    };
    logits.axis_iter(Axis(0)).map(largest).collect()
}
