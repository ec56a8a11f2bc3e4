//! What can be wrong about models, masks and noise.

use std::path::PathBuf;

use crate::distributions::any::LikelihoodKind;

/// Why images cannot be repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// No image has a p(x|z) of its own.
    #[error(
        "the likelihood takes its variance from the images at hand, so that a single pixel has no \
         probability: nothing can be repaired by it"
    )]
    Likelihood,
    /// What is missing is always the same.
    #[error(
        "this model completes images of which one and the same part is given, and knows nothing of others: \
         use `elbo complete`"
    )]
    Given,
    /// The density of a given z is not known.
    #[error(
        "the posterior of this model is a flow, whose density at a z that it has not drawn is not known: \
         repair by gibbs or importance"
    )]
    Flow,
    /// Noise that the likelihood cannot be combined with.
    #[error(
        "noise is taken out of Bernoulli pixels, and the likelihood of this model is {likelihood}"
    )]
    Noise {
        /// The model's.
        likelihood: LikelihoodKind,
    },
    /// A rate that is none.
    #[error("a rate of {rate} is not between 0 and {below}")]
    Rate {
        /// What was asked for.
        rate: f64,
        /// What it must be below.
        below: f64,
    },
    /// A deviation that is none.
    #[error("a standard deviation is a positive number, from 1e-12 to 1e12, and not {deviation:?}")]
    Deviation {
        /// What was asked for.
        deviation: f64,
    },
    /// A region that cannot be read.
    #[error(
        "`{text}` is no region: it is X,Y,WIDTH,HEIGHT in pixels, or one of top, bottom, left, right, \
         top-left, top-right, bottom-left, bottom-right"
    )]
    Region {
        /// What was given.
        text: String,
    },
    /// A rectangle that is not inside of the image.
    #[error(
        "a rectangle of {width} x {height} pixels at {x},{y} is not inside of an image that is \
         {} x {} (width x height)", image[1], image[0]
    )]
    Outside {
        /// Its left edge.
        x: usize,
        /// Its upper edge.
        y: usize,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// Height and width of the images.
        image: [usize; 2],
    },
    /// The picture is of another size than the images.
    #[error(
        "the mask {} is {} x {}, but the images are {} x {}",
        path.display(), found[0], found[1], expected[0], expected[1]
    )]
    MaskSize {
        /// The picture.
        path: PathBuf,
        /// Its height and width.
        found: [usize; 2],
        /// Those of the images.
        expected: [usize; 2],
    },
    /// The picture cannot be read.
    #[cfg(feature = "files")]
    #[error(transparent)]
    Picture(#[from] crate::data::DataError),
    /// There is nothing to repair.
    #[error("no pixel is hidden: there is nothing to repair")]
    NothingHidden,
    /// There is nothing to repair by.
    #[error("every pixel is hidden: there is nothing to repair by")]
    EverythingHidden,
    /// A broken model.
    #[error("what stands for image {index} is not finite: the model is broken")]
    NonFinite {
        /// The image, from 0.
        index: usize,
    },
}
