//! The discretised logistic likelihood of pixels with 256 grey levels.

use elbo_kernels::{math, passes};
use ndarray::{Array1, Array2, Zip};

use super::{Likelihood, bounds, one_parameter};
use crate::real::{Real, flat, flat_mut};

/// The largest |log s| that is distinguished: s between 4.5·10⁻⁵ and 2.2·10⁴.
pub const LOG_SCALE_BOUND: f64 = 10.0;

/// The distance between neighbouring grey levels.
const LEVEL: f64 = 1.0 / 255.0;

/// Pixels that are passed through the elementary functions at a time: few enough for the stack.
const BLOCK: usize = 512;

/// What stands for -∞ at the open end of a bin: σ and softplus are 2·10⁻³⁵ there, which is nothing
/// beside 1, and no subnormal number, of which processors are slow.
const FAR_BELOW: f64 = -80.0;

/// p(x|l) = ∏ⱼ P(xⱼ), the probabilities of the 256 levels x = 0, 1/255, .., 1 under a logistic variable
/// with the decoder's output l as its mean and a scale s, one for all pixels and learned:
///
/// P(x) = σ(u) - σ(v), u = (x + 1/510 - l)/s, v = (x - 1/510 - l)/s,
///
/// what the variable's distribution function σ((t - l)/s) gains over the bin around x. The bins of level 0
/// and 255 are open, to -∞ and to ∞, so that the 256 probabilities sum to one. Figures are therefore
/// logarithms of probabilities, never positive, and not comparable with those of a density.
///
/// # The logarithm of a difference
///
/// Far from x both σ round to the same number. But with δ = u - v = 1/(255 s),
///
/// σ(u) - σ(v) = (eᵘ - eᵛ) / ((1 + eᵘ)(1 + eᵛ)) = σ(u) · σ(-v) · (1 - e^(-δ)),
///
/// and as ln σ(t) = -softplus(-t) with softplus(t) = ln(1 + eᵗ),
///
/// ln P(x) = -softplus(-u) - softplus(v) + ln(1 - e^(-δ)),
///
/// a sum in which nothing cancels, and finite wherever u is. In the open bins one end is infinite: P(0) =
/// σ(u) leaves -softplus(-u) alone, and P(1) = σ(-v) leaves -softplus(v).
///
/// # Gradient
///
/// softplus′ = σ, ∂u/∂l = ∂v/∂l = -1/s, and δ does not depend on l:
///
/// - ∂(-ln P)/∂l = (σ(-u) - σ(v))/s.
///
/// These are the probabilities of lying above and below the bin; a mean with more above is too high.
/// With ∂u/∂log s = -u, ∂v/∂log s = -v, ∂δ/∂log s = -δ,
///
/// - ∂(-ln P)/∂log s = u σ(-u) - v σ(v) + δ/(e^δ - 1),
///
/// as d ln(1 - e^(-δ))/dδ = 1/(e^δ - 1). In an open bin the term of its infinite end is missing, and that
/// of δ. log s is clamped to ±[`LOG_SCALE_BOUND`]; beyond, its gradient is 0.
///
/// A pixel that is no level counts as the bin of the same width around it, which at 0 and 1 (nearer than
/// half a level) is open.
///
/// Source: Kingma et al. 2016, *Improving variational inference with inverse autoregressive flow*,
/// section 5.2 (the likelihood); Salimans et al. 2017, *PixelCNN++*, section 2.1 (the open bins).
#[derive(Clone, Debug, PartialEq)]
pub struct DiscretisedLogistic<T> {
    /// log s, of shape \[1\].
    pub log_scale: Array1<T>,
}

impl<T: Real> DiscretisedLogistic<T> {
    /// Starting from this variance: that of a logistic variable is s²π²/3.
    ///
    /// # Panics
    ///
    /// Unless it is positive and finite.
    pub fn with_variance(variance: f64) -> Self {
        assert!(variance > 0.0 && variance.is_finite(), "a variance is positive, not {variance}");
        let scale = (3.0 * variance).sqrt() / std::f64::consts::PI;
        Self { log_scale: Array1::from_elem(1, T::from_f64(scale.ln())) }
    }

    /// s and δ, and the derivative of the bounded log s.
    fn scale(&self) -> Scale {
        let log_scale = self.log_scale[0].to_f64();
        let (log_s, derivative) = bounds::clamp(log_scale, -LOG_SCALE_BOUND, LOG_SCALE_BOUND);
        let s = math::exp(log_s);
        Scale { s, delta: LEVEL / s, derivative }
    }
}

/// The scale of a batch, in f64.
struct Scale {
    /// s.
    s: f64,
    /// δ = 1/(255 s), the width of a bin.
    delta: f64,
    /// The derivative of the bounded log s with respect to log s.
    derivative: f64,
}

impl Scale {
    /// ln(1 - e^(-δ)).
    fn log_width(&self) -> f64 {
        -math::ln(-1.0 / math::exp_m1(-self.delta))
    }

    /// Writes -u and v of a block of pixels; [`FAR_BELOW`] for the open end of a bin.
    fn ends<T: Real>(&self, x: &[T], l: &[T], minus_u: &mut [T], v: &mut [T]) {
        let (inverse_s, half_delta) = (T::from_f64(1.0 / self.s), T::from_f64(self.delta / 2.0));
        let far_below = T::from_f64(FAR_BELOW);
        for (((&x, &l), minus_u), v) in x.iter().zip(l).zip(minus_u).zip(v) {
            let centre = (x - l) * inverse_s;
            let (above, below) = (-centre - half_delta, centre - half_delta);
            *minus_u = if is_white(x) { far_below } else { above };
            *v = if is_black(x) { far_below } else { below };
        }
    }
}

