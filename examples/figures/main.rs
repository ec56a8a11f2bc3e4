//! Draws the figures of the guide into `docs/images/`, from real runs:
//!
//! ```sh
//! cargo run --release --example figures -- all   # or the name of one
//! ```
//!
//! The runs on MNIST take a few minutes. What they print is what the chapters quote.

mod bound_against_k;
mod elbo_gap;
mod gradient_variance;
mod step_sweep;
mod trade;
mod warm_up;

use std::{error::Error, path::Path};

use elbo::{
    data::{self, Images, Part},
    pictures::{LinePlot, Series, save_lines},
};

/// A figure's name, and what draws it.
type Figure = (&'static str, fn() -> LinePlot);

const FIGURES: [Figure; 6] = [
    ("elbo-gap", elbo_gap::draw),
    ("gradient-variance", gradient_variance::draw),
    ("step-sweep", step_sweep::draw),
    ("trade", trade::draw),
    ("warm-up", warm_up::draw),
    ("bound-against-k", bound_against_k::draw),
];

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let chosen: Vec<Figure> =
        FIGURES.into_iter().filter(|(name, _)| wanted == "all" || wanted == *name).collect();
    if chosen.is_empty() {
        let names = FIGURES.map(|(name, _)| name).join(", ");
        return Err(format!("name a figure ({names}) or say `all`").into());
    }
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    for (name, draw) in chosen {
        println!("{name}");
        let path = images.join(format!("{name}.svg"));
        save_lines(&path, &draw())?;
        println!("wrote {}\n", path.display());
    }
    Ok(())
}

/// MNIST's training or test images.
fn mnist(part: Part) -> Images {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    data::load(&folder, part).expect("the MNIST files lie in data/mnist").images
}

/// A curve.
fn series(name: impl Into<String>, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.into(), points }
}
