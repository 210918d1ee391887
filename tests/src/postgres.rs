//! A PostgreSQL server of a test's own: Debian's binaries, a new cluster in a temporary directory, a Unix socket, no port.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::authority::write_private;
use crate::program::Program;

/// Where Debian keeps the server's programs; they are on nobody's search path.
const DEBIAN: &str = "/usr/lib/postgresql";
/// What a test that needs the server names to `components::trial`.
pub const NEEDS: &[&str] = &[DEBIAN, "psql"];
/// The password of the one account. Nothing may show it.
pub const PASSWORD: &str = "canary-pw-6f1d0c";
/// The variable that makes [`crate::portal::Portal::create`] use the server that it names.
pub const VARIABLE: &str = "COUNTERSIGN_TEST_DATABASE";

/// A running server. It is stopped when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    dir: TempDir,
    durable: bool,
    server: Program,
}

impl Cluster {
    /// Makes a cluster and starts it. `durable`: commits wait for the disk, as they do in earnest.
    ///
    /// # Panics
    /// Where the server is not installed or doesn't start.
    #[must_use]
    pub fn start(durable: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let password = dir.path().join("password");
        std::fs::write(&password, PASSWORD).expect("the password can be written");
        let account = unprivileged();
        for path in [dir.path(), &password] {
            give(path, account);
        }
        let data = dir.path().join("data");
        let mut init = program("initdb", account);
        init.args(["--username=portal", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        init.arg("--pwfile").arg(&password).arg("--pgdata").arg(&data);
        let made = init.output().expect("initdb can be started");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let server = serve(dir.path(), durable);
        Self { dir, durable, server }
    }

    /// Stops the server in an orderly way; its clients are cut off.
    pub fn stop(&mut self) {
        // INT is a fast shutdown: it leaves no shared memory behind.
        self.server.signal("INT");
        let _ = self.server.wait();
    }

    /// Starts the server after [`Cluster::stop`].
    pub fn start_again(&mut self) {
        self.server = serve(self.dir.path(), self.durable);
    }

    /// The URL of the database that every cluster has.
    #[must_use]
    pub fn url(&self) -> String {
        let socket = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://portal:{PASSWORD}@localhost/postgres?host={socket}")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.server.has_ended() {
            self.stop();
        }
    }
}

fn serve(dir: &Path, durable: bool) -> Program {
    let mut command = program("postgres", unprivileged());
    command.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
    command.args(["-c", "listen_addresses=", "-c", "max_connections=300"]);
    command.args(["-c", if durable { "fsync=on" } else { "fsync=off" }]);
    let mut server = Program::start(command);
    server.wait_for(|line| line.contains("database system is ready to accept connections"));
    server
}

/// Makes an empty database on the server with the URL `server`; returns a file in `dir` that holds its URL.
///
/// # Panics
/// Where the server doesn't make one.
#[must_use]
pub fn new_database(server: &str, dir: &Path) -> PathBuf {
    let random: [u8; 8] = platform::random::bytes();
    let name: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
    let name = format!("portal_{name}");
    query(server, &format!("CREATE DATABASE {name}"));
    let file = dir.join("database.url");
    write_private(&file, &server.replacen("/postgres?", &format!("/{name}?"), 1));
    file
}

/// What `psql` prints for `statement`: one row a line, columns divided by `|`.
///
/// # Panics
/// Where the server refuses it.
pub fn query(server: &str, statement: &str) -> String {
    let output = Command::new("psql").args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement, server]).output();
    let output = output.expect("psql can be started");
    assert!(output.status.success(), "psql failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("psql prints text")
}

/// One of the server's programs, of the newest version that is installed.
fn program(name: &str, account: Option<(u32, u32)>) -> Command {
    let versions = std::fs::read_dir(DEBIAN).expect("PostgreSQL is installed");
    let version = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max();
    let version = version.expect("a version of PostgreSQL is installed");
    let mut command = Command::new(format!("{DEBIAN}/{version}/bin/{name}"));
    run_as(&mut command, account);
    command.current_dir("/").env("LC_ALL", "C");
    command
}

/// The account that the server runs under where we are root, whom it refuses: user and group.
#[cfg(unix)]
fn unprivileged() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |name: &str| {
        let fields: Vec<_> = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f[0] == name)?;
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    root.then(|| of("postgres").or_else(|| of("nobody")).expect("there is an account without privileges"))
}

#[cfg(unix)]
fn give(path: &Path, account: Option<(u32, u32)>) {
    if let Some((user, group)) = account {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root may give files away");
    }
}

#[cfg(unix)]
fn run_as(command: &mut Command, account: Option<(u32, u32)>) {
    use std::os::unix::process::CommandExt as _;
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
}

// Elsewhere the server runs as whoever runs the tests.
#[cfg(not(unix))]
fn unprivileged() -> Option<(u32, u32)> {
    None
}

#[cfg(not(unix))]
fn give(_: &Path, _: Option<(u32, u32)>) {}

#[cfg(not(unix))]
fn run_as(_: &mut Command, _: Option<(u32, u32)>) {}
