//! Damaged files that were set aside: renamed beside what took their place, and kept until somebody has looked at them.

use crate::files::{self, FileError};
use std::path::{Path, PathBuf};

/// What stands between the file's name and the time.
const MARK: &str = ".damaged-";

/// Renames `path` to its name with `.damaged-` and `stamp` behind it; where there is such a file already, a number follows. Nothing is
/// overwritten, and the content is not touched. The caller holds the lock of the directory.
///
/// # Errors
///
/// When it cannot be renamed; then it is still where it was.
pub fn set_aside(path: &Path, stamp: &str) -> Result<PathBuf, FileError> {
    let failed = |source| FileError::Io { doing: "set aside", path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| FileError::NotAPath { path: path.to_owned() })?.to_string_lossy();
    let names = std::iter::once(format!("{name}{MARK}{stamp}"));
    let mut places = names.chain((2..).map(|number| format!("{name}{MARK}{stamp}-{number}")));
    // The names do not end before a free one is found.
    let free =
        places.by_ref().map(|name| path.with_file_name(name)).find(|place| std::fs::symlink_metadata(place).is_err());
    let place = free.ok_or_else(|| FileError::NotAPath { path: path.to_owned() })?;
    std::fs::rename(path, &place).map_err(failed)?;
    files::sync_dir_of(&place)?;
    Ok(place)
}

/// The names of the files in `dir` that were set aside, the oldest first; none where the directory can't be read.
pub fn files_set_aside(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.contains(MARK)).collect();
    names.sort_by(|one, other| one.split_once(MARK).map(|(_, at)| at).cmp(&other.split_once(MARK).map(|(_, at)| at)));
    names
}

/// Removes what was set aside of the file at `path`.
///
/// # Errors
///
/// When one of them cannot be removed.
pub fn remove_set_aside(path: &Path) -> Result<(), FileError> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let beginning = format!("{}{MARK}", name.to_string_lossy());
    for kept in files_set_aside(dir).into_iter().filter(|kept| kept.starts_with(&beginning)) {
        files::remove(&dir.join(kept))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_keeps_its_content_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.json");
        for content in ["first", "second"] {
            std::fs::write(&path, content).unwrap();
            let place = set_aside(&path, "20261122T071500Z").unwrap();
            assert_eq!(std::fs::read_to_string(place).unwrap(), content);
            assert!(!path.exists());
        }
        let names = ["device.json.damaged-20261122T071500Z", "device.json.damaged-20261122T071500Z-2"];
        assert_eq!(files_set_aside(dir.path()), names);
    }

    #[test]
    fn only_what_belongs_to_a_file_is_removed_with_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["device.json", "device.json.copy"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
            set_aside(&dir.path().join(name), "1").unwrap();
        }
        remove_set_aside(&dir.path().join("device.json")).unwrap();
        assert_eq!(files_set_aside(dir.path()), ["device.json.copy.damaged-1"]);
        assert!(set_aside(&dir.path().join("device.json"), "1").is_err(), "what is not there can't be set aside");
    }
}
