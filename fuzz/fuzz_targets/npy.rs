//! NumPy files. By the first byte, the others are the file as it is, or are a header with the elements after
//! it, to which the magic number and the header's length are added.
#![no_main]

use elbo::data::npy::{self, NpyData};
use elbo_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, bytes)) = data.split_first() else { return };
    let file = if kind % 2 == 0 { bytes.to_vec() } else { with_magic(bytes) };
    if let Ok(array) = with_file(&file, npy::read) {
        let count = match array.data {
            NpyData::U8(values) => values.len(),
            NpyData::I8(values) => values.len(),
            NpyData::U16(values) => values.len(),
            NpyData::I16(values) => values.len(),
            NpyData::U32(values) => values.len(),
            NpyData::I32(values) => values.len(),
            NpyData::U64(values) => values.len(),
            NpyData::I64(values) => values.len(),
            NpyData::F32(values) => values.len(),
            NpyData::F64(values) => values.len(),
        };
        assert_eq!(count, array.shape.iter().product::<usize>());
    }
});

/// A file of version 1.0 whose header ends with the first line.
fn with_magic(bytes: &[u8]) -> Vec<u8> {
    let header = bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |end| end + 1);
    let length = u16::try_from(header).unwrap_or(u16::MAX).to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], bytes].concat()
}
