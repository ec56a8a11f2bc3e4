//! What makes an array a set of images, or of labels.

use super::*;

/// The images in a folder whose training images are this IDX file.
fn images_of(bytes: Vec<u8>) -> Result<Images, DataError> {
    let dir = folder(&[("train-images-idx3-ubyte", bytes)]);
    load(dir.path(), Part::Train).map(|dataset| dataset.images)
}

#[test]
fn dimensions_say_how_high_and_wide_images_are() {
    let expected: [(&[usize], [usize; 3]); 6] = [
        (&[2, 3, 4], [2, 3, 4]),
        (&[2, 3, 4, 1], [2, 3, 4]),
        (&[2, 1, 3, 4], [2, 3, 4]),
        (&[2, 9], [2, 3, 3]),
        (&[2, 12], [2, 1, 12]),
        (&[2, 1], [2, 1, 1]),
    ];
    for (shape, [count, height, width]) in expected {
        let values = vec![7; shape.iter().product()];
        let images = images_of(idx_u8(shape, &values)).unwrap();
        assert_eq!((images.len(), images.height(), images.width()), (count, height, width));
        assert_eq!(images.pixels_per_image(), height * width);
    }
}

#[test]
fn what_is_no_set_of_images_is_told_apart() {
    let problem = |bytes| match images_of(bytes) {
        Err(DataError::Images { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let idx = |shape: &[usize], data| idx_bytes(&IdxArray { shape: shape.to_vec(), data });
    for shape in [vec![], vec![4], vec![1, 2, 2, 3], vec![1; 5]] {
        let values = vec![0; shape.iter().product()];
        assert_eq!(problem(idx_u8(&shape, &values)), InvalidImages::Shape { shape });
    }
    for (shape, [count, height, width]) in [([0, 2, 3], [0, 2, 3]), ([5, 0, 3], [5, 0, 3])] {
        assert_eq!(problem(idx_u8(&shape, &[])), InvalidImages::Empty { count, height, width });
    }
    assert_eq!(
        problem(idx(&[1, 1, 1], IdxData::I16(vec![1]))),
        InvalidImages::ElementType { element: "i16" }
    );
    for value in [f32::INFINITY, -0.001, 1.001] {
        let pixel = problem(idx(&[2, 1, 2], IdxData::F32(vec![0.0, 1.0, 0.5, value])));
        assert_eq!(pixel, InvalidImages::Pixel { image: 1, pixel: 1, value });
    }
}

#[test]
fn labels_may_have_any_integer_type_and_must_fit_a_byte() {
    let labelled = |data, shape: &[usize]| {
        let labels = idx_bytes(&IdxArray { shape: shape.to_vec(), data });
        let images = idx_u8(&[2, 1, 1], &[0, 0]);
        let dir =
            folder(&[("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)]);
        load(dir.path(), Part::Train).map(|dataset| dataset.labels.unwrap())
    };
    assert_eq!(labelled(IdxData::I8(vec![0, 127]), &[2]).unwrap(), [0, 127]);
    assert_eq!(labelled(IdxData::I16(vec![0, 255]), &[2]).unwrap(), [0, 255]);
    assert_eq!(labelled(IdxData::I32(vec![0, 255]), &[2]).unwrap(), [0, 255]);
    for (value, text) in [(256, "256"), (-1, "-1")] {
        let error = labelled(IdxData::I32(vec![0, value]), &[2]).unwrap_err();
        assert!(matches!(&error, DataError::LabelRange { index: 1, value, .. } if value == text));
    }
    assert!(matches!(labelled(IdxData::F32(vec![0.0; 2]), &[2]), Err(DataError::LabelType { .. })));
    assert!(matches!(
        labelled(IdxData::U8(vec![0; 2]), &[2, 1]),
        Err(DataError::LabelShape { .. })
    ));
}

#[test]
fn images_in_memory_are_checked_too() {
    assert!(matches!(
        Images::new(2, 2, Pixels::Bytes(vec![0; 6])),
        Err(InvalidImages::Ragged { .. })
    ));
    assert!(matches!(Images::new(2, 0, Pixels::Bytes(vec![])), Err(InvalidImages::Empty { .. })));
    assert!(Images::new(usize::MAX, 2, Pixels::Bytes(vec![0])).is_err());
    assert_eq!(Images::new(2, 3, Pixels::Bytes(vec![0; 6])).unwrap().len(), 1);
}
