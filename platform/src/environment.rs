//! The environment that this process was started with.

use std::{env, path::PathBuf};

/// The value of an environment variable; `None` when it is absent, empty or not UTF-8.
pub fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The arguments of this process without its name; `Err` holds the position (from 1) of the first that is not UTF-8.
///
/// The position and never the text: the argument may be a secret.
pub fn arguments() -> Result<Vec<String>, usize> {
    env::args_os().skip(1).enumerate().map(|(at, text)| text.into_string().map_err(|_| at + 1)).collect()
}

/// Whether a service manager started this process, which then is nobody's own.
///
/// systemd sets `INVOCATION_ID` for a unit (and also hands it down to what a person starts in a `user@` manager, so the parent decides there);
/// launchd sets `XPC_SERVICE_NAME` to the job's label, and to `0` for what a person starts in Terminal.
pub fn under_service_manager() -> bool {
    if cfg!(target_os = "linux") {
        return var("NOTIFY_SOCKET").is_some() || (var("INVOCATION_ID").is_some() && crate::process::parent_is_init());
    }
    if cfg!(target_os = "macos") {
        return var("XPC_SERVICE_NAME").is_some_and(|label| label != "0");
    }
    // A Windows service runs in session 0, where nobody can log on; `SESSIONNAME` is set in every session of a person.
    cfg!(windows) && var("SESSIONNAME").is_none()
}

/// Where the service manager put this service's credentials (`$CREDENTIALS_DIRECTORY`, systemd.exec(5)).
pub fn credentials_dir() -> Option<PathBuf> {
    var("CREDENTIALS_DIRECTORY").map(PathBuf::from).filter(|dir| dir.is_absolute())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_absent_variable_is_none() {
        assert_eq!(super::var("COUNTERSIGN_NO_SUCH_VARIABLE"), None);
        assert!(super::var("PATH").is_some());
    }
}
