//! Learning curves.

use std::path::Path;

use super::PictureError;
use super::axis::Axis;
use super::legend::Legend;
use super::lines::{Series, draw_lines};
use super::plot::{self, Area, Captions, Drawn, px};

const PANEL_WIDTH: u32 = 340;
const PANEL_HEIGHT: u32 = 300;

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
    let width = PANEL_WIDTH * panels.len() as u32;
    let names = panels.iter().flat_map(|panel| &panel.series).map(|series| series.name.as_str());
    let legend = Legend::new(names, width);
    plot::save_svg(path, (width, legend.height() + PANEL_HEIGHT), |area| {
        let (above, below) = area.split_vertically(px(f64::from(legend.height())));
        legend.draw(&above)?;
        for (area, panel) in below.split_evenly((1, panels.len())).iter().zip(panels) {
            draw_panel(area, panel, &legend)?;
        }
        Ok(())
    })
}

fn draw_panel(area: &Area, panel: &Panel, legend: &Legend) -> Drawn {
    let curves: Vec<Series> = panel.series.iter().map(|s| s.drawable(false, false)).collect();
    let points = || curves.iter().flat_map(|series| &series.points);
    let x = Axis::over_counts(points().map(|&(epoch, _)| epoch), 7);
    let y = Axis::over(points().map(|&(_, value)| value), 6);
    let captions = Captions { title: &panel.title, x: "epoch", y: "nats per image" };
    draw_lines(area, &captions, x, y, &curves, legend)
}
