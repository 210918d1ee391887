//! What the installer leaves for people to read, in the folder for temporary files: nobody sees the window of a silent installation.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an installer is outside the agent and its door to the operating system"
)]

use std::{fs::OpenOptions, io::Write as _, os::windows::fs::OpenOptionsExt as _, path::PathBuf, process::Command};

/// Why an installation was refused; there is none where it was not.
const REFUSAL: &str = "countersign-installer.log";
/// The options that there are.
const OPTIONS: &str = "countersign-options.txt";
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// Writes why the installation was refused.
pub(crate) fn write(reasons: &[String]) {
    let text: String = reasons.iter().map(|reason| format!("{reason}\r\n")).collect();
    let _ = put(REFUSAL, &text);
}

/// Removes what an earlier refusal has left.
pub(crate) fn remove() {
    let _ = std::fs::remove_file(std::env::temp_dir().join(REFUSAL));
}

/// Opens the list of options in Windows's editor.
pub(crate) fn show_options(lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    if let (Some(file), Some(system)) = (put(OPTIONS, &text), platform::installer::system_dir()) {
        let _ = Command::new(system.join("notepad.exe")).arg(file).spawn();
    }
}

/// A new file, in place of one that is there. SYSTEM's folder for temporary files is one that everybody can put links into: they are replaced and never
/// followed. Gives nothing where that fails, which there is nowhere to tell.
fn put(name: &str, text: &str) -> Option<PathBuf> {
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let file = OpenOptions::new().write(true).create_new(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).ok().map(|()| path)
}
