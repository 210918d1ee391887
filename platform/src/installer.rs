//! What a program that installs a package by Windows Installer needs of Windows: a folder for the package that nobody else can reach, and the call.

use crate::windows::{Attributes, known_folder, wide};
use std::{
    ffi::c_void,
    io,
    path::{Path, PathBuf},
    ptr,
    sync::Mutex,
};
use windows_sys::Win32::{
    Foundation::MAX_PATH,
    Storage::FileSystem::CreateDirectoryW,
    System::{
        ApplicationInstallationAndServicing::{
            INSTALLUILEVEL_BASIC, INSTALLUILEVEL_NONE, MsiInstallProductW, MsiSetExternalUIW, MsiSetInternalUI,
        },
        LibraryLoader::{LOAD_LIBRARY_SEARCH_SYSTEM32, SetDefaultDllDirectories},
        SystemInformation::GetSystemDirectoryW,
    },
    UI::Shell::FOLDERID_ProgramFiles,
};

/// SYSTEM and administrators, who own it, for the folder and all that is made in it; nothing is inherited from above.
const CLOSED: &str = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";
/// INSTALLLOGMODE of messages that say why an installation is refused: FATALEXIT, ERROR, WARNING, USER and OUTOFDISKSPACE.
const REASONS: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 7;

/// Lets this process load libraries from the system's directory alone from now on: beside a program that was downloaded lies what anybody put there.
///
/// # Errors
///
/// What Windows says.
#[expect(unsafe_code, reason = "the operating system's interface")]
pub fn load_system_libraries_only() -> io::Result<()> {
    // SAFETY: takes a number.
    if unsafe { SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether this process has an administrator's rights, which installing takes.
pub fn is_elevated() -> bool {
    crate::windows::is_elevated()
}

/// The directory with Windows's own programs, `C:\Windows\System32`; `None` where Windows does not tell.
#[expect(unsafe_code, reason = "the operating system's interface")]
pub fn system_dir() -> Option<PathBuf> {
    let mut path = [0_u16; MAX_PATH as usize];
    // SAFETY: the buffer is ours and as long as is said.
    let length = unsafe { GetSystemDirectoryW(path.as_mut_ptr(), MAX_PATH) };
    let path = path.get(..length as usize).filter(|path| !path.is_empty())?;
    Some(PathBuf::from(String::from_utf16_lossy(path)))
}

/// A fresh folder that SYSTEM and administrators alone can reach, in a place where others can't make one beforehand. It goes when it is dropped.
#[derive(Debug)]
pub struct ClosedFolder(PathBuf);

impl ClosedFolder {
    /// Makes one in the folder of programs, named `prefix` and 16 hexadecimal digits that can't be foreseen.
    ///
    /// # Errors
    ///
    /// What Windows says: without an administrator's rights, that access is denied.
    pub fn create(prefix: &str) -> io::Result<Self> {
        let programs = known_folder(&FOLDERID_ProgramFiles).ok_or(io::ErrorKind::NotFound)?;
        let name = format!("{prefix}{}", data_encoding::HEXLOWER.encode(&crate::random::bytes::<8>()));
        let path = programs.join(name);
        create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a file into it, which has the folder's access list; gives its path.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn put(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }
}

impl Drop for ClosedFolder {
    fn drop(&mut self) {
        // There is nobody left to tell, and nobody but administrators can reach what would stay.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Fails where there is something of that name already.
#[expect(unsafe_code, reason = "the standard library makes directories without an access list")]
fn create(path: &Path) -> io::Result<()> {
    let attributes = Attributes::from_sddl(CLOSED)?;
    let name = wide(path.to_str().ok_or(io::ErrorKind::InvalidFilename)?);
    // SAFETY: the name ends with a NUL; name and attributes outlive the call.
    let made = unsafe { CreateDirectoryW(name.as_ptr(), attributes.as_ptr()) };
    if made == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What Windows Installer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// Progress, and what is wrong.
    Progress,
}

/// How an installation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Windows Installer's code: 0, 3010 where the machine is to be started anew, 1603 and others.
    pub code: u32,
    /// What it said was wrong, in its order.
    pub reasons: Vec<String>,
}

/// Installs `package` in this process, with properties (`NAME="value"` with spaces between them) that are on no command line.
pub fn install(package: &Path, properties: &str, shown: Shown) -> Outcome {
    let Some(package) = package.to_str().map(wide) else {
        return Outcome { code: 1620, reasons: vec![format!("`{}` is no path", package.display())] };
    };
    let properties = zeroize::Zeroizing::new(wide(properties));
    let level = match shown {
        Shown::Nothing => INSTALLUILEVEL_NONE,
        Shown::Progress => INSTALLUILEVEL_BASIC,
    };
    let reasons = Mutex::new(Vec::new());
    let code = call(&package, &properties, level, &reasons);
    Outcome { code, reasons: reasons.into_inner().unwrap_or_default() }
}

#[expect(unsafe_code, reason = "the operating system's interface")]
fn call(package: &[u16], properties: &[u16], level: i32, reasons: &Mutex<Vec<String>>) -> u32 {
    // SAFETY: both texts end with a NUL and outlive the calls; there is no window. `reasons` outlives the handler, which the last call takes back.
    unsafe {
        MsiSetInternalUI(level, ptr::null_mut());
        MsiSetExternalUIW(Some(heard), REASONS, ptr::from_ref(reasons).cast());
        let code = MsiInstallProductW(package.as_ptr(), properties.as_ptr());
        MsiSetExternalUIW(None, 0, ptr::null());
        code
    }
}

/// Keeps a message, and leaves it to Windows Installer to show it.
#[expect(unsafe_code, reason = "called by the operating system")]
unsafe extern "system" fn heard(reasons: *mut c_void, _kind: u32, message: *const u16) -> i32 {
    if !reasons.is_null() && !message.is_null() {
        // SAFETY: the context is the one that was given with this handler, which nothing changes but through its lock.
        let reasons = unsafe { &*reasons.cast_const().cast::<Mutex<Vec<String>>>() };
        // SAFETY: Windows Installer's texts end with a NUL and live as long as the call.
        let message = unsafe { crate::windows::text_at(message) };
        if let Ok(mut reasons) = reasons.lock() {
            reasons.push(message.trim().to_owned());
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::descriptor_text;
    use std::os::windows::{fs::OpenOptionsExt as _, io::AsRawHandle as _};

    #[test]
    fn the_folder_is_fresh_closed_and_goes() {
        let folder = ClosedFolder::create("Countersign Setup ").unwrap();
        let file = folder.put("package.msi", b"content").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"content");
        assert_eq!(create(folder.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        // FILE_FLAG_BACKUP_SEMANTICS opens directories.
        let opened = std::fs::OpenOptions::new().read(true).custom_flags(0x0200_0000).open(folder.path()).unwrap();
        let list = descriptor_text(opened.as_raw_handle()).unwrap();
        // Wine has one account, to which it counts the administrators, and passes over the mark that nothing is inherited.
        assert!(list.contains("(A;OICI;FA;;;SY)") && list.matches("(A;").count() == 2, "{list}");
        assert!(CLOSED.contains("D:P("));
        drop(opened);
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_package_is_refused_with_a_code() {
        let folder = ClosedFolder::create("Countersign Setup ").unwrap();
        let file = folder.put("package.msi", b"no package").unwrap();
        assert_ne!(install(&file, "", Shown::Nothing).code, 0);
    }

    #[test]
    fn the_system_has_a_directory() {
        assert!(system_dir().unwrap().join("kernel32.dll").exists());
    }
}
