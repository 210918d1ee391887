use super::{
    Access, FileError,
    sddl::{Forbidden, strangers},
};
use crate::windows::{Attributes, descriptor_text, own_sid, wide};
use std::{
    fs::{File, OpenOptions},
    io,
    os::windows::{
        fs::OpenOptionsExt,
        io::{AsRawHandle, FromRawHandle},
    },
    path::Path,
    ptr,
    time::Duration,
};
use windows_sys::Win32::{
    Foundation::{GENERIC_WRITE, INVALID_HANDLE_VALUE},
    Storage::FileSystem::{
        CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_FLAG_BACKUP_SEMANTICS,
        FILE_FLAG_OPEN_REPARSE_POINT, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    },
};

/// SYSTEM, administrators and the owner, for the directory and all that is made in it; nothing is inherited from above.
const PRIVATE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";
/// The same, and users read.
const PUBLIC: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)(A;OICI;FRFX;;;BU)";

#[derive(Clone, Copy)]
pub(super) enum Symlinks {
    Follow,
    Refuse,
}

pub(super) fn open(path: &Path, symlinks: Symlinks) -> io::Result<File> {
    let flags = match symlinks {
        Symlinks::Follow => 0,
        // Opens the link itself, which `check_regular` then refuses.
        Symlinks::Refuse => FILE_FLAG_OPEN_REPARSE_POINT,
    };
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

pub(super) fn create_new(path: &Path, access: Access) -> io::Result<File> {
    match access {
        Access::Private => create_private(path),
        // The directory's access list is inherited: who may read the directory may read the file.
        Access::Public => OpenOptions::new().write(true).create_new(true).open(path),
    }
}

/// A file with an access list of its own, whatever its directory hands down.
#[expect(unsafe_code, reason = "the standard library makes files without an access list")]
fn create_private(path: &Path) -> io::Result<File> {
    let attributes = Attributes::from_sddl(&format!("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{})", own_sid()?))?;
    let name = wide(path.to_str().ok_or(io::ErrorKind::InvalidFilename)?);
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    // SAFETY: the name ends with a NUL; name and attributes outlive the call; there is no template.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_WRITE,
            share,
            attributes.as_ptr(),
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and is handed over whole.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// Renames over an existing file. Scanners and indexers hold fresh files open for moments, which makes Windows refuse; that passes.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..100 {
        match std::fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                std::thread::sleep(Duration::from_millis(10));
            }
            settled => return settled,
        }
    }
    std::fs::rename(from, to)
}

pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
}

/// A link that must not be followed opens as itself here, so no error stands for one.
pub(super) fn is_symlink_refusal(_error: &io::Error) -> bool {
    false
}

pub(super) fn check_regular(file: &File, path: &Path) -> Result<(), FileError> {
    let kind = file.metadata().map_err(|source| FileError::io("look at", path, source))?.file_type();
    let found = match () {
        () if kind.is_symlink() => "a symlink",
        () if kind.is_file() => return Ok(()),
        () => "a directory or device",
    };
    Err(FileError::NotAFile { path: path.to_owned(), found })
}

pub(super) fn check_private(file: &File, path: &Path) -> Result<(), FileError> {
    check_strangers(file, path, Forbidden::Access)
}

pub(super) fn check_trusted(file: &File, path: &Path) -> Result<(), FileError> {
    check_strangers(file, path, Forbidden::Change)
}

pub(super) fn create_dir(path: &Path, access: Access) -> Result<(), FileError> {
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty() && !above.exists()) {
        // With an access list of its own: below `ProgramData` users may put files into what they are not kept out of.
        create_dir(above, Access::Public)?;
    }
    let (sddl, forbidden) = match access {
        Access::Private => (PRIVATE, Forbidden::Access),
        Access::Public => (PUBLIC, Forbidden::Change),
    };
    match create_with(path, sddl) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_dir(path, forbidden),
        Err(source) => Err(FileError::io("make", path, source)),
    }
}

#[expect(unsafe_code, reason = "the standard library makes directories without an access list")]
fn create_with(path: &Path, sddl: &str) -> io::Result<()> {
    let attributes = Attributes::from_sddl(sddl)?;
    let text = path.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    let name = wide(text);
    // SAFETY: the name ends with a NUL; name and attributes outlive the call.
    let made = unsafe { CreateDirectoryW(name.as_ptr(), attributes.as_ptr()) };
    if made == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn check_dir(path: &Path, forbidden: Forbidden) -> Result<(), FileError> {
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let dir = opened.map_err(|source| FileError::io("look at", path, source))?;
    let kind = dir.metadata().map_err(|source| FileError::io("look at", path, source))?.file_type();
    if !kind.is_dir() || kind.is_symlink() {
        return Err(FileError::NotAFile { path: path.to_owned(), found: "in the way of a directory" });
    }
    check_strangers(&dir, path, forbidden)
}

fn check_strangers(file: &File, path: &Path, forbidden: Forbidden) -> Result<(), FileError> {
    let failed = |source| FileError::io("read the access list of", path, source);
    let sddl = descriptor_text(file.as_raw_handle()).map_err(failed)?;
    let who = strangers(&sddl, &own_sid().map_err(failed)?, forbidden);
    if who.is_empty() { Ok(()) } else { Err(FileError::Exposed { path: path.to_owned(), who: who.join(", ") }) }
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(dir)?.sync_all()
}
