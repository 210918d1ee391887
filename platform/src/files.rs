//! Files: bounded when read, durable and atomic when written, and never followed through somebody else's symlink where they hold secrets.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

#[cfg(unix)]
#[path = "files/unix.rs"]
mod imp;
#[cfg(windows)]
#[path = "files/windows.rs"]
mod imp;
#[cfg(any(windows, test))]
mod sddl;

/// Who may read a file that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The owner alone (0600; on Windows the directory's own access list).
    Private,
    /// Everybody reads, the owner writes (0644).
    Public,
}

/// What went wrong with a file, with the command that corrects it where there is one.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("could not {doing} `{path}`")]
    Io {
        /// What we were doing, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// More octets than we are willing to hold.
    #[error("`{path}` is larger than the {limit} octets that it may have: replace it with the right file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most octets allowed.
        limit: usize,
    },
    /// A directory, pipe, device or symlink where a file belongs.
    #[error("`{path}` is {found}, not a regular file: move it away")]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Others may read or write what must be private.
    #[error(
        "`{path}` has mode {mode:04o}, so that others may reach it: run `chmod {wanted} '{path}'`, and replace what it holds if it was a secret"
    )]
    Loose {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What `chmod` is to be given.
        wanted: &'static str,
    },
    /// It belongs to somebody else.
    #[error(
        "`{path}` belongs to user id {owner}, not to {expected}: find out who put it there, then run `chown {expected} '{path}'`"
    )]
    ForeignOwner {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it must be.
        expected: u32,
    },
    /// Its access list lets strangers in.
    #[error(
        "`{path}` may be reached by {who}: run `icacls \"{path}\" /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F`, and replace what it holds if it was a secret"
    )]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// SIDs, or SDDL's short names for them.
        who: String,
    },
    /// It is there already and must not be replaced.
    #[error("`{path}` exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("`{path}` is locked: another countersign already runs here; stop it first")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The path has no file name, or no directory.
    #[error("`{path}` does not name a file")]
    NotAPath {
        /// The path.
        path: PathBuf,
    },
}

impl FileError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// Whether the disk (or the quota) is full, which passes by itself once there is room.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// The content of a regular file; `None` when there is none.
///
/// # Errors
///
/// When it is larger than `limit` octets, is not a regular file, or cannot be read.
pub fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FileError> {
    let Some(file) = absent_is_none(imp::open(path, imp::Symlinks::Follow), path)? else { return Ok(None) };
    imp::check_regular(&file, path)?;
    read_bounded(file, path, limit).map(|mut bytes| Some(std::mem::take(&mut *bytes)))
}

/// The content of a file that only this user (or root) owns and only its owner reads; `None` when there is none.
///
/// # Errors
///
/// As [`read`], and when it is a symlink, belongs to somebody else, or group or others have any access: the text says which command corrects that.
pub fn read_private(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let Some(file) = absent_is_none(imp::open(path, imp::Symlinks::Refuse), path)? else { return Ok(None) };
    imp::check_regular(&file, path)?;
    imp::check_private(&file, path)?;
    read_bounded(file, path, limit).map(Some)
}

/// The content of a file that only root or this user may have written, and that anybody may read; `None` when there is none.
///
/// # Errors
///
/// As [`read`], and when it is a symlink, belongs to somebody else, or group or others may write it.
pub fn read_trusted(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let Some(file) = absent_is_none(imp::open(path, imp::Symlinks::Refuse), path)? else { return Ok(None) };
    imp::check_regular(&file, path)?;
    imp::check_trusted(&file, path)?;
    read_bounded(file, path, limit).map(Some)
}

/// A credential that the service manager decrypted for this service (`LoadCredential=`, systemd.exec(5)); `None` when it gave none of that name.
///
/// Its directory is the manager's own and closed to everybody else, so the file's own mode is not judged: an access list there shows as group bits.
///
/// # Errors
///
/// As [`read`].
pub fn read_credential(name: &str, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let Some(dir) = crate::environment::credentials_dir() else { return Ok(None) };
    let path = dir.join(name);
    if Path::new(name).file_name() != Some(name.as_ref()) {
        return Err(FileError::NotAPath { path });
    }
    let Some(file) = absent_is_none(imp::open(&path, imp::Symlinks::Refuse), &path)? else { return Ok(None) };
    imp::check_regular(&file, &path)?;
    read_bounded(file, &path, limit).map(Some)
}

/// Everything on standard input, up to `limit` octets.
///
/// # Errors
///
/// When there is more, or it cannot be read.
pub fn read_stdin(limit: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read_bounded(io::stdin().lock(), Path::new("standard input"), limit)
}

