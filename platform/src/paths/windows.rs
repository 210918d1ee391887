use super::{Paths, PathsError};
use std::path::PathBuf;

pub(super) fn system() -> Paths {
    // Services start with `ProgramData`; the fallback is where every supported Windows has it.
    let base = crate::environment::var("ProgramData").map_or_else(|| PathBuf::from(r"C:\ProgramData"), PathBuf::from);
    of_base(&base.join("Countersign"))
}

pub(super) fn of_user(dir: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Paths, PathsError> {
    let base = dir("LOCALAPPDATA").ok_or(PathsError::NoHome { variable: "LOCALAPPDATA" })?;
    Ok(of_base(&base.join("Countersign")))
}

fn of_base(base: &std::path::Path) -> Paths {
    Paths { config_file: base.join("countersign.toml"), state_dir: base.join("State"), runtime_dir: base.join("Run") }
}

pub(super) fn is_privileged() -> bool {
    crate::windows::is_elevated()
}
