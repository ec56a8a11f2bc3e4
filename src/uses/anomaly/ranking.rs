//! How well scores tell anomalies from normal images.

use serde::Serialize;

/// Scores of images of which it is known whether they are anomalies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// The images that are.
    pub anomalies: usize,
    /// [`roc_auc`].
    pub roc_auc: f64,
    /// [`average_precision`].
    pub average_precision: f64,
    /// The share of the anomalies that score above the threshold.
    pub true_positive_rate: f64,
    /// The share of the normal images that do.
    pub false_positive_rate: f64,
}

impl Detection {
    /// `None` where all images are anomalies, or none is.
    ///
    /// # Panics
    ///
    /// If a score is NaN, or there are not as many of the one as of the other.
    pub fn of(scores: &[f64], anomalous: &[bool], threshold: f64) -> Option<Self> {
        let roc_auc = roc_auc(scores, anomalous)?;
        let average_precision = average_precision(scores, anomalous)?;
        let rate = |among: bool| {
            let scores = scores.iter().zip(anomalous).filter(|&(_, &is)| is == among);
            let (above, all) = scores.fold((0, 0), |(above, all), (&score, _)| {
                (above + usize::from(score > threshold), all + 1)
            });
            above as f64 / all as f64
        };
        Some(Self {
            anomalies: anomalous.iter().filter(|&&is| is).count(),
            roc_auc,
            average_precision,
            true_positive_rate: rate(true),
            false_positive_rate: rate(false),
        })
    }
}

/// The area under the ROC curve: the probability that an anomaly scores higher than a normal image,
/// ties counted half. `None` where all images are anomalies, or none is.
///
/// With A anomalies and N normal images it is U/(A·N), U = Σ \[s > t\] + ½ \[s = t\] over all pairs of
/// an anomaly's score s and a normal image's t: the statistic of Mann and Whitney. Sorted by score,
/// each anomaly's pairs are counted at once, so it takes n ln n steps rather than A·N.
///
/// 1 is a perfect order, ½ what chance gives, and below ½ the anomalies look *more* normal than
/// normal images do.
///
/// Source: Mann & Whitney 1947; Hanley & McNeil 1982, *The meaning and use of the area under a
/// receiver operating characteristic (ROC) curve*.
///
/// # Panics
///
/// If a score is NaN, or there are not as many scores as images.
pub fn roc_auc(scores: &[f64], anomalous: &[bool]) -> Option<f64> {
    let ties = descending(scores, anomalous);
    let [anomalies, normal] = totals(&ties)?;
    let mut below = normal;
    let u = ties.iter().fold(0.0, |u, tie| {
        below -= tie.normal;
        u + tie.anomalies * (below + 0.5 * tie.normal)
    });
    Some(u / (anomalies * normal))
}

/// The average precision: the mean over the anomalies of the share of anomalies among all that
/// score as high or higher. `None` where all images are anomalies, or none is.
///
/// AP = Σᵢ (Rᵢ − Rᵢ₋₁) Pᵢ over the distinct scores from the highest down, with the recall Rᵢ and
/// the precision Pᵢ of a threshold just below the i-th. Nothing is interpolated. Chance gives the
/// share of anomalies among the images.
///
/// Source: Davis & Goadrich 2006, *The relationship between Precision-Recall and ROC curves*, on why
/// the curve is not to be interpolated linearly.
///
/// # Panics
///
/// As [`roc_auc`].
pub fn average_precision(scores: &[f64], anomalous: &[bool]) -> Option<f64> {
    let ties = descending(scores, anomalous);
    let [anomalies, _] = totals(&ties)?;
    let (mut found, mut flagged) = (0.0, 0.0);
    Some(ties.iter().fold(0.0, |sum, tie| {
        found += tie.anomalies;
        flagged += tie.anomalies + tie.normal;
        sum + tie.anomalies / anomalies * (found / flagged)
    }))
}

/// How many images of each kind have one and the same score.
struct Tie {
    anomalies: f64,
    normal: f64,
}

/// The images by score, the highest first.
fn descending(scores: &[f64], anomalous: &[bool]) -> Vec<Tie> {
    assert_eq!(scores.len(), anomalous.len(), "a score for each image");
    let mut images: Vec<(f64, bool)> =
        scores.iter().copied().zip(anomalous.iter().copied()).collect();
    images.sort_by(|a, b| b.0.partial_cmp(&a.0).expect("a score is a number"));
    let tie = |images: &[(f64, bool)]| {
        let anomalies = images.iter().filter(|image| image.1).count();
        Tie { anomalies: anomalies as f64, normal: (images.len() - anomalies) as f64 }
    };
    images.chunk_by(|a, b| a.0 == b.0).map(tie).collect()
}

