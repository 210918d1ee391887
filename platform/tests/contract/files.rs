//! Secrets and state at rest.

use platform::files::{self, Access, FileError};
use std::path::Path;

/// What is written is there and whole, what is in the way is kept, and what is absent is told from what can't be read.
pub(crate) fn hold() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    files::create_private_dir(&state).unwrap();
    files::create_private_dir(&state).unwrap();
    let path = state.join("file");
    is_absent(&path);
    for access in [Access::Private, Access::Public] {
        files::write_atomically(&path, b"first", access).unwrap();
        files::write_atomically(&path, b"second", access).unwrap();
        assert_eq!(files::read(&path, 6).unwrap().unwrap(), b"second");
        files::read(&path, 5).expect_err("more than was asked for is no answer");
        let kept = files::write_new(&path, b"third", access).unwrap_err();
        assert!(matches!(kept, FileError::Exists { .. }), "{kept}");
        assert_eq!(files::read_trusted(&path, 6).unwrap().unwrap().as_slice(), b"second");
        let other = state.join("other");
        files::write_new(&other, b"other", access).unwrap();
        files::replace(&other, &path).unwrap();
        is_absent(&other);
        assert_eq!(files::read(&path, 6).unwrap().unwrap(), b"other");
        assert!(files::remove(&path).unwrap());
        is_absent(&path);
    }
    files::write_new(&path, b"a secret", Access::Private).unwrap();
    assert_eq!(files::read_private(&path, 100).unwrap().unwrap().as_slice(), b"a secret");
    files::read(&state, 100).expect_err("a directory is no file");
    let left: Vec<_> = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["file"], "nothing is left lying about");
    is_locked_once(&state.join("lock"));
    #[cfg(unix)]
    is_refused_when_loose(&path);
}

fn is_absent(path: &Path) {
    assert!(files::read(path, 100).unwrap().is_none());
    assert!(files::read_private(path, 100).unwrap().is_none());
    assert!(files::read_trusted(path, 100).unwrap().is_none());
    assert!(!files::remove(path).unwrap(), "there was nothing to remove");
}

fn is_locked_once(path: &Path) {
    let lock = files::lock(path).unwrap();
    files::lock(path).expect_err("it is locked already");
    drop(lock);
    files::lock(path).expect("it is free again");
}

/// Where a mode says who may read; what an access list says is tested with the leaf that has one.
#[cfg(unix)]
fn is_refused_when_loose(path: &Path) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o640)).unwrap();
    let loose = files::read_private(path, 100).unwrap_err().to_string();
    assert!(loose.contains("chmod") && loose.contains(path.to_str().unwrap()), "the command that mends it: {loose}");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o622)).unwrap();
    files::read_trusted(path, 100).expect_err("anybody may have written it");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    let link = path.with_file_name("link");
    symlink(path, &link).unwrap();
    files::read_private(&link, 100).expect_err("a link may lead anywhere");
    files::read_trusted(&link, 100).expect_err("a link may lead anywhere");
}
