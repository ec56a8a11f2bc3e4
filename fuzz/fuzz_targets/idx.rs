//! IDX files, plain and gzipped. By the first byte, the others are the file as it is, or are gzipped first, so
//! that what lies behind the checksum of gzip is reached.
#![no_main]

use std::io::Write;

use elbo::data::idx::{self, IdxData};
use elbo_fuzz::with_file;
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, bytes)) = data.split_first() else { return };
    let file = if kind % 2 == 0 { bytes.to_vec() } else { gzipped(bytes) };
    if let Ok(array) = with_file(&file, idx::read) {
        let count = match array.data {
            IdxData::U8(values) => values.len(),
            IdxData::I8(values) => values.len(),
            IdxData::I16(values) => values.len(),
            IdxData::I32(values) => values.len(),
            IdxData::F32(values) => values.len(),
            IdxData::F64(values) => values.len(),
        };
        assert_eq!(count, array.shape.iter().product::<usize>());
    }
});

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all")
}
