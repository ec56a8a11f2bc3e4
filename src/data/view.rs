//! Images as a model sees them: grey, or black and white by a draw.

use std::{fmt, ops::Range};

use elbo_kernels::team;
use ndarray::{Array1, Array2, Axis};
use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::{Images, Part};
use crate::{
    random::{self, Purpose},
    real::Real,
};

/// What the pixels of a run are. Figures on pixels that were treated otherwise are not comparable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// As they are, in \[0, 1\].
    #[default]
    Grey,
    /// Each pixel x is white with probability x, drawn anew whenever the image is used: "dynamic"
    /// binarisation (Burda, Grosse & Salakhutdinov 2015, section 5). Test images are drawn anew in
    /// every epoch.
    Binarised,
    /// The same with one draw for good, which belongs to the image and not to the run's seed. It
    /// stands in for the binarised MNIST of Larochelle & Murray 2011, which is another such draw.
    Fixed,
}

/// `grey`, `binarised` or `fixed`.
impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Grey => "grey",
            Self::Binarised => "binarised",
            Self::Fixed => "fixed",
        })
    }
}

/// Images, and how they are treated.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The images, of which the view may be a part.
    pub images: &'a Images,
    /// Their labels, where there are any.
    pub labels: Option<&'a [u8]>,
    /// The first that belongs to the view.
    pub first: usize,
    /// How many do.
    pub count: usize,
    /// The part of the data that they are; parts share no draws.
    pub part: Part,
    /// What is done to their pixels.
    pub treatment: Treatment,
    /// Seed of the draws of [`Treatment::Binarised`].
    pub seed: u64,
}

/// Images below which a second thread does not pay.
const IMAGES_PER_PART: usize = 8;

impl<'a> View<'a> {
    /// All of the images, grey.
    pub fn new(images: &'a Images, part: Part) -> Self {
        let count = images.len();
        Self { images, labels: None, first: 0, count, part, treatment: Treatment::Grey, seed: 0 }
    }

    /// The same images with their labels, one for each of all images.
    pub fn labelled(self, labels: &'a [u8]) -> Self {
        assert_eq!(labels.len(), self.images.len(), "a label for each image");
        Self { labels: Some(labels), ..self }
    }

    /// The same images treated otherwise.
    pub fn treated(self, treatment: Treatment, seed: u64) -> Self {
        Self { treatment, seed, ..self }
    }

    /// The indices of its images.
    pub fn indices(&self) -> Range<usize> {
        self.first..self.first + self.count
    }

    /// Its first `count` images.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn take(self, count: usize) -> Self {
        assert!(count <= self.count, "the view has fewer images");
        Self { count, ..self }
    }

    /// All but the last `held_out` images, and those.
    ///
    /// # Panics
    ///
    /// If there are no more than that.
    pub fn split(self, held_out: usize) -> (Self, Self) {
        assert!(held_out < self.count, "no image is left to train on");
        let count = self.count - held_out;
        (Self { count, ..self }, Self { first: self.first + count, count: held_out, ..self })
    }

    /// The mean of each grey pixel over the images, (pixels).
    pub fn mean(&self) -> Array1<f64> {
        let mut sum = Array1::zeros(self.images.pixels_per_image());
        let mut x = Array2::<f64>::zeros((1, sum.len()));
        for index in self.indices() {
            self.images.gather(&[index], &mut x);
            sum += &x.row(0);
        }
        sum / self.count as f64
    }

    /// Row n of `x` becomes image `indices[n]`, as it is in this epoch.
    ///
    /// # Panics
    ///
    /// If `x` is not (indices, pixels), or an index is out of range.
    pub fn gather<T: Real>(&self, indices: &[usize], epoch: u64, x: &mut Array2<T>) {
        self.images.gather(indices, x);
        let (seed, epoch) = match self.treatment {
            Treatment::Grey => return,
            Treatment::Binarised => (self.seed, epoch),
            Treatment::Fixed => (0, 0),
        };
        let purpose = match self.part {
            Part::Train => Purpose::TrainPixels,
            Part::Test => Purpose::TestPixels,
        };
        let rows = indices.len().div_ceil(team::part_count(indices.len(), IMAGES_PER_PART)).max(1);
        let parts = x.axis_chunks_iter_mut(Axis(0), rows).zip(indices.chunks(rows));
        team::share(parts, |(mut x, indices)| {
            for (mut image, &index) in x.rows_mut().into_iter().zip(indices) {
                let mut rng = random::rng(seed, purpose, epoch, index as u64);
                image.mapv_inplace(|v| binary(v, &mut rng));
            }
        });
    }

    /// Row n of `y` (indices, classes) becomes the label of image `indices[n]`: 1 at its class, else 0. A model
    /// of no classes asks for nothing, and `y` is left alone.
    ///
    /// # Panics
    ///
    /// If there are classes and no labels, or a label that is none of them.
    pub fn label<T: Real>(&self, classes: usize, indices: &[usize], y: &mut Array2<T>) {
        if classes == 0 {
            return;
        }
        let labels = self.labels.expect("a model with labels sees labelled images");
        y.fill(T::ZERO);
        for (mut y, &index) in y.rows_mut().into_iter().zip(indices) {
            y[usize::from(labels[index])] = T::ONE;
        }
    }
}

