use super::{Paths, PathsError};
use crate::windows::known_folder;
use std::path::PathBuf;
use windows_sys::Win32::UI::Shell::{FOLDERID_LocalAppData, FOLDERID_ProgramData};

pub(super) fn system() -> Paths {
    // Every supported Windows has the folder, and has it there unless it was moved.
    let base = known_folder(&FOLDERID_ProgramData).unwrap_or_else(|| PathBuf::from(r"C:\ProgramData"));
    of_base(&base.join("Countersign"))
}

pub(super) fn of_user(_dir: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Paths, PathsError> {
    let base = known_folder(&FOLDERID_LocalAppData).ok_or(PathsError::NoHome { variable: "LOCALAPPDATA" })?;
    Ok(of_base(&base.join("Countersign")))
}

fn of_base(base: &std::path::Path) -> Paths {
    Paths {
        config_file: base.join("countersign.toml"),
        policy_file: None,
        state_dir: base.join("State"),
        runtime_dir: base.join("Run"),
    }
}

pub(super) fn is_privileged() -> bool {
    crate::windows::is_elevated()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_places_are_absolute_and_differ() {
        let (machine, person) = (system(), of_user(&|_| None).unwrap());
        assert!(machine.state_dir.is_absolute() && person.state_dir.is_absolute());
        assert_ne!(machine, person);
    }
}