/// Whether x is level 0.
fn is_black<T: Real>(x: T) -> bool {
    x < T::from_f64(LEVEL / 2.0)
}

/// Whether x is level 255.
fn is_white<T: Real>(x: T) -> bool {
    x > T::from_f64(1.0 - LEVEL / 2.0)
}

/// The pixels of a row whose bins are closed.
fn closed_bins<T: Real>(x: &[T]) -> f64 {
    x.iter().map(|&x| u32::from(!(is_black(x) | is_white(x)))).sum::<u32>().into()
}

impl<T: Real> Likelihood<T> for DiscretisedLogistic<T> {
    fn log_prob(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: T,
        log_prob: &mut Array1<T>,
        d_logits: &mut Array2<T>,
    ) {
        let (scale, pixels) = (self.scale(), x.ncols());
        let (d_end, log_width) = (d_loss * T::from_f64(1.0 / scale.s), scale.log_width());
        let [mut above, mut below, mut costs] = [[T::ZERO; BLOCK]; 3];
        let rows = flat(x).chunks(pixels).cycle().zip(flat(logits).chunks(pixels));
        for (((x, l), d), log_prob) in rows.zip(flat_mut(d_logits).chunks_mut(pixels)).zip(log_prob)
        {
            *log_prob = T::from_f64(closed_bins(x) * log_width);
            let blocks = x.chunks(BLOCK).zip(l.chunks(BLOCK)).zip(d.chunks_mut(BLOCK));
            for ((x, l), d) in blocks {
                let [above, below, costs] =
                    [&mut above, &mut below, &mut costs].map(|kept| &mut kept[..x.len()]);
                scale.ends(x, l, above, below);
                costs.copy_from_slice(above);
                passes::softplus(costs);
                d.copy_from_slice(below);
                passes::softplus(d);
                *log_prob += -(passes::sum(costs) + passes::sum(d));
                passes::sigmoid(above);
                passes::sigmoid(below);
                for ((d, &above), &below) in d.iter_mut().zip(&*above).zip(&*below) {
                    *d = d_end * (above - below);
                }
            }
        }
    }

    fn backward_parameters(
        &self,
        x: &Array2<T>,
        logits: &Array2<T>,
        d_loss: &Array1<T>,
        d: &mut Self,
    ) {
        let (scale, pixels) = (self.scale(), x.ncols());
        let d_width = scale.delta / math::exp_m1(scale.delta);
        let [mut minus_u, mut v, mut sigma] = [[T::ZERO; BLOCK]; 3];
        let rows = flat(x).chunks(pixels).cycle().zip(flat(logits).chunks(pixels));
        let mut sum = 0.0;
        for ((x, l), d_loss) in rows.zip(d_loss) {
            let mut d_log_s = closed_bins(x) * d_width;
            for (x, l) in x.chunks(BLOCK).zip(l.chunks(BLOCK)) {
                let [minus_u, v, sigma] =
                    [&mut minus_u, &mut v, &mut sigma].map(|kept| &mut kept[..x.len()]);
                scale.ends(x, l, minus_u, v);
                for end in [minus_u, v] {
                    sigma.copy_from_slice(end);
                    passes::sigmoid(sigma);
                    sigma.iter_mut().zip(&*end).for_each(|(sigma, &end)| *sigma *= end);
                    d_log_s -= passes::sum(sigma).to_f64();
                }
            }
            sum += d_loss.to_f64() * d_log_s;
        }
        d.log_scale.fill(T::from_f64(scale.derivative * sum));
    }

    /// E[x|z] to half a grey level: the mean of the logistic variable held to \[0, 1\]. Of such a variable
    /// t the mean is ∫₀¹ P(t > y) dy = ∫₀¹ σ((l - y)/s) dy = s softplus(l/s) - s softplus((l - 1)/s), where
    /// softplus(y) = max(y, 0) + softplus(-|y|) and the difference of the maxima, times s, is l held to
    /// \[0, 1\].
    fn mean(&self, logits: &Array2<T>, mean: &mut Array2<T>) {
        let s = self.scale().s;
        let (s, inverse_s) = (T::from_f64(s), T::from_f64(1.0 / s));
        let tail = |y: T| math::softplus(-y.abs() * inverse_s);
        Zip::from(mean).and(logits).for_each(|mean, &l| {
            let (held, _) = bounds::clamp(l, T::ZERO, T::ONE);
            *mean = held + s * (tail(l) - tail(l - T::ONE));
        });
    }

    /// The level in whose bin l + s ln(u/(1 - u)) lies, the quantile of the logistic variable.
    fn quantile(&self, logits: &Array2<T>, x: &mut Array2<T>) {
        let s = self.scale().s;
        Zip::from(x).and(logits).for_each(|x, &l| {
            let u = x.to_f64();
            let level = ((l.to_f64() + s * (u / (1.0 - u)).ln()) / LEVEL).round();
            *x = T::from_f64(level.clamp(0.0, 255.0) * LEVEL);
        });
    }
}

one_parameter!(DiscretisedLogistic, log_scale);
