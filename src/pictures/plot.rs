//! What all plots share: the canvas, one chart with its axes, colours, text.

use std::error::Error;
use std::io;
use std::path::Path;

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::PictureError;
use super::axis::Axis;
use crate::files::write_atomically;

/// plotters places everything at whole units. Four of them make one pixel of the picture as it is
/// shown, so that curves are smooth and points lie where they should.
pub(super) const UNITS_PER_PIXEL: u32 = 4;

/// Ten colours that stay apart from each other on white.
pub(super) const PALETTE: [RGBColor; 10] = [
    RGBColor(0x1f, 0x6f, 0xc0),
    RGBColor(0xf0, 0x80, 0x10),
    RGBColor(0x20, 0x90, 0x40),
    RGBColor(0xd0, 0x20, 0x30),
    RGBColor(0x8a, 0x50, 0xc8),
    RGBColor(0x80, 0x50, 0x38),
    RGBColor(0xe8, 0x70, 0xc0),
    RGBColor(0x50, 0x50, 0x50),
    RGBColor(0xb0, 0xb0, 0x10),
    RGBColor(0x10, 0xb8, 0xc8),
];
const INK: RGBColor = RGBColor(0x30, 0x30, 0x30);
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<Axis, Axis>>;
pub(super) type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<io::Error>>;

/// What plots are drawn on: SVG or pixels.
pub(super) trait Canvas: DrawingBackend<ErrorType = io::Error> {}

impl<B: DrawingBackend<ErrorType = io::Error>> Canvas for B {}

/// Pixels of the picture as shown, in the units of plotters.
pub(super) fn px(pixels: f64) -> i32 {
    (pixels * f64::from(UNITS_PER_PIXEL)).round() as i32
}

/// Horizontal text, `size` pixels high, that begins, is centred or ends at its position and has
/// its middle there.
pub(super) fn text(size: f64, anchor: HPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", plotters_size(size)).into_font())
        .color(&INK)
        .pos(Pos::new(anchor, VPos::Center))
}

/// plotters divides the size of a font by this when it writes SVG.
pub(super) const FONT_SCALE: f64 = 1.24;

fn plotters_size(pixels: f64) -> f64 {
    FONT_SCALE * pixels * f64::from(UNITS_PER_PIXEL)
}

/// Draws on a white canvas of so many pixels and writes it as SVG.
pub(super) fn save_svg(
    path: &Path,
    size: (u32, u32),
    draw: impl FnOnce(&Area) -> Drawn,
) -> Result<(), PictureError> {
    let (svg, ()) = svg(size, draw).map_err(|cause| plot_error(path, cause))?;
    write_atomically(path, |file| file.write_all(svg.as_bytes()))?;
    Ok(())
}

/// The SVG of a white canvas of so many pixels that `draw` has drawn on, and what that returns.
pub(super) fn svg<R>(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area) -> Drawn<R>,
) -> Drawn<(String, R)> {
    let mut svg = String::new();
    let result = {
        let size = (width * UNITS_PER_PIXEL, height * UNITS_PER_PIXEL);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let result = draw(&area)?;
        area.present()?;
        result
    };
    Ok((tidy(&svg, (width, height)), result))
}

pub(super) fn plot_error(path: &Path, cause: impl Error + Send + Sync + 'static) -> PictureError {
    PictureError::Plot { path: path.to_path_buf(), cause: Box::new(cause) }
}

/// Shows the canvas at its size in pixels, and leaves out attributes that say nothing, which are a
/// third of a plot of many points, and blank lines, at which Markdown would take the picture apart.
fn tidy(svg: &str, (width, height): (u32, u32)) -> String {
    let mut tidied = String::with_capacity(svg.len());
    for line in svg.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("<svg ") {
            let (right, bottom) = (width * UNITS_PER_PIXEL, height * UNITS_PER_PIXEL);
            tidied.push_str(&format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {right} {bottom}">"#
            ));
        } else {
            tidied.push_str(&line.replace(r#" stroke="none" stroke-width="1"/>"#, "/>"));
        }
        tidied.push('\n');
    }
    tidied
}

/// What is written on and around one chart.
pub(super) struct Captions<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

/// A frame with ticks, their labels and light grid lines, ready to be drawn in.
pub(super) fn chart<'a, B: Canvas>(
    area: &DrawingArea<B, Shift>,
    captions: &Captions,
    x: Axis,
    y: Axis,
) -> Drawn<Chart<'a, B>> {
    const TITLE: f64 = 34.0;
    const LEFT: f64 = 66.0;
    const BELOW: f64 = 46.0;
    const MARGIN: f64 = 14.0;
    let (width, height) = area.dim_in_pixel();
    let middle = (px(LEFT) + width as i32 - px(MARGIN)) / 2;
    area.draw_text(captions.title, &text(15.0, HPos::Center), (middle, px(TITLE / 2.0)))?;
    area.draw_text(
        captions.x,
        &text(13.0, HPos::Center),
        (middle, height as i32 - px(BELOW / 4.0)),
    )?;
    let upwards = text(13.0, HPos::Center).transform(FontTransform::Rotate270);
    let centre = (px(TITLE) + height as i32 - px(BELOW)) / 2;
    area.draw_text(captions.y, &upwards, (px(12.0), centre))?;

    let mut chart = ChartBuilder::on(area)
        .margin_top(px(TITLE))
        .margin_right(px(MARGIN))
        .y_label_area_size(px(LEFT))
        .x_label_area_size(px(BELOW))
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(UNITS_PER_PIXEL))
        .axis_style(INK.stroke_width(UNITS_PER_PIXEL))
        .set_all_tick_mark_size(px(4.0))
        .label_style(text(12.0, HPos::Center))
        .draw()?;
    Ok(chart)
}
