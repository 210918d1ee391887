//! The person's own web browser.

use std::{
    io,
    process::{Command, Stdio},
};

/// Opens `url` in the browser that the person has chosen, and does not wait for it.
///
/// # Errors
///
/// Where nothing opens pages here: on a machine without a desktop.
pub fn open(url: &str) -> io::Result<()> {
    // It may be the browser itself, which ends when its person ends it.
    let started = opener().arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.map(drop)
}

#[cfg(not(any(windows, target_os = "macos")))]
fn opener() -> Command {
    Command::new("xdg-open")
}

#[cfg(target_os = "macos")]
fn opener() -> Command {
    Command::new("/usr/bin/open")
}

#[cfg(windows)]
fn opener() -> Command {
    let mut command = Command::new("rundll32.exe");
    command.arg("url.dll,FileProtocolHandler");
    command
}
