//! Finding the data set in a folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{DataError, idx, npy, png_folder};
use crate::data::{Dataset, Images, Part};

/// What can be found, for the message when nothing was.
const LOOKED_FOR: &str = "IDX files (train-images-idx3-ubyte[.gz], t10k-images-idx3-ubyte[.gz]), \
    NumPy arrays (train-images.npy and test-images.npy, or images.npy), \
    PNG files (train/*.png and test/*.png, train/CLASS/*.png and test/CLASS/*.png, or *.png)";

/// Reads one part of the data set in the folder `dir`.
///
/// The first row of this table that fits the folder is taken:
///
/// | format | training images | test images | labels (optional) |
/// | --- | --- | --- | --- |
/// | [IDX](idx), plain or gzipped | `train-images-idx3-ubyte` | `t10k-images-idx3-ubyte` | `train-labels-idx1-ubyte`, `t10k-labels-idx1-ubyte` |
/// | [NumPy](npy) | `train-images.npy` | `test-images.npy` | `train-labels.npy`, `test-labels.npy` |
/// | NumPy, one array | `images.npy`: the rest | `images.npy`: every tenth | `labels.npy` |
/// | [PNG](png_folder) | `train/*.png` | `test/*.png` | |
/// | PNG in class folders | `train/CLASS/*.png` | `test/CLASS/*.png` | `CLASS` |
/// | PNG, one folder | `*.png`: the rest | `*.png`: every tenth by name | |
///
/// - An IDX name may end in `.gz` (beside a plain file of the same name, it is ignored), have
///   `.idx3` for `-idx3`, `test` for `t10k`, and a prefix ending in `-` or `_`
///   (`emnist-letters-train-images-idx3-ubyte.gz`); the labels have the prefix of their images.
/// - Arrays of images have the shape (images, height, width), with or without a dimension of one
///   channel after the first or last, or (images, pixels). There, a number of pixels that is a
///   perfect square makes square images, any other makes images one pixel high. Elements are u8, or
///   f32 or f64 between 0 and 1.
/// - Arrays of labels have one dimension and any integer type; the labels lie between 0 and 255.
/// - Every tenth means the images 9, 19, 29, ..., counted from 0.
/// - If every `CLASS` is a number, it is the label; otherwise the label is its place, from 0, among
///   the sorted names of the folders in `train` and `test` together.
/// - Files and folders whose names begin with a dot are ignored.
///
/// # Errors
/// If the folder holds no data set or several, if a file of it cannot be read or is not what it
/// should be, or if images and labels differ in number.
pub fn load(dir: &Path, part: Part) -> Result<Dataset, DataError> {
    let listing = Listing::of(dir)?;
    if let Some((images, labels)) = find_idx(&listing, part)? {
        let labels = labels.map(|path| Ok((idx::read_labels(&path)?, path))).transpose()?;
        return join(idx::read_images(&images)?, &images, labels);
    }
    if let Some(found) = find_npy(&listing, part)? {
        let labels = found.labels.map(|path| Ok((npy::read_labels(&path)?, path))).transpose()?;
        let dataset = join(npy::read_images(&found.images)?, &found.images, labels)?;
        if !found.split {
            return Ok(dataset);
        }
        return match dataset.images.len() {
            count @ ..10 => Err(DataError::TooFewToSplit { path: found.images, count }),
            _ => Ok(dataset.filtered(|index| part.has(index)).expect("neither part is empty")),
        };
    }
    match png_folder::load(&listing, part)? {
        Some(dataset) => Ok(dataset),
        None => Err(listing.missing(part, LOOKED_FOR)),
    }
}

/// Images with their labels, if there are as many.
fn join(
    images: Images,
    path: &Path,
    labels: Option<(Vec<u8>, PathBuf)>,
) -> Result<Dataset, DataError> {
    let Some((labels, labels_path)) = labels else {
        return Ok(Dataset { images, labels: None });
    };
    if labels.len() != images.len() {
        return Err(DataError::CountMismatch {
            path: path.to_path_buf(),
            images: images.len(),
            labels_path,
            labels: labels.len(),
        });
    }
    Ok(Dataset { images, labels: Some(labels) })
}

/// The names in a folder, sorted, without hidden ones.
pub(super) struct Listing {
    pub(super) path: PathBuf,
    pub(super) files: Vec<OsString>,
    pub(super) folders: Vec<OsString>,
}

