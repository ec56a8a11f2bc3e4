//! Published figures, said beside one's own where the images are those that they are of.

use crate::{
    data::{Fingerprint, Images},
    models::Given,
    uses::anomaly::Kind,
};

/// MNIST's 10,000 test images.
const MNIST_TEST: Fingerprint = Fingerprint { images: 10_000, crc32: 0xe4ca_5f57 };

/// Whether these are MNIST's test images.
pub fn is_mnist_test(images: &Images) -> bool {
    images.len() == MNIST_TEST.images && images.fingerprint() == MNIST_TEST
}

/// -log p(missing | given) of grey MNIST in nats per image: a bound, of Pyro's example after Sohn et al. 2015.
pub fn completion(given: Given) -> Option<String> {
    let nats = match given {
        Given::Quadrants(1) => "71.8",
        Given::Quadrants(2) => "51.0",
        Given::Quadrants(3) => "24.2",
        _ => return None,
    };
    Some(format!("-{nats} (Pyro's example after Sohn et al. 2015)"))
}

/// The numbers of labels of the published tables.
const LABELS: [usize; 4] = [100, 600, 1000, 3000];

/// Test errors of M2 and of M1+M2 in percent (Kingma et al. 2014, table 1), and M2's of an example of Pyro.
pub fn few_labels(labels: usize, is_stacked: bool) -> Option<String> {
    let row = LABELS.iter().position(|&n| n == labels)?;
    Some(if is_stacked {
        let error = ["3.33", "2.59", "2.40", "2.18"][row];
        format!("{error} % (Kingma et al. 2014)")
    } else {
        let errors = [("11.97", "6.81"), ("4.94", "5.63"), ("3.60", "5.13"), ("3.92", "4.18")];
        let (paper, pyro) = errors[row];
        format!("{paper} % (Kingma et al. 2014), {pyro} % (an example of Pyro)")
    })
}

/// The area under the ROC curve of one digit that the model has not learned: of the ELBO with 2 and with 32
/// dimensions, and of the reconstruction probability with another network.
pub fn held_out_digit(digit: u8, score: Kind) -> Option<String> {
    const TWO: [&str; 10] = [".96", ".73", ".97", ".94", ".73", ".92", ".95", ".77", ".92", ".66"];
    const MORE: [&str; 10] = [".81", ".09", ".92", ".87", ".78", ".86", ".87", ".51", ".89", ".58"];
    const RECONSTRUCTION: [&str; 10] =
        [".917", ".136", ".921", ".781", ".808", ".862", ".848", ".596", ".895", ".545"];
    let digit = usize::from(digit);
    match score {
        Kind::Elbo => {
            let (two, more) = (TWO.get(digit)?, MORE.get(digit)?);
            Some(format!("{two} with 2 latent dimensions, {more} with 32 (Tonnaer 2023)"))
        }
        Kind::Reconstruction => {
            Some(format!("{} (An & Cho 2015, another network)", RECONSTRUCTION.get(digit)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::{Part, Pixels, load};

    #[test]
    fn the_images_that_come_with_the_crate_are_known_and_others_are_not() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
        let [train, test] = [Part::Train, Part::Test].map(|part| load(&folder, part).unwrap());
        assert!(is_mnist_test(&test.images));
        assert!(!is_mnist_test(&train.images));
        let black = Images::new(28, 28, Pixels::Bytes(vec![0; 10_000 * 784])).unwrap();
        assert!(!is_mnist_test(&black));
    }

    #[test]
    fn what_was_never_published_has_no_figure() {
        assert_eq!(few_labels(100, true).unwrap(), "3.33 % (Kingma et al. 2014)");
        assert_eq!(few_labels(101, true), None);
        assert_eq!(completion(Given::Pooled(2)), None);
        assert!(held_out_digit(9, Kind::Elbo).unwrap().starts_with(".66 with 2"));
        assert_eq!((held_out_digit(10, Kind::Elbo), held_out_digit(1, Kind::Latent)), (None, None));
    }
}