/// \[anomalies, normal images\], if there are both.
fn totals(ties: &[Tie]) -> Option<[f64; 2]> {
    let sum = |of: fn(&Tie) -> f64| ties.iter().map(of).sum::<f64>();
    let totals = [sum(|tie| tie.anomalies), sum(|tie| tie.normal)];
    totals.iter().all(|&total| total > 0.0).then_some(totals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every pair of an anomaly and a normal image.
    fn auc_by_pairs(scores: &[f64], anomalous: &[bool]) -> f64 {
        let of = |kind: bool| {
            let scores = scores.iter().zip(anomalous);
            scores.filter(move |&(_, &is)| is == kind).map(|(&score, _)| score)
        };
        let wins = of(true).flat_map(|s| {
            of(false).map(move |t| if s > t { 1.0 } else { f64::from(u8::from(s == t)) / 2.0 })
        });
        wins.sum::<f64>() / (of(true).count() * of(false).count()) as f64
    }

    /// The precision at each anomaly's own score, counted anew for each.
    fn precision_by_counting(scores: &[f64], anomalous: &[bool]) -> f64 {
        let precision = |threshold: f64| {
            let flagged = scores.iter().zip(anomalous).filter(|&(&score, _)| score >= threshold);
            let (found, all) =
                flagged.fold((0.0, 0.0), |(f, a), (_, &is)| (f + f64::from(u8::from(is)), a + 1.0));
            found / all
        };
        let anomalies = scores.iter().zip(anomalous).filter(|&(_, &is)| is);
        let (sum, count) =
            anomalies.fold((0.0, 0.0), |(s, n), (&t, _)| (s + precision(t), n + 1.0));
        sum / count
    }

    #[test]
    fn a_perfect_order_is_1_its_reverse_0_and_no_order_one_half() {
        let anomalous = [false, true, false, true];
        assert_eq!(roc_auc(&[1.0, 3.0, 2.0, 4.0], &anomalous), Some(1.0));
        assert_eq!(roc_auc(&[4.0, 2.0, 3.0, 1.0], &anomalous), Some(0.0));
        assert_eq!(roc_auc(&[7.0; 4], &anomalous), Some(0.5));
        assert_eq!(average_precision(&[1.0, 3.0, 2.0, 4.0], &anomalous), Some(1.0));
        assert_eq!(average_precision(&[7.0; 4], &anomalous), Some(0.5));
    }

    #[test]
    fn with_one_kind_alone_there_is_no_order_to_judge() {
        for anomalous in [[true; 2], [false; 2]] {
            assert_eq!(roc_auc(&[1.0, 2.0], &anomalous), None);
            assert_eq!(average_precision(&[1.0, 2.0], &anomalous), None);
            assert_eq!(Detection::of(&[1.0, 2.0], &anomalous, 0.0), None);
        }
    }

    #[test]
    fn rates_count_what_lies_strictly_above_the_threshold() {
        let (scores, anomalous) = ([1.0, 2.0, 2.0, 3.0, 4.0], [false, false, true, false, true]);
        let detection = Detection::of(&scores, &anomalous, 2.0).unwrap();
        assert_eq!(detection.anomalies, 2);
        assert_eq!(detection.true_positive_rate, 0.5);
        assert!((detection.false_positive_rate - 1.0 / 3.0).abs() < 1e-15);
    }

    proptest! {
        /// Few distinct scores, so that most are tied.
        #[test]
        fn both_figures_are_their_definitions_also_with_ties(
            images in prop::collection::vec((0..6_u8, any::<bool>()), 2..40),
        ) {
            let scores: Vec<f64> = images.iter().map(|image| f64::from(image.0)).collect();
            let anomalous: Vec<bool> = images.iter().map(|image| image.1).collect();
            if let (Some(auc), Some(ap)) =
                (roc_auc(&scores, &anomalous), average_precision(&scores, &anomalous))
            {
                prop_assert!((auc - auc_by_pairs(&scores, &anomalous)).abs() < 1e-12);
                prop_assert!((ap - precision_by_counting(&scores, &anomalous)).abs() < 1e-12);
            }
        }

        #[test]
        fn turning_the_scores_round_turns_the_area_round(
            images in prop::collection::vec((-9.0..9.0_f64, any::<bool>()), 2..40),
        ) {
            let (scores, anomalous): (Vec<f64>, Vec<bool>) = images.into_iter().unzip();
            let negative: Vec<f64> = scores.iter().map(|score| -score).collect();
            if let Some(auc) = roc_auc(&scores, &anomalous) {
                let turned = roc_auc(&negative, &anomalous).unwrap();
                prop_assert!((auc + turned - 1.0).abs() < 1e-12, "{auc} {turned}");
            }
        }
    }
}
