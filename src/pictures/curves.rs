//! Learning curves.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::PictureError;
use super::axis::{Axis, is_drawable};
use super::plot::{self, Area, Captions, Drawn, PALETTE, px};

const PANEL_WIDTH: u32 = 340;
const PANEL_HEIGHT: u32 = 300;
const LEGEND_HEIGHT: u32 = 28;
/// With more points than this in a curve, the line alone shows them.
const MOST_MARKED_POINTS: usize = 60;

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend; curves of the same name have the same colour in all panels.
    pub name: String,
    /// (epoch, value) in the order of the epochs. Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Curves that share their axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What is written above it: the quantity.
    pub title: String,
    /// The curves, for instance "train" and "test".
    pub series: Vec<Series>,
}

/// Draws panels side by side, in nats per image against the epoch, with one legend for all, as SVG.
///
/// Curves of at most 60 points have each of them marked, so that one epoch can be seen too.
///
/// # Errors
///
/// [`PictureError`] if there is no panel or the file cannot be written.
///
/// # Example
///
/// ```
/// use elbo::pictures::{Panel, Series, save_learning_curves};
///
/// let series = |name: &str, points| Series { name: name.to_string(), points };
/// let elbo = Panel {
///     title: "ELBO".to_string(),
///     series: vec![
///         series("train", vec![(1.0, -190.1), (2.0, -172.4), (3.0, -168.0)]),
///         series("test", vec![(1.0, -175.0), (2.0, -169.9), (3.0, -166.2)]),
///     ],
/// };
/// # let folder = tempfile::tempdir()?;
/// save_learning_curves(&folder.path().join("curves.svg"), &[elbo])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_learning_curves(path: &Path, panels: &[Panel]) -> Result<(), PictureError> {
    if panels.is_empty() {
        return Err(PictureError::Empty { path: path.to_path_buf(), missing: "panels" });
    }
    let names = names(panels);
    let size = (PANEL_WIDTH * panels.len() as u32, LEGEND_HEIGHT + PANEL_HEIGHT);
    plot::save_svg(path, size, |area| {
        let (above, below) = area.split_vertically(px(f64::from(LEGEND_HEIGHT)));
        draw_legend(&above, &names)?;
        for (area, panel) in below.split_evenly((1, panels.len())).iter().zip(panels) {
            draw_panel(area, panel, &names)?;
        }
        Ok(())
    })
}

/// The names of all series in the order of their first appearance.
fn names(panels: &[Panel]) -> Vec<&str> {
    let mut names = Vec::new();
    for series in panels.iter().flat_map(|panel| &panel.series) {
        if !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    names
}

fn colour(names: &[&str], name: &str) -> RGBColor {
    let index = names.iter().position(|known| *known == name).unwrap_or(0);
    PALETTE[index % PALETTE.len()]
}

fn draw_legend(area: &Area, names: &[&str]) -> Drawn {
    const LINE: f64 = 22.0;
    const LETTER: f64 = 7.5;
    let width = |name: &str| LINE + 6.0 + LETTER * name.chars().count() as f64 + 16.0;
    let total: f64 = names.iter().map(|name| width(name)).sum();
    let middle = px(f64::from(LEGEND_HEIGHT) / 2.0);
    let mut left = f64::from(area.dim_in_pixel().0) / f64::from(px(1.0)) / 2.0 - total / 2.0;
    for name in names {
        let line = vec![(px(left), middle), (px(left + LINE), middle)];
        area.draw(&PathElement::new(line, line_style(colour(names, name))))?;
        area.draw_text(name, &plot::text(13.0, HPos::Left), (px(left + LINE + 6.0), middle))?;
        left += width(name);
    }
    Ok(())
}

fn draw_panel(area: &Area, panel: &Panel, names: &[&str]) -> Drawn {
    let points = || panel.series.iter().flat_map(|series| drawable(&series.points));
    let x = Axis::over_counts(points().map(|(epoch, _)| epoch), 7);
    let y = Axis::over(points().map(|(_, value)| value), 6);
    let captions = Captions { title: &panel.title, x: "epoch", y: "nats per image" };
    let mut chart = plot::chart(area, &captions, x, y)?;
    for series in &panel.series {
        let colour = colour(names, &series.name);
        let points: Vec<_> = drawable(&series.points).collect();
        if points.len() <= MOST_MARKED_POINTS {
            let mark = |&point| Circle::new(point, px(2.0), colour.filled());
            chart.draw_series(points.iter().map(mark))?;
        }
        chart.draw_series(LineSeries::new(points, line_style(colour)))?;
    }
    Ok(())
}

fn line_style(colour: RGBColor) -> ShapeStyle {
    colour.stroke_width(px(1.5) as u32)
}

fn drawable(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    points.iter().copied().filter(|&(x, y)| is_drawable(x) && is_drawable(y))
}
