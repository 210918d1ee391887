//! Where the programs are. They are built first, by the cargo that runs us: nothing else knows that they are needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// `countersign`.
    pub agent: PathBuf,
    /// `countersign-portal`.
    pub portal: PathBuf,
    /// What `cargo quickstart` runs.
    pub quickstart: PathBuf,
}

/// The programs, built like the program that asks: in its profile and its target directory.
///
/// # Panics
/// Where they can't be built.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let profile_dir = profile_dir();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // `tests` is named too, so that features are resolved as they were for us and nothing is built twice.
        build.args(["build", "--quiet", "--package", "tests", "--package", "agent", "--package", "portal", "--bins"]);
        if profile_dir.file_name().is_some_and(|name| name == "release") {
            build.arg("--release");
        }
        // What cargo tells us about ourselves would make it build again whatever reads that: ring does.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_MANIFEST_") || name.to_string_lossy().starts_with("CARGO_PKG_")
            {
                build.env_remove(name);
            }
        }
        build.current_dir(workspace_dir()).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(build.status().expect("cargo can be started").success(), "the programs can be built");
        let program = |name: &str| profile_dir.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        Binaries {
            // `tests/measure` has what the packages ship measured in place of what the tests run.
            agent: std::env::var_os("COUNTERSIGN_AGENT").map_or_else(|| program("countersign"), PathBuf::from),
            portal: program("countersign-portal"),
            quickstart: program("quickstart"),
        }
    })
}

/// The workspace's directory.
#[must_use]
pub fn workspace_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a parent").to_owned()
}

/// `target/debug` or `target/release`, wherever the target directory is.
fn profile_dir() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its path");
    let dir = program.parent().expect("a program is in a directory");
    if dir.ends_with("deps") { dir.parent().expect("`deps` is in a directory").to_owned() } else { dir.to_owned() }
}
