//! The names of the files in a run's folder, and how those of one run take the place of another's.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use crate::files::{FileError, TEMPORARY, check_replaceable};

/// The weights.
pub const MODEL: &str = "model.safetensors";
/// What `--resume` reads.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// A row per epoch.
pub const METRICS: &str = "metrics.csv";
/// The latent dimensions, a row per epoch, where anything is known of them one by one.
pub const UNITS: &str = "units.csv";
/// The complete recipe.
pub const RECIPE: &str = "recipe.toml";
/// Test images above their reconstructions.
pub const RECONSTRUCTIONS: &str = "reconstructions.png";
/// Decoded draws from the prior.
pub const SAMPLES: &str = "samples.png";
/// The decoded latent plane.
pub const MANIFOLD: &str = "manifold.png";
/// The same draws of z with each class in turn, of a conditional model.
pub const CLASSES: &str = "classes.png";
/// Test images completed, of a model that is given a part of each.
pub const COMPLETIONS: &str = "completions.png";
/// The latent means of the test set.
pub const LATENT: &str = "latent.svg";
/// The figures against the epoch.
pub const CURVES: &str = "curves.svg";
/// What is drawn once a run is complete.
pub const PICTURES: [&str; 7] =
    [RECONSTRUCTIONS, SAMPLES, MANIFOLD, CLASSES, COMPLETIONS, LATENT, CURVES];
/// What a run writes before it is complete, the checkpoint last.
pub const WRITTEN: [&str; 5] = [RECIPE, METRICS, UNITS, MODEL, CHECKPOINT];

/// Refuses a folder where one of these names is that of a folder, a pipe, a device or a symbolic link, through
/// which a run would write into the folder of another.
///
/// # Errors
///
/// [`FileError`], with the first such path.
pub fn check(folder: &Path) -> Result<(), FileError> {
    WRITTEN.iter().chain(&PICTURES).try_for_each(|name| check_replaceable(&folder.join(name)))
}

/// Puts the files that `write` writes into `folder`, and takes those of an earlier run out of it, pictures
/// included: no folder holds files of two runs.
///
/// They are written into a folder beside them first, and moved once all are there. If `write` fails, on a full
/// disk say, the earlier run is as it was. A kill amid the moves leaves a checkpoint to go on from, of the one run or
/// of the other, and perhaps no more: the metrics until then are lost, and all else is written again.
///
/// # Errors
///
/// That of `write`, or [`FileError`].
pub fn replace<E: From<FileError>>(
    folder: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let fail = |path: &Path, cause: io::Error| FileError { path: path.into(), cause: cause.into() };
    let fresh = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(folder);
    let fresh = fresh.map_err(|cause| fail(folder, cause))?;
    write(fresh.path())?;
    let written: Vec<&str> =
        WRITTEN.into_iter().filter(|name| fresh.path().join(name).exists()).collect();
    // What lies beside a checkpoint is taken for files of its run.
    let old = WRITTEN.iter().filter(|name| **name != CHECKPOINT).chain(&PICTURES);
    for path in old.map(|name| folder.join(name)) {
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(fail(&path, cause).into());
            }
            _ => {}
        }
    }
    for name in written.iter().rev() {
        let (from, to) = (fresh.path().join(name), folder.join(name));
        fs::rename(&from, &to).map_err(|cause| fail(&to, cause))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_run_that_cannot_be_written_leaves_the_earlier_one_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [MODEL, CHECKPOINT, SAMPLES] {
            fs::write(path(name), "old").unwrap();
        }
        let full = |_: &Path| {
            let cause = io::Error::from(ErrorKind::StorageFull).into();
            Err(FileError { path: path(CHECKPOINT), cause })
        };
        let halfway = |new: &Path| fs::write(new.join(MODEL), "new").map(|()| new.to_path_buf());
        let result = replace(folder.path(), |new| halfway(new).map_or(Ok(()), |new| full(&new)));
        assert!(result.unwrap_err().to_string().contains(CHECKPOINT));
        for name in [MODEL, CHECKPOINT, SAMPLES] {
            assert_eq!(fs::read_to_string(path(name)).unwrap(), "old");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing half written");
    }

    #[test]
    fn a_folder_in_which_a_run_replaces_another_is_never_without_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join(CHECKPOINT);
        fs::write(&checkpoint, "old").unwrap();
        let over = AtomicBool::new(false);
        let write = |new: &Path| -> Result<(), FileError> {
            WRITTEN.iter().for_each(|name| fs::write(new.join(name), "new").unwrap());
            Ok(())
        };
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert!(checkpoint.exists(), "a kill now would lose both runs");
                }
            });
            (0..300).for_each(|_| replace(folder.path(), write).unwrap());
            over.store(true, Ordering::Relaxed);
            watcher.join().unwrap();
        });
    }

    #[test]
    fn a_run_takes_the_place_of_an_earlier_one_with_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [MODEL, UNITS, SAMPLES, "mine.txt"] {
            fs::write(path(name), "old").unwrap();
        }
        let write = |new: &Path| -> Result<(), FileError> {
            [MODEL, CHECKPOINT].iter().for_each(|name| fs::write(new.join(name), "new").unwrap());
            Ok(())
        };
        replace(folder.path(), write).unwrap();
        let content = |name: &str| fs::read_to_string(path(name)).ok();
        assert_eq!(content(MODEL).as_deref(), Some("new"));
        assert_eq!(content(CHECKPOINT).as_deref(), Some("new"));
        assert_eq!((content(UNITS), content(SAMPLES)), (None, None));
        assert_eq!(content("mine.txt").as_deref(), Some("old"));
    }
}
