//! A mixture of diagonal Gaussians.

use elbo_kernels::{Output, gemm, passes};
use ndarray::{Array1, Array2, Axis, Zip};

use super::gaussian::{bounded, bounded_derivative};
use crate::real::{Real, flat_mut, mat, mat_mut};

/// p(z) = (1/C) Σ_c N(z; μ_c, σ_c²): its logarithm, and the gradient of that at z, μ and log σ².
///
/// # The logarithm
///
/// With s the bounded log σ² (see [`gaussian`](super::gaussian)) and
/// a_c = -½ Σⱼ ((zⱼ - μ_cj)² e^(-s_cj) + s_cj + ln 2π) - ln C,
///
/// log p(z) = ln Σ_c exp a_c,
///
/// computed from a_c less the largest of them.
///
/// # Gradient
///
/// ∂log p/∂a_c = exp(a_c - log p) = ρ_c, the responsibility of component c for z: a softmax, as for
/// every log-sum-exp. The rest is that of one Gaussian, with δ = z - μ_c:
///
/// - ∂log p/∂zⱼ = -Σ_c ρ_c δⱼ e^(-s_cj);
/// - ∂log p/∂μ_cj = ρ_c δⱼ e^(-s_cj);
/// - ∂log p/∂log σ²_cj = ½ ρ_c (δⱼ² e^(-s_cj) - 1) within the bound, 0 outside.
///
/// The sums over c and over the samples are matrix products of ρ, with the squares multiplied out.
#[derive(Clone, Debug)]
pub struct Mixture<T> {
    /// e^(-s), (C, latent).
    precision: Array2<T>,
    /// μ e^(-s), (C, latent).
    scaled_mu: Array2<T>,
    /// a_c, then ρ_c, for each sample: (samples, C).
    rho: Array2<T>,
    /// Scratch for the products, (samples, latent) and (C, latent).
    by_sample: Array2<T>,
    squares: Array2<T>,
    by_component: [Array2<T>; 2],
    /// Σᵣ of what each component counts for, (C).
    count: Array1<T>,
}

impl<T: Real> Mixture<T> {
    /// Space for so many components, samples and dimensions.
    pub fn new(components: usize, samples: usize, latent: usize) -> Self {
        let zeros = |rows, columns| Array2::from_elem((rows, columns), T::ZERO);
        Self {
            precision: zeros(components, latent),
            scaled_mu: zeros(components, latent),
            rho: zeros(samples, components),
            by_sample: zeros(samples, latent),
            squares: zeros(samples, latent),
            by_component: [zeros(components, latent), zeros(components, latent)],
            count: Array1::from_elem(components, T::ZERO),
        }
    }

    /// *Adds* log p(z) of each row of `z` (samples, latent), less the -½ latent · ln 2π that every
    /// log-density of this dimension has, to `log_prob` (samples). Keeps ρ for
    /// [`backward`](Self::backward).
    pub fn log_prob(
        &mut self,
        mu: &Array2<T>,
        log_var: &Array2<T>,
        z: &Array2<T>,
        log_prob: &mut Array1<T>,
    ) {
        self.prepare(mu, log_var);
        self.exponents(mu, log_var, z);
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

    /// e^(-s) and μ e^(-s).
    fn prepare(&mut self, mu: &Array2<T>, log_var: &Array2<T>) {
        Zip::from(&mut self.precision).and(log_var).for_each(|p, &v| *p = -bounded(v));
        passes::exp(flat_mut(&mut self.precision));
        Zip::from(&mut self.scaled_mu).and(mu).and(&self.precision).for_each(|s, &mu, &p| {
            *s = mu * p;
        });
    }

    /// a_c of every sample: -½ Σ z² e^(-s) + Σ z μ e^(-s) - ½ Σ (μ² e^(-s) + s) - ln C.
    fn exponents(&mut self, mu: &Array2<T>, log_var: &Array2<T>, z: &Array2<T>) {
        let components = mu.nrows();
        let minus_half = -T::HALF;
        for (c, constant) in self.count.iter_mut().enumerate() {
            let mut sum = T::ZERO;
            Zip::from(mu.row(c))
                .and(self.scaled_mu.row(c))
                .and(log_var.row(c))
                .for_each(|&mu, &scaled, &v| sum += mu * scaled + bounded(v));
            *constant = minus_half * sum - T::from_f64((components as f64).ln());
        }
        let constant = self.count.as_slice().expect("arrays of this crate are contiguous");
        let output = Output::AddRow(constant);
        gemm(mat(z), mat(&self.scaled_mu).t(), output, mat_mut(&mut self.rho));
        Zip::from(&mut self.squares).and(z).for_each(|s, &z| *s = minus_half * z * z);
        let output = Output::Accumulate;
        gemm(mat(&self.squares), mat(&self.precision).t(), output, mat_mut(&mut self.rho));
    }

    /// The gradient of -β Σᵣ wᵣ log p(zᵣ), after [`log_prob`](Self::log_prob) of the same: *adds* to
    /// `d_z` (samples, latent), and writes into `d_mu` and `d_log_var` (C, latent).
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &mut self,
        beta: T,
        weights: &Array1<T>,
        mu: &Array2<T>,
        log_var: &Array2<T>,
        z: &Array2<T>,
        d_z: &mut Array2<T>,
        d_mu: &mut Array2<T>,
        d_log_var: &mut Array2<T>,
    ) {
        // From here on ρ is weighted: what the loss has of each sample and component.
        self.count.fill(T::ZERO);
        for (mut row, &weight) in self.rho.rows_mut().into_iter().zip(weights) {
            row.mapv_inplace(|rho| beta * weight * rho);
            self.count += &row;
        }
        let Self { precision, scaled_mu, rho, by_sample, squares, by_component, count } = self;

        gemm(mat(rho), mat(precision), Output::Overwrite, mat_mut(by_sample));
        Zip::from(&mut *d_z).and(z).and(&*by_sample).for_each(|d, &z, &p| *d += z * p);
        gemm(mat(rho), mat(scaled_mu), Output::Overwrite, mat_mut(by_sample));
        Zip::from(d_z).and(&*by_sample).for_each(|d, &m| *d += -m);

        let [first, second] = by_component;
        squares.zip_mut_with(z, |s, &z| *s = z * z);
        gemm(mat(rho).t(), mat(z), Output::Overwrite, mat_mut(first));
        gemm(mat(rho).t(), mat(squares), Output::Overwrite, mat_mut(second));
        let count = count.view().insert_axis(Axis(1));
        Zip::from(d_mu)
            .and(&*first)
            .and(mu)
            .and(&*precision)
            .and_broadcast(count)
            .for_each(|d, &z, &mu, &p, &count| *d = -(p * (z - count * mu)));
        // Σ ρ δ² = Σ ρ z² - 2 μ Σ ρ z + μ² Σ ρ.
        Zip::from(&mut *second)
            .and(&*first)
            .and(mu)
            .and_broadcast(count)
            .for_each(|squares, &z, &mu, &count| *squares += mu * (count * mu - (z + z)));
        Zip::from(d_log_var)
            .and(&*second)
            .and(log_var)
            .and(&*precision)
            .and_broadcast(count)
            .for_each(|d, &squares, &v, &p, &count| {
                *d = -T::HALF * (p * squares - count) * bounded_derivative(v);
            });
    }
}
