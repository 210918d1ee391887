//! This process, and programs that a person has it run.

use std::{ffi::OsString, io, path::PathBuf, process::Command};

use crate::random;

/// The process id.
pub fn id() -> u32 {
    std::process::id()
}

/// The user id that this process acts as, where the system has such numbers.
pub fn user_id() -> Option<u32> {
    #[cfg(unix)]
    return Some(rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    None
}

/// The resident set of this process in KiB; `None` where the system does not say.
pub fn resident_kib() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse_resident(&status)
}

/// Whether the parent of this process is process 1, as it is for a service of systemd and not for what a person starts.
pub(crate) fn parent_is_init() -> bool {
    #[cfg(unix)]
    return rustix::process::getppid().is_some_and(|parent| parent.as_raw_nonzero().get() == 1);
    #[cfg(not(unix))]
    false
}

/// A path for a file of this process alone, which nobody can guess; `extension` says what it holds.
pub fn temporary_file(extension: &str) -> PathBuf {
    let name: String = random::bytes::<16>().iter().map(|octet| format!("{octet:02x}")).collect();
    std::env::temp_dir().join(format!("countersign-{name}.{extension}"))
}

/// Runs the program that `command` begins with, with its arguments, this process's streams and one variable more, until it ends; returns its
/// exit code, or 128 and the number of the signal that has ended it.
///
/// # Errors
///
/// Where it can't be started.
pub async fn run(command: &[OsString], (variable, value): (&'static str, OsString)) -> io::Result<u8> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).env(variable, value);
    let ended = tokio::task::spawn_blocking(move || command.status()).await.map_err(io::Error::other)??;
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&ended) {
        return Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX));
    }
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_proc() {
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t    5324 kB\nVmSwap:\t0 kB\n"), Some(5324));
        assert_eq!(parse_resident("Name:\tx\n"), None);
        if cfg!(target_os = "linux") {
            assert!(resident_kib().is_some_and(|kib| kib > 100));
        }
    }
}
