//! Pictures of a model, for `train` and for the commands that draw one of them.

use std::{fmt::Display, path::Path};

use anyhow::{Result, bail};
use ndarray::{Array2, ArrayView2};

use crate::{
    data::{Part, View},
    evaluation::pca,
    generation::Generate,
    models::{AnyModel, Model},
    pictures::{
        Panel, ScatterPlot, Series, Thumbnails, save_grid, save_learning_curves, save_pairs,
        save_scatter, save_stacks,
    },
    real::cast,
    training::Row,
    uses::completion::Completed,
};

/// About as many columns as rows.
pub fn columns(n: usize) -> usize {
    (n as f64).sqrt().ceil() as usize
}

/// The first `n` images, each above its reconstruction.
pub fn reconstructions(path: &Path, vae: &AnyModel<f32>, view: View<'_>, n: usize) -> Result<()> {
    let indices: Vec<usize> = (0..n.min(view.count)).collect();
    let (height, width) = (view.images.height(), view.images.width());
    let mut originals = Array2::zeros((indices.len(), height * width));
    view.gather(&indices, 0, &mut originals);
    let reconstructions = vae.reconstruct(view, &indices);
    let columns = indices.len().min(10);
    save_pairs(path, originals.view(), reconstructions.view(), height, width, columns)?;
    Ok(())
}

/// The completions of an image that a picture shows one by one.
const SHOWN: usize = 6;

/// Below what is given of each image the image itself, the mean of its completions, and some of those one by
/// one.
pub fn completions(path: &Path, completed: &Completed, [height, width]: [usize; 2]) -> Result<()> {
    let mean = completed.mean();
    let mut layers = vec![completed.given.view(), completed.originals.view(), mean.view()];
    layers.extend(completed.draws.iter().take(SHOWN).map(|draw| draw.view()));
    save_stacks(path, &layers, height, width, completed.given.nrows().min(10))?;
    Ok(())
}

/// The decoded points of a square grid.
pub fn manifold(
    path: &Path,
    vae: &AnyModel<f32>,
    points: ArrayView2<'_, f64>,
    [height, width]: [usize; 2],
) -> Result<()> {
    let pictures = vae.decode_mean(points);
    save_grid(path, pictures.view(), height, width, columns(points.nrows()))?;
    Ok(())
}

/// The latent codes of a data set, coloured by label, as points or small images: both dimensions where
/// there are two, μ and σ where there is one, and otherwise the first two principal components. The codes
/// are posterior means, or where a flow takes those of z₀. It fails where codes are not finite, and then says which
/// `model` they are of.
pub fn latent(
    path: &Path,
    model: impl Display,
    vae: &AnyModel<f32>,
    view: View<'_>,
    labels: Option<&[u8]>,
    thumbnails: Option<Thumbnails<'_>>,
) -> Result<()> {
    let indices: Vec<usize> = view.indices().collect();
    let codes: Array2<f64> = cast(vae.latents(view, &indices).view());
    let set = match view.part {
        Part::Train => "training set",
        Part::Test => "test set",
    };
    let (title, name, spread) = match vae.has_exact_mean() {
        true => (format!("Latent means of the {set}"), "μ", "σ"),
        false => (format!("Latent codes of the {set}, the flow without noise"), "z", "σ of z₀"),
    };
    let (x_label, y_label, points) = match codes.ncols() {
        1 => {
            let sigma: Array2<f64> = cast(vae.posterior(view, &indices).sigma().view());
            (name.into(), spread.into(), codes.iter().copied().zip(sigma).collect())
        }
        2 => {
            let points = codes.rows().into_iter().map(|row| (row[0], row[1])).collect();
            (format!("{name}₁"), format!("{name}₂"), points)
        }
        _ => {
            let plane = pca::plane(codes.view());
            let percent = |i: usize| 100.0 * plane.shares[i];
            let axis = |i: usize| format!("principal component {} ({:.0} %)", i + 1, percent(i));
            (axis(0), axis(1), plane.points)
        }
    };
    if points.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
        bail!("{model}: its codes are not all finite: its weights are too large to compute with");
    }
    let (title, x, y) = (&title, &x_label, &y_label);
    save_scatter(path, &ScatterPlot { title, x, y, points: &points, labels, thumbnails })?;
    Ok(())
}

/// The ELBO and its two terms, on training and test images, against the epoch.
pub fn curves(path: &Path, rows: &[Row]) -> Result<()> {
    let series = |name: &str, value: fn(&Row) -> f64| Series {
        name: name.into(),
        points: rows.iter().map(|row| (row.epoch as f64, value(row))).collect(),
    };
    let panel = |title: &str, train: fn(&Row) -> f64, test: fn(&Row) -> f64| Panel {
        title: title.into(),
        series: vec![series("train", train), series("test", test)],
    };
    let panels = [
        panel("ELBO", |row| row.train_elbo, |row| row.test_elbo),
        panel("reconstruction", |row| row.train_reconstruction, |row| row.test_reconstruction),
        panel("KL", |row| row.train_kl, |row| row.test_kl),
    ];
    Ok(save_learning_curves(path, &panels)?)
}
