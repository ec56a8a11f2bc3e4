//! A mixture of diagonal Gaussians.

use elbo_kernels::{passes, team};
use ndarray::{Array1, Array2, Axis, Zip};

use super::gaussian::{bounded, bounded_derivative};
use crate::real::{Real, flat_mut};

/// Samples below which a second thread does not pay.
const SAMPLES_PER_PART: usize = 8;

/// p(z) = (1/C) Σ_c N(z; μ_c, σ_c²): its logarithm, and the gradient of that at z, μ and log σ².
///
/// # The logarithm
///
/// With s the bounded log σ² (see [`gaussian`](super::gaussian)), δ = z - μ_c and
/// a_c = -½ Σⱼ (δⱼ² e^(-s_cj) + s_cj + ln 2π) - ln C,
///
/// log p(z) = ln Σ_c exp a_c,
///
/// computed from a_c less the largest of them. The squares are summed as they stand: multiplied out into
/// matrix products, δ² of a narrow component would be a small difference of large numbers.
///
/// # Gradient
///
/// ∂log p/∂a_c = exp(a_c - log p) = ρ_c, the responsibility of component c for z: a softmax, as for
/// every log-sum-exp. The rest is that of one Gaussian:
///
/// - ∂log p/∂zⱼ = -Σ_c ρ_c δⱼ e^(-s_cj);
/// - ∂log p/∂μ_cj = ρ_c δⱼ e^(-s_cj);
/// - ∂log p/∂log σ²_cj = ½ ρ_c (δⱼ² e^(-s_cj) - 1) within the bound, 0 outside.
///
/// Everything about components is kept dimension by dimension, (latent, C), so that the inner loops run
/// over all components at once.
#[derive(Clone, Debug)]
pub struct Mixture<T> {
    /// μ, (latent, C).
    mu: Array2<T>,
    /// e^(-s), (latent, C).
    precision: Array2<T>,
    /// -½ Σⱼ s_cj - ln C, (C).
    constant: Array1<T>,
    /// a_c, then ρ_c, for each sample: (samples, C).
    rho: Array2<T>,
    /// ∂L/∂μ and ∂L/∂s, (latent, C).
    d_mu: Array2<T>,
    d_s: Array2<T>,
    /// What the components add to one element of ∂L/∂z, (C).
    terms: Array1<T>,
}

impl<T: Real> Mixture<T> {
    /// Space for so many components, samples and dimensions.
    pub fn new(components: usize, samples: usize, latent: usize) -> Self {
        let zeros = |rows| Array2::from_elem((rows, components), T::ZERO);
        let row = Array1::from_elem(components, T::ZERO);
        Self {
            mu: zeros(latent),
            precision: zeros(latent),
            constant: row.clone(),
            rho: zeros(samples),
            d_mu: zeros(latent),
            d_s: zeros(latent),
            terms: row,
        }
    }

    /// *Adds* log p(z) of each row of `z` (samples, latent), less the -½ latent · ln 2π that every
    /// log-density of this dimension has, to `log_prob` (samples), for components with `mu` and
    /// `log_var` (C, latent). Keeps ρ for [`backward`](Self::backward).
    pub fn log_prob(
        &mut self,
        mu: &Array2<T>,
        log_var: &Array2<T>,
        z: &Array2<T>,
        log_prob: &mut Array1<T>,
    ) {
        self.prepare(mu, log_var);
        self.exponents(z);
        for (mut row, log_prob) in self.rho.rows_mut().into_iter().zip(&mut *log_prob) {
            let largest = row.fold(-T::INFINITY, |a, &b| if a > b { a } else { b });
            row.mapv_inplace(|a| a - largest);
            *log_prob += largest;
        }
        passes::exp(flat_mut(&mut self.rho));
        for (mut row, log_prob) in self.rho.rows_mut().into_iter().zip(log_prob) {
            let sum = row.iter().map(|v| v.to_f64()).sum::<f64>();
            *log_prob += T::from_f64(sum.ln());
            let share = T::from_f64(1.0 / sum);
            row.mapv_inplace(|v| v * share);
        }
    }

