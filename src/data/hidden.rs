//! Which pixels of an image are missing.

use rand::RngCore;

use super::Part;
use crate::random::{self, Purpose};

/// Pixels that nobody has seen. They are missing completely at random: where they are has nothing to do with
/// what they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hidden<'a> {
    /// The same of every image: those at which this is true, (pixels).
    Pixels(&'a [bool]),
    /// Each one with this probability. The draw belongs to the image and the part of the data, so that an
    /// image lacks the same pixels whenever it is used.
    Random {
        /// The probability, between 0 and 1.
        rate: f64,
        /// Seed of the draws.
        seed: u64,
    },
}

impl<'a> Hidden<'a> {
    /// Whether each pixel of an image is missing, from the first on.
    pub fn of(self, part: Part, index: usize) -> impl Iterator<Item = bool> + 'a {
        let (given, random) = match self {
            Self::Pixels(pixels) => (pixels, None),
            Self::Random { rate, seed } => (&[][..], Some((rate, seed))),
        };
        let drawn = random.into_iter().flat_map(move |(rate, seed)| {
            let mut rng = random::rng(seed, Purpose::HiddenPixels, part as u64, index as u64);
            let mut uniform = move || f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0);
            std::iter::repeat_with(move || uniform() < rate)
        });
        given.iter().copied().chain(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(hidden: Hidden<'_>, part: Part, index: usize) -> Vec<bool> {
        hidden.of(part, index).take(1000).collect()
    }

    #[test]
    fn a_pixel_is_missing_as_often_as_the_rate_says() {
        let random = Hidden::Random { rate: 0.3, seed: 2 };
        let count = |n| hidden(random, Part::Train, n).into_iter().filter(|&hidden| hidden).count();
        let share = (0..100).map(count).sum::<usize>() as f64 / 1e5;
        // Four standard errors of 100,000 draws.
        assert!((share - 0.3).abs() < 0.006, "{share}");
    }

    #[test]
    fn what_is_missing_belongs_to_seed_part_and_image() {
        let random = |seed| Hidden::Random { rate: 0.5, seed };
        let image = hidden(random(2), Part::Train, 7);
        assert_eq!(image, hidden(random(2), Part::Train, 7));
        for other in [
            hidden(random(3), Part::Train, 7),
            hidden(random(2), Part::Test, 7),
            hidden(random(2), Part::Train, 8),
        ] {
            assert_ne!(image, other);
        }
    }

    #[test]
    fn given_pixels_are_missing_of_every_image() {
        let pixels: Vec<bool> = (0..1000).map(|j| j % 3 == 0).collect();
        for index in [0, 5] {
            assert_eq!(hidden(Hidden::Pixels(&pixels), Part::Test, index), pixels);
        }
    }
}
