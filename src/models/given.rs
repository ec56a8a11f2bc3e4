//! What is given of an image, of which a model then says the rest.

use std::{fmt, str::FromStr};

use ndarray::{Array2, ArrayView1, ArrayViewMut1};
use serde::{Deserialize, Serialize};

use crate::real::Real;

/// What is given of every image.
///
/// In a recipe it is `nothing`, `quadrants-1` to `quadrants-3`, or `pooled-2` and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Given {
    /// The model is one of whole images.
    #[default]
    Nothing,
    /// One, two or three quadrants: the lower left one, then the upper left, then the upper right. The others
    /// are missing (Sohn, Lee & Yan 2015, section 5.1).
    Quadrants(u8),
    /// The means of blocks of so many by so many pixels, the image at a lower resolution. All of its
    /// pixels are missing.
    Pooled(u8),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Quadrants(count) => write!(f, "quadrants-{count}"),
            Self::Pooled(side) => write!(f, "pooled-{side}"),
        }
    }
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| digits.parse::<u8>().ok();
        let given = match text.split_once('-') {
            None if text == "nothing" => Some(Self::Nothing),
            Some(("quadrants", n)) => number(n).filter(|n| (1..4).contains(n)).map(Self::Quadrants),
            Some(("pooled", n)) => number(n).filter(|&n| n > 1).map(Self::Pooled),
            _ => None,
        };
        given.filter(|given| given.to_string() == text).ok_or_else(|| {
            format!(
                "`{text}` is nothing that can be given; it may be nothing, quadrants-1, quadrants-2, \
                 quadrants-3, or pooled-2 and so on, the means of blocks of 2 by 2 pixels"
            )
        })
    }
}

impl TryFrom<String> for Given {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Given> for String {
    fn from(given: Given) -> Self {
        given.to_string()
    }
}

impl Given {
    /// How many pixels are missing and how many numbers are given of images of this height and width, or
    /// why they cannot be cut so.
    pub fn sizes(self, [height, width]: [usize; 2]) -> Result<[usize; 2], String> {
        let pixels = height
            .checked_mul(width)
            .ok_or_else(|| format!("images of {height} x {width} have too many pixels"))?;
        match self {
            Self::Nothing => Ok([pixels, 0]),
            Self::Quadrants(count) if height > 1 && width > 1 => {
                let [lower, left] = [height - height / 2, width / 2];
                let [upper, right] = [height - lower, width - left];
                let quadrants = [lower * left, upper * left, upper * right];
                let given = quadrants[..usize::from(count)].iter().sum();
                Ok([pixels - given, given])
            }
            Self::Quadrants(_) => Err(format!(
                "given is {self}, but images of {height} x {width} have no four quadrants"
            )),
            Self::Pooled(side) => {
                let side = usize::from(side);
                match height % side == 0 && width % side == 0 {
                    true => Ok([pixels, pixels / (side * side)]),
                    false => Err(format!(
                        "given is {self}, but images of {height} x {width} do not divide into blocks of \
                         {side} x {side} pixels"
                    )),
                }
            }
        }
    }

    /// The two parts of images of this height and width, or why they cannot be cut so.
    pub fn parts(self, image: [usize; 2]) -> Result<Parts, String> {
        self.sizes(image)?;
        let [height, width] = image;
        let pixels = height * width;
        let all = (0..pixels).collect();
        let (given, missing) = match self {
            Self::Nothing => (vec![], all),
            Self::Quadrants(count) => {
                let (given, missing): (Vec<_>, Vec<_>) =
                    (0..pixels).partition(|&pixel| quadrant(pixel, image) < count);
                (given.into_iter().map(|pixel| vec![pixel]).collect(), missing)
            }
            Self::Pooled(side) => {
                let side = usize::from(side);
                let blocks = pixels / (side * side);
                ((0..blocks).map(|index| block(index, side, width)).collect(), all)
            }
        };
        Ok(Parts { pixels, given, missing })
    }
}

/// The quadrant of a pixel: 0 for the lower left one, and on clockwise.
fn quadrant(pixel: usize, [height, width]: [usize; 2]) -> u8 {
    match (pixel / width >= height / 2, pixel % width >= width / 2) {
        (true, false) => 0,
        (false, false) => 1,
        (false, true) => 2,
        (true, true) => 3,
    }
}

/// The pixels of a block of `side` by `side`, in images of this width.
fn block(index: usize, side: usize, width: usize) -> Vec<usize> {
    let (top, left) = (index / (width / side) * side, index % (width / side) * side);
    (0..side * side).map(|i| (top + i / side) * width + left + i % side).collect()
}

/// An image's two parts: what is given, and what a model is to say.
///
/// Each number that is given is the mean over some pixels, in a quadrant over one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// How many the image has.
    pub pixels: usize,
    /// The pixels whose mean is given, for each number that is.
    pub given: Vec<Vec<usize>>,
    /// The pixels of which nothing more is known, rising.
    pub missing: Vec<usize>,
}

