//! Scatter plots of labelled points or small images.

use std::path::Path;

use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::PictureError;
use super::axis::{Axis, is_drawable};
use super::encode::write_png;
use super::grid::{ImageSize, check_images};
use super::plot::{self, Canvas, Captions, Drawn, PALETTE, px};
use super::raster;
use super::thumbnails::{Overlay, Places, Thumbnails};
use crate::files::write_atomically;

const PLOT_SIDE: u32 = 640;
const LEGEND_COLUMN: u32 = 52;
const LEGEND_LINE: f64 = 20.0;
/// As many lines as fit beside the plot.
const LEGEND_LINES: usize = 28;

/// Points in the plane over one pair of axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScatterPlot<'a> {
    /// What is written above it.
    pub title: &'a str,
    /// The quantity along the horizontal axis.
    pub x: &'a str,
    /// The quantity along the vertical axis.
    pub y: &'a str,
    /// (x, y) of each point. Those that are not finite are left out.
    pub points: &'a [(f64, f64)],
    /// A label for each point, where there are any.
    pub labels: Option<&'a [u8]>,
    /// Images that stand in for the marks of the points, as many as have room.
    pub thumbnails: Option<Thumbnails<'a>>,
}

/// Draws points in the plane, coloured by their labels, with a legend beside the plot: as PNG where
/// `path` ends in `.png`, else as SVG.
///
/// Labels 0 to 9 are discs in ten colours; for 10 to 19 the colours come back as triangles, for 20
/// to 29 as crosses, and so on in turn. Without labels all points are alike. Points are drawn in
/// their order, somewhat transparent. 10,000 discs make an SVG of about 0.7 MB.
///
/// Thumbnails, white on black, are drawn in the colours of their labels on the white of the plot, their
/// middle at their point: in their order each that is inside the frame and would cover none before it.
///
/// A PNG has numbers at its axes and in its legend, and no other text.
///
/// # Errors
///
/// [`PictureError`] if points, labels and thumbnails are not the same in number, if a thumbnail has not
/// height·width pixels or contains NaN, or if the file cannot be written.
pub fn save_scatter(path: &Path, plot: &ScatterPlot) -> Result<(), PictureError> {
    plot.check(path)?;
    let present = plot.present();
    let legend_width = LEGEND_COLUMN * present.len().div_ceil(LEGEND_LINES) as u32;
    let size = (PLOT_SIDE + legend_width, PLOT_SIDE);
    let failed = |cause| plot::plot_error(path, cause);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        let drawn = raster::draw(size, |area| plot.draw(area, size, &present));
        let (mut rgb, overlay) = drawn.map_err(failed)?;
        if let Some(overlay) = overlay {
            overlay.over(&mut rgb);
        }
        write_atomically(path, |file| write_png(file, size, png::ColorType::Rgb, &rgb))?;
        return Ok(());
    }
    let (mut svg, overlay) =
        plot::svg(size, |area| plot.draw(area, size, &present)).map_err(failed)?;
    if let Some(overlay) = overlay {
        let image = overlay.to_svg().map_err(|cause| plot::plot_error(path, cause))?;
        let end = svg.rfind("</svg>").expect("an SVG has an end");
        svg.insert_str(end, &format!("{image}\n"));
    }
    write_atomically(path, |file| file.write_all(svg.as_bytes()))?;
    Ok(())
}

