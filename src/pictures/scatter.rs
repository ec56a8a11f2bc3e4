//! Scatter plots of labelled points.

use std::path::Path;

use plotters::coord::CoordTranslate;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::PictureError;
use super::axis::{Axis, is_drawable};
use super::plot::{self, Area, Captions, Drawn, PALETTE, px};

const PLOT_SIDE: u32 = 640;
const LEGEND_COLUMN: u32 = 52;
const LEGEND_LINE: f64 = 20.0;
/// As many lines as fit beside the plot.
const LEGEND_LINES: usize = 28;

/// Draws points in the plane as SVG, coloured by their labels, with a legend beside the plot.
///
/// Labels 0 to 9 are discs in ten colours; for 10 to 19 the colours come back as triangles, for 20
/// to 29 as crosses, and so on in turn. Without labels all points are alike. Points are drawn in
/// their order, somewhat transparent; those that are not finite are left out. 10,000 discs make
/// a file of about 0.7 MB.
///
/// # Errors
///
/// [`PictureError`] if points and labels are not the same in number or the file cannot be written.
pub fn save_scatter(
    path: &Path,
    title: &str,
    x_label: &str,
    y_label: &str,
    points: &[(f64, f64)],
    labels: Option<&[u8]>,
) -> Result<(), PictureError> {
    if let Some(labels) = labels
        && labels.len() != points.len()
    {
        return Err(PictureError::Labels {
            path: path.to_path_buf(),
            points: points.len(),
            labels: labels.len(),
        });
    }
    let mut present = labels.unwrap_or_default().to_vec();
    present.sort_unstable();
    present.dedup();

    let legend_width = LEGEND_COLUMN * present.len().div_ceil(LEGEND_LINES) as u32;
    plot::save_svg(path, (PLOT_SIDE + legend_width, PLOT_SIDE), |area| {
        let (left, right) = area.split_horizontally(px(f64::from(PLOT_SIDE)));
        let captions = Captions { title, x: x_label, y: y_label };
        draw_points(&left, &captions, points, labels)?;
        draw_legend(&right, &present)
    })
}

fn draw_points(
    area: &Area,
    captions: &Captions,
    points: &[(f64, f64)],
    labels: Option<&[u8]>,
) -> Drawn {
    let drawable = |&&(x, y): &&(f64, f64)| is_drawable(x) && is_drawable(y);
    let x = Axis::over(points.iter().filter(drawable).map(|&(x, _)| x), 8);
    let y = Axis::over(points.iter().filter(drawable).map(|&(_, y)| y), 8);
    let chart = plot::chart(area, captions, x, y)?;
    for (index, &point) in points.iter().enumerate().filter(|(_, point)| drawable(point)) {
        let label = labels.map_or(0, |labels| labels[index]);
        draw_mark(chart.plotting_area(), point, label, 1.75, 0.6)?;
    }
    Ok(())
}

/// Every label with its mark, in columns from top to bottom.
fn draw_legend(area: &Area, labels: &[u8]) -> Drawn {
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
fn draw_mark<'a, C: CoordTranslate>(
    area: &DrawingArea<SVGBackend<'a>, C>,
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
