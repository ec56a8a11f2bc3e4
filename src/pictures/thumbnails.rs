//! Small images at their points in a plot.

use std::ops::Range;

use ndarray::{Array2, ArrayView1};

use super::encode::write_png;
use super::plot::UNITS_PER_PIXEL;
use super::raster::blend;

/// The longest side of a thumbnail in pixels of the picture. Larger images are made smaller.
const LONGEST_SIDE: usize = 40;

/// An image for each point of a plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thumbnails<'a> {
    /// (points, height·width), 0 black and 1 white.
    pub images: &'a Array2<f32>,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
}

/// Where thumbnails may be, and around which points, in pixels of the picture.
pub(super) struct Places {
    pub(super) x: Range<i32>,
    pub(super) y: Range<i32>,
    /// A point for each image; none, where it has no place on the axes.
    pub(super) centres: Vec<Option<(i32, i32)>>,
}

/// What lies over a plot: red, green, blue and opacity of each pixel.
pub(super) struct Overlay {
    size: (u32, u32),
    rgba: Vec<u8>,
}

impl Thumbnails<'_> {
    /// Thumbnails over a picture of this size: an image that is white on black in its colour, and clear
    /// where it is black.
    pub(super) fn overlay(
        &self,
        size: (u32, u32),
        places: &Places,
        colour: impl Fn(usize) -> [u8; 3],
    ) -> Overlay {
        let factor = self.height.max(self.width).div_ceil(LONGEST_SIDE);
        let (height, width) = (self.height.div_ceil(factor), self.width.div_ceil(factor));
        let mut rgba = vec![0; 4 * (size.0 * size.1) as usize];
        for (index, (left, top)) in places.without_overlap(width as i32, height as i32) {
            let [red, green, blue] = colour(index);
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let grey = self.block_mean(self.images.row(index), [y, x], factor);
                let at = (top as usize + y) * size.0 as usize + left as usize + x;
                let opacity = (grey.clamp(0.0, 1.0) * 255.0).round() as u8;
                rgba[4 * at..4 * at + 4].copy_from_slice(&[red, green, blue, opacity]);
            }
        }
        Overlay { size, rgba }
    }

    /// The mean of a square of pixels, or of what of it is in the image.
    fn block_mean(&self, image: ArrayView1<f32>, [y, x]: [usize; 2], side: usize) -> f32 {
        let rows = y * side..((y + 1) * side).min(self.height);
        let columns = x * side..((x + 1) * side).min(self.width);
        let count = rows.len() * columns.len();
        let row = |y: usize| columns.clone().map(move |x| y * self.width + x);
        rows.flat_map(row).map(|pixel| image[pixel]).sum::<f32>() / count as f32
    }
}

impl Places {
    /// The images that have room, with their upper left corners: in their order, each that is wholly
    /// inside and covers none before it.
    fn without_overlap(&self, width: i32, height: i32) -> Vec<(usize, (i32, i32))> {
        let mut placed: Vec<(usize, (i32, i32))> = vec![];
        for (index, centre) in self.centres.iter().enumerate() {
            let Some((x, y)) = *centre else { continue };
            let (left, top) = (x - width / 2, y - height / 2);
            let is_inside = self.x.start <= left
                && left + width <= self.x.end
                && self.y.start <= top
                && top + height <= self.y.end;
            let covers = |&(_, (x, y)): &(usize, (i32, i32))| {
                (x - left).abs() < width && (y - top).abs() < height
            };
            if is_inside && !placed.iter().any(covers) {
                placed.push((index, (left, top)));
            }
        }
        placed
    }
}

impl Overlay {
    /// Lays it over red, green and blue.
    pub(super) fn over(&self, rgb: &mut [u8]) {
        for (pixel, &[red, green, blue, opacity]) in
            rgb.chunks_exact_mut(3).zip(self.rgba.as_chunks().0)
        {
            blend(pixel, [red, green, blue], f64::from(opacity) / 255.0);
        }
    }

    /// The same as an element of an SVG, with a PNG in it.
    pub(super) fn to_svg(&self) -> Result<String, png::EncodingError> {
        let mut file = vec![];
        write_png(&mut file, self.size, png::ColorType::Rgba, &self.rgba)?;
        let [width, height] = [self.size.0, self.size.1].map(|side| side * UNITS_PER_PIXEL);
        Ok(format!(
            r#"<image width="{width}" height="{height}" href="data:image/png;base64,{}"/>"#,
            base64(&file)
        ))
    }
}

/// Three bytes as four characters; `=` for what is missing at the end (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let character = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { char::from(character) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_its_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    proptest! {
        #[test]
        fn no_two_overlap_all_are_inside_and_who_is_left_out_had_no_room(
            centres in proptest::collection::vec((0..60_i32, 0..50_i32), 0..40),
            width in 1..12_i32, height in 1..12_i32,
        ) {
            let centres: Vec<_> = centres.into_iter().map(Some).collect();
            let places = Places { x: 3..50, y: 2..45, centres };
            let placed = places.without_overlap(width, height);
            let meet = |(a, b): (i32, i32), (x, y): (i32, i32)| {
                a < x + width && x < a + width && b < y + height && y < b + height
            };
            for (i, &(_, a)) in placed.iter().enumerate() {
                prop_assert!(a.0 >= 3 && a.0 + width <= 50 && a.1 >= 2 && a.1 + height <= 45);
                prop_assert!(placed[i + 1..].iter().all(|&(_, b)| !meet(a, b)));
            }
            for (index, centre) in places.centres.iter().enumerate() {
                let (x, y) = centre.unwrap();
                let at = (x - width / 2, y - height / 2);
                let outside = at.0 < 3 || at.0 + width > 50 || at.1 < 2 || at.1 + height > 45;
                let is_placed = placed.iter().any(|&(i, _)| i == index);
                prop_assert!(is_placed || outside || placed.iter().any(|&(_, b)| meet(at, b)));
            }
        }
    }

    #[test]
    fn a_thumbnail_is_the_image_in_its_colour_and_a_large_one_the_means_of_its_squares() {
        let images = array![[0.0, 1.0, 0.5, 0.25, 0.0, 1.0]];
        let places = Places { x: 0..8, y: 0..8, centres: vec![Some((4, 3))] };
        let small = Thumbnails { images: &images, height: 2, width: 3 };
        let Overlay { rgba, .. } = small.overlay((8, 8), &places, |_| [9, 8, 7]);
        let pixel = |y: usize, x: usize| &rgba[4 * (8 * y + x)..][..4];
        let opacity: Vec<u8> = (2..4).flat_map(|y| (3..6).map(move |x| pixel(y, x)[3])).collect();
        assert_eq!(opacity, [0, 255, 128, 64, 0, 255]);
        assert_eq!(pixel(2, 4), [9, 8, 7, 255]);
        assert_eq!(pixel(0, 0), [0; 4]);

        let stripes = Array2::from_shape_fn((1, 60 * 80), |(_, i)| (i % 2) as f32);
        let large = Thumbnails { images: &stripes, height: 60, width: 80 };
        let places = Places { x: 0..100, y: 0..100, centres: vec![Some((50, 50))] };
        let Overlay { rgba, .. } = large.overlay((100, 100), &places, |_| [0; 3]);
        let grey = rgba.chunks_exact(4).filter(|pixel| pixel[3] == 128).count();
        assert_eq!(grey, 30 * 40);
    }
}