impl Treatment {
    /// Makes of the means E[x|z] of samples, one a row, what the model is a model of: black or white
    /// pixels by a draw, where pixels are binarised. Grey ones stay the means.
    pub fn draw(self, means: &mut Array2<f32>, seed: u64) {
        if self == Self::Grey {
            return;
        }
        for (index, mut image) in means.rows_mut().into_iter().enumerate() {
            let mut rng = random::rng(seed, Purpose::SamplePixels, 0, index as u64);
            image.mapv_inplace(|v| binary(v, &mut rng));
        }
    }
}

/// 1 with probability v, else 0. Black and white are what they are and take no draw.
fn binary<T: Real>(v: T, rng: &mut impl RngCore) -> T {
    if v == T::ZERO || v == T::ONE {
        return v;
    }
    let uniform = f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0);
    if uniform < v.to_f64() { T::ONE } else { T::ZERO }
}

/// Grey training images.
impl<'a> From<&'a Images> for View<'a> {
    fn from(images: &'a Images) -> Self {
        Self::new(images, Part::Train)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Pixels;

    fn images() -> Images {
        let pixels = (0..4 * 400).map(|i| [0.0, 0.25, 0.5, 1.0][i % 4]).collect();
        Images::new(20, 20, Pixels::Floats(pixels)).unwrap()
    }

    fn draw(
        treatment: Treatment,
        part: Part,
        seed: u64,
        epoch: u64,
        indices: &[usize],
    ) -> Array2<f32> {
        let images = images();
        let mut x = Array2::zeros((indices.len(), 400));
        View::new(&images, part).treated(treatment, seed).gather(indices, epoch, &mut x);
        x
    }

    #[test]
    fn a_pixel_is_white_as_often_as_it_is_bright() {
        let counts = (0..1000).fold([0.0; 4], |mut counts, epoch| {
            let x = draw(Treatment::Binarised, Part::Train, 1, epoch, &[2]);
            assert!(x.iter().all(|&v| v == 0.0 || v == 1.0));
            x.iter().enumerate().for_each(|(i, v)| counts[i % 4] += v / 1e5);
            counts
        });
        assert_eq!((counts[0], counts[3].round()), (0.0, 1.0));
        // Four standard errors of 100,000 draws.
        assert!(
            (counts[1] - 0.25).abs() < 0.0055 && (counts[2] - 0.5).abs() < 0.0064,
            "{counts:?}"
        );
    }

    #[test]
    fn a_draw_belongs_to_seed_epoch_part_and_image_and_not_to_the_batch() {
        use Treatment::Binarised;
        let x = draw(Binarised, Part::Train, 1, 5, &[3, 1]);
        assert_eq!(x.row(1), draw(Binarised, Part::Train, 1, 5, &[1]).row(0));
        for other in [
            draw(Binarised, Part::Train, 1, 6, &[3, 1]),
            draw(Binarised, Part::Train, 2, 5, &[3, 1]),
            draw(Binarised, Part::Test, 1, 5, &[3, 1]),
        ] {
            assert_ne!(x, other);
        }
    }

    #[test]
    fn a_fixed_draw_is_the_same_in_every_epoch_and_for_every_seed() {
        let x = draw(Treatment::Fixed, Part::Test, 1, 5, &[3, 1]);
        assert_eq!(x, draw(Treatment::Fixed, Part::Test, 2, 9, &[3, 1]));
        assert_ne!(x, draw(Treatment::Fixed, Part::Train, 1, 5, &[3, 1]));
    }

    #[test]
    fn the_mean_is_that_of_the_view_alone() {
        let pixels = [vec![0.5; 3], vec![1.0; 3], vec![0.0; 3]].concat();
        let images = Images::new(1, 3, Pixels::Floats(pixels)).unwrap();
        let (train, held_out) = View::new(&images, Part::Train).split(1);
        assert_eq!(train.mean().to_vec(), [0.75; 3]);
        assert_eq!(held_out.mean().to_vec(), [0.0; 3]);
    }

    #[test]
    fn a_label_is_one_at_its_class_and_zero_elsewhere() {
        let images = images();
        let labels: Vec<u8> = (0..images.len()).map(|i| (i % 3) as u8).collect();
        let view = View::new(&images, Part::Train).labelled(&labels);
        let mut y = Array2::from_elem((2, 3), 7.0);
        view.label(3, &[2, 0], &mut y);
        assert_eq!(y, ndarray::array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    }

    #[test]
    fn grey_pixels_are_left_alone() {
        let x = draw(Treatment::Grey, Part::Train, 1, 1, &[0]);
        assert_eq!(x.row(0).to_vec()[..4], [0.0, 0.25, 0.5, 1.0]);
    }
}
