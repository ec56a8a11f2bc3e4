//! The diagonal Gaussian posterior q(z|x) = N(μ, σ²), and its divergence from the prior N(0, I).
//!
//! The encoder puts out μ and log σ², both (batch, latent).
//!
//! # The bound on log σ²
//!
//! σ² = exp(log σ²) overflows f32 at log σ² = 88.7, and one such unit would end a run. So every
//! function here first clamps: s = clamp(log σ², -[`LOG_VAR_BOUND`], [`LOG_VAR_BOUND`]), and uses s
//! in place of log σ² throughout, in the sample and in the divergence alike. What is computed is
//! then exactly a function of s, and its gradient at log σ² is ∂L/∂s inside the bound and 0
//! outside. The bound, σ between 4.5·10⁻⁵ and 2.2·10⁴, is far outside of what training visits.
//!
//! Source: Kingma & Welling 2013, *Auto-Encoding Variational Bayes*, section 2.4 (the
//! reparameterisation) and appendix B (the divergence).

use elbo_kernels::passes;
use ndarray::{Array1, Array2, ArrayRef2, Axis, Zip};

use crate::real::{Real, flat_mut};

/// The largest |log σ²| that is distinguished; see the [module](self).
pub const LOG_VAR_BOUND: f64 = 20.0;

/// s = clamp(log σ², ±bound). NaN stays NaN, so that a broken run is seen.
#[inline]
pub fn bounded<T: Real>(log_var: T) -> T {
    let bound = T::from_f64(LOG_VAR_BOUND);
    if log_var > bound {
        bound
    } else if log_var < -bound {
        -bound
    } else {
        log_var
    }
}

/// ∂s/∂log σ²: 1 within the bound, 0 outside.
#[inline]
pub(super) fn bounded_derivative<T: Real>(log_var: T) -> T {
    let bound = T::from_f64(LOG_VAR_BOUND);
    if log_var > bound || log_var < -bound { T::ZERO } else { T::ONE }
}

/// The reparameterisation z = μ + σ·ε with σ = exp(s/2): a sample of q(z|x) that is a
/// differentiable function of μ and log σ², the randomness being in ε ~ N(0, I) alone.
///
/// `mu`, `log_var` and `sigma`, which keeps σ for [`sample_backward`], are (N, latent); `eps` and `z`
/// (K·N, latent), K samples of each row one after the other: row k·N + n belongs to row n.
pub fn sample<T: Real>(
    mu: &Array2<T>,
    log_var: &Array2<T>,
    eps: &ArrayRef2<T>,
    sigma: &mut Array2<T>,
    z: &mut Array2<T>,
) {
    let half = T::from_f64(0.5);
    Zip::from(&mut *sigma).and(log_var).for_each(|sigma, &v| *sigma = half * bounded(v));
    passes::exp(flat_mut(sigma));
    let samples = z.axis_chunks_iter_mut(Axis(0), mu.nrows());
    for (z, eps) in samples.zip(eps.axis_chunks_iter(Axis(0), mu.nrows())) {
        Zip::from(z).and(mu).and(&*sigma).and(eps).for_each(|z, &mu, &sigma, &eps| {
            *z = mu + sigma * eps;
        });
    }
}

/// *Adds* to `d_mu` and `d_log_var` what arrives through z.
///
/// - ∂L/∂μ = ∂L/∂z, for ∂z/∂μ = 1;
/// - ∂L/∂log σ² = ∂L/∂z · ε · ∂σ/∂s · ∂s/∂log σ² = ∂L/∂z · ε · σ/2 within the bound, 0 outside;
///
/// both summed over the samples of a row.
pub fn sample_backward<T: Real>(
    log_var: &Array2<T>,
    eps: &ArrayRef2<T>,
    sigma: &Array2<T>,
    d_z: &Array2<T>,
    d_mu: &mut Array2<T>,
    d_log_var: &mut Array2<T>,
) {
    let half = T::from_f64(0.5);
    let samples = eps.axis_chunks_iter(Axis(0), sigma.nrows());
    for (eps, d_z) in samples.zip(d_z.axis_chunks_iter(Axis(0), sigma.nrows())) {
        *d_mu += &d_z;
        Zip::from(&mut *d_log_var).and(log_var).and(eps).and(sigma).and(d_z).for_each(
            |d_log_var, &log_var, &eps, &sigma, &d_z| {
                *d_log_var += d_z * eps * sigma * half * bounded_derivative(log_var);
            },
        );
    }
}

