//! How a file or directory stands on the disk, for those who diagnose: nothing is opened and nothing changed.

use crate::files::FileError;
use std::path::Path;

/// What the file system says about one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStanding {
    /// `a file`, `a directory`, `a symlink` or `something else`.
    pub kind: &'static str,
    /// The permission bits, where the system has such.
    pub mode: Option<u32>,
    /// The owner's user id, where the system has such numbers.
    pub owner: Option<u32>,
    /// Its length.
    pub octets: u64,
}

/// How `path` stands; `None` where there is nothing. A symlink is looked at, not followed.
///
/// # Errors
///
/// When the directory that it stands in may not be searched.
pub fn file_standing(path: &Path) -> Result<Option<FileStanding>, FileError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FileError::Io { doing: "look at", path: path.to_owned(), source }),
    };
    let kind = match metadata.file_type() {
        kind if kind.is_symlink() => "a symlink",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_file() => "a file",
        _ => "something else",
    };
    #[cfg(unix)]
    let (mode, owner) = {
        use std::os::unix::fs::MetadataExt as _;
        (Some(metadata.mode() & 0o7777), Some(metadata.uid()))
    };
    #[cfg(not(unix))]
    let (mode, owner) = (None, None);
    Ok(Some(FileStanding { kind, mode, owner, octets: metadata.len() }))
}

/// How many octets may still be written where `path` is, or would be.
///
/// # Errors
///
/// The reason, where the system does not tell.
pub fn free_octets(path: &Path) -> Result<u64, String> {
    let there = path.ancestors().find(|ancestor| ancestor.exists()).ok_or("no directory above it can be seen")?;
    #[cfg(unix)]
    {
        let space = rustix::fs::statvfs(there).map_err(|error| format!("the file system does not tell: {error}"))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
    #[cfg(not(unix))]
    Err(format!("this build does not ask for the free space at `{}`", there.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_directories_and_nothing_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert_eq!(file_standing(&path).unwrap(), None);
        std::fs::write(&path, b"four").unwrap();
        let standing = file_standing(&path).unwrap().unwrap();
        assert_eq!((standing.kind, standing.octets), ("a file", 4));
        assert_eq!(file_standing(dir.path()).unwrap().unwrap().kind, "a directory");
    }

    #[cfg(unix)]
    #[test]
    fn room_is_told_for_a_directory_that_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_octets(&dir.path().join("not/there/yet")).unwrap() > 0);
    }
}
