//! The command line's contract: what each command writes and prints, that the same run gives the
//! same bytes however it is cut and computed, and that whatever is wrong gets one clear message.

mod anomaly;
#[path = "../support/checksum.rs"]
mod checksum;
mod completing;
mod conditional;
mod determinism;
mod extensions;
mod hostile;
mod json;
mod killed;
mod long_runs;
mod looking;
mod models;
mod objectives;
mod refusals;
mod refused_models;
mod repair;
mod resuming;
mod semi;
mod studying;
#[cfg(target_os = "linux")]
mod terminal;
mod training;
mod transfer;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use assert_cmd::cargo::{cargo_bin, cargo_bin_cmd};
use byteorder::{BigEndian, WriteBytesExt};
use checksum::sealed;
use tempfile::TempDir;

/// Images are not square, so that no height is taken for a width.
const HEIGHT: usize = 6;
const WIDTH: usize = 5;
const TRAIN: usize = 40;
const TEST: usize = 12;

/// A small model, which trains in no time.
const SMALL: &str = "hidden = [8]\nlatent = 2\nbatch_size = 16\nepochs = 2\n";

/// A folder to run commands in. It holds the recipe `small.toml` and, where the commands look for
/// it, a small data set.
struct Place(TempDir);

/// What a command did.
struct Done {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        let place = Self::without_data();
        place.write_idx("data/mnist", TRAIN, TEST, [HEIGHT, WIDTH]);
        place
    }

    fn without_data() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("small.toml", SMALL);
        place
    }

    /// With a small model trained into `run`.
    fn trained() -> Self {
        let place = Self::new();
        place.train("--out run").succeeds();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Writes the file again with each `from` in it replaced by `to`, of the same length; the checksum of a
    /// checkpoint is put right.
    fn patch(&self, name: &str, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        let mut bytes = self.read(name);
        let found: Vec<usize> =
            (0..bytes.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes())).collect();
        assert!(!found.is_empty(), "{name} does not contain {from}");
        found.iter().for_each(|&at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
        self.write(name, sealed(bytes));
    }

    /// Replaces the last number of a file of f32; the checksum of a checkpoint is put right.
    fn patch_last(&self, name: &str, value: f32) {
        let mut bytes = self.read(name);
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(&value.to_le_bytes());
        self.write(name, sealed(bytes));
    }

    /// The four IDX files, under MNIST's names.
    fn write_idx(&self, dir: &str, train: usize, test: usize, [height, width]: [usize; 2]) {
        for (name, count) in [("train", train), ("t10k", test)] {
            let images = idx(&[count, height, width], &pixels(count, height * width));
            self.write(&format!("{dir}/{name}-images-idx3-ubyte"), images);
            let labels = idx(&[count], &labels(count));
            self.write(&format!("{dir}/{name}-labels-idx1-ubyte"), labels);
        }
    }

    /// Every file and folder with its content.
    fn everything(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                    found.insert(path, None);
                } else {
                    found.insert(path.clone(), Some(fs::read(path).unwrap()));
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(self.0.path(), &mut found);
        found
    }

    /// The names in a folder, sorted.
    fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(dir)).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// `elbo` with these arguments, separated by spaces, in this folder.
    fn elbo(&self, arguments: &str) -> Done {
        self.elbo_with_isa(arguments, None)
    }

    fn elbo_with_isa(&self, arguments: &str, isa: Option<&str>) -> Done {
        let mut command = cargo_bin_cmd!("elbo");
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        match isa {
            Some(isa) => command.env("ELBO_ISA", isa),
            None => command.env_remove("ELBO_ISA"),
        };
        let output = command.output().unwrap();
        Done {
            status: output.status.code().expect("the process ended by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A training run of the small recipe.
    fn train(&self, arguments: &str) -> Done {
        self.elbo(&format!("train --recipe small.toml {arguments}"))
    }

    /// The command as a child process to be watched.
    fn spawn(&self, arguments: &str) -> Command {
        let mut command = Command::new(cargo_bin!("elbo"));
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        command.env_remove("ELBO_ISA");
        command
    }

    /// The command fails with this status and one message that has all the `parts`, prints nothing
    /// on standard output, and changes no file.
    #[track_caller]
    fn refuses(&self, arguments: &str, status: i32, parts: &[&str]) {
        let before = self.everything();
        self.elbo(arguments).fails(status, parts);
        let after = self.everything();
        let changed: Vec<_> = after.iter().filter(|&(k, v)| before.get(k) != Some(v)).collect();
        assert!(changed.is_empty(), "{arguments} changed {:?}", changed[0].0);
        assert_eq!(before.len(), after.len(), "{arguments} removed something");
    }
}

impl Done {
    #[track_caller]
    fn succeeds(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.stderr);
        assert!(!self.stderr.contains("error"), "{}", self.stderr);
        self
    }

    #[track_caller]
    fn fails(self, status: i32, parts: &[&str]) -> Self {
        let stderr = &self.stderr;
        assert_eq!(self.status, status, "{stderr}");
        assert_eq!(self.stdout, "", "a failure prints nothing on standard output");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let messages = stderr.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(messages.count(), 1, "one message: {stderr}");
        let message = &stderr[stderr.find("error: ").unwrap()..];
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
        let mut clauses: Vec<&str> = message.trim().split(": ").collect();
        clauses.sort();
        assert!(clauses.windows(2).all(|w| w[0] != w[1]), "it says the same twice: {message}");
        self
    }
}

/// An IDX file of bytes.
fn idx(shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&dim| file.write_u32::<BigEndian>(dim as u32).unwrap());
    file.extend(bytes);
    file
}

/// Images with something to learn: stripes, shifted from image to image.
fn pixels(count: usize, per_image: usize) -> Vec<u8> {
    let stripe = |n: usize, j: usize| if (j + n) % 5 < 2 { 230 } else { (7 * j % 40) as u8 };
    (0..count).flat_map(|n| (0..per_image).map(move |j| stripe(n, j))).collect()
}

fn labels(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 10) as u8).collect()
}

/// A grey PNG.
fn png_bytes(width: usize, height: usize, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}