/// Writes the score-function estimate of the gradient of E_q[f(z)] into `d_mu` and `d_log_var`
/// (batch, latent), from `f` (batch) at one sample z = μ + σ·ε of each image.
///
/// It asks nothing of f but its value: since ∂q = q · ∂log q,
///
/// ∂/∂φ ∫ q(z) f(z) dz = ∫ q(z) f(z) ∂log q(z)/∂φ dz = E_q[f(z) ∂log q(z)/∂φ],
///
/// and from log q = -½ (s + (z-μ)² e⁻ˢ + ln 2π),
///
/// - ∂log q/∂μ = (z-μ)/σ² = ε/σ;
/// - ∂log q/∂log σ² = ½ ((z-μ)²/σ² - 1) = ½ (ε² - 1) within the bound, 0 outside.
///
/// Unbiased like [`sample_backward`], but of far larger variance, as that one knows the slope of f.
/// Training does not use it.
///
/// Source: Williams 1992, *Simple statistical gradient-following algorithms for connectionist
/// reinforcement learning*; Paisley, Blei & Jordan 2012; Kingma & Welling 2013, section 2.2.
pub fn score_function<T: Real>(
    f: &Array1<T>,
    log_var: &Array2<T>,
    eps: &Array2<T>,
    sigma: &Array2<T>,
    d_mu: &mut Array2<T>,
    d_log_var: &mut Array2<T>,
) {
    let half = T::from_f64(0.5);
    let f = f.view().insert_axis(Axis(1));
    Zip::from(d_mu).and(eps).and(sigma).and_broadcast(f).for_each(|d, &eps, &sigma, &f| {
        *d = f * eps / sigma;
    });
    Zip::from(d_log_var).and(eps).and(log_var).and_broadcast(f).for_each(|d, &eps, &v, &f| {
        *d = f * half * (eps * eps - T::ONE) * bounded_derivative(v);
    });
}

/// log p(z) - log q(z|x) of each sample, (K·N), for the prior N(0, I).
///
/// With z = μ + σ·ε the two log-densities are -½ Σ (z² + ln 2π) and -½ Σ (ε² + s + ln 2π), so the
/// constants cancel and Σⱼ ½ (εⱼ² - zⱼ² + sⱼ) is left. Its mean over q is -KL.
pub fn log_ratio<T: Real>(
    log_var: &Array2<T>,
    eps: &ArrayRef2<T>,
    z: &Array2<T>,
    log_ratio: &mut Array1<T>,
) {
    let half = T::from_f64(0.5);
    let rows = log_var.rows().into_iter().cycle().zip(eps.rows()).zip(z.rows());
    for (ratio, ((log_var, eps), z)) in log_ratio.iter_mut().zip(rows) {
        *ratio = T::ZERO;
        Zip::from(log_var).and(eps).and(z).for_each(|&v, &eps, &z| {
            *ratio += half * (eps * eps - z * z + bounded(v));
        });
    }
}

/// log q(z|x) of each sample, (K·N), less the -½ latent · ln 2π of every such density: at z = μ + σ·ε
/// it is -½ Σⱼ (εⱼ² + sⱼ).
pub fn log_posterior<T: Real>(log_var: &Array2<T>, eps: &ArrayRef2<T>, log_q: &mut Array1<T>) {
    let rows = log_var.rows().into_iter().cycle().zip(eps.rows());
    for (log_q, (log_var, eps)) in log_q.iter_mut().zip(rows) {
        let mut sum = T::ZERO;
        Zip::from(log_var).and(eps).for_each(|&v, &eps| sum += eps * eps + bounded(v));
        *log_q = -T::HALF * sum;
    }
}

