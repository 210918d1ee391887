//! Outside components: a test that needs one that is missing is reported as ignored with the reason, and fails where
//! `CI=true` promises that everything is there.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

/// The program `name` on the search path.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file());
    // Debian keeps servers where an ordinary account doesn't look.
    found.or_else(|| Some(Path::new("/usr/sbin").join(name)).filter(|path| path.is_file()))
}

/// A test that needs all of `needs` (programs by name, files by absolute path, `root` for the rights of root).
#[must_use]
pub fn trial(name: &str, needs: &[&str], run: impl FnOnce() + Send + 'static) -> Trial {
    let there = |need: &&&str| match **need {
        "root" => is_root(),
        file if file.starts_with('/') => Path::new(file).exists(),
        name => program(name).is_some(),
    };
    let missing: Vec<_> = needs.iter().filter(|need| !there(need)).copied().collect();
    let run = move || {
        run();
        Ok(())
    };
    if missing.is_empty() {
        return Trial::test(name, run);
    }
    let why = format!("skipped, missing: {}", missing.join(", "));
    if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
        return Trial::test(name, move || Err(Failed::from(why)));
    }
    Trial::test(name, run).with_kind(why).with_ignored_flag(true)
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
