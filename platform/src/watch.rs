//! Being told that a file of options, or what the management has set, may have changed: without looking again and again.

#[cfg(any(windows, target_os = "linux"))]
use std::path::Path;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
#[path = "watch/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "watch/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "watch/windows.rs"]
mod imp;

/// A watch over files that need not exist yet; on Windows over the policy key of the registry.
#[derive(Debug)]
pub struct Watch(imp::Watch);

/// Why there is no watch.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// This system's way of watching is not built in.
    #[error(
        "this build can't watch files on this system: a change is taken up when a command tells of it, or at the next start"
    )]
    Unsupported,
    /// The operating system refused.
    #[error("could not watch `{place}` for changes")]
    Refused {
        /// What was to be watched.
        place: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Watch {
    /// Watches `files`. A file is also seen when it comes into being, is replaced or goes, and so is the directory that it is in. Must be called
    /// inside a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// [`WatchError`].
    pub fn of(files: &[PathBuf]) -> Result<Self, WatchError> {
        imp::Watch::of(files).map(Self)
    }

    /// Returns when one of the files may have changed since the watch began or this last returned. It may return when nothing has: compare.
    pub async fn changed(&mut self) {
        self.0.changed().await;
    }
}

/// What refused, and where.
#[cfg(any(target_os = "linux", windows))]
fn refused(place: &Path, source: impl Into<std::io::Error>) -> WatchError {
    WatchError::Refused { place: place.to_owned(), source: source.into() }
}
