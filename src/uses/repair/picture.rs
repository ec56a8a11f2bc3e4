//! Masks from pictures.

use std::path::Path;

use super::{Mask, RepairError};
use crate::data::png_folder;

impl Mask {
    /// Of the pixels that are black in a PNG of the size of the images, \[height, width\]: those darker than
    /// half of white. White ones are seen.
    ///
    /// # Errors
    ///
    /// If the picture cannot be read or is of another size, or nothing or everything is hidden.
    pub fn of_picture(image: [usize; 2], path: &Path) -> Result<Self, RepairError> {
        let picture = png_folder::read(path)?;
        let found = [picture.height as usize, picture.width as usize];
        if found != image {
            return Err(RepairError::MaskSize { path: path.into(), found, expected: image });
        }
        let hidden = picture.pixels.iter().map(|&grey| grey < 128).collect();
        Self::of_pixels(image, hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_on_its_side_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 4, 3);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0, 255].repeat(6)).unwrap();
        writer.finish().unwrap();
        assert_eq!(Mask::of_picture([3, 4], &path).unwrap().pixels(), [true, false].repeat(6));
        assert!(matches!(Mask::of_picture([4, 3], &path), Err(RepairError::MaskSize { .. })));
    }
}
