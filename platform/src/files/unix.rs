use super::{Access, FileError};
use rustix::{fs::OFlags, process::geteuid};
use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

#[derive(Clone, Copy)]
pub(super) enum Symlinks {
    Follow,
    Refuse,
}

pub(super) fn open(path: &Path, symlinks: Symlinks) -> io::Result<File> {
    // Non-blocking, so that a pipe put in a file's place cannot hold us up; it changes nothing for a regular file.
    let mut flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
    if matches!(symlinks, Symlinks::Refuse) {
        flags |= OFlags::NOFOLLOW;
    }
    OpenOptions::new().read(true).custom_flags(raw(flags)).open(path)
}

pub(super) fn create_new(path: &Path, access: Access) -> io::Result<File> {
    let mode = match access {
        Access::Private => 0o600,
        Access::Public => 0o644,
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // The umask may have taken bits away; readers of a public file need theirs.
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(raw(flags)).open(path)
}

pub(super) fn is_symlink_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

pub(super) fn check_regular(file: &File, path: &Path) -> Result<(), FileError> {
    let kind = metadata(file, path)?.file_type();
    let found = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () => "a device",
    };
    Err(FileError::NotAFile { path: path.to_owned(), found })
}

pub(super) fn check_private(file: &File, path: &Path) -> Result<(), FileError> {
    let metadata = metadata(file, path)?;
    check_owner(&metadata, path)?;
    match metadata.mode() & 0o7777 {
        mode if mode & 0o077 != 0 => Err(FileError::Loose { path: path.to_owned(), mode, wanted: "600" }),
        _ => Ok(()),
    }
}

pub(super) fn check_trusted(file: &File, path: &Path) -> Result<(), FileError> {
    let metadata = metadata(file, path)?;
    check_owner(&metadata, path)?;
    match metadata.mode() & 0o7777 {
        mode if mode & 0o022 != 0 => Err(FileError::Loose { path: path.to_owned(), mode, wanted: "go-w" }),
        _ => Ok(()),
    }
}

pub(super) fn create_dir(path: &Path, access: Access) -> Result<(), FileError> {
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty() && !above.exists()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)
            .map_err(|source| FileError::io("make", above, source))?;
    }
    let mode = match access {
        Access::Private => 0o700,
        Access::Public => 0o755,
    };
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            let permissions = Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).map_err(|source| FileError::io("set the mode of", path, source))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_dir(path),
        Err(source) => Err(FileError::io("make", path, source)),
    }
}

/// A directory that stands already: ours or root's, and nobody else may put a file into it.
///
/// systemd's `DynamicUser=` makes the state directory a symlink that root owns, so a symlink is judged by its owner and then followed.
pub(super) fn check_dir(path: &Path) -> Result<(), FileError> {
    let link = std::fs::symlink_metadata(path).map_err(|source| FileError::io("look at", path, source))?;
    check_owner(&link, path)?;
    let metadata = std::fs::metadata(path).map_err(|source| FileError::io("look at", path, source))?;
    if !metadata.is_dir() {
        return Err(FileError::NotAFile { path: path.to_owned(), found: "in the way of a directory" });
    }
    check_owner(&metadata, path)?;
    match metadata.mode() & 0o7777 {
        mode if mode & 0o022 != 0 => Err(FileError::Loose { path: path.to_owned(), mode, wanted: "go-w" }),
        _ => Ok(()),
    }
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn metadata(file: &File, path: &Path) -> Result<Metadata, FileError> {
    file.metadata().map_err(|source| FileError::io("look at", path, source))
}

fn check_owner(metadata: &Metadata, path: &Path) -> Result<(), FileError> {
    let (owner, expected) = (metadata.uid(), geteuid().as_raw());
    if owner == expected || owner == 0 {
        return Ok(());
    }
    Err(FileError::ForeignOwner { path: path.to_owned(), owner, expected })
}

fn raw(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn modes_are_what_access_says() {
        let dir = tempfile::tempdir().unwrap();
        for (name, access, wanted) in [("a", Access::Private, 0o600), ("b", Access::Public, 0o644)] {
            let path = dir.path().join(name);
            write_atomically(&path, b"x", access).unwrap();
            assert_eq!(mode(&path), wanted);
        }
    }

    #[test]
    fn a_loose_private_file_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_atomically(&path, b"x", Access::Private).unwrap();
        for loose in [0o604, 0o640, 0o620, 0o610, 0o666] {
            chmod(&path, loose);
            let error = read_private(&path, 10).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 600 '{}'", path.display())), "{error}");
        }
        chmod(&path, 0o400);
        assert!(read_private(&path, 10).unwrap().is_some());
    }

    #[test]
    fn a_symlink_is_refused_for_secrets_and_followed_for_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        write_atomically(&real, b"x", Access::Private).unwrap();
        symlink(&real, &link).unwrap();
        assert!(matches!(read_private(&link, 10), Err(FileError::NotAFile { found: "a symlink", .. })));
        assert!(read(&link, 10).unwrap().is_some());
        write_atomically(&link, b"y", Access::Private).unwrap();
        assert_eq!(read(&real, 10).unwrap().unwrap(), b"x");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
    }

    #[test]
    fn a_pipe_or_directory_in_the_place_of_a_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        // By the command: the call is not in the library for every Unix.
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(matches!(read(&pipe, 10), Err(FileError::NotAFile { found: "a pipe", .. })));
        assert!(matches!(read(dir.path(), 10), Err(FileError::NotAFile { found: "a directory", .. })));
    }

    #[test]
    fn directories_are_private_and_loose_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/state");
        create_private_dir(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        create_private_dir(&path).unwrap();
        chmod(&path, 0o770);
        assert!(matches!(create_private_dir(&path), Err(FileError::Loose { wanted: "go-w", .. })));
        let file = dir.path().join("file");
        write_atomically(&file, b"", Access::Private).unwrap();
        assert!(matches!(create_private_dir(&file), Err(FileError::NotAFile { .. })));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return; // Only root can give a file away; CI runs these tests as root.
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_atomically(&path, b"x", Access::Private).unwrap();
        chown(&path, Some(4321), None).unwrap();
        assert!(matches!(read_private(&path, 10), Err(FileError::ForeignOwner { owner: 4321, .. })));
        let state = dir.path().join("state");
        std::fs::create_dir(&state).unwrap();
        chown(&state, Some(4321), None).unwrap();
        assert!(matches!(create_private_dir(&state), Err(FileError::ForeignOwner { .. })));
    }

    #[test]
    fn a_full_disk_keeps_the_old_content_and_says_so() {
        let full = Path::new("/dev/full");
        let Ok(mut device) = std::fs::OpenOptions::new().write(true).open(full) else { return };
        let source = device.write_all(b"x").unwrap_err();
        assert!(FileError::io("write", full, source).is_disk_full());
    }
}
