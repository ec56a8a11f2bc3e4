//! Images one after the other.

use std::path::Path;

use ndarray::ArrayView2;

use super::PictureError;
use super::encode::png_size;
use super::grid::{ImageSize, check_images, paint_line};
use crate::files::write_atomically;

/// Small images are enlarged as long as neither side exceeds this.
const COMFORTABLE_SIDE: usize = 320;

/// Writes images as the frames of one grey animated PNG (APNG), which begins anew when it has ended.
/// Who does not know of animations sees the first one.
///
/// `frames` is (n, height·width), 0 black and 1 white, as [`save_grid`](super::save_grid) has images;
/// each is shown for `milliseconds`. Small ones are enlarged by a whole factor, without smoothing.
///
/// # Errors
///
/// [`PictureError`] if there is no frame, if a frame has not height·width pixels or contains NaN, or if
/// the file cannot be written.
pub fn save_animation(
    path: &Path,
    frames: ArrayView2<f32>,
    height: usize,
    width: usize,
    milliseconds: u16,
) -> Result<(), PictureError> {
    let size = ImageSize { height, width };
    check_images(path, frames, size, 1)?;
    let factor = (COMFORTABLE_SIDE / height.max(width)).max(1);
    let (height, line) = (height * factor, width * factor);
    let (png_width, png_height) = png_size(path, ImageSize { height, width: line })?;
    let mut canvas = vec![0; height * line];
    write_atomically(path, |file| {
        let mut encoder = png::Encoder::new(file, png_width, png_height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        // 0 plays are plays without end.
        encoder.set_animated(frames.nrows() as u32, 0)?;
        encoder.set_frame_delay(milliseconds, 1000)?;
        let mut writer = encoder.write_header()?;
        for frame in frames.rows() {
            for (y, line) in canvas.chunks_exact_mut(line).enumerate() {
                paint_line(line, frame, y / factor * width, factor);
            }
            writer.write_image_data(&canvas)?;
        }
        writer.finish()
    })?;
    Ok(())
}
