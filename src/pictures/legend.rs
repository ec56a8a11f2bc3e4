//! Which curve is which: names, colours, and the legend that shows them.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::lines::line_style;
use super::plot::{self, Area, Drawn, PALETTE, px};

const LINE_HEIGHT: u32 = 28;
const SAMPLE: f64 = 22.0;

/// The names of some curves, each once, in the order of their first appearance.
pub(super) struct Legend<'a> {
    names: Vec<&'a str>,
    /// The names by lines, which are at most so many pixels wide.
    lines: Vec<Vec<&'a str>>,
}

impl<'a> Legend<'a> {
    pub(super) fn new(all: impl Iterator<Item = &'a str>, width: u32) -> Legend<'a> {
        let (mut names, mut lines) = (Vec::new(), vec![Vec::new()]);
        let mut left = f64::from(width);
        for name in all {
            if names.contains(&name) {
                continue;
            }
            if entry_width(name) > left && !names.is_empty() {
                lines.push(Vec::new());
                left = f64::from(width);
            }
            names.push(name);
            lines.last_mut().expect("there is a first line").push(name);
            left -= entry_width(name);
        }
        Legend { names, lines }
    }

    /// In pixels.
    pub(super) fn height(&self) -> u32 {
        LINE_HEIGHT * self.lines.len() as u32
    }

    pub(super) fn colour(&self, name: &str) -> RGBColor {
        let index = self.names.iter().position(|known| *known == name).unwrap_or(0);
        PALETTE[index % PALETTE.len()]
    }

    pub(super) fn draw(&self, area: &Area) -> Drawn {
        for (line, index) in self.lines.iter().zip(0..) {
            let total: f64 = line.iter().copied().map(entry_width).sum();
            let middle = px(f64::from(LINE_HEIGHT) * (f64::from(index) + 0.5));
            let mut left =
                f64::from(area.dim_in_pixel().0) / f64::from(px(1.0)) / 2.0 - total / 2.0;
            for name in line {
                let sample = vec![(px(left), middle), (px(left + SAMPLE), middle)];
                area.draw(&PathElement::new(sample, line_style(self.colour(name))))?;
                let style = plot::text(13.0, HPos::Left);
                area.draw_text(name, &style, (px(left + SAMPLE + 6.0), middle))?;
                left += entry_width(name);
            }
        }
        Ok(())
    }
}

/// A sample of the line, the name and the space after it, in pixels.
fn entry_width(name: &str) -> f64 {
    const LETTER: f64 = 7.5;
    SAMPLE + 6.0 + LETTER * name.chars().count() as f64 + 16.0
}
