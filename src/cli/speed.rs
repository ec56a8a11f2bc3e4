//! How fast training was, next to the most that this machine can do.

use std::time::Duration;

use elbo_kernels::{Isa, peak};
use indicatif::HumanCount;

use super::common::{say, threads};
use crate::{models::AnyModel, training::Row};

/// Says how long it took until the first step was done, if there was one, and what share of the
/// machine's peak the epochs `rows` reached: the floating-point operations of all matrix products,
/// over the seconds of all training. Products with zeros count although they are skipped where an
/// image is mostly black, so that the share can be more than 100 %.
pub fn report(vae: &AnyModel<f32>, samples: usize, rows: &[Row], first_step: Option<Duration>) {
    let Some(first_step) = first_step else {
        return say("speed: nothing was left to train");
    };
    say(format_args!("first step after {:.2} s", first_step.as_secs_f64()));

    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    let images: f64 = rows.iter().map(|row| row.images_per_second * row.seconds).sum();
    let images_per_second = images / seconds;
    // A fused multiply-add is two operations.
    let gflops = 2e-9 * vae.multiply_adds_per_image(samples) as f64 * images_per_second;
    let isa = Isa::active();
    let peak = peak::gflops::<f32>(isa, rayon::current_num_threads());
    say(format_args!(
        "speed: {} images/s, {gflops:.1} GFLOP/s in matrix products, skipped zeros included: \
         {:.0} % of the {peak:.1} GFLOP/s that {} of {isa} fused multiply-adds reach (measured after \
         the run)",
        HumanCount(images_per_second as u64),
        100.0 * gflops / peak,
        threads(),
    ));
}
