//! The portal's few files: signing keys, certificates, metadata that an administrator names.
#![expect(clippy::disallowed_types, reason = "the portal's one door to the file system")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} `{path}`")]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The largest file that the portal reads: service providers' metadata of a federation are smaller.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Reads the file at `path`.
///
/// # Errors
/// [`FileError`], also where it is larger than 4 MiB.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let error = |source| FileError { doing: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(error)?;
    if bytes.len() as u64 > LARGEST {
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB")));
    }
    Ok(bytes)
}

/// Writes a file that only its owner may read, durably, and never over another.
///
/// # Errors
/// [`FileError`], also where there is a file at `path` already.
pub fn write_new_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let error = |source| FileError { doing: "write", path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(error)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(error)?;
    if let Some(directory) = path.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(error)?;
    }
    Ok(())
}

/// Makes the directory `path`, for its owner only, where there is none.
///
/// # Errors
/// [`FileError`].
pub fn make_private_directory(path: &Path) -> Result<(), FileError> {
    let error = |source| FileError { doing: "make the directory", path: path.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(error)
}
