//! NumPy's `.npy` files.

use super::*;

macro_rules! npy_round_trips {
    ($($name:ident: $element:ty, $variant:ident;)*) => {$(
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(64))]
            #[test]
            fn $name(shape in prop::collection::vec(0..5usize, 0..5), seed: u64, fortran: bool) {
                let count = shape.iter().product::<usize>() as u64;
                let value = |i: u64| (i + 1).wrapping_mul(seed | 1) as $element;
                let values = (0..count).map(value).collect();
                let shape_and_order = IxDyn(&shape).set_f(fortran);
                let array = ArrayD::<$element>::from_shape_vec(shape_and_order, values).unwrap();
                let read = read_as(&npy_bytes(&array), npy::read).unwrap();
                prop_assert_eq!(read.shape, shape);
                prop_assert_eq!(read.data, NpyData::$variant(array.iter().copied().collect()));
            }
        }
    )*};
}

npy_round_trips! {
    npy_u8_in_either_order_is_read_as_written: u8, U8;
    npy_i8_in_either_order_is_read_as_written: i8, I8;
    npy_u16_in_either_order_is_read_as_written: u16, U16;
    npy_i16_in_either_order_is_read_as_written: i16, I16;
    npy_u32_in_either_order_is_read_as_written: u32, U32;
    npy_i32_in_either_order_is_read_as_written: i32, I32;
    npy_u64_in_either_order_is_read_as_written: u64, U64;
    npy_i64_in_either_order_is_read_as_written: i64, I64;
    npy_f32_in_either_order_is_read_as_written: f32, F32;
    npy_f64_in_either_order_is_read_as_written: f64, F64;
}

proptest! {
    #[test]
    fn an_npy_file_cut_or_flipped_anywhere_never_panics(at: Index, bit in 0..8u8) {
        let mut bytes = npy(&[2, 3], &[1i32, 2, 3, 4, 5, 6]);
        let at = at.index(bytes.len());
        prop_assert!(read_as(&bytes[..at], npy::read).is_err());
        bytes[at] ^= 1u8 << bit;
        let _ = read_as(&bytes, npy::read);
    }
}

#[test]
fn npy_headers_of_other_writers_are_understood() {
    let dictionaries = [
        ("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n", [1, 0, 2, 0]),
        (r#"{"shape":(2L,),"fortran_order":False,"descr":"<i2"}"#, [0, 1, 0, 2]),
    ];
    for (dictionary, data) in dictionaries {
        let read = read_as(&npy_by_hand(dictionary, &data), npy::read).unwrap();
        assert_eq!(read.data, NpyData::I16(vec![256, 512]));
    }
}

#[test]
fn npy_headers_that_are_no_array_of_numbers_are_refused_with_the_place() {
    let cases = [
        ("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", 10),
        ("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}", 20),
        ("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}", 44),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (-1,)}", 60),
        ("{'descr': '<f4', 'shape': (99999999999999999999,)}", 37),
        ("{'descr': '<f4', 'shape': (1,)}", 41),
        ("{'descr': '<f4", 21),
    ];
    for (dictionary, place) in cases {
        let error = read_as(&npy_by_hand(dictionary, &[0; 4]), npy::read).unwrap_err();
        assert!(
            matches!(error, DataError::NpyHeader { position, .. } if position == place),
            "{error}"
        );
    }
    let brackets = npy_by_hand(&"{".repeat(60_000), b"");
    assert!(matches!(read_as(&brackets, npy::read), Err(DataError::NpyHeader { .. })));
    let endless = b"\x93NUMPY\x02\x00\xff\xff\xff\xff";
    assert!(matches!(read_as(endless, npy::read), Err(DataError::NpyHeader { position: 8, .. })));
}

#[test]
fn npy_files_of_both_parts_are_read_with_their_labels() {
    let dir = folder(&[
        ("train-images.npy", npy(&[2, 1, 2], &[0.0f64, 0.25, 0.5, 1.0])),
        ("train-labels.npy", npy(&[2], &[3i64, 4])),
        ("test-images.npy", npy(&[1, 4], &[1u8, 2, 3, 4])),
    ]);
    let train = load(dir.path(), Part::Train).unwrap();
    assert_eq!(train.images.pixels(), &Pixels::Floats(vec![0.0, 0.25, 0.5, 1.0]));
    assert_eq!(train.labels.unwrap(), [3, 4]);
    let test = load(dir.path(), Part::Test).unwrap();
    assert_eq!((test.images.height(), test.images.width(), test.labels), (2, 2, None));
}

#[test]
fn of_one_npy_array_every_tenth_image_is_held_out() {
    let values: Vec<u8> = (0..46).collect();
    let files = [("images.npy", npy(&[23, 2], &values)), ("labels.npy", npy(&[23], &values[..23]))];
    let dir = folder(&files);
    let (train, test) =
        (load(dir.path(), Part::Train).unwrap(), load(dir.path(), Part::Test).unwrap());
    assert_eq!(bytes_of(&test), [18, 19, 38, 39]);
    assert_eq!(test.labels.unwrap(), [9, 19]);
    let rest: Vec<u8> = (0..23).filter(|i| ![9, 19].contains(i)).collect();
    assert_eq!(bytes_of(&train), rest.iter().flat_map(|i| [2 * i, 2 * i + 1]).collect::<Vec<_>>());
    assert_eq!(train.labels.unwrap(), rest);

    let few = folder(&[("images.npy", npy(&[9, 1], &[0u8; 9]))]);
    assert!(matches!(load(few.path(), Part::Test), Err(DataError::TooFewToSplit { count: 9, .. })));
}

#[test]
fn a_nan_in_npy_is_named_with_its_place() {
    let dir = folder(&[("train-images.npy", npy(&[2, 1, 2], &[0.0, 0.0, f64::NAN, 0.0]))]);
    let message = error_of(dir.path());
    assert!(message.contains("train-images.npy: pixel 0 of image 1 is NaN"), "{message}");
}

#[test]
fn bytes_of_zero_and_one_are_refused_as_nearly_black() {
    let folder = tempfile::tempdir().unwrap();
    let load = |values: &[u8]| {
        for part in ["train", "test"] {
            let path = folder.path().join(format!("{part}-images.npy"));
            std::fs::write(path, npy(&[2, 1, 2], values)).unwrap();
        }
        elbo::data::load(folder.path(), elbo::data::Part::Train)
    };
    let error = load(&[0, 1, 1, 0]).unwrap_err().to_string();
    assert!(error.contains("train-images.npy") && error.contains("float32"), "{error}");
    assert!(load(&[0, 1, 2, 0]).is_ok() && load(&[0; 4]).is_ok());
}
