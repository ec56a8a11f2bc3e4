//! Files from anybody: nothing that is done to a file of any format panics, or makes a reader ask for more
//! memory than the file has a claim to.
//!
//! Memory is counted by the allocator over all threads of the process, so the tests run one at a time,
//! and without the standard harness, whose own thread allocates when it pleases.

#[path = "../support/checksum.rs"]
mod checksum;
mod good;
mod mutation;
mod promises;
mod seeds;

use std::{alloc::System, fs, path::Path};

use checksum::sealed;
use elbo::{
    data::{idx, npy, png_folder},
    recipe::Recipe,
    training::{Checkpoint, load_model},
    uses::{anomaly::Calibration, repair::Mask},
};
use libtest_mimic::{Arguments, Failed, Trial};
use mutation::{Mutation, mutated, mutations};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What every reader may ask for, whatever the file: its buffers, those of a decompressor, a message.
const BUFFERS: usize = 1 << 20;

fn main() {
    // 115 000 files in all.
    let mut trials = vec![
        mutants("IDX", "file", 20_000, good::idx, 20, |path| drop(idx::read(path))),
        // Each byte of DEFLATE may be a thousand of data, and room is made twice over for those that came.
        mutants("gzip", "file", 15_000, good::gzip, 4 * 1032, |path| drop(idx::read(path))),
        mutants("NumPy", "file", 20_000, good::npy, 20, |path| drop(npy::read(path))),
        // The same of PNG, whose pixels may be eighths of a byte and become four.
        mutants("PNG", "file", 15_000, good::png, 40 * 1032, |path| drop(png_folder::read(path))),
        mutants("a mask", "file", 5_000, good::mask, 40 * 1032, |path| {
            drop(Mask::of_picture([6, 5], path));
        }),
        mutants("a model", "file", 10_000, good::model, 60, |path| drop(load_model::<f64>(path))),
        mutants("a checkpoint", "file", 10_000, good::checkpoint, 60, |path| {
            drop(Checkpoint::<f64>::load(path));
            let bytes = sealed(fs::read(path).unwrap());
            write_anew(path, &bytes);
            drop(Checkpoint::<f64>::load(path));
        }),
        // A key takes the whole recipe apart and puts it together again.
        mutants("a recipe", "file.toml", 10_000, good::recipe, 8_000, |path| {
            if let Ok(recipe) = Recipe::find(path.to_str().unwrap())
                && recipe.validate().is_ok()
            {
                recipe.to_toml();
            }
        }),
        mutants("a calibration", "file", 10_000, good::calibration, 60, |path| {
            drop(Calibration::load(path));
        }),
    ];
    trials.extend(promises::trials());
    trials
        .push(Trial::test("every file is good before anything is done to it", seeds::all_are_good));
    let one_at_a_time = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&one_at_a_time, trials).exit();
}

/// Reads `cases` files that are `good` ones but for some mutations. Each may ask for [`BUFFERS`] and for
/// `per_byte` times its length.
fn mutants(
    format: &str,
    name: &'static str,
    cases: u32,
    good: fn() -> Vec<Vec<u8>>,
    per_byte: usize,
    read: fn(&Path),
) -> Trial {
    let run = move || -> Result<(), Failed> {
        let (folder, good) = (tempfile::tempdir()?, good());
        let path = folder.path().join(name);
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let each = |(which, mutations): (usize, Vec<Mutation>)| {
            let bytes = mutated(&good[which], &mutations);
            write_anew(&path, &bytes);
            let (asked, allowed) = (asked(|| read(&path)), BUFFERS + per_byte * bytes.len());
            match asked <= allowed {
                true => Ok(()),
                false => Err(TestCaseError::fail(format!(
                    "{asked} bytes asked for by a file of {}",
                    bytes.len()
                ))),
            }
        };
        TestRunner::new(config).run(&(0..good.len(), mutations()), each)?;
        Ok(())
    };
    let test =
        format!("no mutant of {format} panics or asks for more memory than it has a claim to");
    Trial::test(test, run)
}

/// Writes a file that was not there. To write over one that was makes some file systems wait for the disk.
fn write_anew(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

/// The bytes that `read` asks the allocator for, those given back included.
fn asked(read: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    read();
    region.change().bytes_allocated
}