/// Replaces a file in one step: readers see the old content or the new, also after a crash or a cut of power.
///
/// Writes a neighbour with an unforeseeable name, syncs it, renames it and syncs the directory. What a killed writer left behind is removed first.
/// A symlink at `path` is replaced, not followed.
///
/// # Errors
///
/// When any step fails; the old content then still stands and the neighbour is gone.
pub fn write_atomically(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let pending = Pending::write(path, bytes, access)?;
    imp::rename(&pending.temporary, path).map_err(|source| FileError::io("replace", path, source))?;
    imp::sync_dir(&pending.dir).map_err(|source| FileError::io("sync the directory of", path, source))
}

/// Creates a file as durably as [`write_atomically`], and fails where there is one already.
///
/// # Errors
///
/// [`FileError::Exists`], and whatever a step says.
pub fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let pending = Pending::write(path, bytes, access)?;
    match std::fs::hard_link(&pending.temporary, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(FileError::Exists { path: path.to_owned() });
        }
        Err(source) => return Err(FileError::io("create", path, source)),
    }
    imp::sync_dir(&pending.dir).map_err(|source| FileError::io("sync the directory of", path, source))
}

/// Puts the file `from` in the place of `to` durably; both are in one directory.
///
/// # Errors
///
/// When it can't be done; then both stand as they did.
pub fn replace(from: &Path, to: &Path) -> Result<(), FileError> {
    imp::rename(from, to).map_err(|source| FileError::io("replace", to, source))?;
    let dir = parent(to)?;
    imp::sync_dir(&dir).map_err(|source| FileError::io("sync the directory of", to, source))
}

/// Removes a file durably; `true` when there was one.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub fn remove(path: &Path) -> Result<bool, FileError> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(FileError::io("remove", path, source)),
    }
    sync_dir_of(path)?;
    Ok(true)
}

/// Makes a rename in the directory of `path` durable.
pub(crate) fn sync_dir_of(path: &Path) -> Result<(), FileError> {
    let dir = parent(path)?;
    imp::sync_dir(&dir).map_err(|source| FileError::io("sync the directory of", path, source))
}

/// Makes a directory that only its owner enters (0700), and the directories above it where they lack.
///
/// # Errors
///
/// When one that exists belongs to somebody else, may be written by others, or is no directory.
pub fn create_private_dir(path: &Path) -> Result<(), FileError> {
    imp::create_dir(path, Access::Private)
}

/// Makes a directory that everybody may enter and only its owner writes (0755), and the directories above it where they lack.
///
/// # Errors
///
/// As [`create_private_dir`].
pub fn create_public_dir(path: &Path) -> Result<(), FileError> {
    imp::create_dir(path, Access::Public)
}

/// An exclusive lock, freed on drop and by the operating system when the process ends in any way.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

/// Takes the lock that `path` stands for without waiting; the file is made where it lacks and stays.
///
/// # Errors
///
/// [`FileError::Locked`] when somebody holds it.
pub fn lock(path: &Path) -> Result<FileLock, FileError> {
    let file = imp::open_lock(path).map_err(|source| FileError::io("open", path, source))?;
    imp::check_regular(&file, path)?;
    match file.try_lock() {
        Ok(()) => Ok(FileLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(FileError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(FileError::io("lock", path, source)),
    }
}

fn absent_is_none(opened: io::Result<File>, path: &Path) -> Result<Option<File>, FileError> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if imp::is_symlink_refusal(&error) => {
            Err(FileError::NotAFile { path: path.to_owned(), found: "a symlink" })
        }
        Err(source) => Err(FileError::io("open", path, source)),
    }
}

