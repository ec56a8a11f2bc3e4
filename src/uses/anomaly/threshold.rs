//! From scores of normal images to a threshold.

use super::AnomalyError;

/// The score that a new normal image exceeds with a probability of at most `rate`.
///
/// With n calibration scores s₍₁₎ ≤ … ≤ s₍ₙ₎ of images that no model has seen, it is s₍ₖ₎ at
/// k = n + 1 − ⌊α(n+1)⌋, α the `rate`. A new score from the same source is equally likely to take
/// each of the n + 1 places among them, so it lies above s₍ₖ₎ with the probability
/// (n + 1 − k)/(n + 1) = ⌊α(n+1)⌋/(n+1) ≤ α; less where scores are tied. That holds for any n and
/// any distribution. It is a mean over calibrations: the rate of one calibration scatters about it
/// by about √(α(1−α)/n).
///
/// The plain quantile of the n scores has no such bound: with few images it is exceeded more often.
///
/// Source: Vovk, Gammerman & Shafer 2005, *Algorithmic learning in a random world*, chapter 2; Bates
/// et al. 2023, *Testing for outliers with conformal p-values*.
///
/// # Errors
///
/// If the rate is not between 0 and 1, or so low that not even the largest of the scores would do.
///
/// # Panics
///
/// If a score is NaN.
pub fn threshold(scores: &[f64], rate: f64) -> Result<f64, AnomalyError> {
    if !(rate > 0.0 && rate < 1.0) {
        return Err(AnomalyError::Rate { rate });
    }
    let images = scores.len();
    let above = (rate * (images + 1) as f64).floor() as usize;
    if above == 0 {
        let needed = (1.0 / rate).ceil() as usize - 1;
        return Err(AnomalyError::TooFew { rate, images, needed });
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("a score is a number"));
    Ok(sorted[images - above])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Of n + 1 scores each in turn is the new one, and the rest calibrate: all that can happen,
        /// each equally likely.
        #[test]
        fn no_more_new_scores_exceed_it_than_asked_for_and_without_ties_hardly_fewer(
            scores in prop::collection::vec(0..50_u8, 6..60),
            rate in 0.2..0.99_f64,
        ) {
            let exceeding = |scores: &[f64]| {
                (0..scores.len()).filter(|&new| {
                    let mut others = scores.to_vec();
                    let new = others.remove(new);
                    new > threshold(&others, rate).unwrap()
                }).count() as f64
            };
            let tied: Vec<f64> = scores.iter().map(|&score| f64::from(score)).collect();
            let count = tied.len() as f64;
            prop_assert!(exceeding(&tied) <= rate * count);
            let distinct: Vec<f64> =
                tied.iter().enumerate().map(|(i, score)| score + i as f64 / 100.0).collect();
            let exceeding = exceeding(&distinct);
            prop_assert!(exceeding <= rate * count && exceeding > rate * count - 1.0);
        }
    }

    #[test]
    fn a_rate_too_low_for_so_few_scores_says_how_many_are_needed() {
        let scores: Vec<f64> = (0..18).map(f64::from).collect();
        let error = threshold(&scores, 0.05).unwrap_err();
        assert!(matches!(error, AnomalyError::TooFew { images: 18, needed: 19, .. }), "{error}");
        let scores: Vec<f64> = (0..19).map(f64::from).collect();
        assert_eq!(threshold(&scores, 0.05).unwrap(), 18.0);
    }

    #[test]
    fn a_rate_that_is_none_is_refused() {
        for rate in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
            let error = threshold(&[1.0, 2.0], rate).unwrap_err();
            assert!(matches!(error, AnomalyError::Rate { .. }), "{error}");
        }
    }
}