    /// μ, e^(-s) and the constants, dimension by dimension.
    fn prepare(&mut self, mu: &Array2<T>, log_var: &Array2<T>) {
        self.mu.assign(&mu.t());
        Zip::from(&mut self.precision).and(log_var.t()).for_each(|p, &v| *p = -bounded(v));
        let log_components = T::from_f64((mu.nrows() as f64).ln());
        for (constant, log_var) in self.constant.iter_mut().zip(log_var.rows()) {
            let sum = log_var.fold(T::ZERO, |sum, &v| sum + bounded(v));
            *constant = -(T::HALF * sum) - log_components;
        }
        passes::exp(flat_mut(&mut self.precision));
    }

    /// a_c of every sample, less the ln 2π.
    fn exponents(&mut self, z: &Array2<T>) {
        let Self { mu, precision, constant, rho, .. } = self;
        let rows = z.nrows().div_ceil(team::part_count(z.nrows(), SAMPLES_PER_PART)).max(1);
        let parts = rho.axis_chunks_iter_mut(Axis(0), rows).zip(z.axis_chunks_iter(Axis(0), rows));
        team::share(parts, |(mut rho, z)| {
            for (mut a, z) in rho.rows_mut().into_iter().zip(z.rows()) {
                a.fill(T::ZERO);
                for ((&z, mu), p) in z.iter().zip(mu.rows()).zip(precision.rows()) {
                    Zip::from(&mut a).and(mu).and(p).for_each(|a, &mu, &p| {
                        *a += (z - mu) * (z - mu) * p;
                    });
                }
                Zip::from(&mut a).and(&*constant).for_each(|a, &c| *a = c - T::HALF * *a);
            }
        });
    }

    /// The gradient of -β Σᵣ wᵣ log p(zᵣ), after [`log_prob`](Self::log_prob) of the same `z`: *adds* to
    /// `d_z` (samples, latent), and writes into `d_mu` and `d_log_var` (C, latent).
    pub fn backward(
        &mut self,
        (beta, weights): (T, &Array1<T>),
        log_var: &Array2<T>,
        z: &Array2<T>,
        d_z: &mut Array2<T>,
        d_mu: &mut Array2<T>,
        d_log_var: &mut Array2<T>,
    ) {
        self.d_mu.fill(T::ZERO);
        self.d_s.fill(T::ZERO);
        for (r, (z, mut d_z)) in z.rows().into_iter().zip(d_z.rows_mut()).enumerate() {
            // From here on ρ is what the loss has of this sample and each component.
            let weight = beta * weights[r];
            self.rho.row_mut(r).mapv_inplace(|rho| weight * rho);
            for (j, (&z, d_z)) in z.iter().zip(&mut d_z).enumerate() {
                self.backward_element(r, j, z);
                *d_z += passes::sum(self.terms.as_slice().expect("a row is contiguous"));
            }
        }
        d_mu.assign(&self.d_mu.t());
        Zip::from(d_log_var).and(self.d_s.t()).and(log_var).for_each(|d, &d_s, &v| {
            *d = d_s * bounded_derivative(v);
        });
    }

    /// What zᵣⱼ has to do with every component.
    fn backward_element(&mut self, r: usize, j: usize, z: T) {
        let Self { mu, precision, rho, d_mu, d_s, terms, .. } = self;
        let components = Zip::from(&mut *terms).and(mu.row(j)).and(precision.row(j));
        components.and(rho.row(r)).for_each(|term, &mu, &p, &rho| *term = rho * (z - mu) * p);
        Zip::from(d_mu.row_mut(j)).and(&*terms).for_each(|d, &term| *d += -term);
        let components = Zip::from(d_s.row_mut(j)).and(&*terms).and(mu.row(j)).and(rho.row(r));
        components.for_each(|d, &term, &mu, &rho| *d += -(T::HALF * (term * (z - mu) - rho)));
    }
}
