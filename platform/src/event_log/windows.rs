use super::Severity;
use crate::windows::wide;
use std::{io, ptr};
use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::{
    Foundation::HANDLE,
    System::EventLog::{
        DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
        RegisterEventSourceW, ReportEventW,
    },
};

const SOURCE: &str = "Countersign";
/// Where Windows keeps what it knows of the source.
const KEY: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\Countersign";
/// A program of every Windows with messages of the numbers 1 to 1000, each of which is the entry's own text.
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";
/// Errors, warnings and information.
const TYPES: u32 = 7;
/// Windows takes no longer text (`ReportEventW`, "lpStrings").
const LONGEST: usize = 31_839;

/// A registered source, given back on drop.
#[derive(Debug)]
pub(super) struct EventLog(HANDLE);

// SAFETY: the handle belongs to no thread, and ReportEventW may be called from several at once.
#[expect(unsafe_code, reason = "the operating system's interface")]
unsafe impl Send for EventLog {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "the operating system's interface")]
unsafe impl Sync for EventLog {}

impl EventLog {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    pub(super) fn open() -> io::Result<Self> {
        let source = wide(SOURCE);
        // SAFETY: no server means this machine; the name ends with a NUL and outlives the call.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), source.as_ptr()) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    pub(super) fn report(&self, severity: Severity, text: &str) -> io::Result<()> {
        let (kind, number) = match severity {
            Severity::Error => (EVENTLOG_ERROR_TYPE, 1),
            Severity::Warning => (EVENTLOG_WARNING_TYPE, 2),
            Severity::Information => (EVENTLOG_INFORMATION_TYPE, 3),
        };
        let text: Vec<u16> = text.encode_utf16().filter(|unit| *unit != 0).take(LONGEST - 1).chain([0]).collect();
        let texts = [text.as_ptr()];
        // SAFETY: the source is open; there is no SID and no data, and the one text ends with a NUL and outlives the call.
        let done = unsafe { ReportEventW(self.0, kind, 0, number, ptr::null_mut(), 1, 0, texts.as_ptr(), ptr::null()) };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for EventLog {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the handle is a registered source of ours, and is not used afterwards.
        unsafe { DeregisterEventSource(self.0) };
    }
}

/// Tells Windows how the entries read. The MSI does the same by its own tables.
pub(crate) fn register() -> windows_registry::Result<()> {
    let key = LOCAL_MACHINE.create(KEY)?;
    key.set_expand_string("EventMessageFile", MESSAGES)?;
    key.set_u32("TypesSupported", TYPES)
}

/// Entries that were written stay in the log, as texts of a source that is not known any more.
pub(crate) fn unregister() -> windows_registry::Result<()> {
    match LOCAL_MACHINE.open(KEY) {
        Ok(_) => LOCAL_MACHINE.remove_tree(KEY),
        Err(_) => Ok(()),
    }
}
