//! What the device's management has set: the strongest word about options, which nobody on the device overrules.

#[cfg(target_os = "linux")]
#[path = "managed/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "managed/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "managed/windows.rs"]
mod imp;

/// A value as the management's store types it. May be a secret: keep it out of logs.
#[derive(Clone, PartialEq, Eq)]
pub enum ManagedValue {
    /// `REG_SZ`, `REG_EXPAND_SZ`.
    Text(String),
    /// `REG_DWORD`, `REG_QWORD`.
    Number(u64),
    /// `REG_MULTI_SZ`.
    List(Vec<String>),
    /// A type that no option has.
    Other,
}

/// What was found.
#[derive(Clone, PartialEq, Eq)]
pub enum Managed {
    /// Nothing is set, or this system has no such store (as Linux, where the configuration file serves).
    Nothing,
    /// Named values of the Windows policy key.
    Values(Vec<(String, ManagedValue)>),
    /// A property list of macOS, XML or binary.
    PropertyList(zeroize::Zeroizing<Vec<u8>>),
}

/// Why the management's word could not be read. It is never taken for silence.
#[derive(Debug, thiserror::Error)]
pub enum ManagedError {
    /// The registry refused.
    #[error("could not read the policy in `{place}`")]
    Store {
        /// The registry key.
        place: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file could not be read.
    #[error("could not read the managed preferences")]
    File(#[source] crate::files::FileError),
}

/// Where [`read`] looks, for `params list`.
pub fn place() -> &'static str {
    imp::PLACE
}

/// Reads what the device's management has set.
///
/// # Errors
///
/// When the store is there and cannot be read.
pub fn read() -> Result<Managed, ManagedError> {
    imp::read()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_device_that_nobody_manages_has_nothing_set() {
        assert!(matches!(super::read(), Ok(super::Managed::Nothing)));
    }
}
