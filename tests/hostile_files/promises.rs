//! Files that were made to be a trap, each with the promise that it would break.

use std::{fs, path::Path};

use elbo::{
    data::{Part, idx, load, npy, png_folder},
    files::crc32,
    recipe::{Recipe, RecipeError},
    training::{Checkpoint, load_model, read_metrics},
    uses::anomaly::{Calibration, CalibrationError},
};
use libtest_mimic::{Failed, Trial};

use crate::{BUFFERS, asked, good};

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("gzip gets memory as its elements arrive, whatever was promised", gzip),
        Trial::test("a PNG gets memory as its rows arrive, whatever was promised", png),
        Trial::test("a folder of PNGs gets memory as its images arrive", folder),
        Trial::test("an array of more dimensions than NumPy has is refused", dimensions),
        Trial::test("a recipe of faults alone is read in a time by its length", faults),
        Trial::test("a calibration leads to no file outside its folder", calibration),
    ];
    if cfg!(unix) {
        trials.push(Trial::test("a pipe is refused, not waited for", pipe));
        trials.push(Trial::test("a device without an end is refused, not read", device));
    }
    trials
}

/// What no rule of compression makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 40) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// How much is asked for by a reader that must refuse the file of these bytes.
fn asked_by_refused<T, E>(
    bytes: &[u8],
    read: impl Fn(&Path) -> Result<T, E>,
) -> Result<usize, Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    fs::write(&path, bytes)?;
    let mut refused = false;
    let asked = asked(|| refused = read(&path).is_err());
    if refused { Ok(asked) } else { Err("it was read".into()) }
}

fn at_most(allowed: usize, asked: usize) -> Result<(), Failed> {
    if asked <= allowed { Ok(()) } else { Err(format!("{asked} bytes asked for").into()) }
}

/// A hundred kilobytes that could be a hundred megabytes, but are not.
fn gzip() -> Result<(), Failed> {
    let bytes = [good::idx_header(0x08, &[100_000_000]), noise(100_000)].concat();
    at_most(BUFFERS, asked_by_refused(&good::gzipped(&bytes), idx::read)?)
}

/// A chunk of a PNG.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [kind, data].concat();
    [&(data.len() as u32).to_be_bytes(), &named[..], &crc32(&named).to_be_bytes()].concat()
}

/// Pixels of one bit that become three bytes, 40 000 x 40 000 of them, in a file that is long enough for them
/// by a chunk of something else, and has the first rows.
fn png() -> Result<(), Failed> {
    let size = 40_000u32.to_be_bytes();
    for interlaced in [0, 1] {
        let header = [&size[..], &size, &[1, 3, 0, 0, interlaced]].concat();
        let chunks = [
            chunk(b"IHDR", &header),
            chunk(b"PLTE", &[0, 0, 0, 255, 255, 255]),
            chunk(b"fiLl", &noise(200_000)),
            chunk(b"IDAT", &good::deflated(&[0; 3 * 5001])),
            chunk(b"IEND", &[]),
        ];
        let bytes = [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat();
        at_most(2 * BUFFERS, asked_by_refused(&bytes, png_folder::read)?)?;
    }
    Ok(())
}

/// A thousand files, the first of them a black image of a million pixels and the others empty.
fn folder() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("train"))?;
    let path = |n: usize| folder.path().join(format!("train/{n:03}.png"));
    let mut first = vec![];
    let mut encoder = png::Encoder::new(&mut first, 1000, 1000);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(&[0; 1_000_000])?;
    fs::write(path(0), first)?;
    (1..1000).try_for_each(|n| fs::write(path(n), []))?;
    let mut refused = false;
    let asked = asked(|| refused = load(folder.path(), Part::Train).is_err());
    assert!(refused);
    at_most(20 * BUFFERS, asked)
}

/// To bring these few elements into C order would take as many steps for each as there are dimensions.
fn dimensions() -> Result<(), Failed> {
    let read = |ones: usize| {
        let shape = "2,".repeat(4) + &"1,".repeat(ones);
        let header = format!("{{'descr':'u1','fortran_order':True,'shape':({shape})}}");
        asked_by_refused(&good::npy_with(&header, &[0; 16]), npy::read)
    };
    assert!(read(60).is_err(), "64 dimensions are read");
    at_most(BUFFERS, read(61)?.max(read(30_000)?))
}

/// Each fault is looked for in all of the file, and names the nearest of all keys.
fn faults() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("faults.toml");
    let unknown = (0..100_000).map(|n| format!("k{n}=1\n")).collect::<String>();
    fs::write(&path, &unknown)?;
    let asked = asked(|| match Recipe::find(path.to_str().unwrap()) {
        Err(RecipeError::Parse { faults, .. }) => assert_eq!(faults.len(), 101),
        other => panic!("{other:?}"),
    });
    at_most(200 * unknown.len(), asked)
}

fn calibration() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let inside = folder.path().join("inside");
    fs::create_dir(&inside)?;
    let outside = folder.path().join("model.safetensors");
    // The check value of CRC-32, so that the file outside is the very one that is asked for.
    fs::write(&outside, "123456789")?;
    let outside = outside.to_str().unwrap();
    let path = inside.join("anomaly-elbo.json");
    for model in [outside, "../model.safetensors", "./../model.safetensors", "..", ".", "", "a/"] {
        let json = format!(
            r#"{{"model":{model:?},"model_crc32":3421780262,"score":{{"kind":"elbo","samples":1}},
               "seed":0,"images":1,"false_positives":0.1,"threshold":0.0}}"#
        );
        fs::write(&path, json)?;
        let refused = Calibration::load(&path);
        assert!(matches!(refused, Err(CalibrationError::Format { .. })), "{model}: {refused:?}");
    }
    Ok(())
}

/// Whether all readers refuse this file, which is no regular one.
fn all_refuse(path: &Path) {
    assert!(idx::read(path).is_err() && npy::read(path).is_err());
    assert!(png_folder::read(path).is_err() && read_metrics(path).is_err());
    assert!(load_model::<f32>(path).is_err() && Checkpoint::<f32>::load(path).is_err());
    assert!(Recipe::find(path.to_str().unwrap()).is_err() && Calibration::load(path).is_err());
}

/// Whoever opens a pipe to read waits until somebody opens it to write.
fn pipe() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pipe.toml");
    assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
    all_refuse(&path);
    Ok(())
}

fn device() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("zeros.toml");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/zero", &path)?;
    at_most(BUFFERS, asked(|| all_refuse(&path)))
}
