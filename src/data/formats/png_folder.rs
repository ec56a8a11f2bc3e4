//! Folders of PNG files.
//!
//! Every PNG becomes 8-bit grey: 16-bit samples keep their high byte, colours become Rec. 601 luma
//! Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, of the sample values as they are), and
//! transparent pixels are laid over black. An index beyond the palette is black. Of an animation the first image
//! is taken.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use png::{ColorType, Decoder, DecodingError, Limits, Transformations};

use super::DataError;
use super::folder::Listing;
use super::source::largest_expansion;
use crate::data::{Dataset, Images, Part, Pixels};
use crate::files::{make_room, open_regular};

/// What the decoder may hold besides the pixels; no chunk of an honest small image comes near.
const DECODER_MEMORY: usize = 16 << 20;

/// One grey image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreyImage {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// `width * height` pixels, row by row, 0 black.
    pub pixels: Vec<u8>,
}

/// Reads a PNG file as grey.
///
/// # Errors
/// If the file cannot be read, is no PNG, is corrupt, or is too short for the pixels it promises.
pub fn read(path: &Path) -> Result<GreyImage, DataError> {
    let failed = |cause| DataError::io(path, cause);
    let refused = |cause| DataError::Png { path: path.to_path_buf(), cause };
    let (file, length) = open_regular(path).map_err(failed)?;
    let limits = Limits { bytes: DECODER_MEMORY };
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(refused)?;

    // The decoder takes it for granted (png 0.18.1 panics otherwise).
    if let Some(bytes) = reader.info().palette.as_ref().map(|palette| palette.len())
        && !bytes.is_multiple_of(3)
    {
        let cause = format!("a palette of {bytes} bytes ends within a colour, of 3 each");
        return Err(refused(DecodingError::IoError(std::io::Error::other(cause))));
    }
    let (width, height) = reader.info().size();
    let too_large = || DataError::PngSize { path: path.to_path_buf(), width, height };
    let count = u64::from(width) * u64::from(height);
    let promised = (count / 8).saturating_mul(reader.info().bits_per_pixel() as u64);
    if promised > largest_expansion(length) {
        return Err(too_large());
    }
    let count = usize::try_from(count).map_err(|_| too_large())?;
    let (color, _) = reader.output_color_type();
    // Row by row, so that memory is asked for as the pixels arrive: a file of a megabyte can promise samples
    // of 32 gigabytes.
    let mut pixels = Vec::new();
    while let Some(row) = reader.next_row().map_err(refused)? {
        make_room(&mut pixels, width as usize, count).map_err(|_| too_large())?;
        append_grey(row.data(), color, &mut pixels);
    }
    let interlaced = reader.info().interlaced;
    reader.finish().map_err(refused)?;
    if interlaced {
        pixels = deinterlaced(&pixels, width as usize, height as usize);
    }
    Ok(GreyImage { width, height, pixels })
}

/// Appends the grey pixels of 8-bit samples.
fn append_grey(samples: &[u8], color: ColorType, pixels: &mut Vec<u8>) {
    match color {
        ColorType::Grayscale | ColorType::Indexed => pixels.extend_from_slice(samples),
        ColorType::GrayscaleAlpha => {
            let samples = samples.as_chunks().0.iter();
            pixels.extend(samples.map(|&[grey, alpha]| over_black(grey, alpha)));
        }
        ColorType::Rgb => pixels.extend(samples.as_chunks().0.iter().map(|&rgb| luma(rgb))),
        ColorType::Rgba => {
            let samples = samples.as_chunks().0.iter();
            let grey =
                |&[red, green, blue, alpha]: &[u8; 4]| over_black(luma([red, green, blue]), alpha);
            pixels.extend(samples.map(grey));
        }
    }
}

