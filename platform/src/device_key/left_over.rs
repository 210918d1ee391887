//! Keys that the system keeps for us, and that no key file may name any more: noted before they could be forgotten, until they are deleted.

use super::ladder::MAX_OCTETS;
use crate::files::{self, Access, FileError};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// One [`reference`](super::rung::Rung::reference) a line.
const NAME: &str = "device-key.left-over";
/// A provider that hangs for days adds one at every try; the oldest are given up then.
const MOST: usize = 100;

/// Held from reading the list to writing it.
static WRITING: Mutex<()> = Mutex::new(());

/// All of them.
pub(super) fn all(state_dir: &Path) -> Result<Vec<String>, FileError> {
    let text = files::read_private(&state_dir.join(NAME), MAX_OCTETS)?;
    Ok(text.map_or_else(Vec::new, |text| String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()))
}

/// Notes one more.
pub(super) fn remember(state_dir: &Path, reference: &str) -> Result<(), FileError> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut noted = all(state_dir)?;
    if noted.iter().all(|other| other != reference) {
        noted.push(reference.to_owned());
        noted.drain(..noted.len().saturating_sub(MOST));
        write(state_dir, &noted)?;
    }
    Ok(())
}

/// Strikes one out, where there is one to strike out.
pub(super) fn forget(state_dir: &Path, reference: Option<&str>) -> Result<(), FileError> {
    let Some(reference) = reference else { return Ok(()) };
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut noted = all(state_dir)?;
    noted.retain(|other| other != reference);
    write(state_dir, &noted)
}

fn write(state_dir: &Path, noted: &[String]) -> Result<(), FileError> {
    let path = state_dir.join(NAME);
    if noted.is_empty() {
        return files::remove(&path).map(drop);
    }
    let lines: String = noted.iter().map(|reference| format!("{reference}\n")).collect();
    files::write_atomically(&path, lines.as_bytes(), Access::Private)
}
