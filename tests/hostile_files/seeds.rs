//! The good files, as seeds of the fuzz targets.

use std::{ffi::OsString, fs, path::Path};

use elbo::{
    data::{idx, npy, png_folder},
    recipe::Recipe,
    training::{Checkpoint, load_model},
};
use libtest_mimic::Failed;

use crate::good;

/// Reads all good files. Where the environment variable `ELBO_SEEDS` names a folder, each is written into that of
/// its fuzz target, in the form that the target takes.
pub fn all_are_good() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file.toml");
    let seeds = std::env::var_os("ELBO_SEEDS");
    let each =
        |target, files: Vec<Vec<u8>>, seed: fn(&[u8]) -> Vec<u8>, is_good: fn(&Path) -> bool| {
            for (n, bytes) in files.iter().enumerate() {
                fs::write(&path, bytes)?;
                assert!(is_good(&path), "{target} {n}");
                write_seed(seeds.as_ref(), target, &seed(bytes))?;
            }
            Ok::<_, Failed>(())
        };
    each("idx", good::idx(), as_it_is, |path| idx::read(path).is_ok())?;
    each("idx", good::idx(), before_gzip, |path| idx::read(path).is_ok())?;
    each("idx", good::gzip(), as_it_is, |path| idx::read(path).is_ok())?;
    each("npy", good::npy(), as_it_is, |path| npy::read(path).is_ok())?;
    each("png", good::png(), <[u8]>::to_vec, |path| png_folder::read(path).is_ok())?;
    each("safetensors", good::model(), header_and_tensors, |path| load_model::<f32>(path).is_ok())?;
    each("safetensors", good::checkpoint(), header_and_tensors, |path| {
        Checkpoint::<f32>::load(path).is_ok()
    })?;
    each("recipe", good::recipe(), <[u8]>::to_vec, |path| {
        Recipe::find(path.to_str().unwrap()).is_ok_and(|recipe| recipe.validate().is_ok())
    })
}

/// What the targets of IDX and NumPy take for a file as it is.
fn as_it_is(file: &[u8]) -> Vec<u8> {
    [&[0], file].concat()
}

/// What the target of IDX gzips first.
fn before_gzip(file: &[u8]) -> Vec<u8> {
    [&[1], file].concat()
}

/// A safetensors file without the length of its header, and with a zero byte after that.
fn header_and_tensors(file: &[u8]) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().unwrap();
    let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    [header, &[0], tensors].concat()
}

fn write_seed(seeds: Option<&OsString>, target: &str, seed: &[u8]) -> Result<(), Failed> {
    let Some(seeds) = seeds else { return Ok(()) };
    let folder = Path::new(seeds).join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{:08x}", elbo::files::crc32(seed))), seed)?;
    Ok(())
}
