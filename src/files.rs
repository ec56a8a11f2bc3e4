//! Files that are either complete or not there.

use std::collections::TryReserveError;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Why a file could not be written.
///
/// The message names the file and the cause:
/// `cannot write runs/x/model.safetensors: Permission denied (os error 13)`.
/// As the cause is part of the message, [`Error::source`] does not repeat it.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}", path.display())]
pub struct FileError {
    /// The file that was to be written, as the caller named it.
    pub path: PathBuf,
    /// What went wrong: an [`io::Error`], or the error of whoever produced the content.
    pub cause: Box<dyn Error + Send + Sync>,
}

/// The CRC-32 of a file's bytes. It notices that a file is another one; it is no protection against intent.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32_of([bytes])
}

/// The same of a file in parts.
pub(crate) fn crc32_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut crc = flate2::Crc::new();
    parts.into_iter().for_each(|part| crc.update(part));
    crc.sum()
}

/// Opens a file that has an end, and says how many bytes it holds.
///
/// A pipe may keep its reader waiting for ever, and a device may never end: both are refused.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    // Before the file is opened, for a pipe would already wait for its other end then.
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((File::open(path)?, found.len()))
}

/// The bytes of a file that has an end.
pub(crate) fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let (file, length) = open_regular(path)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes room for `more` values after those that are there, of which there will be `total` in the end, by
/// whatever wrote the file. So it is believed step by step: there is never room for more than twice what has
/// been read.
pub(crate) fn make_room<T>(
    values: &mut Vec<T>,
    more: usize,
    total: usize,
) -> Result<(), TryReserveError> {
    let needed = values.len() + more;
    if needed <= values.capacity() {
        return Ok(());
    }
    let room = needed.saturating_mul(2).min(total).max(needed);
    values.try_reserve_exact(room - values.len())
}

/// How the name of a file that is being written begins, before it takes the place of another.
pub(crate) const TEMPORARY: &str = ".elbo-";

/// Writes a file so that a reader finds either the old content or the whole of the new one.
///
/// `write` receives a buffered writer on a temporary file in the same folder, which is flushed,
/// synchronised to disk and only then renamed to `path`, replacing what was there. If anything
/// fails on the way, `write` included, the temporary file is removed and `path` is as before.
///
/// The file gets the permissions that [`File::create`] would give it.
///
/// # Errors
///
/// [`FileError`] if the folder is missing or not writable, if `path` is a folder, a device or a
/// pipe (none of which a rename may replace), or a symbolic link (which may lead to another's file),
/// if the disk refuses, or if `write` fails.
///
/// # Example
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("answer.txt");
/// elbo::files::write_atomically(&path, |file| writeln!(file, "42"))?;
/// assert_eq!(std::fs::read_to_string(path)?, "42\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomically<E>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), FileError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    write_then_rename(path, write).map_err(|cause| FileError { path: path.to_path_buf(), cause })
}

fn write_then_rename<E>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    replaceable(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // `tempfile` itself would open the file for its owner alone.
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .make_in(folder, |name| File::create_new(name))?;

    let mut buffered = BufWriter::new(temporary.as_file_mut());
    write(&mut buffered).map_err(Into::into)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// Refuses a path where there is something that no file may take the place of, before there is one to write.
///
/// # Errors
///
/// [`FileError`], as of [`write_atomically`].
pub(crate) fn check_replaceable(path: &Path) -> Result<(), FileError> {
    replaceable(path).map_err(|cause| FileError { path: path.into(), cause: cause.into() })
}

fn replaceable(path: &Path) -> io::Result<()> {
    // Nothing there yet; if the folder is the trouble, creating the file says so.
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if found.is_symlink() {
        return refuse(
            "it is a symbolic link, which is not followed: remove it, or name another file",
        );
    }
    if found.is_file() { Ok(()) } else { refuse("not a regular file") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn content_longer_than_any_buffer_arrives_whole_and_replaces_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        fs::write(&path, "old").unwrap();
        let content: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        write_atomically(&path, |file| file.write_all(&content)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(names_in(folder.path()), ["numbers"]);
    }

    #[test]
    fn a_writer_that_fails_half_way_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        fs::write(&path, "old").unwrap();
        let error = write_atomically(&path, |file| {
            file.write_all(&[7; 100_000])?;
            Err(io::Error::other("the disk is full"))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}: the disk is full", path.display()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names_in(folder.path()), ["model"]);
    }

    #[test]
    fn a_new_file_whose_writer_fails_does_not_come_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let result = write_atomically(&folder.path().join("new"), |file| {
            file.write_all(b"half").map_err(|error| error.to_string())?;
            Err("no more".to_string())
        });
        assert!(result.unwrap_err().to_string().ends_with("new: no more"));
        assert!(names_in(folder.path()).is_empty());
    }

    #[test]
    fn a_missing_folder_is_named_and_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("model");
        let error = write_atomically(&path, |file| file.write_all(b"x")).unwrap_err();
        let cause = File::create(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}: {cause}", path.display()));
        assert!(names_in(folder.path()).is_empty());
    }

    #[test]
    fn a_path_that_is_a_folder_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        fs::create_dir(&path).unwrap();
        let mut called = false;
        let result = write_atomically(&path, |file| {
            called = true;
            file.write_all(b"x")
        });
        assert!(result.unwrap_err().to_string().ends_with("runs: is a directory"));
        assert!(!called);
        assert_eq!(names_in(folder.path()), ["runs"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_device_is_refused_rather_than_replaced() {
        let error = write_atomically(Path::new("/dev/null"), |file| file.write_all(b"x"));
        assert_eq!(error.unwrap_err().to_string(), "cannot write /dev/null: not a regular file");
    }

    #[test]
    #[cfg(unix)]
    fn nothing_is_written_through_a_link_or_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        for leads_to in ["file", "nowhere"] {
            std::os::unix::fs::symlink(leads_to, &link).unwrap();
            let error = write_atomically(&link, |file| file.write_all(b"new")).unwrap_err();
            assert!(
                error.to_string().contains("link: it is a symbolic link, which is not followed")
            );
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(leads_to));
            assert_eq!(fs::read_to_string(&file).unwrap(), "old");
            assert_eq!(names_in(folder.path()), ["file", "link"]);
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    #[cfg(unix)]
    fn permissions_are_those_of_a_file_created_the_usual_way() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (usual, atomic) = (folder.path().join("usual"), folder.path().join("atomic"));
        File::create(&usual).unwrap();
        write_atomically(&atomic, |file| file.write_all(b"x")).unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&atomic), mode(&usual));
    }
}
