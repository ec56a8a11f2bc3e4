//! What the fuzz targets have in common.

use std::{fs, path::Path};

/// What `read` makes of a file of these bytes.
///
/// The file lies in the temporary folder, which is best one in memory: `TMPDIR=/dev/shm`.
pub fn with_file<R>(bytes: &[u8], read: impl FnOnce(&Path) -> R) -> R {
    let name = format!("elbo-fuzz-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, bytes).expect("a temporary folder that can be written");
    read(&path)
}
