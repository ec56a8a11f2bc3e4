//! Grids of grey images.

use std::path::Path;

use ndarray::{ArrayView1, ArrayView2, Axis, Slice};

use super::PictureError;
use super::encode::{png_size, write_png};
use crate::files::write_atomically;

/// Small images are enlarged as long as neither side of the picture exceeds this, separators
/// aside. A 10 x 10 grid of 28 x 28 becomes 840 pixels wide.
const COMFORTABLE_SIDE: usize = 900;
/// The width of the separators, in pixels of the picture.
const SEPARATOR: usize = 2;
/// The space above each stack of rows, such as one of originals and one of reconstructions.
const PAIR_SEPARATOR: usize = 10;
/// The colour of separators and of the places after the last image.
const BACKGROUND: u8 = 96;

/// Writes images side by side, row by row, as one grey PNG.
///
/// `images` is (n, height·width), each row an image in row-major order, 0 black and 1 white; what
/// lies outside [0, 1] is drawn as the nearer of the two. There are `columns` images a row, fewer
/// if n is smaller, thin grey separators between and around them, and grey where the last row
/// ends early. Small images are enlarged by a whole factor, without smoothing.
///
/// # Errors
///
/// [`PictureError`] if there is no image or no column, if an image has not height·width pixels or
/// contains NaN, or if the file cannot be written.
pub fn save_grid(
    path: &Path,
    images: ArrayView2<f32>,
    height: usize,
    width: usize,
    columns: usize,
) -> Result<(), PictureError> {
    let size = ImageSize { height, width };
    check_images(path, images, size, columns)?;
    let rows: Vec<Row> = images
        .axis_chunks_iter(Axis(0), columns)
        .map(|images| Row { images, space_above: SEPARATOR })
        .collect();
    save_rows(path, &rows, size)
}

/// Writes originals above their reconstructions as one grey PNG.
///
/// As [`save_stacks`] with two layers.
///
/// # Errors
///
/// As [`save_stacks`].
pub fn save_pairs(
    path: &Path,
    originals: ArrayView2<f32>,
    reconstructions: ArrayView2<f32>,
    height: usize,
    width: usize,
    columns: usize,
) -> Result<(), PictureError> {
    save_stacks(path, &[originals, reconstructions], height, width, columns)
}

/// Writes what belongs together one above the other as one grey PNG: originals, below each of them its
/// reconstruction, and so on.
///
/// As [`save_grid`], but rows come in stacks: `columns` images of the first layer, below them those of the
/// second, ..; more space sets the stacks apart. Every layer is (n, height·width).
///
/// # Errors
///
/// As [`save_grid`], and if a layer differs from the first in its number of images.
pub fn save_stacks(
    path: &Path,
    layers: &[ArrayView2<f32>],
    height: usize,
    width: usize,
    columns: usize,
) -> Result<(), PictureError> {
    let size = ImageSize { height, width };
    let [first, others @ ..] = layers else {
        return Err(PictureError::Empty { path: path.to_path_buf(), missing: "images" });
    };
    layers.iter().try_for_each(|&images| check_images(path, images, size, columns))?;
    if let Some(other) = others.iter().find(|other| other.nrows() != first.nrows()) {
        return Err(PictureError::Unpaired {
            path: path.to_path_buf(),
            originals: first.nrows(),
            reconstructions: other.nrows(),
        });
    }
    let mut rows = Vec::new();
    for start in (0..first.nrows()).step_by(columns) {
        let end = (start + columns).min(first.nrows());
        for (depth, layer) in layers.iter().enumerate() {
            let images = layer.slice_axis(Axis(0), Slice::from(start..end));
            let space_above = if start > 0 && depth == 0 { PAIR_SEPARATOR } else { SEPARATOR };
            rows.push(Row { images, space_above });
        }
    }
    save_rows(path, &rows, size)
}

#[derive(Clone, Copy)]
pub(super) struct ImageSize {
    pub(super) height: usize,
    pub(super) width: usize,
}

/// Images side by side, (at most columns, height·width), and the space over them in pixels.
struct Row<'a> {
    images: ArrayView2<'a, f32>,
    space_above: usize,
}

pub(super) fn check_images(
    path: &Path,
    images: ArrayView2<f32>,
    ImageSize { height, width }: ImageSize,
    columns: usize,
) -> Result<(), PictureError> {
    let path = || path.to_path_buf();
    if height.checked_mul(width) != Some(images.ncols()) {
        return Err(PictureError::Shape { path: path(), pixels: images.ncols(), height, width });
    }
    let counts = [(images.nrows(), "images"), (images.ncols(), "pixels"), (columns, "columns")];
    if let Some((_, missing)) = counts.into_iter().find(|&(count, _)| count == 0) {
        return Err(PictureError::Empty { path: path(), missing });
    }
    // A black image would pass for something that the model has drawn.
    match images.indexed_iter().find(|(_, value)| value.is_nan()) {
        Some(((image, pixel), _)) => Err(PictureError::NotANumber { path: path(), image, pixel }),
        None => Ok(()),
    }
}

/// `rows` holds at least one row, the first of them the longest, and no row is empty.
fn save_rows(path: &Path, rows: &[Row], size: ImageSize) -> Result<(), PictureError> {
    let columns = rows[0].images.nrows();
    let longest_side = (columns * size.width).max(rows.len() * size.height);
    let factor = (COMFORTABLE_SIDE / longest_side).max(1);
    let cell = ImageSize { height: size.height * factor, width: size.width * factor };

    let width = SEPARATOR + columns * (cell.width + SEPARATOR);
    let height = SEPARATOR + rows.iter().map(|row| row.space_above + cell.height).sum::<usize>();
    let png_size = png_size(path, ImageSize { height, width })?;

    let mut canvas = vec![BACKGROUND; width * height];
    let mut top = 0;
    for row in rows {
        top += row.space_above;
        for (column, image) in row.images.outer_iter().enumerate() {
            let left = SEPARATOR + column * (cell.width + SEPARATOR);
            for y in 0..cell.height {
                let start = (top + y) * width + left;
                let line = &mut canvas[start..start + cell.width];
                paint_line(line, image, y / factor * size.width, factor);
            }
        }
        top += cell.height;
    }

    write_atomically(path, |file| write_png(file, png_size, png::ColorType::Grayscale, &canvas))?;
    Ok(())
}

/// Fills `line` from the image's pixels that begin at `first`, each repeated `factor` times.
pub(super) fn paint_line(line: &mut [u8], image: ArrayView1<f32>, first: usize, factor: usize) {
    for (x, grey) in line.iter_mut().enumerate() {
        *grey = (image[first + x / factor].clamp(0.0, 1.0) * 255.0).round() as u8;
    }
}
