use super::{Paths, PathsError};
use std::path::PathBuf;

/// Where macOS keeps the preferences that a profile forces for the machine; only root writes there.
const POLICY_FILE: &str = "/Library/Managed Preferences/org.countersign.installparams.plist";

pub(super) fn system() -> Paths {
    let support = PathBuf::from("/Library/Application Support/Countersign");
    Paths {
        config_file: support.join("countersign.toml"),
        policy_file: Some(POLICY_FILE.into()),
        state_dir: support.join("State"),
        runtime_dir: "/var/run/countersign".into(),
    }
}

pub(super) fn of_user(dir: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Paths, PathsError> {
    let home = dir("HOME").ok_or(PathsError::NoHome { variable: "HOME" })?;
    let support = home.join("Library/Application Support/Countersign");
    // The address of a Unix socket holds 103 octets: the per-user temporary directory is short enough where a long home is not.
    let runtime_dir = dir("TMPDIR").map_or_else(|| support.join("Run"), |tmp| tmp.join("countersign"));
    Ok(Paths {
        config_file: support.join("countersign.toml"),
        policy_file: Some(POLICY_FILE.into()),
        state_dir: support.join("State"),
        runtime_dir,
    })
}

pub(super) fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}
