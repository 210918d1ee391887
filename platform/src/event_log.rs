//! The Event Log of Windows, where its administrators look and their collectors read.

use std::io;

#[cfg(not(windows))]
#[path = "event_log/none.rs"]
mod imp;
#[cfg(windows)]
#[path = "event_log/windows.rs"]
mod imp;

#[cfg(windows)]
pub(crate) use imp::{register, unregister};

/// How much an entry matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody must act.
    Error,
    /// Something was worked around.
    Warning,
    /// Something changed.
    Information,
}

/// The log `Application`, with the agent as the source `Countersign`.
#[derive(Debug)]
pub struct EventLog(imp::EventLog);

impl EventLog {
    /// Opens it for this process.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where the system has no such log; what Windows says elsewhere.
    pub fn open() -> io::Result<Self> {
        imp::EventLog::open().map(Self)
    }

    /// Writes an entry of one text, of which Windows takes at most 31,839 characters; the rest is left out.
    ///
    /// # Errors
    ///
    /// What Windows says: the log is full, say, and may not be written over.
    pub fn report(&self, severity: Severity, text: &str) -> io::Result<()> {
        self.0.report(severity, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(windows)]
    #[test]
    fn takes_entries_of_any_length() {
        let log = EventLog::open().unwrap();
        log.report(Severity::Information, "a test of the agent's").unwrap();
        log.report(Severity::Warning, &"long ".repeat(10_000)).unwrap();
    }

    #[cfg(not(windows))]
    #[test]
    fn is_there_on_windows_only() {
        assert_eq!(EventLog::open().unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
