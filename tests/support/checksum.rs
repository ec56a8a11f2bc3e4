//! Puts the checksum of a checkpoint right, so that what lies behind it can be tested.

const MARK: &[u8] = br#"{\"checksum\":\""#;

/// The bytes with the CRC-32 that they have with zeros in its place, where they have a place for it.
pub fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(at) = bytes.windows(MARK.len()).position(|window| window == MARK) {
        let place = at + MARK.len()..(at + MARK.len() + 8).min(bytes.len());
        bytes[place.clone()].fill(b'0');
        let sum = format!("{:08x}", elbo::files::crc32(&bytes));
        bytes[place.clone()].copy_from_slice(&sum.as_bytes()[..place.len()]);
    }
    bytes
}
