//! IDX files.

use super::*;

fn idx_array() -> impl Strategy<Value = IdxArray> {
    let shape = prop_oneof![prop::collection::vec(0..4usize, 0..6), Just(vec![1; 255])];
    (shape, 0..6, any::<u64>()).prop_map(|(shape, kind, seed)| {
        let count: usize = shape.iter().product();
        let bits = (0..count as u64).map(|i| (i + 1).wrapping_mul(seed | 1).rotate_left(29));
        let data = match kind {
            0 => IdxData::U8(bits.map(|v| v as u8).collect()),
            1 => IdxData::I8(bits.map(|v| v as i8).collect()),
            2 => IdxData::I16(bits.map(|v| v as i16).collect()),
            3 => IdxData::I32(bits.map(|v| v as i32).collect()),
            4 => IdxData::F32(bits.map(|v| v as i32 as f32).collect()),
            _ => IdxData::F64(bits.map(|v| v as i64 as f64).collect()),
        };
        IdxArray { shape, data }
    })
}

proptest! {
    #[test]
    fn an_idx_array_of_any_type_and_rank_is_read_as_written(array in idx_array()) {
        let bytes = idx_bytes(&array);
        prop_assert_eq!(&read_as(&gzip(&bytes), idx::read).unwrap(), &array);
        prop_assert_eq!(read_as(&bytes, idx::read).unwrap(), array);
    }

    #[test]
    fn an_idx_file_cut_anywhere_is_refused(array in idx_array(), at: Index) {
        let bytes = idx_bytes(&array);
        prop_assert!(read_as(&bytes[..at.index(bytes.len())], idx::read).is_err());
        let bytes = gzip(&bytes);
        prop_assert!(read_as(&bytes[..at.index(bytes.len())], idx::read).is_err());
    }

    #[test]
    fn an_idx_file_that_goes_on_is_refused(
        array in idx_array(),
        more in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let bytes = [idx_bytes(&array), more.clone()].concat();
        for bytes in [gzip(&bytes), bytes] {
            let error = read_as(&bytes, idx::read).unwrap_err();
            prop_assert!(matches!(error, DataError::TrailingBytes { .. }), "{}", error);
        }
        let after_gzip = [gzip(&idx_bytes(&array)), more].concat();
        prop_assert!(read_as(&after_gzip, idx::read).is_err());
    }

    #[test]
    fn a_flipped_bit_in_gzip_never_changes_the_data(
        values in prop::collection::vec(any::<u8>(), 64),
        at: Index,
        bit in 0..8u8,
    ) {
        let mut bytes = gzip(&idx_u8(&[64], &values));
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        // The time stamp, say, may change without harm; without its magic it is no gzip at all.
        if let Ok(array) = read_as(&bytes, idx::read) {
            prop_assert_eq!(array.data, IdxData::U8(values));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), start: Index) {
        let starts: [&[u8]; 6] = [
            b"",
            b"\0\0\x08\x03",
            b"\x1f\x8b\x08\0",
            b"\x93NUMPY\x01\0\x20\0{",
            b"\x93NUMPY\x02\0",
            b"\x89PNG\r\n\x1a\n",
        ];
        let bytes = [start.get(&starts), &bytes[..]].concat();
        let _ = read_as(&bytes, idx::read);
        let _ = read_as(&bytes, npy::read);
        let _ = read_as(&bytes, png_folder::read);
    }
}

#[test]
fn gzip_in_several_members_is_one_file() {
    let bytes = idx_u8(&[3], &[1, 2, 3]);
    let members = [gzip(&bytes[..9]), gzip(&bytes[9..])].concat();
    assert_eq!(read_as(&members, idx::read).unwrap().data, IdxData::U8(vec![1, 2, 3]));
}

#[test]
fn what_is_no_idx_file_is_told_apart() {
    use DataError::*;
    let read = |bytes: &[u8]| read_as(bytes, idx::read).unwrap_err();
    assert!(matches!(read(b"PK\x03\x04"), IdxMagic { found: [b'P', b'K', 3, 4], .. }));
    assert!(matches!(read(&[0, 0, 0x0a, 0]), IdxType { code: 0x0a, .. }));
    assert!(matches!(read(b""), TruncatedHeader { needed: 4, found: 0, .. }));
    assert!(matches!(read(&[0, 0, 8, 2, 0, 0]), TruncatedHeader { needed: 8, found: 6, .. }));
    assert!(matches!(
        read(&gzip(&[0, 0, 8, 1, 0, 0, 0, 9])),
        Truncated { promised: 17, found: 8, .. }
    ));
    assert!(matches!(read(&[0x1f, 0x8b, 8]), Gzip { .. }));
    let dir = folder::<&str>(&[]);
    assert!(matches!(idx::read(&dir.path().join("absent")), Err(MissingFile { .. })));
    assert!(matches!(idx::read(dir.path()), Err(Io { .. })));
}

#[test]
fn a_promise_that_the_file_cannot_keep_is_refused_before_memory_is_reserved() {
    let whole = u32::MAX as usize;
    for shape in [vec![whole; 1], vec![whole; 2], vec![whole; 3], vec![whole; 255]] {
        let bytes = idx_header(0x0e, &shape);
        let (plain, gzipped) = (read_as(&bytes, idx::read), read_as(&gzip(&bytes), idx::read));
        use DataError::{Implausible, TooLarge, Truncated};
        assert!(matches!(plain, Err(Truncated { .. } | TooLarge { .. })));
        assert!(matches!(gzipped, Err(Implausible { .. } | TooLarge { .. })));
        // NumPy has no more dimensions.
        let numbers = shape.iter().take(64).map(|dim| format!("{dim}, ")).collect::<String>();
        let header = format!("{{'descr': '<f8', 'fortran_order': True, 'shape': ({numbers}), }}");
        let npy = read_as(&npy_by_hand(&header, b""), npy::read);
        assert!(matches!(npy, Err(Truncated { .. } | TooLarge { .. })));
    }
}
