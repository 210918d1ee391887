//! A Windows of our own, by Wine: a fresh prefix in a directory, with a person called alice.
//!
//! What Wine does not show (real access lists, masked properties, failure actions, the event log) is no evidence either way.

#![expect(
    clippy::disallowed_types,
    reason = "what a program under Wine prints goes to a file, since its processes keep a pipe open"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What tests under Wine need.
pub const NEEDS: [&str; 3] = [WINE, SERVER, "x86_64-w64-mingw32-gcc"];

const WINE: &str = "/usr/lib/wine/wine64";
const SERVER: &str = "/usr/lib/wine/wineserver64";
/// The longest that one program may take, in seconds.
const PATIENCE: &str = "120";

/// The prefix. Everything in it is ended when it is dropped.
#[derive(Debug)]
pub struct Wine {
    dir: PathBuf,
    holder: Option<Child>,
}

/// How a program ended, and what it printed.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code, of which Linux keeps the lowest eight bits.
    pub code: i32,
    /// Standard output and standard error.
    pub text: String,
}

impl Wine {
    /// Makes a prefix in `dir`.
    ///
    /// # Panics
    /// Where that fails.
    #[must_use]
    pub fn create(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("the directory can be made");
        let mut wine = Self { dir: dir.to_owned(), holder: None };
        wine.run("wineboot", &["--init"]);
        // Until its services have ended with it: others that start meanwhile would not know of each other.
        let _ = wine.command(SERVER).arg("-w").status();
        // Before there is a desktop: windows that nobody sees, where there is no screen.
        wine.run("reg", &["add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null", "/f"]);
        let library = wine.drive().join("windows/system32/bcryptprimitives.dll");
        if !library.exists() {
            compile("bcryptprimitives.c", &library, &["-shared", "-lbcrypt"]);
        }
        let holder = wine.drive().join("holder.exe");
        compile("holder.c", &holder, &["-mwindows"]);
        let mut command = wine.command(WINE);
        let output = File::create(wine.dir.join("holder.log")).expect("a log can be made");
        command.arg(holder).stdin(Stdio::null()).stdout(output.try_clone().expect("a second handle")).stderr(output);
        wine.holder = Some(command.spawn().expect("Wine can be started"));
        wine
    }

    /// The drive `C:`.
    #[must_use]
    pub fn drive(&self) -> PathBuf {
        self.dir.join("prefix/drive_c")
    }

    /// A file of the machine outside, as programs inside name it.
    #[must_use]
    pub fn outside(path: &Path) -> String {
        format!("Z:{}", path.display()).replace('/', "\\")
    }

    /// Runs a program, by its name or its path on the machine outside, and waits for its end.
    ///
    /// Output goes by way of a file: what Wine starts in the background would keep a pipe open.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let log = self.dir.join("output.log");
        let output = File::create(&log).expect("a log can be made");
        let mut command = self.command("timeout");
        command.args([PATIENCE, WINE, program]).args(arguments).stdin(Stdio::null());
        command.stdout(output.try_clone().expect("a second handle")).stderr(output);
        let status = command.status().expect("Wine can be started");
        let text = String::from_utf8_lossy(&fs::read(&log).expect("the log is there")).into_owned();
        Ran { code: status.code().unwrap_or(-1), text }
    }

    /// Starts a program and does the steps in its dialogs, which are those of `hand.c`: `see:TEXT`, `type:N:TEXT`, `click:TEXT`.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn run_by_hand(&self, command: &str, steps: &[&str]) -> Ran {
        let hand = self.drive().join("hand.exe");
        if !hand.exists() {
            compile("hand.c", &hand, &[]);
        }
        let arguments: Vec<&str> = std::iter::once(command).chain(steps.iter().copied()).collect();
        self.run(r"C:\hand.exe", &arguments)
    }

    /// What `reg query` prints for `key` and what is below it; nothing where there is no such key.
    #[must_use]
    pub fn registry(&self, key: &str) -> Option<String> {
        Some(self.run("reg", &["query", key, "/s"])).filter(|ran| ran.code == 0).map(|ran| ran.text)
    }

    /// Ends everything inside; afterwards the registry is in files.
    pub fn shut_down(&mut self) {
        // Nothing may be running any more, and then this fails.
        let _ = self.command(SERVER).arg("-k").status();
        let _ = self.command(SERVER).arg("-w").status();
        if let Some(mut holder) = self.holder.take() {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }

    /// Every file inside with its content, the registry's among them; only after [`Wine::shut_down`].
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.dir, &mut found);
        found
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("WINEPREFIX", self.dir.join("prefix")).env("WINEDEBUG", "-all").env("USER", "alice");
        command.env("LOGNAME", "alice").env("WINEDLLOVERRIDES", "mscoree,mshtml=").env_remove("DISPLAY");
        command
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn compile(source: &str, target: &Path, arguments: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wine").join(source);
    let mut command = Command::new("x86_64-w64-mingw32-gcc");
    command.arg("-s").arg(source).arg("-o").arg(target).args(arguments);
    assert!(command.status().expect("the compiler can be started").success(), "{command:?}");
}

/// Links are left alone: in a prefix they lead out of it.
fn collect(dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(dir).expect("the directory can be read").map_while(Result::ok) {
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            collect(&entry.path(), found);
        } else if kind.is_file() {
            found.push((entry.path(), fs::read(entry.path()).expect("the file can be read")));
        }
    }
}
