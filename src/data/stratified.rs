//! A few labelled images of many, every class alike.

use rand::seq::SliceRandom;
use thiserror::Error;

use crate::random::{self, Purpose};

/// More labels are asked for than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{asked} labels are asked for, and there are {available}")]
pub struct TooFewLabels {
    /// How many images were to be chosen.
    pub asked: usize,
    /// How many have a label.
    pub available: usize,
}

/// The indices of `n` of the images with these labels, as many of each class as of any other.
///
/// The images of each class are shuffled, and taken in rounds: the first of every class in the order
/// of the labels, then the second of every class, and so on, where a class that has no more is passed
/// over. So the numbers of two classes differ by one at most, unless one has no more, and
/// the choice of n is the beginning of every larger one with the same seed: what is learned
/// from 1000 labels has seen the 100.
///
/// It depends on `labels` and `seed` alone.
///
/// # Errors
///
/// [`TooFewLabels`] if n is more than there are.
pub fn stratified(labels: &[u8], n: usize, seed: u64) -> Result<Vec<usize>, TooFewLabels> {
    if n > labels.len() {
        return Err(TooFewLabels { asked: n, available: labels.len() });
    }
    let mut classes = vec![vec![]; 256];
    for (index, &label) in labels.iter().enumerate() {
        classes[usize::from(label)].push(index);
    }
    // (round, class, index): sorted, they are in the order in which they are taken.
    let mut taken = Vec::with_capacity(labels.len());
    for (class, images) in classes.iter_mut().enumerate() {
        images.shuffle(&mut random::rng(seed, Purpose::Labels, 0, class as u64));
        taken.extend(images.iter().enumerate().map(|(round, &index)| (round, class, index)));
    }
    taken.sort_unstable();
    Ok(taken.into_iter().take(n).map(|(.., index)| index).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many of the chosen are of each class.
    fn counts(labels: &[u8], chosen: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; 256];
        chosen.iter().for_each(|&index| counts[usize::from(labels[index])] += 1);
        counts
    }

    proptest! {
        #[test]
        fn classes_are_equal_to_one_image_unless_they_have_no_more(
            labels in proptest::collection::vec(0..6_u8, 0..60), share in 0.0..=1.0, seed in 0..9_u64,
        ) {
            let n = (share * labels.len() as f64) as usize;
            let chosen = stratified(&labels, n, seed).unwrap();
            let (all, chosen_counts) = (counts(&labels, &Vec::from_iter(0..labels.len())), counts(&labels, &chosen));
            let most = chosen_counts.iter().max().unwrap();
            for (&count, &all) in chosen_counts.iter().zip(&all) {
                prop_assert!(count == all || count + 1 >= *most, "{chosen_counts:?}");
            }
            let mut once = chosen.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), n);
        }

        #[test]
        fn a_smaller_choice_is_the_beginning_of_a_larger_one(
            labels in proptest::collection::vec(0..4_u8, 1..40), n in 0..40_usize,
        ) {
            let all = stratified(&labels, labels.len(), 3).unwrap();
            let n = n.min(labels.len());
            prop_assert_eq!(&stratified(&labels, n, 3).unwrap()[..], &all[..n]);
        }
    }

    #[test]
    fn another_seed_chooses_others() {
        let labels: Vec<u8> = (0..200).map(|i| (i % 10) as u8).collect();
        let choice = |seed| stratified(&labels, 20, seed).unwrap();
        assert_eq!(choice(1), choice(1));
        assert_ne!(choice(1), choice(2));
    }

    #[test]
    fn more_than_there_are_is_an_error_that_says_how_many() {
        let error = stratified(&[1, 2], 3, 0).unwrap_err();
        assert_eq!(error, TooFewLabels { asked: 3, available: 2 });
    }
}
