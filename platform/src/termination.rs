//! Being asked to stop.

use std::io;

#[cfg(unix)]
#[path = "termination/unix.rs"]
mod imp;
#[cfg(windows)]
#[path = "termination/windows.rs"]
mod imp;

/// The wish that this process ends: SIGINT or SIGTERM; on Windows Ctrl-C, Ctrl-Break, a closed console, log-off or shutdown.
///
/// A service of the Windows SCM is told by the SCM instead (see [`crate::service::attach`]).
#[derive(Debug)]
pub struct Termination(imp::Termination);

impl Termination {
    /// Takes the signals over from their default, which would end the process at once. Must be called inside a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a handler.
    pub fn install() -> io::Result<Self> {
        imp::Termination::install().map(Self)
    }

    /// Returns when the process was asked to stop; a wish made since [`Termination::install`] counts.
    pub async fn requested(&mut self) {
        self.0.requested().await;
    }
}
