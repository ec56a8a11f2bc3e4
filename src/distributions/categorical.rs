//! A class among several, from logits.

use elbo_kernels::math;
use ndarray::Array2;

use crate::real::Real;

/// ln q(c) = l_c - ln Σⱼ exp lⱼ of every class, for each row of `logits` (batch, classes).
///
/// The largest logit is subtracted first, so that no exponential overflows. q(c) = exp ln q(c) sum to
/// one in each row.
///
/// # Gradient
///
/// ∂ln q(c)/∂lⱼ = \[c = j\] - q(j). So of a cross-entropy -ln q(c) it is q(j) - \[c = j\].
pub fn log_softmax<T: Real>(logits: &Array2<T>, log_q: &mut Array2<T>) {
    for (mut log_q, l) in log_q.rows_mut().into_iter().zip(logits.rows()) {
        let largest = l.fold(-T::INFINITY, |a, &b| if a > b { a } else { b });
        let sum = l.fold(T::ZERO, |sum, &l| sum + math::exp(l - largest));
        let log_sum = largest + math::ln(sum);
        log_q.zip_mut_with(&l, |log_q, &l| *log_q = l - log_sum);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_have_the_ratios_of_the_exponentials_at_any_offset() {
        for offset in [0.0, 700.0, -700.0] {
            let logits = array![[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]] + offset;
            let mut log_q = Array2::zeros((2, 3));
            log_softmax(&logits, &mut log_q);
            for (log_q, l) in log_q.rows().into_iter().zip(logits.rows()) {
                assert!((log_q.mapv(f64::exp).sum() - 1.0).abs() < 1e-12);
                assert!((log_q[0] - log_q[1] - (l[0] - l[1])).abs() < 1e-12);
            }
        }
    }
}