impl Listing {
    pub(super) fn of(path: &Path) -> Result<Self, DataError> {
        let failed = |cause: io::Error| {
            let path = path.to_path_buf();
            match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    DataError::MissingFolder { path }
                }
                _ => DataError::Io { path, cause },
            }
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let entry_path = path.join(&name);
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            } else if entry_path.is_dir() {
                folders.push(name);
            } else {
                // A pipe or a dangling link too: whoever reads it says what is wrong.
                files.push(name);
            }
        }
        files.sort();
        folders.sort();
        Ok(Listing { path: path.to_path_buf(), files, folders })
    }

    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file == name)
    }

    /// The one of several possible names, a plain file before a gzipped one of the same name.
    fn choose(&self, names: &[&str]) -> Result<Option<PathBuf>, DataError> {
        let gzipped_twin =
            |name: &&&str| name.strip_suffix(".gz").is_some_and(|plain| names.contains(&plain));
        let distinct: Vec<&str> =
            names.iter().filter(|name| !gzipped_twin(name)).copied().collect();
        match distinct[..] {
            [] => Ok(None),
            [name] => Ok(Some(self.path.join(name))),
            _ => Err(self.ambiguous(&distinct)),
        }
    }

    pub(super) fn ambiguous(&self, names: &[&str]) -> DataError {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        DataError::Ambiguous { path: self.path.clone(), names }
    }

    pub(super) fn missing(&self, part: Part, looked_for: &str) -> DataError {
        let (path, looked_for) = (self.path.clone(), looked_for.to_owned());
        DataError::MissingImages { path, part, looked_for }
    }
}

/// What MNIST's naming says about a file.
struct IdxName<'a> {
    prefix: &'a str,
    part: Part,
    labels: bool,
}

impl<'a> IdxName<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        let strip = |content: &str, rank: &str| {
            name.strip_suffix(rank)?.strip_suffix(['-', '.'])?.strip_suffix(content)
        };
        let (stem, labels) = strip("-images", "idx3-ubyte")
            .map(|stem| (stem, false))
            .or_else(|| Some((strip("-labels", "idx1-ubyte")?, true)))?;
        let (prefix, part) = [("train", Part::Train), ("t10k", Part::Test), ("test", Part::Test)]
            .into_iter()
            .find_map(|(word, part)| Some((stem.strip_suffix(word)?, part)))?;
        let whole_word = prefix.is_empty() || prefix.ends_with(['-', '_']);
        whole_word.then_some(IdxName { prefix, part, labels })
    }
}

/// The IDX files of images and labels; `None` if no file has the name of IDX images.
fn find_idx(
    listing: &Listing,
    part: Part,
) -> Result<Option<(PathBuf, Option<PathBuf>)>, DataError> {
    let named: Vec<(&str, IdxName)> = listing
        .files
        .iter()
        .filter_map(|file| file.to_str())
        .filter_map(|file| Some((file, IdxName::parse(file)?)))
        .collect();
    if named.iter().all(|(_, name)| name.labels) {
        return Ok(None);
    }
    let select = |wanted: &dyn Fn(&IdxName) -> bool| -> Vec<&str> {
        named
            .iter()
            .filter(|(_, name)| name.part == part && wanted(name))
            .map(|&(file, _)| file)
            .collect()
    };
    let Some(images) = listing.choose(&select(&|name| !name.labels))? else {
        let word = if part == Part::Train { "train" } else { "t10k or test" };
        let looked_for = format!("[PREFIX-]{word}-images-idx3-ubyte[.gz], as for the other part");
        return Err(listing.missing(part, &looked_for));
    };
    let prefix =
        named.iter().find(|(file, _)| images.ends_with(file)).map_or("", |(_, name)| name.prefix);
    let labels = listing.choose(&select(&|name| name.labels && name.prefix == prefix))?;
    Ok(Some((images, labels)))
}

/// NumPy files, and whether both parts are in them.
struct NpyFiles {
    images: PathBuf,
    labels: Option<PathBuf>,
    split: bool,
}

/// The NumPy files of images and labels; `None` if no file has the name of such images.
fn find_npy(listing: &Listing, part: Part) -> Result<Option<NpyFiles>, DataError> {
    let parts = ["train-images.npy", "test-images.npy"];
    let found: Vec<&str> = parts.into_iter().filter(|name| listing.has(name)).collect();
    let prefix = match (&found[..], listing.has("images.npy")) {
        ([], false) => return Ok(None),
        ([], true) => String::new(),
        ([name, ..], true) => return Err(listing.ambiguous(&[name, "images.npy"])),
        (_, false) => format!("{part}-"),
    };
    let (images, labels) = (format!("{prefix}images.npy"), format!("{prefix}labels.npy"));
    if !listing.has(&images) {
        return Err(listing.missing(part, &format!("{images}, as for the other part")));
    }
    let labels = listing.has(&labels).then(|| listing.path.join(labels));
    Ok(Some(NpyFiles { images: listing.path.join(images), labels, split: prefix.is_empty() }))
}