fn read_bounded(source: impl Read, path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // Full capacity at once where it is small: a vector that grows leaves copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit.saturating_add(1).min(64 * 1024)));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    source.take(bound).read_to_end(&mut bytes).map_err(|source| FileError::io("read", path, source))?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

fn parent(path: &Path) -> Result<PathBuf, FileError> {
    match (path.file_name(), path.parent()) {
        (Some(_), Some(dir)) if dir.as_os_str().is_empty() => Ok(PathBuf::from(".")),
        (Some(_), Some(dir)) => Ok(dir.to_owned()),
        _ => Err(FileError::NotAPath { path: path.to_owned() }),
    }
}

/// A neighbour of the file to be: written and synced, gone on drop unless it was renamed.
struct Pending {
    dir: PathBuf,
    temporary: PathBuf,
    /// Locked for as long as the writer lives: this is how a cleaner tells a killed writer's leftover from work under way.
    _locked: File,
}

impl Pending {
    fn write(path: &Path, bytes: &[u8], access: Access) -> Result<Self, FileError> {
        let dir = parent(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        remove_leftovers(&dir, &name);
        let pending =
            Self::create(dir, &name, access).map_err(|source| FileError::io("create a neighbour of", path, source))?;
        let mut file = &pending._locked;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|source| FileError::io("write", path, source))?;
        Ok(pending)
    }

    fn create(dir: PathBuf, name: &str, access: Access) -> io::Result<Self> {
        loop {
            let suffix = data_encoding::HEXLOWER.encode(&crate::random::bytes::<8>());
            let temporary = dir.join(format!(".{name}.{suffix}.tmp"));
            let file = imp::create_new(&temporary, access)?;
            let pending = Self { dir: dir.clone(), temporary, _locked: file };
            match pending._locked.try_lock() {
                // A cleaner that got in between creating and locking has removed it, or is about to.
                Ok(()) if pending.temporary.exists() => return Ok(pending),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // After a rename there is nothing to remove, and after a failure the next writer tries again.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Removes what killed writers of `name` left; a failure here must not stop the writer, who will meet the same cause with a better message.
fn remove_leftovers(dir: &Path, name: &str) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|entry| is_leftover(&entry.file_name().to_string_lossy(), name)) {
        let Ok(file) = imp::open(&entry.path(), imp::Symlinks::Refuse) else { continue };
        if file.try_lock().is_ok() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_leftover(candidate: &str, name: &str) -> bool {
    let middle =
        candidate.strip_prefix('.').and_then(|rest| rest.strip_prefix(name)).and_then(|rest| rest.strip_suffix(".tmp"));
    middle
        .and_then(|middle| middle.strip_prefix('.'))
        .is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|octet| octet.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_written_file_is_read_back_and_leaves_no_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        assert!(read(&path, 10).unwrap().is_none());
        write_atomically(&path, b"one", Access::Private).unwrap();
        write_atomically(&path, b"two", Access::Private).unwrap();
        assert_eq!(*read_private(&path, 3).unwrap().unwrap(), b"two");
        assert_eq!(names(dir.path()), ["state.json"]);
    }

    #[test]
    fn a_file_over_the_limit_is_an_error_and_at_the_limit_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_atomically(&path, &[7; 100], Access::Public).unwrap();
        assert_eq!(read(&path, 100).unwrap().unwrap().len(), 100);
        assert!(matches!(read(&path, 99), Err(FileError::TooLarge { limit: 99, .. })));
    }

    #[test]
    fn leftovers_of_a_killed_writer_go_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        for name in [
            ".state.json.0123456789abcdef.tmp",
            ".state.json.mine.tmp",
            ".other.0123456789abcdef.tmp",
            "state.json.tmp",
        ] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        write_atomically(&path, b"new", Access::Private).unwrap();
        let mut left = names(dir.path());
        left.sort();
        assert_eq!(left, [".other.0123456789abcdef.tmp", ".state.json.mine.tmp", "state.json", "state.json.tmp"]);
    }

    #[test]
    fn a_writer_at_work_is_not_cleaned_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let working = Pending::write(&path, b"slow", Access::Private).unwrap();
        write_atomically(&path, b"fast", Access::Private).unwrap();
        assert!(working.temporary.exists());
    }

    #[test]
    fn many_writers_at_once_leave_one_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::thread::scope(|scope| {
            for writer in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        write_atomically(path, &[writer; 4096], Access::Private).unwrap();
                    }
                });
            }
        });
        let content = read(&path, 4096).unwrap().unwrap();
        assert_eq!(content.len(), 4096);
        assert!(content.iter().all(|octet| *octet == content[0]));
        assert_eq!(names(dir.path()), ["f"]);
    }

    #[test]
    fn a_new_file_never_replaces_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(&path, b"first", Access::Private).unwrap();
        assert!(matches!(write_new(&path, b"second", Access::Private), Err(FileError::Exists { .. })));
        assert_eq!(*read_private(&path, 10).unwrap().unwrap(), b"first");
        assert_eq!(names(dir.path()), ["key"]);
    }

    #[test]
    fn removing_tells_whether_there_was_something() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        assert!(!remove(&path).unwrap());
        write_atomically(&path, b"", Access::Public).unwrap();
        assert!(remove(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_is_held_by_one_and_freed_on_drop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(FileError::Locked { .. })));
        drop(held);
        lock(&path).unwrap();
    }

    #[test]
    fn a_credential_name_cannot_leave_its_directory() {
        assert!(read_credential("token", 10).unwrap().is_none());
        assert_eq!(Path::new("../x").file_name(), Some("x".as_ref()));
    }
}
