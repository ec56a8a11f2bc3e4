//! Small files of every format, some of each, with all that a format may hold.

use std::{fs, io::Write, ops::ControlFlow, path::Path};

use elbo::{
    data::{Images, Pixels},
    objectives::Elbo,
    recipe::Recipe,
    training::{Checkpoint, Trainer, save_model},
    uses::anomaly::{Background, Calibration, Codes, Score},
};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use png::{BitDepth, ColorType};

/// The bytes of what `write` writes.
fn written(write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path);
    fs::read(&path).unwrap()
}

/// The header of an IDX file.
pub fn idx_header(code: u8, shape: &[u32]) -> Vec<u8> {
    let dims = shape.iter().flat_map(|dim| dim.to_be_bytes());
    [0, 0, code, shape.len() as u8].into_iter().chain(dims).collect()
}

pub fn idx() -> Vec<Vec<u8>> {
    let sizes = [(0x08, 1), (0x09, 1), (0x0b, 2), (0x0c, 4), (0x0d, 4), (0x0e, 8)];
    sizes.map(|(code, size)| [idx_header(code, &[3, 2, 4]), vec![63; 24 * size]].concat()).into()
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As a PNG has its rows.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gzip() -> Vec<Vec<u8>> {
    let [first, second] = [&idx()[0][..9], &idx()[0][9..]].map(gzipped);
    idx().iter().map(|bytes| gzipped(bytes)).chain([[first, second].concat()]).collect()
}

/// A NumPy file with this dictionary.
pub fn npy_with(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let length = (dictionary.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], dictionary.as_bytes(), data].concat()
}

pub fn npy() -> Vec<Vec<u8>> {
    let of = |(descr, size, fortran): (&str, usize, &str)| {
        let rest = format!("'fortran_order': {fortran}, 'shape': (2, 3, 4), }}    \n");
        npy_with(&format!("{{'descr': '{descr}', {rest}"), &vec![63; 24 * size])
    };
    [
        ("|u1", 1, "False"),
        ("<i2", 2, "True"),
        (">u4", 4, "True"),
        ("<f4", 4, "False"),
        (">f8", 8, "True"),
    ]
    .map(of)
    .into()
}

/// A PNG of 5 x 6 pixels.
fn png_of(
    color: ColorType,
    depth: BitDepth,
    with: impl Fn(&mut png::Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let (width, height, mut bytes) = (5, 6, vec![]);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    with(&mut encoder);
    let mut writer = encoder.write_header().unwrap();
    let row = (width as usize * color.samples() * depth as usize).div_ceil(8);
    writer.write_image_data(&vec![0b0100_1011; row * height as usize]).unwrap();
    writer.finish().unwrap();
    bytes
}

pub fn png() -> Vec<Vec<u8>> {
    let palette = |encoder: &mut png::Encoder<&mut Vec<u8>>| {
        encoder.set_palette(vec![9; 6]);
        encoder.set_trns(vec![7; 2]);
    };
    let animated = |encoder: &mut png::Encoder<&mut Vec<u8>>| encoder.set_animated(1, 0).unwrap();
    vec![
        png_of(ColorType::Grayscale, BitDepth::Eight, |_| ()),
        png_of(ColorType::Grayscale, BitDepth::One, |_| ()),
        png_of(ColorType::Indexed, BitDepth::One, palette),
        png_of(ColorType::Rgb, BitDepth::Sixteen, |_| ()),
        png_of(ColorType::Rgba, BitDepth::Eight, |_| ()),
        png_of(ColorType::GrayscaleAlpha, BitDepth::Eight, animated),
    ]
}

pub fn mask() -> Vec<Vec<u8>> {
    png()[..2].to_vec()
}

fn small_recipe() -> Recipe {
    let (hidden, image) = (vec![5], Some([2, 3]));
    Recipe { hidden, image, latent: 3, batch_size: 3, epochs: 9, ..Recipe::default() }
}

pub fn model() -> Vec<Vec<u8>> {
    let set = [
        &["latent=3"][..],
        &["prior=vampprior", "pseudo_inputs=2", "gated=true"],
        &["hidden2=[2]", "latent2=2"],
        &["flow_steps=2", "flow_width=4"],
        &["conditional=true", "classes=3"],
        &["given=quadrants-1", "schedule={growing={ratio=3,learning_rates=[1e-3,1e-4,1e-5]}}"],
    ];
    let written = |set: &&[&str]| {
        let recipe = set.iter().fold(small_recipe(), |recipe, set| recipe.with(set).unwrap());
        written(|path| save_model(path, &recipe.model::<f32>(), &recipe).unwrap())
    };
    set.iter().map(written).collect()
}

/// Of a run that stands within its second epoch.
pub fn checkpoint() -> Vec<Vec<u8>> {
    let images = Images::new(2, 3, Pixels::Bytes((0..42).collect())).unwrap();
    let mut trainer = Trainer::new(small_recipe().model::<f32>(), Elbo, &images, 3, 1e-3, 0);
    trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    trainer.epoch(|_| ControlFlow::Break(())).unwrap();
    let Trainer { model, optimiser, position, .. } = &trainer;
    let (recipe, data) = (small_recipe(), images.fingerprint());
    vec![written(|path| {
        Checkpoint::save(path, &recipe, data, model, optimiser, *position, None).unwrap();
    })]
}

pub fn recipe() -> Vec<Vec<u8>> {
    let texts = [
        "hidden = [40, 20]\nlatent = 2\nactivation = \"tanh\"\nimage = [2, 3]\n",
        "epochs = 4\n[schedule.growing]\nratio = 3\nlearning_rates = [1e-3, 1e-4]\n",
        "epochs = 4\nwarm_up = { linear = { epochs = 3 } }\nseed = 0x7f\n[init_from]\nmodel = \"m\"\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

pub fn calibration() -> Vec<Vec<u8>> {
    let codes = Codes { mean: vec![0.1], covariance: vec![1.0 / 3.0] };
    let scores = [
        Score::Elbo { samples: 10 },
        Score::Latent(codes),
        Score::Typicality { samples: 2, mean: 2.0 / 3.0 },
        Score::LikelihoodRatio { samples: 3, background: Background { means: vec![1e-3, 0.7] } },
    ];
    let calibration = |score| Calibration {
        // The file itself: whatever is done to it, its checksum will be another.
        model: "file".into(),
        model_crc32: 0xcbf4_3926,
        score,
        seed: 3,
        normal: Some(vec![1, 2]),
        images: 20,
        false_positives: 0.05,
        threshold: 0.3,
    };
    scores.map(|score| written(|path| calibration(score).save(path).unwrap())).into()
}
