//! Plots in pixels: what plotters draws on where the picture is a PNG.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendTextStyle, DrawingErrorKind, FontTransform,
};

use super::plot::{Drawn, FONT_SCALE, UNITS_PER_PIXEL, px};

/// The characters of [`GLYPHS`].
const CHARACTERS: &str = "0123456789-.";

/// Each in 7 rows of 5 pixels from top to bottom, the leftmost pixel the highest of the 5 bits.
const GLYPHS: [[u8; 7]; 12] = [
    [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
    [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
    [0b00000, 0b00000, 0b00000, 0b11111, 0b00000, 0b00000, 0b00000],
    [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100],
];
const GLYPH_ROWS: i32 = 7;
const GLYPH_COLUMNS: i32 = 5;

/// Pixels in the units of plotters, several for each pixel of the picture: their mean is what is shown,
/// so that edges are smooth.
///
/// It has no font but digits. Text with anything else is left out: axes and legends have their
/// numbers, and a title is what a picture's name is for.
pub(super) struct Raster<'a> {
    size: (u32, u32),
    rgb: &'a mut [u8],
}

/// The pixels, red, green and blue, of a white canvas that `draw` has drawn on, and what that returns.
pub(super) fn draw<R>(
    (width, height): (u32, u32),
    draw: impl FnOnce(&DrawingArea<Raster<'_>, Shift>) -> Drawn<R>,
) -> Drawn<(Vec<u8>, R)> {
    let size = (width * UNITS_PER_PIXEL, height * UNITS_PER_PIXEL);
    let mut rgb = vec![255; 3 * size.0 as usize * size.1 as usize];
    let result = draw(&Raster { size, rgb: &mut rgb }.into_drawing_area())?;
    Ok((shrunk(&rgb, width as usize), result))
}

/// The mean of each square of units.
fn shrunk(rgb: &[u8], width: usize) -> Vec<u8> {
    let side = UNITS_PER_PIXEL as usize;
    let row = 3 * width * side;
    let mean = |rows: &[u8], x: usize, channel: usize| {
        let unit = |i: usize| u32::from(rows[i / side * row + 3 * (x * side + i % side) + channel]);
        let count = side * side;
        ((0..count).map(unit).sum::<u32>() + count as u32 / 2) / count as u32
    };
    let pixels = |rows| (0..3 * width).map(move |i| mean(rows, i / 3, i % 3) as u8);
    rgb.chunks_exact(row * side).flat_map(pixels).collect()
}

impl DrawingBackend for Raster<'_> {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<io::Error>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<io::Error>> {
        Ok(())
    }

    /// Lays a colour over what is there; outside the canvas is nowhere.
    fn draw_pixel(
        &mut self,
        (x, y): BackendCoord,
        BackendColor { alpha, rgb: (red, green, blue) }: BackendColor,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        let (width, height) = (self.size.0 as i32, self.size.1 as i32);
        if (0..width).contains(&x) && (0..height).contains(&y) {
            let at = 3 * (y as usize * width as usize + x as usize);
            blend(&mut self.rgb[at..at + 3], [red, green, blue], alpha);
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Result<(), DrawingErrorKind<io::Error>> {
        let glyphs: Option<Vec<&[u8; 7]>> = text.chars().map(glyph).collect();
        let (Some(glyphs), FontTransform::None) = (glyphs, style.transform()) else {
            return Ok(());
        };
        let (width, height) = text_size(text, style);
        let left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - width / 2,
            HPos::Right => x - width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => y,
            VPos::Center => y - height / 2,
            VPos::Bottom => y - height,
        };
        let whole = |units: i32| units.div_euclid(px(1.0)) * px(1.0);
        let (left, top, unit) = (whole(left), whole(top), text_unit(style));
        for (number, glyph) in (0..).zip(glyphs) {
            let left = left + number * (GLYPH_COLUMNS + 1) * unit;
            for (row, bits) in (0..).zip(glyph) {
                for column in
                    (0..GLYPH_COLUMNS).filter(|c| bits >> (GLYPH_COLUMNS - 1 - c) & 1 == 1)
                {
                    let (x, y) = (left + column * unit, top + row * unit);
                    self.draw_rect((x, y), (x + unit - 1, y + unit - 1), &style.color(), true)?;
                }
            }
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<io::Error>> {
        let (width, height) = text_size(text, style);
        Ok((width as u32, height as u32))
    }
}

/// `colour` over the pixel that is there.
pub(super) fn blend(pixel: &mut [u8], colour: [u8; 3], alpha: f64) {
    for (there, new) in pixel.iter_mut().zip(colour) {
        let mixed = f64::from(*there) * (1.0 - alpha) + f64::from(new) * alpha;
        *there = mixed.round() as u8;
    }
}

fn glyph(character: char) -> Option<&'static [u8; 7]> {
    CHARACTERS.find(character).map(|index| &GLYPHS[index])
}

/// The side of a glyph's pixel, whole pixels of the picture, so that glyphs are sharp. Digits are about
/// seven tenths as high as their font.
fn text_unit(style: &impl BackendTextStyle) -> i32 {
    let pixels = 0.7 * style.size() / FONT_SCALE / f64::from(UNITS_PER_PIXEL);
    px((pixels / f64::from(GLYPH_ROWS)).round().max(1.0))
}

fn text_size(text: &str, style: &impl BackendTextStyle) -> (i32, i32) {
    let (unit, letters) = (text_unit(style), text.chars().count() as i32);
    (((GLYPH_COLUMNS + 1) * letters - 1).max(0) * unit, GLYPH_ROWS * unit)
}
