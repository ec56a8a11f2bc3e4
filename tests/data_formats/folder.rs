//! MNIST, and how the files of a data set are found in a folder.

use super::*;

fn check_mnist(part: Part, first_labels: [u8; 5], histogram: [usize; 10], sum: u64, crc: u32) {
    let mnist = load(&mnist(), part).unwrap();
    let labels = mnist.labels.as_ref().unwrap();
    assert_eq!((mnist.images.height(), mnist.images.width()), (28, 28));
    assert_eq!(labels[..5], first_labels);
    for (digit, &count) in histogram.iter().enumerate() {
        assert_eq!(labels.iter().filter(|&&label| usize::from(label) == digit).count(), count);
    }
    assert_eq!(mnist.images.len(), histogram.iter().sum::<usize>());
    assert_eq!(bytes_of(&mnist).iter().map(|&byte| u64::from(byte)).sum::<u64>(), sum);
    let mut checksum = flate2::Crc::new();
    checksum.update(bytes_of(&mnist));
    assert_eq!(checksum.sum(), crc);
}

// The sums and checksums below are those of Python's `gzip`, `sum` and `zlib.crc32`.

#[test]
fn mnist_training_set_is_read_to_the_byte() {
    let histogram = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    check_mnist(Part::Train, [5, 0, 4, 1, 9], histogram, 1_567_298_545, 4_083_391_318);
}

#[test]
fn mnist_test_set_is_read_to_the_byte() {
    let histogram = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
    check_mnist(Part::Test, [7, 2, 1, 0, 4], histogram, 264_923_200, 3_838_467_927);
}

#[test]
fn idx_files_are_found_under_every_usual_name() {
    let images = idx_u8(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    let labels = idx_u8(&[2], &[7, 8]);
    let names = [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", Part::Train),
        ("train-images.idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", Part::Train),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels.idx1-ubyte", Part::Test),
        ("a-b-test-images-idx3-ubyte", "a-b-test-labels-idx1-ubyte", Part::Test),
    ];
    for (images_name, labels_name, part) in names {
        let dir = folder(&[(images_name, gzip(&images)), (labels_name, labels.clone())]);
        let dataset = load(dir.path(), part).unwrap();
        assert_eq!(bytes_of(&dataset), [1, 2, 3, 4, 5, 6], "{images_name}");
        assert_eq!((dataset.images.height(), dataset.images.width()), (1, 3));
        assert_eq!(dataset.labels.unwrap(), [7, 8], "{labels_name}");
    }
}

#[test]
fn a_plain_idx_file_goes_before_its_gzipped_twin() {
    let dir = folder(&[
        ("train-images-idx3-ubyte.gz", idx_u8(&[1, 1, 1], &[1])),
        ("train-images-idx3-ubyte", idx_u8(&[1, 1, 1], &[2])),
    ]);
    assert_eq!(bytes_of(&load(dir.path(), Part::Train).unwrap()), [2]);
}

#[test]
fn several_idx_candidates_are_named_and_none_is_taken() {
    let file = idx_u8(&[1, 1, 1], &[1]);
    let names = ["a-train-images-idx3-ubyte", "b-train-images-idx3-ubyte"];
    let dir = folder(&names.map(|name| (name, &file)));
    let message = error_of(dir.path());
    assert!(names.iter().all(|name| message.contains(name)), "{message}");
}

#[test]
fn labels_of_another_prefix_are_not_taken() {
    let dir = folder(&[
        ("a-train-images-idx3-ubyte", idx_u8(&[1, 1, 1], &[1])),
        ("b-train-labels-idx1-ubyte", idx_u8(&[1], &[1])),
    ]);
    assert_eq!(load(dir.path(), Part::Train).unwrap().labels, None);
}

#[test]
fn a_set_with_one_part_only_says_which_is_missing() {
    let dir = folder(&[("t10k-images-idx3-ubyte", idx_u8(&[1, 1, 1], &[1]))]);
    let message = error_of(dir.path());
    assert!(message.contains("train-images-idx3-ubyte"), "{message}");
}

#[test]
fn a_folder_without_data_lists_what_was_looked_for() {
    let dir = folder(&[("notes.txt", "nothing")]);
    let message = error_of(dir.path());
    for name in ["train-images-idx3-ubyte", "images.npy", "train/*.png", "data/mnist"] {
        assert!(message.contains(name), "{message}");
    }
    let missing = dir.path().join("absent");
    let error = load(&missing, Part::Train).unwrap_err();
    assert!(matches!(error, DataError::MissingFolder { path } if path == missing));
    let file = dir.path().join("notes.txt");
    assert!(matches!(load(&file, Part::Train), Err(DataError::MissingFolder { .. })));
}

#[test]
#[cfg(unix)]
fn a_pipe_or_a_dangling_link_in_the_place_of_a_file_is_named() {
    let dir = folder(&[("notes.txt", "nothing")]);
    let path = dir.path().join("train-images-idx3-ubyte");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(error_of(dir.path()).ends_with("cannot be read: not a regular file"));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert!(error_of(dir.path()).ends_with("train-images-idx3-ubyte: no such file"));
}

#[test]
fn images_and_labels_of_different_counts_are_refused() {
    let dir = folder(&[
        ("train-images-idx3-ubyte", idx_u8(&[2, 1, 1], &[1, 2])),
        ("train-labels-idx1-ubyte", idx_u8(&[3], &[1, 2, 3])),
    ]);
    let error = load(dir.path(), Part::Train).unwrap_err();
    assert!(matches!(error, DataError::CountMismatch { images: 2, labels: 3, .. }), "{error}");
}