impl Parts {
    /// Of `images` (n, pixels), writes what is given into `given` (n, numbers given).
    pub fn give<T: Real>(&self, images: &Array2<T>, given: &mut Array2<T>) {
        for (image, mut given) in images.rows().into_iter().zip(given.rows_mut()) {
            for (mean, pixels) in given.iter_mut().zip(&self.given) {
                let sum = pixels.iter().fold(T::ZERO, |sum, &pixel| sum + image[pixel]);
                *mean = sum * T::from_f64(1.0 / pixels.len() as f64);
            }
        }
    }

    /// Of `images` (n, pixels), writes the missing pixels into `missing` (n, missing).
    pub fn miss<T: Real>(&self, images: &Array2<T>, missing: &mut Array2<T>) {
        for (image, mut missing) in images.rows().into_iter().zip(missing.rows_mut()) {
            missing.iter_mut().zip(&self.missing).for_each(|(v, &pixel)| *v = image[pixel]);
        }
    }

    /// Writes what is given (numbers given) into `image` (pixels): a mean at each of its pixels. Pixels
    /// of no mean are left alone.
    pub fn show<T: Real>(&self, given: ArrayView1<'_, T>, mut image: ArrayViewMut1<'_, T>) {
        for (&mean, pixels) in given.iter().zip(&self.given) {
            pixels.iter().for_each(|&pixel| image[pixel] = mean);
        }
    }

    /// An image (pixels) from what is given and from its missing pixels.
    pub fn join<T: Real>(
        &self,
        given: ArrayView1<'_, T>,
        missing: ArrayView1<'_, T>,
        mut image: ArrayViewMut1<'_, T>,
    ) {
        self.show(given, image.view_mut());
        self.missing.iter().zip(missing).for_each(|(&pixel, &v)| image[pixel] = v);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};
    use proptest::prelude::*;

    use super::*;

    /// A picture of 4 x 6 with its pixels numbered.
    fn numbered() -> Array2<f64> {
        Array2::from_shape_fn((1, 24), |(_, j)| j as f64)
    }

    fn given(given: &str) -> Array1<f64> {
        let parts = given.parse::<Given>().unwrap().parts([4, 6]).unwrap();
        let mut values = Array2::from_elem((1, parts.given.len()), f64::NAN);
        parts.give(&numbered(), &mut values);
        values.row(0).to_owned()
    }

    #[test]
    fn quadrants_are_given_from_the_lower_left_one_clockwise() {
        assert_eq!(given("quadrants-1"), array![12., 13., 14., 18., 19., 20.]);
        let left = array![0., 1., 2., 6., 7., 8., 12., 13., 14., 18., 19., 20.];
        assert_eq!(given("quadrants-2"), left);
        let missing = Given::Quadrants(3).parts([4, 6]).unwrap().missing;
        assert_eq!(missing, [15, 16, 17, 21, 22, 23]);
    }

    #[test]
    fn a_number_of_a_pooled_image_is_the_mean_of_its_block() {
        assert_eq!(given("pooled-2"), array![3.5, 5.5, 7.5, 15.5, 17.5, 19.5]);
    }

    #[test]
    fn images_that_cannot_be_cut_so_are_refused() {
        assert!(Given::Pooled(3).parts([4, 6]).unwrap_err().contains("blocks of 3 x 3"));
        assert!(Given::Quadrants(2).parts([1, 6]).unwrap_err().contains("1 x 6"));
        for text in ["", "quadrants", "quadrants-0", "quadrants-4", "pooled-1", "pooled-02"] {
            assert!(text.parse::<Given>().unwrap_err().contains(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_of_an_image_join_to_the_image(
            height in 2usize..9,
            width in 2usize..9,
            kind in 0u8..5,
        ) {
            let kinds = ["nothing", "quadrants-1", "quadrants-2", "quadrants-3", "pooled-2"];
            let kind: Given = kinds[usize::from(kind)].parse().unwrap();
            let Ok(parts) = kind.parts([height, width]) else {
                prop_assert!(kind == Given::Pooled(2) && (height % 2 == 1 || width % 2 == 1));
                return Ok(());
            };
            let image = Array2::from_shape_fn((1, height * width), |(_, j)| (j * j % 17) as f64);
            let mut given = Array2::zeros((1, parts.given.len()));
            let mut missing = Array2::zeros((1, parts.missing.len()));
            let sizes = kind.sizes([height, width]).unwrap();
            prop_assert_eq!(sizes, [parts.missing.len(), parts.given.len()]);
            parts.give(&image, &mut given);
            parts.miss(&image, &mut missing);
            let mut joined = Array1::from_elem(height * width, f64::NAN);
            parts.join(given.row(0), missing.row(0), joined.view_mut());
            prop_assert_eq!(joined, image.row(0));
        }

        #[test]
        fn what_is_given_reads_back_from_its_name(text in "[a-z]{0,9}-?[0-9]{0,4}") {
            if let Ok(given) = text.parse::<Given>() {
                prop_assert_eq!(given.to_string(), text);
            }
        }
    }
}
