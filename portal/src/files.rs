//! The portal's few files: signing keys, certificates, metadata that an administrator names.
#![expect(clippy::disallowed_types, reason = "the portal's one door to the file system")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The name of the database's file in the data directory.
pub const DATABASE: &str = "portal.db";
/// The name of the directory of the private signing keys in the data directory.
pub const KEYS: &str = "keys";

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} `{path}`")]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FileError {
    /// Whether the file's permissions are the reason.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }
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

/// Makes the file `path` of the portal's own, empty and for its owner only, where there is none; takes other accounts' access from one that is there.
///
/// # Errors
/// [`FileError`].
pub fn make_private_file(path: &Path) -> Result<(), FileError> {
    if exists(path) { close_to_others(path) } else { write_new_of_portal(path, &[]) }
}

/// Makes the directory `path` of the portal's own, for its owner only, where there is none. One that is there stays as it is.
///
/// # Errors
/// [`FileError`].
pub fn make_directory_of_portal(path: &Path) -> Result<(), FileError> {
    if exists(path) {
        return Ok(());
    }
    make_private_directory(path)?;
    give_to_owner_of_directory(path)
}

/// Writes a file of the portal's own as [`write_new_private`] does, also where root makes it for the service.
///
/// # Errors
/// [`FileError`], also where there is a file at `path` already.
pub fn write_new_of_portal(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_new_private(path, bytes)?;
    give_to_owner_of_directory(path)
}

/// Gives what root has just made at `path` to the account that the directory around it belongs to: the service, which is to use it, is another account
/// than the administrator's. Where both are one already, nothing happens.
///
/// # Errors
/// [`FileError`].
pub fn give_to_owner_of_directory(path: &Path) -> Result<(), FileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, lchown};
        let error = |source| FileError { doing: "give to the owner of its directory", path: path.to_owned(), source };
        let Some(directory) = path.parent() else { return Ok(()) };
        let (owner, made) = (fs::metadata(directory).map_err(error)?, fs::symlink_metadata(path).map_err(error)?);
        if owner.uid() != made.uid() {
            lchown(path, Some(owner.uid()), Some(owner.gid())).map_err(error)?;
        }
    }
    Ok(())
}

/// Takes the access of group and others from the portal's own file or directory at `path`, if there is one.
///
/// # Errors
/// [`FileError`], also where it belongs to another account: the text says which command its owner runs.
pub fn close_to_others(path: &Path) -> Result<(), FileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let error = |source| FileError { doing: "look at", path: path.to_owned(), source };
        if !exists(path) {
            return Ok(());
        }
        let mode = fs::metadata(path).map_err(error)?.permissions().mode();
        if mode & 0o077 == 0 {
            return Ok(());
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7700)).map_err(|source| {
            let next = format!("{source}; its owner runs `chmod go= {}`", path.display());
            let source = io::Error::new(source.kind(), next);
            FileError { doing: "take the access of other accounts from", path: path.to_owned(), source }
        })?;
        tracing::warn!(path = %path.display(), "other accounts had access to this; it was taken from them");
    }
    Ok(())
}

/// Reads the file at `path`, which holds a secret and which its owner may share with a group, and with nobody else.
///
/// # Errors
/// As [`read`]; also where every account of the machine may read it.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, FileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let error = |source| FileError { doing: "read", path: path.to_owned(), source };
        if fs::metadata(path).map_err(error)?.permissions().mode() & 0o007 != 0 {
            let why = format!("every account of this machine may use it: run `chmod o= {}`", path.display());
            return Err(error(io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
    }
    read(path)
}

/// Removes the file at `path`, if there is one.
///
/// # Errors
/// [`FileError`].
#[expect(clippy::disallowed_methods, reason = "the portal's one door to the file system")]
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FileError { doing: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Whether there is anything at `path`.
#[must_use]
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Names of the files in the directory `path`, sorted; none where there is no such directory.
///
/// # Errors
/// [`FileError`], also where a name is not text.
pub fn names(path: &Path) -> Result<Vec<String>, FileError> {
    let error = |source| FileError { doing: "list", path: path.to_owned(), source };
    let entries = match fs::read_dir(path) {
        Err(none) if none.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(error)?,
    };
    let name = |entry: io::Result<fs::DirEntry>| {
        entry?.file_name().into_string().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a name is not text"))
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>, _>>().map_err(error)?;
    names.sort();
    Ok(names)
}

/// Copies the file `from` to `to`, where there is none yet, for its owner only, durably; returns its [`digest`].
///
/// # Errors
/// [`FileError`].
pub fn copy_new_private(from: &Path, to: &Path) -> Result<String, FileError> {
    write_new_private(to, &[])?;
    let error = |source| FileError { doing: "write", path: to.to_owned(), source };
    let mut copy = OpenOptions::new().append(true).open(to).map_err(error)?;
    let digest = pass(from, |bytes| copy.write_all(bytes))?;
    copy.sync_all().map_err(error)?;
    Ok(digest)
}

/// SHA-256 of the file at `path`, in hexadecimal.
///
/// # Errors
/// [`FileError`].
pub fn digest(path: &Path) -> Result<String, FileError> {
    pass(path, |_| Ok(()))
}

/// Passes the file at `path` through `sink` piece by piece; returns its digest.
fn pass(path: &Path, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> Result<String, FileError> {
    let error = |source| FileError { doing: "copy", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(error)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(error)? {
            0 => return Ok(data_encoding::HEXLOWER.encode(context.finish().as_ref())),
            read => {
                context.update(&buffer[..read]);
                sink(&buffer[..read]).map_err(error)?;
            }
        }
    }
}

/// Reads what stands on standard input, to its end.
///
/// # Errors
/// [`FileError`], also where it is more than 4 MiB.
pub fn read_standard_input() -> Result<Vec<u8>, FileError> {
    let error = |source| FileError { doing: "read", path: "standard input".into(), source };
    let mut bytes = Vec::new();
    io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > LARGEST {
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, "it is more than 4 MiB")));
    }
    Ok(bytes)
}
