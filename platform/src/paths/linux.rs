use super::{Paths, PathsError};
use std::path::PathBuf;

/// Only root may write it, or the directory that it is in.
const POLICY_FILE: &str = "/etc/countersign/policy.toml";

pub(super) fn system() -> Paths {
    Paths {
        config_file: "/etc/countersign/countersign.toml".into(),
        policy_file: Some(POLICY_FILE.into()),
        state_dir: "/var/lib/countersign".into(),
        runtime_dir: "/run/countersign".into(),
    }
}

/// XDG Base Directory Specification 0.8.
pub(super) fn of_user(dir: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Paths, PathsError> {
    let home = dir("HOME").ok_or(PathsError::NoHome { variable: "HOME" });
    let below_home = |variable: &str, rest: &str| match (dir(variable), &home) {
        (Some(given), _) => Ok(given.join("countersign")),
        (None, Ok(home)) => Ok(home.join(rest).join("countersign")),
        (None, Err(_)) => Err(PathsError::NoHome { variable: "HOME" }),
    };
    let state_dir = below_home("XDG_STATE_HOME", ".local/state")?;
    let runtime_dir = dir("XDG_RUNTIME_DIR").map_or_else(|| state_dir.join("run"), |run| run.join("countersign"));
    Ok(Paths {
        config_file: below_home("XDG_CONFIG_HOME", ".config")?.join("countersign.toml"),
        policy_file: Some(POLICY_FILE.into()),
        state_dir,
        runtime_dir,
    })
}

pub(super) fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_variables_win_over_home() {
        let paths = of_user(&|name| match name {
            "HOME" => Some("/home/alice".into()),
            "XDG_RUNTIME_DIR" => Some("/run/user/1000".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(paths.config_file, PathBuf::from("/home/alice/.config/countersign/countersign.toml"));
        assert_eq!(paths.state_dir, PathBuf::from("/home/alice/.local/state/countersign"));
        assert_eq!(paths.runtime_dir, PathBuf::from("/run/user/1000/countersign"));
    }

    #[test]
    fn without_a_home_there_is_no_guess() {
        let error = of_user(&|_| None).unwrap_err();
        assert!(error.to_string().contains("`HOME`"), "{error}");
    }
}
