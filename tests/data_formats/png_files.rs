//! Folders of PNG files.

use super::*;

#[test]
fn pngs_of_every_colour_type_become_grey() {
    use BitDepth::{Eight, One, Sixteen};
    use ColorType::*;
    let greys = |color, depth, palette, samples: &[u8]| {
        let bytes = png_bytes(2, 1, color, depth, palette, samples);
        read_as(&bytes, png_folder::read).unwrap().pixels
    };
    assert_eq!(greys(Grayscale, Eight, None, &[3, 200]), [3, 200]);
    assert_eq!(greys(Grayscale, One, None, &[0b0100_0000]), [0, 255]);
    assert_eq!(greys(Grayscale, Sixteen, None, &[3, 99, 200, 1]), [3, 200]);
    assert_eq!(greys(GrayscaleAlpha, Eight, None, &[200, 255, 200, 51]), [200, 40]);
    assert_eq!(greys(Rgb, Eight, None, &[255, 0, 0, 9, 9, 9]), [76, 9]);
    assert_eq!(greys(Rgba, Eight, None, &[0, 0, 255, 255, 0, 255, 0, 0]), [29, 0]);
    assert_eq!(greys(Indexed, Eight, Some(&[0, 0, 0, 0, 255, 0]), &[1, 0]), [150, 0]);
    let beyond_the_palette = &[0, 2];
    assert_eq!(greys(Indexed, Eight, Some(&[9, 9, 9]), beyond_the_palette), [9, 0]);
}

#[test]
fn png_folders_are_read_in_the_order_of_their_names() {
    let dir = folder(&[
        ("train/b.png", grey_png(2, 1, &[3, 4])),
        ("train/a.PNG", grey_png(2, 1, &[1, 2])),
        ("train/.hidden.png", b"not a PNG".to_vec()),
        ("test/c.png", grey_png(2, 1, &[5, 6])),
    ]);
    let train = load(dir.path(), Part::Train).unwrap();
    assert_eq!(
        (bytes_of(&train), train.images.height(), train.images.width()),
        (&[1, 2, 3, 4][..], 1, 2)
    );
    assert_eq!(
        (train.labels, bytes_of(&load(dir.path(), Part::Test).unwrap())),
        (None, &[5, 6][..])
    );
}

#[test]
fn of_one_folder_of_pngs_every_tenth_is_held_out() {
    let names: Vec<String> = (0..21).map(|i| format!("{i:02}.png")).collect();
    let files: Vec<_> =
        names.iter().zip(0..).map(|(name, i)| (&name[..], grey_png(1, 1, &[i]))).collect();
    let dir = folder(&files);
    assert_eq!(bytes_of(&load(dir.path(), Part::Test).unwrap()), [9, 19]);
    let rest: Vec<u8> = (0..21).filter(|i| ![9, 19].contains(i)).collect();
    assert_eq!(bytes_of(&load(dir.path(), Part::Train).unwrap()), rest);
    assert!(matches!(
        load(folder(&files[..9]).path(), Part::Train),
        Err(DataError::TooFewToSplit { .. })
    ));
}

#[test]
fn class_folders_give_labels_by_number_or_by_place_among_both_parts() {
    let png = |value| grey_png(1, 1, &[value]);
    let numbered =
        folder(&[("train/10/a.png", png(1)), ("train/2/b.png", png(2)), ("train/2/c.png", png(3))]);
    let dataset = load(numbered.path(), Part::Train).unwrap();
    assert_eq!((bytes_of(&dataset), &dataset.labels), (&[1, 2, 3][..], &Some(vec![10, 2, 2])));
    let named = folder(&[
        ("train/cat/a.png", png(1)),
        ("train/eel/a.png", png(2)),
        ("test/dog/a.png", png(3)),
        ("test/eel/a.png", png(4)),
    ]);
    assert_eq!(load(named.path(), Part::Train).unwrap().labels.unwrap(), [0, 2]);
    assert_eq!(load(named.path(), Part::Test).unwrap().labels.unwrap(), [1, 2]);
    let large = folder(&[("train/256/a.png", png(1))]);
    assert!(matches!(load(large.path(), Part::Train), Err(DataError::ClassFolders { .. })));
    let mixed = folder(&[("train/1/a.png", png(1)), ("train/a.png", png(1))]);
    assert!(matches!(load(mixed.path(), Part::Train), Err(DataError::Ambiguous { .. })));
}