/// *Adds* the gradient of -β Σᵣ wᵣ log p(zᵣ) to `d_z` (K·N, latent), for the prior N(0, I):
/// from log p(z) = -½ Σ (z² + ln 2π), ∂/∂z = β wᵣ z.
pub fn log_prior_backward<T: Real>(
    beta: T,
    weights: &Array1<T>,
    z: &Array2<T>,
    d_z: &mut Array2<T>,
) {
    for ((z, d_z), &weight) in z.rows().into_iter().zip(d_z.rows_mut()).zip(weights) {
        Zip::from(d_z).and(z).for_each(|d_z, &z| *d_z += beta * weight * z);
    }
}

/// *Adds* the gradient of β Σᵣ wᵣ log q(zᵣ|x) to `d_log_var` (N, latent), where z = μ + σ·ε moves with
/// μ and log σ².
///
/// At a given ε, log q(z|x) = -½ Σ (ε² + s + ln 2π) is a function of log σ² alone, so
/// ∂/∂log σ² = -½ β Σₖ wᵣ within the bound and 0 outside, and nothing arrives at μ.
pub fn log_posterior_backward<T: Real>(
    beta: T,
    weights: &Array1<T>,
    log_var: &Array2<T>,
    d_log_var: &mut Array2<T>,
) {
    let minus_half = T::from_f64(-0.5);
    for (r, &weight) in weights.iter().enumerate() {
        let n = r % log_var.nrows();
        Zip::from(d_log_var.row_mut(n)).and(log_var.row(n)).for_each(|d, &v| {
            *d += minus_half * beta * weight * bounded_derivative(v);
        });
    }
}

/// *Adds* to `d_z` (K·N, latent) the gradient of β Σᵣ wᵣ log q(zᵣ|x) along z alone, with the μ and
/// log σ² of the density held fixed.
///
/// From log q = -½ Σ ((z-μ)²/σ² + s + ln 2π), ∂/∂z = -β wᵣ (z-μ)/σ² = -β wᵣ ε/σ. What
/// [`log_posterior_backward`] has beyond that is the score ∂log q/∂(μ, log σ²) at a fixed z. Its mean
/// over q is zero, and without it the gradient of log p(x, z) - log q(z|x) is exactly zero for every
/// sample where q is the exact posterior.
///
/// Source: Roeder, Wu & Duvenaud 2017, *Sticking the landing*, equation 8.
pub fn path_log_posterior_backward<T: Real>(
    beta: T,
    weights: &Array1<T>,
    eps: &Array2<T>,
    sigma: &Array2<T>,
    d_z: &mut Array2<T>,
) {
    let rows = eps.rows().into_iter().zip(sigma.rows().into_iter().cycle());
    for ((d_z, (eps, sigma)), &weight) in d_z.rows_mut().into_iter().zip(rows).zip(weights) {
        Zip::from(d_z).and(eps).and(sigma).for_each(|d_z, &eps, &sigma| {
            *d_z += -(beta * weight * eps / sigma);
        });
    }
}

/// *Adds* log N(z; μ, σ²) of each row, less the -½ latent · ln 2π of every such density, to `log_p`
/// (rows): Σⱼ -½ ((zⱼ - μⱼ)² e^(-sⱼ) + sⱼ).
///
/// For a z that is not drawn from this Gaussian, which its own μ and log σ² (rows, latent) describe row
/// by row; z is of the same shape. Keeps e⁻ˢ in `precision` for [`log_density_backward`].
pub fn log_density<T: Real>(
    mu: &Array2<T>,
    log_var: &Array2<T>,
    z: &Array2<T>,
    precision: &mut Array2<T>,
    log_p: &mut Array1<T>,
) {
    Zip::from(&mut *precision).and(log_var).for_each(|p, &v| *p = -bounded(v));
    passes::exp(flat_mut(precision));
    for (r, log_p) in log_p.iter_mut().enumerate() {
        let mut sum = T::ZERO;
        Zip::from(mu.row(r))
            .and(log_var.row(r))
            .and(z.row(r))
            .and(precision.row(r))
            .for_each(|&mu, &v, &z, &p| sum += (z - mu) * (z - mu) * p + bounded(v));
        *log_p += -T::HALF * sum;
    }
}

