//! The network around this machine: that it changed, as a reason to try again what could not be reached.

use std::io;

#[cfg(target_os = "linux")]
#[path = "network/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "network/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "network/windows.rs"]
mod imp;

/// A subscription to changes of addresses, routes and links; no polling.
///
/// Linux tells through rtnetlink(7), Windows through `NotifyUnicastIpAddressChange`, macOS through SystemConfiguration's dynamic store.
#[derive(Debug)]
pub struct NetworkChanges(imp::NetworkChanges);

impl NetworkChanges {
    /// Subscribes. Must be called inside a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// When the operating system refuses the subscription.
    pub fn subscribe() -> io::Result<Self> {
        imp::NetworkChanges::subscribe().map(Self)
    }

    /// Returns after the network changed since the last call or the subscription. One change of the world is many of the system's
    /// messages: those that have arrived by then are taken as one, and more may follow within a second. May be dropped and called
    /// again without losing a change.
    ///
    /// # Errors
    ///
    /// Where the system has ended the subscription: nothing more comes of it.
    pub async fn next(&mut self) -> io::Result<()> {
        self.0.next().await
    }
}
