//! How many samples a set of importance weights is worth.

/// (Σᵢ wᵢ)² / Σᵢ wᵢ², of weights whose logarithms come one at a time.
///
/// # What it says
///
/// The estimate Σ wᵢ f(zᵢ) / Σ wᵢ from n samples zᵢ ~ q has about the variance of a plain mean over
/// so many samples from the target itself. The variance of a weighted mean of independent values
/// of variance s² is s² Σ w̃ᵢ² with w̃ᵢ = wᵢ / Σ w, and that of a plain mean of m of them s²/m;
/// equal for m = 1 / Σ w̃ᵢ² = (Σ w)² / Σ w². By the inequality of Cauchy and Schwarz it is at most
/// n, where all weights are equal; it is 1 where one weight outweighs the others.
///
/// # In logarithms
///
/// With M the largest log weight so far, Σ e^(log wᵢ − M) and Σ e^(2 (log wᵢ − M)) are kept. Each
/// lies between 1 and n, so that neither overflows nor vanishes whatever the log weights are, and
/// e^M cancels in the quotient. When a larger weight comes, the sums are multiplied by e^(M − M′)
/// and its square.
///
/// Source: A. Kong, "A note on importance sampling using standardized weights", University of
/// Chicago, Department of Statistics, technical report 348 (1992).
///
/// ```
/// use elbo::evaluation::EffectiveSampleSize;
///
/// let mut size = EffectiveSampleSize::default();
/// // Weights in the ratio 1 : 2 : 3, each far too small for an f64.
/// [1.0_f64, 2.0, 3.0].iter().for_each(|w| size.add(w.ln() - 1000.0));
/// assert!((size.value() - 36.0 / 14.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EffectiveSampleSize {
    /// M.
    largest: f64,
    /// Σ e^(log w − M).
    sum: f64,
    /// Σ e^(2 (log w − M)).
    squares: f64,
}

/// Of no weights.
impl Default for EffectiveSampleSize {
    fn default() -> Self {
        Self { largest: f64::NEG_INFINITY, sum: 0.0, squares: 0.0 }
    }
}

impl EffectiveSampleSize {
    /// Takes one more weight, by its logarithm.
    pub fn add(&mut self, log_w: f64) {
        if log_w == f64::NEG_INFINITY {
            return;
        }
        if log_w > self.largest {
            let scale = (self.largest - log_w).exp();
            self.sum *= scale;
            self.squares *= scale * scale;
            self.largest = log_w;
        }
        // Two infinite ones are equal, but have no difference.
        let w = if log_w == self.largest { 1.0 } else { (log_w - self.largest).exp() };
        self.sum += w;
        self.squares += w * w;
    }

    /// (Σ w)² / Σ w²; 0 where no weight is above 0, NaN where one is NaN.
    pub fn value(self) -> f64 {
        if self.sum == 0.0 { 0.0 } else { self.sum * self.sum / self.squares }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(log_weights: &[f64]) -> f64 {
        let mut size = EffectiveSampleSize::default();
        log_weights.iter().for_each(|&log_w| size.add(log_w));
        size.value()
    }

    fn naive(log_weights: &[f64]) -> f64 {
        let w: Vec<f64> = log_weights.iter().map(|log_w| log_w.exp()).collect();
        w.iter().sum::<f64>().powi(2) / w.iter().map(|w| w * w).sum::<f64>()
    }

    #[test]
    fn equal_weights_all_count_and_a_dominant_one_is_alone() {
        assert_eq!(of(&[-900.0; 5]), 5.0);
        assert_eq!(of(&[-900.0, 0.0, -800.0]), 1.0);
    }

    #[test]
    fn weights_of_zero_count_for_nothing() {
        let zero = f64::NEG_INFINITY;
        assert_eq!(of(&[zero, 2.0, zero, 2.0, zero]), 2.0);
        assert_eq!((of(&[]), of(&[zero, zero])), (0.0, 0.0));
    }

    #[test]
    fn an_infinite_weight_outweighs_all_others_and_a_broken_one_breaks_the_value() {
        let infinite = f64::INFINITY;
        assert_eq!((of(&[3.0, infinite]), of(&[infinite, 3.0, infinite])), (1.0, 2.0));
        for broken in [[f64::NAN, 3.0, 4.0], [3.0, f64::NAN, 4.0], [4.0, 3.0, f64::NAN]] {
            assert!(of(&broken).is_nan(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_naive_quotient_and_lies_between_one_and_all(
            log_weights in proptest::collection::vec(-30.0..30.0_f64, 1..40),
        ) {
            let (value, n) = (of(&log_weights), log_weights.len() as f64);
            prop_assert!((value / naive(&log_weights) - 1.0).abs() < 1e-12, "{value}");
            prop_assert!(1.0 - 1e-12 < value && value < n + 1e-12 * n, "{value} of {n}");
        }

        #[test]
        fn neither_a_common_factor_nor_the_order_changes_it(
            log_weights in proptest::collection::vec(-30.0..30.0_f64, 1..40),
            shift in -1e4..1e4_f64,
        ) {
            let value = of(&log_weights);
            let mut others: Vec<f64> = log_weights.iter().map(|log_w| log_w + shift).collect();
            others.reverse();
            // A log weight of 1e4 is rounded to 1e-12.
            prop_assert!((of(&others) / value - 1.0).abs() < 1e-10, "{} {value}", of(&others));
        }
    }
}
