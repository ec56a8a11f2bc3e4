//! One plot of lines.

use std::path::Path;

use plotters::prelude::*;

use super::PictureError;
use super::axis::{Axis, is_drawable, is_drawable_on_log};
use super::legend::Legend;
use super::plot::{self, Area, Captions, Drawn, px};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 400;
/// With more points than this in a curve, the line alone shows them.
const MOST_MARKED_POINTS: usize = 60;

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend; curves of the same name have the same colour.
    pub name: String,
    /// (x, y) in the order in which the line visits them. Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The series without the points that have no place on such axes.
    pub(super) fn drawable(&self, log_x: bool, log_y: bool) -> Series {
        let has_place =
            |value, log| if log { is_drawable_on_log(value) } else { is_drawable(value) };
        let keep = |&(x, y): &(f64, f64)| has_place(x, log_x) && has_place(y, log_y);
        let points = self.points.iter().copied().filter(keep).collect();
        Series { name: self.name.clone(), points }
    }
}

/// Curves over one pair of axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinePlot {
    /// What is written above it.
    pub title: String,
    /// The quantity along the horizontal axis, with its unit.
    pub x: String,
    /// The quantity along the vertical axis, with its unit.
    pub y: String,
    /// Whether the horizontal axis is logarithmic. There, points with x ≤ 0 are left out.
    pub log_x: bool,
    /// Whether the vertical axis is logarithmic. There, points with y ≤ 0 are left out.
    pub log_y: bool,
    /// The curves.
    pub series: Vec<Series>,
}

/// Draws curves with a legend above them, as SVG.
///
/// Curves of at most 60 points have each of them marked.
///
/// # Errors
///
/// [`PictureError`] if there is no series or the file cannot be written.
///
/// # Example
///
/// ```
/// use elbo::pictures::{LinePlot, Series, save_lines};
///
/// let power = |name: &str, exponent| Series {
///     name: name.to_string(),
///     points: (1..=10).map(|n| (f64::from(n), f64::from(n).powi(exponent))).collect(),
/// };
/// let plot = LinePlot {
///     title: "Growth".to_string(),
///     x: "n".to_string(),
///     y: "steps".to_string(),
///     log_x: true,
///     log_y: true,
///     series: vec![power("square", 2), power("cube", 3)],
/// };
/// # let folder = tempfile::tempdir()?;
/// save_lines(&folder.path().join("growth.svg"), &plot)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_lines(path: &Path, plot: &LinePlot) -> Result<(), PictureError> {
    if plot.series.is_empty() {
        return Err(PictureError::Empty { path: path.to_path_buf(), missing: "series" });
    }
    let lines: Vec<Series> =
        plot.series.iter().map(|series| series.drawable(plot.log_x, plot.log_y)).collect();
    let legend = Legend::new(lines.iter().map(|line| line.name.as_str()), WIDTH);
    plot::save_svg(path, (WIDTH, legend.height() + HEIGHT), |area| {
        let (above, below) = area.split_vertically(px(f64::from(legend.height())));
        legend.draw(&above)?;
        let points = || lines.iter().flat_map(|line| &line.points);
        let x = axis(points().map(|point| point.0), plot.log_x);
        let y = axis(points().map(|point| point.1), plot.log_y);
        let captions = Captions { title: &plot.title, x: &plot.x, y: &plot.y };
        draw_lines(&below, &captions, x, y, &lines, &legend)
    })
}

fn axis(values: impl Iterator<Item = f64>, log: bool) -> Axis {
    if log { Axis::over_log(values, 8) } else { Axis::over(values, 8) }
}

/// A chart with these lines, all of whose points have a place on the axes.
pub(super) fn draw_lines(
    area: &Area,
    captions: &Captions,
    x: Axis,
    y: Axis,
    lines: &[Series],
    legend: &Legend,
) -> Drawn {
    let mut chart = plot::chart(area, captions, x, y)?;
    for Series { name, points } in lines {
        let colour = legend.colour(name);
        if points.len() <= MOST_MARKED_POINTS {
            let mark = |&point| Circle::new(point, px(2.0), colour.filled());
            chart.draw_series(points.iter().map(mark))?;
        }
        chart.draw_series(LineSeries::new(points.iter().copied(), line_style(colour)))?;
    }
    Ok(())
}

pub(super) fn line_style(colour: RGBColor) -> ShapeStyle {
    colour.stroke_width(px(1.5) as u32)
}