/// First column, first row, and the steps of both, of the seven passes of Adam7 (PNG specification, section
/// 8.1).
const ADAM7: [[usize; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

/// The pixels row by row, of those pass by pass.
fn deinterlaced(passes: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut pixels = vec![0; passes.len()];
    let places = ADAM7.into_iter().flat_map(|[left, top, right, down]| {
        let rows = (top..height).step_by(down);
        rows.flat_map(move |y| (left..width).step_by(right).map(move |x| y * width + x))
    });
    places.zip(passes).for_each(|(place, &grey)| pixels[place] = grey);
    pixels
}

/// Y = 0.299 R + 0.587 G + 0.114 B, rounded.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((sum + 500) / 1000) as u8
}

/// grey * alpha / 255, rounded.
fn over_black(grey: u8, alpha: u8) -> u8 {
    ((u32::from(grey) * u32::from(alpha) + 127) / 255) as u8
}

/// Reads PNG files of one size, in the order given. Errors of no single file name `dir`.
fn read_all(dir: &Path, paths: &[PathBuf]) -> Result<Images, DataError> {
    let mut pixels = Vec::new();
    let mut first_size = (0, 0);
    for path in paths {
        let image = read(path)?;
        let size = (image.width, image.height);
        if pixels.is_empty() {
            first_size = size;
        } else if size != first_size {
            let (path, first) = (path.clone(), paths[0].clone());
            return Err(DataError::PngSizesDiffer { path, size, first, first_size });
        }
        let all = image.pixels.len().saturating_mul(paths.len());
        if make_room(&mut pixels, image.pixels.len(), all).is_err() {
            let shape = vec![paths.len(), image.height as usize, image.width as usize];
            return Err(DataError::TooLarge { path: dir.to_path_buf(), shape });
        }
        pixels.extend(image.pixels);
    }
    let (width, height) = first_size;
    Images::new(height as usize, width as usize, Pixels::Bytes(pixels))
        .map_err(DataError::images(dir))
}

/// The PNG files of one part; `None` if there is none of either part.
pub(super) fn load(listing: &Listing, part: Part) -> Result<Option<Dataset>, DataError> {
    let is_part = |name: &OsString| name == Part::Train.name() || name == Part::Test.name();
    if listing.folders.iter().any(is_part) {
        return load_part(listing, part).map(Some);
    }
    let all = pngs(listing);
    match all.len() {
        0 => return Ok(None),
        count @ ..10 => return Err(DataError::TooFewToSplit { path: listing.path.clone(), count }),
        _ => {}
    }
    let in_part = all.into_iter().enumerate().filter(|&(index, _)| part.has(index));
    let paths: Vec<PathBuf> = in_part.map(|(_, path)| path).collect();
    Ok(Some(Dataset { images: read_all(&listing.path, &paths)?, labels: None }))
}

/// The PNG files in `train` or `test`, or in class folders there.
fn load_part(listing: &Listing, part: Part) -> Result<Dataset, DataError> {
    let looked_for = format!("{part}/*.png and {part}/CLASS/*.png");
    if !listing.folders.iter().any(|name| name == part.name()) {
        return Err(listing.missing(part, &looked_for));
    }
    let folder = Listing::of(&listing.path.join(part.name()))?;
    let mut paths = pngs(&folder);
    let mut labels = None;
    let classes = pngs_by_class(&folder)?;
    match (paths.is_empty(), classes.is_empty()) {
        (true, true) => return Err(listing.missing(part, &looked_for)),
        (false, true) => {}
        (false, false) => {
            let names = [format!("{part}/*.png"), format!("{part}/CLASS/*.png")];
            return Err(listing.ambiguous(&[&names[0], &names[1]]));
        }
        (true, false) => {
            let label_of = class_labels(listing)?;
            let mut all = Vec::new();
            for (class, files) in classes {
                let label = label_of(class)?;
                all.extend(std::iter::repeat_n(label, files.len()));
                paths.extend(files);
            }
            labels = Some(all);
        }
    }
    Ok(Dataset { images: read_all(&folder.path, &paths)?, labels })
}

fn pngs(listing: &Listing) -> Vec<PathBuf> {
    let is_png = |name: &&OsString| {
        Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
    };
    listing.files.iter().filter(is_png).map(|name| listing.path.join(name)).collect()
}

/// The class folders that hold PNG files, with these.
fn pngs_by_class(folder: &Listing) -> Result<Vec<(&OsStr, Vec<PathBuf>)>, DataError> {
    let mut classes = Vec::new();
    for class in &folder.folders {
        let paths = pngs(&Listing::of(&folder.path.join(class))?);
        if !paths.is_empty() {
            classes.push((class.as_os_str(), paths));
        }
    }
    Ok(classes)
}

/// The label of each class folder, the same for both parts.
fn class_labels(listing: &Listing) -> Result<impl Fn(&OsStr) -> Result<u8, DataError>, DataError> {
    let mut names = BTreeSet::new();
    for part in [Part::Train, Part::Test] {
        let path = listing.path.join(part.name());
        if path.is_dir() {
            names.extend(Listing::of(&path)?.folders);
        }
    }
    let is_number = |name: &OsString| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let numbered = names.iter().all(is_number);
    let path = listing.path.clone();
    Ok(move |class: &OsStr| {
        let label = match numbered {
            true => class.to_str().and_then(|name| name.parse().ok()),
            false => names.iter().position(|name| name == class).and_then(|n| n.try_into().ok()),
        };
        label.ok_or_else(|| DataError::ClassFolders {
            path: path.clone(),
            problem: format!("the class folder {class:?} is one too many or its number too large"),
        })
    })
}
