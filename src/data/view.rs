//! Images as a model sees them: grey, or black and white by a draw.

use std::{fmt, ops::Range};

use elbo_kernels::team;
use ndarray::{Array1, Array2, ArrayViewMut1, Axis};
use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::{Hidden, Images, Part};
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
    /// Which pixels are missing, if any are.
    pub hidden: Option<Hidden<'a>>,
}

/// Images below which a second thread does not pay.
const IMAGES_PER_PART: usize = 8;

impl<'a> View<'a> {
    /// All of the images, grey.
    pub fn new(images: &'a Images, part: Part) -> Self {
        Self {
            images,
            labels: None,
            first: 0,
            count: images.len(),
            part,
            treatment: Treatment::Grey,
            seed: 0,
            hidden: None,
        }
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

    /// The same images with these pixels missing, or with all of them.
    pub fn hiding(self, hidden: Option<Hidden<'a>>) -> Self {
        Self { hidden, ..self }
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

    /// The mean of each grey pixel over the images of which it is not missing, (pixels); 0 where there is
    /// none.
    pub fn mean(&self) -> Array1<f64> {
        let mut sum = Array1::zeros(self.images.pixels_per_image());
        let mut count = Array1::from_elem(sum.len(), 0.0);
        let mut x = Array2::<f64>::zeros((1, sum.len()));
        let mut seen = x.clone();
        for index in self.indices() {
            self.images.gather(&[index], &mut x);
            self.observe(&[index], &mut seen);
            sum += &(&x * &seen).row(0);
            count += &seen.row(0);
        }
        sum / count.mapv(|n| f64::max(n, 1.0))
    }

    /// Row n of `x` becomes image `indices[n]`, as it is in this epoch, with zeros where pixels are missing.
    ///
    /// # Panics
    ///
    /// If `x` is not (indices, pixels), or an index is out of range.
    pub fn gather<T: Real>(&self, indices: &[usize], epoch: u64, x: &mut Array2<T>) {
        self.images.gather(indices, x);
        let (seed, epoch) = match self.treatment {
            Treatment::Fixed => (0, 0),
            _ => (self.seed, epoch),
        };
        let purpose = match self.part {
            Part::Train => Purpose::TrainPixels,
            Part::Test => Purpose::TestPixels,
        };
        if self.treatment == Treatment::Grey && self.hidden.is_none() {
            return;
        }
        for_each_image(indices, x, |index, mut image| {
            if self.treatment != Treatment::Grey {
                let mut rng = random::rng(seed, purpose, epoch, index as u64);
                image.mapv_inplace(|v| binary(v, &mut rng));
            }
            for (x, hidden) in image.iter_mut().zip(self.missing(index)) {
                *x = if hidden { T::ZERO } else { *x };
            }
        });
    }

    /// Row n of `seen` becomes 0 where a pixel of image `indices[n]` is missing, else 1.
    pub fn observe<T: Real>(&self, indices: &[usize], seen: &mut Array2<T>) {
        seen.fill(T::ONE);
        for_each_image(indices, seen, |index, mut seen| {
            for (seen, hidden) in seen.iter_mut().zip(self.missing(index)) {
                *seen = if hidden { T::ZERO } else { T::ONE };
            }
        });
    }

    /// Whether each pixel of an image is missing; nothing where none is.
    fn missing(&self, index: usize) -> impl Iterator<Item = bool> {
        let part = self.part;
        self.hidden.into_iter().flat_map(move |hidden| hidden.of(part, index))
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

/// `f` of each index and its row, shared among threads.
fn for_each_image<T: Real>(
    indices: &[usize],
    rows: &mut Array2<T>,
    f: impl Fn(usize, ArrayViewMut1<'_, T>) + Sync,
) {
    let in_part = indices.len().div_ceil(team::part_count(indices.len(), IMAGES_PER_PART)).max(1);
    let parts = rows.axis_chunks_iter_mut(Axis(0), in_part).zip(indices.chunks(in_part));
    team::share(parts, |(mut rows, indices)| {
        for (row, &index) in rows.rows_mut().into_iter().zip(indices) {
            f(index, row);
        }
    });
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
    fn missing_pixels_are_zero_whatever_the_treatment_and_the_others_as_before() {
        let images = images();
        let hidden = Some(Hidden::Random { rate: 0.4, seed: 3 });
        for treatment in [Treatment::Grey, Treatment::Binarised] {
            let view = View::new(&images, Part::Train).treated(treatment, 1);
            let [mut x, mut seen, mut whole] = [(); 3].map(|()| Array2::<f32>::zeros((2, 400)));
            view.gather(&[3, 1], 5, &mut whole);
            view.hiding(hidden).gather(&[3, 1], 5, &mut x);
            view.hiding(hidden).observe(&[3, 1], &mut seen);
            assert_eq!(x, whole * &seen);
            assert!(seen.iter().all(|&v| v == 0.0 || v == 1.0) && seen.sum() < 700.0);
            view.observe(&[3, 1], &mut seen);
            assert!(seen.iter().all(|&v| v == 1.0));
        }
    }

    #[test]
    fn the_mean_is_over_the_pixels_that_were_seen() {
        let images = Images::new(1, 3, Pixels::Floats([1.0, 0.5, 0.2].repeat(500))).unwrap();
        let view = View::new(&images, Part::Train);
        let hidden = Some(Hidden::Random { rate: 0.9, seed: 0 });
        let mean = view.hiding(hidden).mean();
        assert!((mean - view.mean()).iter().all(|difference| difference.abs() < 1e-9));
        let all = Some(Hidden::Pixels(&[true, false, true]));
        assert_eq!(view.hiding(all).mean().mapv(f64::round).to_vec(), [0.0, 1.0, 0.0]);
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
