//! One run at a time in a folder.

use std::{
    fs::{self, File, Metadata, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::files::TEMPORARY;

/// The right to write a run's files into a folder.
///
/// It is the operating system's lock on the folder: it ends with the process, however that ends, so that no crash
/// leaves a folder that nobody may use. Where folders know of no locks (some network file systems, Windows), the
/// right is given unseen.
#[derive(Debug)]
pub struct Lock {
    folder: Option<File>,
}

/// Why a folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "another run is going on in {}: wait for it, stop it, or choose another folder", path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Another folder is where this one was.
    #[error(
        "{} is no longer the folder that the run began in; wherever that is now, --resume goes on there",
        path.display()
    )]
    Exchanged {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be made, or is not writable.
    #[error("cannot create the folder {} or a file in it: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl Lock {
    /// Makes the folder if there is none, takes it, and removes what a run that was killed had half written.
    ///
    /// # Errors
    ///
    /// If another run has the folder, or it cannot be written into.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let fail = |cause| LockError::Folder { path: folder.into(), cause };
        match fs::metadata(folder) {
            Ok(found) if !found.is_dir() => return Err(fail(ErrorKind::NotADirectory.into())),
            // A link that leads nowhere is no place for a folder either.
            Err(cause) if fs::symlink_metadata(folder).is_ok() => return Err(fail(cause)),
            _ => fs::create_dir_all(folder).map_err(fail)?,
        }
        let opened = File::open(folder).ok();
        if let Some(Err(TryLockError::WouldBlock)) = opened.as_ref().map(File::try_lock) {
            return Err(LockError::InUse { path: folder.into() });
        }
        // A folder that cannot be written into is to be known before an epoch is spent.
        tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(fail)?;
        sweep(folder).map_err(fail)?;
        Ok(Self { folder: opened })
    }

    /// Fails where `path` leads to another folder than the one that was taken, which may be that of another run.
    ///
    /// # Errors
    ///
    /// [`LockError::Exchanged`].
    pub fn check_place(&self, path: &Path) -> Result<(), LockError> {
        let taken = self.folder.as_ref().and_then(|folder| folder.metadata().ok());
        // Without a folder, nothing can be written there, which says more.
        match (taken, fs::metadata(path)) {
            (Some(taken), Ok(found)) if !is_same(&taken, &found) => {
                Err(LockError::Exchanged { path: path.into() })
            }
            _ => Ok(()),
        }
    }

    /// Fails where another run is going on in the folder; there may be no such folder.
    ///
    /// # Errors
    ///
    /// [`LockError::InUse`].
    pub fn check(folder: &Path) -> Result<(), LockError> {
        match File::open(folder).map(|file| file.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => Err(LockError::InUse { path: folder.into() }),
            _ => Ok(()),
        }
    }
}

/// Whether two are of one file or folder.
#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// No other system says so of a folder; nor has it a lock.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Whether a file or folder is one that was being written: the names of `tempfile` end in six letters or digits.
/// Whatever else begins so is not ours to remove.
fn is_half_written(name: &str) -> bool {
    let random = name.strip_prefix(TEMPORARY);
    random.is_some_and(|end| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_half_written(&entry.file_name().to_string_lossy()) {
            let is_folder = entry.file_type()?.is_dir();
            let path = entry.path();
            if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_folder_is_had_by_one_run_at_a_time_and_by_the_next_once_that_is_gone() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("runs/mine");
        assert!(Lock::check(&folder).is_ok());
        let lock = Lock::take(&folder).unwrap();
        assert!(matches!(Lock::take(&folder), Err(LockError::InUse { .. })));
        assert!(matches!(Lock::check(&folder), Err(LockError::InUse { .. })));
        drop(lock);
        assert!(Lock::check(&folder).is_ok());
        assert!(Lock::take(&folder).is_ok());
    }

    #[test]
    #[cfg(unix)]
    fn another_folder_in_the_place_of_the_one_that_was_taken_is_noticed() {
        let outer = tempfile::tempdir().unwrap();
        let [folder, moved, other] =
            ["folder", "moved", "other"].map(|name| outer.path().join(name));
        let lock = Lock::take(&folder).unwrap();
        assert!(lock.check_place(&folder).is_ok());
        fs::rename(&folder, &moved).unwrap();
        fs::create_dir(&other).unwrap();
        fs::rename(&other, &folder).unwrap();
        assert!(matches!(lock.check_place(&folder), Err(LockError::Exchanged { .. })));
        assert!(lock.check_place(&moved).is_ok());
    }

    #[test]
    fn what_a_killed_run_had_half_written_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path(".elbo-Ab12Cd")).unwrap();
        let others = [".elbo-my-notes", ".elbow", ".hidden", "model.safetensors"];
        for name in [".elbo-Ab12Cd/model", ".elbo-x9y8z7"].iter().chain(&others) {
            fs::write(path(name), "x").unwrap();
        }
        drop(Lock::take(folder.path()).unwrap());
        let left = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
        let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, others);
    }
}
