//! Windows Installer's own interface, made safe.

use windows_sys::Win32::{
    Foundation::{ERROR_INSTALL_FAILURE, ERROR_MORE_DATA, ERROR_SUCCESS},
    System::ApplicationInstallationAndServicing::{
        INSTALLMESSAGE, INSTALLMESSAGE_ERROR, INSTALLMESSAGE_INFO, MsiCloseHandle, MsiCreateRecord, MsiGetPropertyW,
        MsiProcessMessage, MsiRecordSetStringW, MsiSetPropertyW,
    },
};

/// What an action that did its work gives.
pub(crate) const SUCCESS: u32 = ERROR_SUCCESS;
/// What ends an installation.
pub(crate) const FAILURE: u32 = ERROR_INSTALL_FAILURE;

/// The installation that calls an action. The handle belongs to Windows Installer.
pub(crate) struct Session(u32);

impl Session {
    pub(crate) fn new(handle: u32) -> Self {
        Self(handle)
    }

    /// The value of a property; empty where it has none.
    pub(crate) fn property(&self, name: &str) -> String {
        let name = wide(name);
        let mut buffer = vec![0_u16; 256];
        loop {
            let mut length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
            // SAFETY: the name ends with a NUL; the buffer is ours and as long as `length` says.
            let status = unsafe { MsiGetPropertyW(self.0, name.as_ptr(), buffer.as_mut_ptr(), &raw mut length) };
            let found = usize::try_from(length).unwrap_or(0);
            match status {
                ERROR_SUCCESS => return String::from_utf16_lossy(buffer.get(..found).unwrap_or_default()),
                ERROR_MORE_DATA => buffer.resize(found + 1, 0),
                _ => return String::new(),
            }
        }
    }

    /// Sets a property; gives what the action is to give.
    pub(crate) fn set_property(&self, name: &str, value: &str) -> u32 {
        let (name, value) = (wide(name), wide(value));
        // SAFETY: both texts end with a NUL and outlive the call.
        let status = unsafe { MsiSetPropertyW(self.0, name.as_ptr(), value.as_ptr()) };
        if status == ERROR_SUCCESS { SUCCESS } else { FAILURE }
    }

    /// Writes to the log of the installation.
    pub(crate) fn log(&self, text: &str) {
        if !text.trim().is_empty() {
            self.tell(INSTALLMESSAGE_INFO, text);
        }
    }

    /// Shows what is wrong, or logs it in a silent installation; gives what the action is to give.
    pub(crate) fn fail(&self, text: &str) -> u32 {
        self.tell(INSTALLMESSAGE_ERROR, text);
        FAILURE
    }

    fn tell(&self, kind: INSTALLMESSAGE, text: &str) {
        // The template takes the text as it is, whatever brackets it holds.
        let (template, text) = (wide("[1]"), wide(&format!("Countersign: {}", text.trim())));
        // SAFETY: the texts end with a NUL and outlive the calls; the record is closed once.
        unsafe {
            let record = MsiCreateRecord(1);
            MsiRecordSetStringW(record, 0, template.as_ptr());
            MsiRecordSetStringW(record, 1, text.as_ptr());
            MsiProcessMessage(self.0, kind, record);
            MsiCloseHandle(record);
        }
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A text of the system.
///
/// # Safety
///
/// `text` points to UTF-16 that ends with a NUL.
pub(crate) unsafe fn text_at(text: *const u16) -> String {
    let mut length = 0;
    // SAFETY: by the caller's word there is a NUL, and every unit before it may be read.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: these units were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) })
}
