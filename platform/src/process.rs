//! This process.

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
