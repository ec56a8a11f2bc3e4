//! Images in memory, with or without labels.

use std::ops::RangeInclusive;

use ndarray::Array2;

/// The pixels of all images, one image after the other, each row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// 0 is black, 255 is white.
    Bytes(Vec<u8>),
    /// 0 is black, 1 is white, none outside.
    Floats(Vec<f32>),
}

impl Pixels {
    /// The number of pixels of all images together.
    pub fn len(&self) -> usize {
        match self {
            Pixels::Bytes(values) => values.len(),
            Pixels::Floats(values) => values.len(),
        }
    }

    /// Whether there is no pixel at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pixels from 0 to 1.
    fn into_floats(self) -> Vec<f32> {
        match self {
            Pixels::Bytes(values) => values.into_iter().map(|v| f32::from(v) / 255.0).collect(),
            Pixels::Floats(values) => values,
        }
    }
}

/// Why an array is no set of images; [`DataError::Images`](super::DataError::Images) adds the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidImages {
    /// No images, or images without pixels.
    #[error("{count} images of {height} x {width} pixels: the set is empty")]
    Empty {
        /// How many images.
        count: usize,
        /// Pixels from top to bottom.
        height: usize,
        /// Pixels from left to right.
        width: usize,
    },

    /// The pixels do not make whole images.
    #[error("{pixels} pixels are not a whole number of images of {height} x {width}")]
    Ragged {
        /// How many pixels in all.
        pixels: usize,
        /// Pixels from top to bottom.
        height: usize,
        /// Pixels from left to right.
        width: usize,
    },

    /// The array has no dimensions that could be images.
    #[error(
        "the shape {shape:?} is no set of grey images; expected (images, height, width), \
         (images, pixels), (images, height, width, 1) or (images, 1, height, width)"
    )]
    Shape {
        /// The shape found.
        shape: Vec<usize>,
    },

    /// The element type is no pixel type.
    #[error("{element} cannot be pixels; expected u8, or f32 or f64 between 0 and 1")]
    ElementType {
        /// The element type found.
        element: &'static str,
    },

    /// Bytes of 0 and 1, which would be read as nearly black.
    #[error(
        "no byte is above 1, but in bytes white is 255: save images of 0 and 1 as float32 \
         (`images.astype('f4')`)"
    )]
    BlackAndWhite,

    /// A float pixel is not a number between 0 and 1.
    #[error(
        "pixel {pixel} of image {image} is {value}; float pixels must lie between 0 and 1 \
         (divide by 255 if they run from 0 to 255)"
    )]
    Pixel {
        /// Which image, from 0.
        image: usize,
        /// Which pixel of it, row by row, from 0.
        pixel: usize,
        /// Its value.
        value: f32,
    },
}

/// At least one grey image, all of one size with at least one pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    height: usize,
    width: usize,
    pixels: Pixels,
}

impl Images {
    /// Images of `height` x `width` pixels each, as many as `pixels` holds.
    ///
    /// # Errors
    /// If there is no image or no pixel, if the last image is incomplete, or if a float pixel is
    /// not a number between 0 and 1.
    pub fn new(height: usize, width: usize, pixels: Pixels) -> Result<Self, InvalidImages> {
        let per_image = height.saturating_mul(width);
        if per_image == 0 || pixels.is_empty() {
            let count = pixels.len().checked_div(per_image).unwrap_or(0);
            return Err(InvalidImages::Empty { count, height, width });
        }
        if !pixels.len().is_multiple_of(per_image) {
            return Err(InvalidImages::Ragged { pixels: pixels.len(), height, width });
        }
        if let Pixels::Floats(values) = &pixels
            && let Some(index) = values.iter().position(|value| !(0.0..=1.0).contains(value))
        {
            let (image, pixel) = (index / per_image, index % per_image);
            return Err(InvalidImages::Pixel { image, pixel, value: values[index] });
        }
        Ok(Images { height, width, pixels })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.pixels_per_image()
    }

    /// Never true, as [`Images::new`] refuses an empty set.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels from left to right.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `height * width`.
    pub fn pixels_per_image(&self) -> usize {
        self.height * self.width
    }

    /// Some images in f64, made `side` x `side`, (images, side²): each pixel is the mean of the
    /// area that it covers, where a pixel at its border counts by the part inside.
    ///
    /// # Panics
    ///
    /// If an index is out of range.
    pub fn shrunk(&self, range: RangeInclusive<usize>, side: usize) -> Array2<f64> {
        let indices: Vec<usize> = range.collect();
        let mut x = Array2::zeros((indices.len(), self.pixels_per_image()));
        self.gather(&indices, &mut x);
        let (rows, columns) = (coverage(side, self.height), coverage(side, self.width));
        let mut small = Array2::zeros((x.nrows(), side * side));
        for (image, mut small) in x.rows().into_iter().zip(small.rows_mut()) {
            let image = image.to_shape((self.height, self.width)).expect("as many pixels");
            small.assign(&rows.dot(&image).dot(&columns.t()).flatten());
        }
        small
    }