/// The gradient of -β Σᵣ wᵣ log N(zᵣ; μᵣ, σᵣ²), after [`log_density`] of the same: *adds* to `d_z`, and
/// writes into `d_mu` and `d_log_var`, all (rows, latent).
///
/// With δ = (z - μ) e⁻ˢ,
///
/// - ∂log N/∂z = -δ and ∂log N/∂μ = δ;
/// - ∂log N/∂log σ² = ½ ((z - μ) δ - 1) within the bound, 0 outside.
pub fn log_density_backward<T: Real>(
    (beta, weights): (T, &Array1<T>),
    (mu, log_var): (&Array2<T>, &Array2<T>),
    z: &Array2<T>,
    precision: &Array2<T>,
    d_z: &mut Array2<T>,
    (d_mu, d_log_var): (&mut Array2<T>, &mut Array2<T>),
) {
    let weights = weights.view().insert_axis(Axis(1));
    Zip::from(&mut *d_mu)
        .and(mu)
        .and(z)
        .and(precision)
        .and_broadcast(weights)
        .for_each(|d, &mu, &z, &p, &weight| *d = -(beta * weight * (z - mu) * p));
    Zip::from(d_z).and(&*d_mu).for_each(|d_z, &d_mu| *d_z += -d_mu);
    // -½ βw ((z - μ) δ - 1), in which βw δ is -∂L/∂μ.
    Zip::from(d_log_var).and(mu).and(log_var).and(z).and(&*d_mu).and_broadcast(weights).for_each(
        |d, &mu, &v, &z, &d_mu, &weight| {
            *d = T::HALF * ((z - mu) * d_mu + beta * weight) * bounded_derivative(v);
        },
    );
}

/// KL(q(z|x) ‖ N(0, I)) in nats, for each image and dimension: (batch, latent).
///
/// For one dimension, with q = N(μ, σ²) and p = N(0, 1),
///
/// KL = E_q[log q - log p] = ½ (-1 - log σ²) + ½ E_q\[z²\] = ½ (μ² + σ² - 1 - log σ²),
///
/// since E_q\[(z-μ)²\] = σ² and E_q\[z²\] = μ² + σ². It is written here as ½ (μ² + (eˢ - 1) - s):
/// eˢ - 1 is computed without cancellation, so the sum does not fall below 0.
pub fn kl<T: Real>(mu: &Array2<T>, log_var: &Array2<T>, kl: &mut Array2<T>) {
    let half = T::from_f64(0.5);
    Zip::from(&mut *kl).and(log_var).for_each(|kl, &v| *kl = bounded(v));
    passes::exp_m1(flat_mut(kl));
    Zip::from(kl).and(mu).and(log_var).for_each(|kl, &mu, &v| {
        *kl = half * (mu * mu + (*kl - bounded(v)));
    });
}

/// Writes the gradient of `d_kl` · Σ KL into `d_mu` and `d_log_var`; earlier values are lost.
///
/// - ∂KL/∂μ = μ;
/// - ∂KL/∂log σ² = ½ (eˢ - 1) within the bound, 0 outside.
pub fn kl_backward<T: Real>(
    mu: &Array2<T>,
    log_var: &Array2<T>,
    d_kl: T,
    d_mu: &mut Array2<T>,
    d_log_var: &mut Array2<T>,
) {
    let half = T::from_f64(0.5);
    Zip::from(d_mu).and(mu).for_each(|d_mu, &mu| *d_mu = d_kl * mu);
    Zip::from(&mut *d_log_var).and(log_var).for_each(|d, &v| *d = bounded(v));
    passes::exp_m1(flat_mut(d_log_var));
    Zip::from(d_log_var).and(log_var).for_each(|d, &v| {
        *d = d_kl * half * *d * bounded_derivative(v);
    });
}
