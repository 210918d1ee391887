//! What the device's management has set: the strongest word about options, which nobody on the device overrules.

use crate::{files::FileError, paths::Paths};

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
    /// Nothing is set.
    Nothing,
    /// The policy file of Linux: the same TOML as the configuration file.
    File(zeroize::Zeroizing<Vec<u8>>),
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
    /// The file could not be read, or somebody other than root could have written it.
    #[error("could not read what the device's management has set")]
    File(#[source] FileError),
}

/// Where [`read`] looks, for people: the file, or the registry key of systems that have no file.
pub fn place(paths: &Paths) -> String {
    paths.policy_file.as_ref().map_or_else(|| imp::PLACE.to_owned(), |file| file.display().to_string())
}

/// Reads what the device's management has set.
///
/// # Errors
///
/// When it is there and cannot be read or, where it is a file, may have been written by somebody other than root (or the account of this
/// process, which could do what it liked anyway).
pub fn read(paths: &Paths) -> Result<Managed, ManagedError> {
    imp::read(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_nobody_manages_has_nothing_set() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(&Paths::below(dir.path())), Ok(Managed::Nothing)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_policy_that_others_may_write_is_refused_and_not_taken_for_silence() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let file = paths.policy_file.clone().unwrap();
        std::fs::write(&file, "cloudName = \"cloud.example.net\"\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(&paths), Ok(Managed::File(_))));
        for loose in [0o664, 0o646] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(loose)).unwrap();
            assert!(matches!(read(&paths), Err(ManagedError::File(FileError::Loose { wanted: "go-w", .. }))));
        }
    }
}
