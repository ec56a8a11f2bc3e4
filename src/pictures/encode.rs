//! Pixels to the bytes of a PNG file.

use std::io::Write;
use std::path::Path;

use super::PictureError;
use super::grid::ImageSize;

/// Writes pixels of 8 bits a channel.
pub(super) fn write_png(
    file: &mut dyn Write,
    (width, height): (u32, u32),
    colour: png::ColorType,
    pixels: &[u8],
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()
}

/// Width and height as PNG says them.
pub(super) fn png_size(
    path: &Path,
    ImageSize { height, width }: ImageSize,
) -> Result<(u32, u32), PictureError> {
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(png_width), Ok(png_height)) => Ok((png_width, png_height)),
        _ => Err(PictureError::TooLarge { path: path.to_path_buf(), width, height }),
    }
}
