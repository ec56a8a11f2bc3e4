//! Masks: which pixels of every image are hidden.

use std::str::FromStr;

use super::RepairError;
use crate::data::Hidden;

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// A half or a quadrant: whether it takes the upper or the lower half of the rows, and the left or the
    /// right one of the columns. Of an odd number the middle one belongs to the lower and to the right half.
    Half {
        /// The lower half of the rows, not the upper; `None` for all rows.
        lower: Option<bool>,
        /// The right half of the columns, not the left; `None` for all columns.
        right: Option<bool>,
    },
    /// The pixels from column `x` and row `y` on, from 0.
    Rectangle {
        /// Its left edge.
        x: usize,
        /// Its upper edge.
        y: usize,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
    },
}

/// The names of halves and quadrants: \[lower, right\].
const NAMED: [(&str, [Option<bool>; 2]); 8] = [
    ("top", [Some(false), None]),
    ("bottom", [Some(true), None]),
    ("left", [None, Some(false)]),
    ("right", [None, Some(true)]),
    ("top-left", [Some(false), Some(false)]),
    ("top-right", [Some(false), Some(true)]),
    ("bottom-left", [Some(true), Some(false)]),
    ("bottom-right", [Some(true), Some(true)]),
];

/// A name, or `X,Y,WIDTH,HEIGHT`.
impl FromStr for Region {
    type Err = RepairError;

    fn from_str(text: &str) -> Result<Self, RepairError> {
        if let Some((_, [lower, right])) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Half { lower: *lower, right: *right });
        }
        let numbers: Result<Vec<usize>, _> = text.split(',').map(|n| n.trim().parse()).collect();
        match numbers.as_deref() {
            Ok(&[x, y, width, height]) => Ok(Self::Rectangle { x, y, width, height }),
            _ => Err(RepairError::Region { text: text.into() }),
        }
    }
}

/// The pixels that are hidden of every image of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    image: [usize; 2],
    hidden: Vec<bool>,
}

impl Mask {
    /// Of these regions of an image of \[height, width\], all of them together.
    ///
    /// # Errors
    ///
    /// If a rectangle is not inside of the image, or nothing or everything is hidden.
    pub fn of_regions(image: [usize; 2], regions: &[Region]) -> Result<Self, RepairError> {
        let mut mask = Self { image, hidden: vec![false; image[0] * image[1]] };
        regions.iter().try_for_each(|&region| mask.hide(region))?;
        mask.checked()
    }

    /// Of the pixels of an image of \[height, width\] at which `hidden` is true, row by row.
    ///
    /// # Errors
    ///
    /// If nothing or everything is hidden.
    ///
    /// # Panics
    ///
    /// If there are not as many as an image has.
    pub fn of_pixels(image: [usize; 2], hidden: Vec<bool>) -> Result<Self, RepairError> {
        assert_eq!(hidden.len(), image[0] * image[1], "the mask has another size than the images");
        Self { image, hidden }.checked()
    }

    /// Whether each pixel is hidden, row by row.
    pub fn pixels(&self) -> &[bool] {
        &self.hidden
    }

    /// What a [`View`](crate::data::View) is told to hide.
    pub fn hidden(&self) -> Hidden<'_> {
        Hidden::Pixels(&self.hidden)
    }

    fn hide(&mut self, region: Region) -> Result<(), RepairError> {
        let [rows, columns] = self.image;
        let half = |whole: usize, second: Option<bool>| match second {
            None => 0..whole,
            Some(false) => 0..whole / 2,
            Some(true) => whole / 2..whole,
        };
        let [ys, xs] = match region {
            Region::Half { lower, right } => [half(rows, lower), half(columns, right)],
            Region::Rectangle { x, y, width, height } => {
                let (right, below) = (x.saturating_add(width), y.saturating_add(height));
                if right > columns || below > rows {
                    let image = self.image;
                    return Err(RepairError::Outside { x, y, width, height, image });
                }
                [y..below, x..right]
            }
        };
        for y in ys {
            self.hidden[y * columns..][xs.clone()].fill(true);
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, RepairError> {
        match (self.hidden.contains(&true), self.hidden.contains(&false)) {
            (false, _) => Err(RepairError::NothingHidden),
            (_, false) => Err(RepairError::EverythingHidden),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(image: [usize; 2], regions: &[&str]) -> String {
        let regions: Vec<Region> = regions.iter().map(|text| text.parse().unwrap()).collect();
        let mask = Mask::of_regions(image, &regions).unwrap();
        let rows = mask.pixels().chunks(image[1]);
        let text =
            |row: &[bool]| row.iter().map(|&hidden| if hidden { '#' } else { '.' }).collect();
        rows.map(text).collect::<Vec<String>>().join(" ")
    }

    #[test]
    fn halves_quadrants_and_rectangles_are_where_their_names_say() {
        let image = [3, 4];
        assert_eq!(picture(image, &["top"]), "#### .... ....");
        assert_eq!(picture(image, &["bottom"]), ".... #### ####");
        assert_eq!(picture(image, &["left"]), "##.. ##.. ##..");
        assert_eq!(picture(image, &["right"]), "..## ..## ..##");
        assert_eq!(picture(image, &["top-left"]), "##.. .... ....");
        assert_eq!(picture(image, &["bottom-right"]), ".... ..## ..##");
        assert_eq!(picture(image, &["1,0,2,2"]), ".##. .##. ....");
        assert_eq!(picture(image, &["top", "3,1,1,2"]), "#### ...# ...#");
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        let of = |text: &str| Mask::of_regions([3, 4], &[text.parse().unwrap()]);
        assert!(matches!(of("0,0,0,2"), Err(RepairError::NothingHidden)));
        assert!(matches!(of("0,0,4,3"), Err(RepairError::EverythingHidden)));
        assert!(matches!(of("2,0,3,1"), Err(RepairError::Outside { .. })));
        assert!(matches!(of("0,18446744073709551615,1,2"), Err(RepairError::Outside { .. })));
        assert!(matches!(Mask::of_regions([3, 4], &[]), Err(RepairError::NothingHidden)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_region_or_an_error(text in "[0-9,a-z -]{0,20}") {
            let numbers = text.split(',').map(|n| n.trim().parse::<usize>());
            let is_rectangle = text.split(',').count() == 4 && numbers.clone().all(|n| n.is_ok());
            let is_named = NAMED.iter().any(|(name, _)| *name == text);
            prop_assert_eq!(text.parse::<Region>().is_ok(), is_rectangle || is_named);
        }
    }
}
