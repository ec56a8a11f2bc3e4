//! What tells the images of a run from others.

use flate2::Crc;
use serde::{Deserialize, Serialize};

use super::{Images, Pixels};

/// What tells images from others: their number, and the CRC-32 of all pixels.
///
/// It notices that a run goes on with other data by mistake; it is no protection against intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The number of images.
    pub images: usize,
    /// Of the bytes, or of the little-endian floats.
    pub crc32: u32,
}

impl Images {
    /// The fingerprint of these images.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut crc = Crc::new();
        match self.pixels() {
            Pixels::Bytes(bytes) => crc.update(bytes),
            Pixels::Floats(floats) => floats.iter().for_each(|v| crc.update(&v.to_le_bytes())),
        }
        Fingerprint { images: self.len(), crc32: crc.sum() }
    }
}