impl ScatterPlot<'_> {
    fn check(&self, path: &Path) -> Result<(), PictureError> {
        let (points, path) = (self.points.len(), || path.to_path_buf());
        if let Some(labels) = self.labels
            && labels.len() != points
        {
            return Err(PictureError::Labels { path: path(), points, labels: labels.len() });
        }
        if let Some(Thumbnails { images, height, width }) = self.thumbnails {
            let thumbnails = images.nrows();
            if thumbnails != points {
                return Err(PictureError::Thumbnails { path: path(), points, thumbnails });
            }
            check_images(&path(), images.view(), ImageSize { height, width }, 1)?;
        }
        Ok(())
    }

    /// Every label once, in rising order.
    fn present(&self) -> Vec<u8> {
        let mut present = self.labels.unwrap_or_default().to_vec();
        present.sort_unstable();
        present.dedup();
        present
    }

    fn label(&self, index: usize) -> u8 {
        self.labels.map_or(0, |labels| labels[index])
    }

    /// The plot and its legend, on a canvas of `size` pixels; the thumbnails are left to lie over it.
    fn draw<B: Canvas>(
        &self,
        area: &DrawingArea<B, Shift>,
        size: (u32, u32),
        present: &[u8],
    ) -> Drawn<Option<Overlay>> {
        let (left, right) = area.split_horizontally(px(f64::from(PLOT_SIDE)));
        draw_legend(&right, present)?;
        let captions = Captions { title: self.title, x: self.x, y: self.y };
        let drawable = |&&(x, y): &&(f64, f64)| is_drawable(x) && is_drawable(y);
        let x = Axis::over(self.points.iter().filter(drawable).map(|&(x, _)| x), 8);
        let y = Axis::over(self.points.iter().filter(drawable).map(|&(_, y)| y), 8);
        let chart = plot::chart(&left, &captions, x, y)?;
        let Some(thumbnails) = self.thumbnails else {
            for (index, &point) in self.points.iter().enumerate().filter(|(_, p)| drawable(p)) {
                draw_mark(chart.plotting_area(), point, self.label(index), 1.75, 0.6)?;
            }
            return Ok(None);
        };
        let pixels = |units: i32| units.div_euclid(px(1.0));
        let centre = |point: &(f64, f64)| {
            let (x, y) = chart.backend_coord(point);
            drawable(&point).then_some((pixels(x), pixels(y)))
        };
        let (x, y) = chart.plotting_area().get_pixel_range();
        let places = Places {
            // Not on the lines of the frame.
            x: pixels(x.start) + 1..pixels(x.end),
            y: pixels(y.start) + 1..pixels(y.end),
            centres: self.points.iter().map(centre).collect(),
        };
        let colour = |index: usize| {
            let RGBColor(red, green, blue) =
                PALETTE[usize::from(self.label(index)) % PALETTE.len()];
            [red, green, blue]
        };
        Ok(Some(thumbnails.overlay(size, &places, colour)))
    }
}

/// Every label with its mark, in columns from top to bottom.
fn draw_legend<B: Canvas>(area: &DrawingArea<B, Shift>, labels: &[u8]) -> Drawn {
    for (index, &label) in labels.iter().enumerate() {
        let (column, line) = (index / LEGEND_LINES, index % LEGEND_LINES);
        let x = f64::from(LEGEND_COLUMN) * column as f64 + 8.0;
        let y = 34.0 + LEGEND_LINE * (line as f64 + 0.5);
        draw_mark(area, (px(x), px(y)), label, 4.5, 1.0)?;
        let style = plot::text(13.0, HPos::Left);
        area.draw_text(&label.to_string(), &style, (px(x + 10.0), px(y)))?;
    }
    Ok(())
}

/// Colour label mod 10, shape label / 10 mod 3.
fn draw_mark<B: Canvas, C: CoordTranslate>(
    area: &DrawingArea<B, C>,
    at: C::From,
    label: u8,
    radius: f64,
    opacity: f64,
) -> Drawn {
    let colours = PALETTE.len();
    let label = usize::from(label);
    let colour = PALETTE[label % colours].mix(opacity);
    // Sizes that look alike: a triangle and a cross cover less than the disc around them.
    match label / colours % 3 {
        0 => area.draw(&Circle::new(at, px(radius), colour.filled())),
        1 => area.draw(&TriangleMarker::new(at, px(1.4 * radius), colour.filled())),
        _ => {
            let stroke = colour.stroke_width(px(0.4 * radius) as u32);
            area.draw(&Cross::new(at, px(radius), stroke))
        }
    }
}