    /// The pixels of all images, image after image.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }
}

/// The share that each of `from` pixels in a row has in each of `to` wider ones, (to, from).
fn coverage(to: usize, from: usize) -> Array2<f64> {
    let width = from as f64 / to as f64;
    Array2::from_shape_fn((to, from), |(i, j)| {
        let (start, end) = (i as f64 * width, (i + 1) as f64 * width);
        (end.min((j + 1) as f64) - start.max(j as f64)).max(0.0) / width
    })
}

/// Images, and what they show where that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The images.
    pub images: Images,
    /// A class per image, in the order of the images; as many as there are images.
    pub labels: Option<Vec<u8>>,
}

/// Labels that a model which reads them cannot use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableLabels {
    /// There are none.
    #[error("the images have no labels, and a conditional model reads them")]
    Missing,
    /// One is of no class.
    #[error("image {index} has the label {label}, but the classes are 0 to {}", classes - 1)]
    Range {
        /// The image, from 0.
        index: usize,
        /// Its label.
        label: u8,
        /// The classes that there are.
        classes: usize,
    },
}

impl Dataset {
    /// How many classes the labels are of, if they are of as few as they can be: one more than the largest.
    ///
    /// # Errors
    ///
    /// [`UnusableLabels::Missing`].
    pub fn classes(&self) -> Result<usize, UnusableLabels> {
        let labels = self.labels.as_ref().ok_or(UnusableLabels::Missing)?;
        Ok(labels.iter().max().map_or(0, |&largest| usize::from(largest) + 1))
    }

    /// Whether a model of so many classes can read the labels, 0 to `classes` - 1. One of none asks for none.
    ///
    /// # Errors
    ///
    /// If there are no labels, or one is out of range.
    pub fn check_labels(&self, classes: usize) -> Result<(), UnusableLabels> {
        if classes == 0 {
            return Ok(());
        }
        let labels = self.labels.as_ref().ok_or(UnusableLabels::Missing)?;
        match labels.iter().position(|&label| usize::from(label) >= classes) {
            Some(index) => Err(UnusableLabels::Range { index, label: labels[index], classes }),
            None => Ok(()),
        }
    }

    /// The images (and labels) at whose index `keep` holds, in place; `None` if there is none.
    pub fn filtered(mut self, keep: impl Fn(usize) -> bool) -> Option<Self> {
        let stride = self.images.pixels_per_image();
        match &mut self.images.pixels {
            Pixels::Bytes(values) => keep_rows(values, stride, &keep),
            Pixels::Floats(values) => keep_rows(values, stride, &keep),
        }
        if let Some(labels) = &mut self.labels {
            keep_rows(labels, 1, &keep);
        }
        (!self.images.is_empty()).then_some(self)
    }

    /// These images and after them others, which must be of the same size. There are labels if both have
    /// them.
    ///
    /// # Errors
    ///
    /// [`OtherSize`].
    pub fn followed_by(self, others: Self) -> Result<Self, OtherSize> {
        let size = |images: &Images| [images.height, images.width];
        let (expected, found) = (size(&self.images), size(&others.images));
        if expected != found {
            return Err(OtherSize { expected, found });
        }
        let pixels = match (self.images.pixels, others.images.pixels) {
            (Pixels::Bytes(first), Pixels::Bytes(others)) => {
                Pixels::Bytes([first, others].concat())
            }
            (first, others) => Pixels::Floats([first.into_floats(), others.into_floats()].concat()),
        };
        let labels = self.labels.zip(others.labels);
        Ok(Self {
            images: Images { pixels, ..self.images },
            labels: labels.map(|(first, others)| [first, others].concat()),
        })
    }
}

/// Images that are not of the size of those that they are to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "one set of images is {} x {} and the other {} x {}",
    expected[0], expected[1], found[0], found[1]
)]
pub struct OtherSize {
    /// Height and width of the first.
    pub expected: [usize; 2],
    /// Height and width of the others.
    pub found: [usize; 2],
}

/// Moves the rows that are kept to the front and drops the rest.
fn keep_rows<T: Copy>(values: &mut Vec<T>, stride: usize, keep: impl Fn(usize) -> bool) {
    let mut kept = 0;
    for row in 0..values.len() / stride {
        if keep(row) {
            values.copy_within(row * stride..(row + 1) * stride, kept * stride);
            kept += 1;
        }
    }
    values.truncate(kept * stride);
    values.shrink_to_fit();
}