#[test]
fn pngs_of_different_sizes_are_named_with_their_sizes() {
    let dir = folder(&[
        ("train/a.png", grey_png(2, 1, &[1, 2])),
        ("train/b.png", grey_png(1, 2, &[1, 2])),
    ]);
    let message = error_of(dir.path());
    for part in ["b.png is 1 x 2", "a.png is 2 x 1"] {
        assert!(message.contains(part), "{message}");
    }
}

/// Found by fuzzing: png 0.18.1 panics at a palette of 22 bytes beside transparency.
#[test]
fn a_palette_that_ends_within_a_colour_is_refused() {
    for bytes in [4, 22, 767] {
        let palette = vec![7; bytes];
        let (color, depth) = (ColorType::Indexed, BitDepth::Eight);
        let image = png_bytes(2, 1, color, depth, Some(&palette), &[0, 0]);
        let message = read_as(&image, png_folder::read).unwrap_err().to_string();
        assert!(message.contains(&format!("a palette of {bytes} bytes")), "{message}");
    }
}

#[test]
fn a_png_that_promises_more_pixels_than_it_can_hold_is_refused() {
    let mut bytes = grey_png(1, 1, &[0]);
    bytes[16..20].copy_from_slice(&100_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&100_000u32.to_be_bytes());
    let mut checksum = flate2::Crc::new();
    checksum.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    let error = read_as(&bytes, png_folder::read).unwrap_err();
    assert!(matches!(error, DataError::PngSize { .. }), "{error}");
}

proptest! {
    #[test]
    fn a_png_cut_anywhere_is_refused_and_a_flipped_one_never_panics(at: Index, bit in 0..8u8) {
        let mut bytes = png_bytes(4, 4, ColorType::Rgb, BitDepth::Eight, None, &[77; 48]);
        let at = at.index(bytes.len());
        prop_assert!(read_as(&bytes[..at], png_folder::read).is_err());
        bytes[at] ^= 1u8 << bit;
        let _ = read_as(&bytes, png_folder::read);
    }
}

/// The pass in which each pixel of a block of eight by eight comes (PNG specification, section 8.1).
const PASSES: [&[u8; 8]; 8] = [
    b"16462646",
    b"77777777",
    b"56565656",
    b"77777777",
    b"36463646",
    b"77777777",
    b"56565656",
    b"77777777",
];

/// An interlaced grey PNG whose pixel (x, y) is y · width + x.
fn interlaced_png(width: usize, height: usize) -> Vec<u8> {
    let mut stream = vec![];
    for pass in b'1'..=b'7' {
        for y in 0..height {
            let row = (0..width).filter(|x| PASSES[y % 8][x % 8] == pass);
            let row: Vec<u8> = row.map(|x| (y * width + x) as u8).collect();
            if !row.is_empty() {
                stream.extend([vec![0], row].concat());
            }
        }
    }
    let mut zlib = flate2::write::ZlibEncoder::new(vec![], Compression::default());
    zlib.write_all(&stream).unwrap();
    let size = [width, height].map(|side| (side as u32).to_be_bytes()).concat();
    let header = [&size[..], &[8, 0, 0, 0, 1]].concat();
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let named = [kind, data].concat();
        let (length, sum) = (data.len() as u32, elbo::files::crc32(&named));
        [&length.to_be_bytes(), &named[..], &sum.to_be_bytes()].concat()
    };
    let chunks = [("IHDR", header), ("IDAT", zlib.finish().unwrap()), ("IEND", vec![])];
    let chunks = chunks.map(|(kind, data)| chunk(kind.as_bytes().try_into().unwrap(), &data));
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

#[test]
fn an_interlaced_png_of_any_size_has_every_pixel_in_its_place() {
    for (width, height) in (1..16).flat_map(|width| (1..16).map(move |height| (width, height))) {
        let image = read_as(&interlaced_png(width, height), png_folder::read).unwrap();
        assert_eq!((image.width as usize, image.height as usize), (width, height));
        assert!(image.pixels.into_iter().eq((0..width * height).map(|place| place as u8)));
    }
}
