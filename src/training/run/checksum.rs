//! A checksum inside the file that it is of.

use crate::files::crc32_of;

/// What stands for the checksum while it is computed.
pub(super) const BLANK: &str = "00000000";

/// What the checksum follows: the first field of a JSON object within a JSON string.
const MARK: &[u8] = br#"{\"checksum\":\""#;

/// Why bytes cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// There is no place for a checksum in them.
    Missing,
    /// They have another one than they say.
    Other { stored: String, found: String },
}

/// Writes the CRC-32 of all bytes, as they are with [`BLANK`] in its place, into that place.
///
/// # Panics
///
/// If there is no such place.
pub(super) fn seal(bytes: &mut [u8]) {
    let at = place(bytes).expect("a place for the checksum");
    let sum = of(bytes, at);
    bytes[at..at + BLANK.len()].copy_from_slice(sum.as_bytes());
}

/// Whether the bytes are those that were sealed. Every change of up to 32 bits in a row is noticed.
pub(super) fn verify(bytes: &[u8]) -> Result<(), Broken> {
    let at = place(bytes).ok_or(Broken::Missing)?;
    let (stored, found) = (&bytes[at..at + BLANK.len()], of(bytes, at));
    if stored == found.as_bytes() {
        return Ok(());
    }
    Err(Broken::Other { stored: String::from_utf8_lossy(stored).into(), found })
}

fn place(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    (at + BLANK.len() <= bytes.len()).then_some(at)
}

fn of(bytes: &[u8], at: usize) -> String {
    let parts = [&bytes[..at], BLANK.as_bytes(), &bytes[at + BLANK.len()..]];
    format!("{:08x}", crc32_of(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let mut bytes =
            br#"12345678{"m":"{\"checksum\":\"00000000\",\"seed\":7}"}..tensors"#.to_vec();
        seal(&mut bytes);
        assert_eq!(verify(&bytes), Ok(()));
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(verify(b"no place for one"), Err(Broken::Missing));
        assert_eq!(verify(br#"{\"checksum\":\"0000"#), Err(Broken::Missing));
    }
}
