//! Finding the programs and documents that judge this crate, and saying what is missing.
#![expect(clippy::disallowed_methods, reason = "tests start the judges and read their files")]

use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `fetch-judges` puts what it fetches.
pub(crate) fn judges_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/judges")
}

/// The crate's own test files.
pub(crate) fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Directories with documents of other projects.
pub(crate) fn vector_dirs() -> Vec<PathBuf> {
    let metadata = std::fs::read_to_string(judges_dir().join("vectors/paths.json")).unwrap_or_default();
    let mut dirs = vec![judges_dir().join("signxml-src/test")];
    for part in metadata.split("\"manifest_path\":\"").skip(1) {
        let Some((path, _)) = part.split_once('"') else { continue };
        let Some(dir) = Path::new(path).parent() else { continue };
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if ["xml-sec-", "saml-rs-", "samael-"].iter().any(|known| name.starts_with(known)) {
            dirs.push(dir.to_owned());
        }
    }
    dirs
}

/// Whether a command can be started at all.
pub(crate) fn has_command(name: &str) -> bool {
    let run =
        Command::new(name).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok()
}

/// What a judge needs: each missing part with how to get it.
pub(crate) struct Needs(Vec<String>);

impl Needs {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn command(mut self, name: &str, package: &str) -> Self {
        if !has_command(name) {
            self.0.push(format!("`{name}` is missing: install Debian's {package}"));
        }
        self
    }

    pub(crate) fn path(mut self, path: &Path, how: &str) -> Self {
        if !path.exists() {
            self.0.push(format!("{} is missing: {how}", path.display()));
        }
        self
    }

    /// The test itself; with a part missing it is ignored with the reason, or fails where it must not be missing.
    pub(crate) fn trial(self, name: &str, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
        if self.0.is_empty() {
            return Trial::test(name, run);
        }
        let reason = self.0.join("; ");
        if std::env::var("CI").as_deref() == Ok("true") {
            return Trial::test(name, move || Err(reason.into()));
        }
        Trial::test(format!("{name} [{reason}]"), || Ok(())).with_ignored_flag(true)
    }
}

/// Numbers that are the same in every run (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % limit
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
