//! What people look at: grids of images as PNG, plots as SVG, animations as APNG.
//!
//! Everything here takes plain arrays and numbers; nothing knows of models. The same input gives
//! the same bytes. Files are written as a whole or not at all.

mod animation;
mod axis;
mod curves;
mod encode;
mod grid;
mod legend;
mod lines;
mod plot;
mod raster;
mod scatter;
mod thumbnails;

use std::error::Error;
use std::path::PathBuf;

pub use animation::save_animation;
pub use curves::{Panel, save_learning_curves};
pub use grid::{save_grid, save_pairs, save_stacks};
pub use lines::{LinePlot, Series, save_lines};
pub use scatter::{ScatterPlot, save_scatter};
pub use thumbnails::Thumbnails;

use crate::files::FileError;

/// Why a picture was not made.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The picture was drawn, but its file could not be written.
    #[error(transparent)]
    File(#[from] FileError),

    /// There is nothing to lay out.
    #[error("cannot draw {}: no {missing}", path.display())]
    Empty {
        /// The picture.
        path: PathBuf,
        /// What there is none of: images, pixels, columns, panels, series.
        missing: &'static str,
    },

    /// The images have not the number of pixels that their height and width ask for.
    #[error(
        "cannot draw {}: images of {pixels} pixels are not {height} x {width}", path.display()
    )]
    Shape {
        /// The picture.
        path: PathBuf,
        /// Pixels per image, as found.
        pixels: usize,
        /// The height that was asked for.
        height: usize,
        /// The width that was asked for.
        width: usize,
    },

    /// Originals and what stands below them are not the same number of images.
    #[error(
        "cannot draw {}: {originals} originals beside {reconstructions} reconstructions",
        path.display()
    )]
    Unpaired {
        /// The picture.
        path: PathBuf,
        /// The number of originals.
        originals: usize,
        /// The number of reconstructions.
        reconstructions: usize,
    },

    /// A pixel is NaN.
    #[error("cannot draw {}: pixel {pixel} of image {image} is not a number", path.display())]
    NotANumber {
        /// The picture.
        path: PathBuf,
        /// The image, counted from 0.
        image: usize,
        /// The pixel in it, row by row, counted from 0.
        pixel: usize,
    },

    /// The picture would have more pixels a side than PNG can say.
    #[error(
        "cannot draw {}: {width} x {height} pixels are too many for a PNG file", path.display()
    )]
    TooLarge {
        /// The picture.
        path: PathBuf,
        /// Its width in pixels.
        width: usize,
        /// Its height in pixels.
        height: usize,
    },

    /// Points and labels are not the same in number.
    #[error("cannot draw {}: {labels} labels for {points} points", path.display())]
    Labels {
        /// The picture.
        path: PathBuf,
        /// The number of points.
        points: usize,
        /// The number of labels.
        labels: usize,
    },

    /// Points and thumbnails are not the same in number.
    #[error("cannot draw {}: {thumbnails} thumbnails for {points} points", path.display())]
    Thumbnails {
        /// The picture.
        path: PathBuf,
        /// The number of points.
        points: usize,
        /// The number of thumbnails.
        thumbnails: usize,
    },

    /// The plotting library refused.
    #[error("cannot draw {}: {cause}", path.display())]
    Plot {
        /// The picture.
        path: PathBuf,
        /// What it said.
        cause: Box<dyn Error + Send + Sync>,
    },
}
