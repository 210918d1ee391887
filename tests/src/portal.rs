//! The portal in a directory of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::authority::Authority;
use crate::binaries::binaries;
use crate::https::Https;
use crate::postgres;
use crate::program::Program;

/// A portal's directory: commands can be run on it, and it can be served.
#[derive(Clone, Debug)]
pub struct Portal {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Its TLS certificate and the CA behind it.
    pub authority: Authority,
    /// The file with the URL of its database, where that is a PostgreSQL server.
    pub database_file: Option<PathBuf>,
    /// The port that it is reached on.
    pub port: u16,
    /// The port that it listens on: the same, unless something stands in front of it.
    pub listen_port: u16,
    /// Where agents wait for browsers: `none`, or ports that the test has found free.
    pub sign_on_ports: String,
}

impl Portal {
    /// A new portal in `dir`: CA, signing keys, the tenant `acme` with the domain `example.test`.
    ///
    /// Its database is SQLite, or on the server that [`postgres::VARIABLE`] names.
    #[must_use]
    pub fn create(dir: &Path) -> Self {
        let server = std::env::var(postgres::VARIABLE).ok();
        Self::with_database(dir, server.map(|server| postgres::new_database(&server, dir)))
    }

    /// The same, in a new database on the PostgreSQL server with the URL `server`.
    #[must_use]
    pub fn create_on(dir: &Path, server: &str) -> Self {
        Self::with_database(dir, Some(postgres::new_database(server, dir)))
    }

    fn with_database(dir: &Path, database_file: Option<PathBuf>) -> Self {
        let authority = Authority::create(&dir.join("tls"), "Countersign test CA");
        let port = free_port();
        let portal = Self {
            data_dir: dir.join("portal"),
            authority,
            database_file,
            port,
            listen_port: port,
            sign_on_ports: "none".to_owned(),
        };
        portal.ok(&["key", "create"]);
        portal.ok(&["tenant", "create", "acme"]);
        portal.ok(&["domain", "add", "example.test", "--tenant", "acme"]);
        // Most tests are about something else than who has proved what.
        portal.ok(&["tenant", "set", "acme", "--known-by-claim", "on"]);
        portal
    }

    /// The portal that [`Portal::create`] made in `dir` earlier, with its SQLite file, served on `port`.
    #[must_use]
    pub fn in_dir(dir: &Path, port: u16) -> Self {
        let authority = Authority::in_dir(&dir.join("tls"));
        Self {
            data_dir: dir.join("portal"),
            authority,
            database_file: None,
            port,
            listen_port: port,
            sign_on_ports: "none".to_owned(),
        }
    }

    /// The cloud's name, as an administrator gives it to agents.
    #[must_use]
    pub fn cloud_name(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Its public URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.cloud_name())
    }

    /// Where devices send their requests.
    #[must_use]
    pub fn soap_url(&self) -> String {
        format!("{}/saml/soap", self.url())
    }

    /// `countersign-portal` on its directory, with `arguments`.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&binaries().portal);
        command.args(arguments).arg("--data-dir").arg(&self.data_dir);
        if let Some(file) = &self.database_file {
            command.arg("--database-file").arg(file);
        }
        command
    }

    /// Runs a command that must succeed; returns what it printed.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the portal can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`countersign-portal {}` failed: {errors}", arguments.join(" "));
        String::from_utf8(output.stdout).expect("output is text")
    }

    /// What a command prints as JSON.
    ///
    /// # Panics
    /// Where it fails, or prints something else.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(arguments)).expect("output is JSON")
    }

    /// What the program says to these arguments, well or not.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the portal can be started")
    }

    /// Makes a device token with these limits; returns its text. Its devices are believed, unless `limits` say something else of `--people`.
    pub fn token(&self, limits: &[&str]) -> String {
        let believed: &[&str] = if limits.contains(&"--people") { &[] } else { &["--people", "any"] };
        self.ok(&[&["token", "create", "--tenant", "acme"], believed, limits].concat()).trim().to_owned()
    }

    /// Registers the service whose metadata is in this file.
    ///
    /// # Panics
    /// Where it is not taken.
    pub fn add_service(&self, metadata: &Path) {
        self.ok(&[
            "service",
            "add",
            "--tenant",
            "acme",
            "--metadata",
            metadata.to_str().expect("paths in tests are text"),
        ]);
    }

    /// What the issuer of `acme` says of itself to services.
    #[must_use]
    pub fn metadata(&self) -> String {
        Https::trusting(&self.authority.ca).get(&format!("{}/metadata", self.issuer_url())).body
    }

    /// Below which address `acme` has an issuer of its own.
    #[must_use]
    pub fn issuer_url(&self) -> String {
        format!("{}{}", self.url(), self.issuer_path())
    }

    /// The same without the host.
    #[must_use]
    pub fn issuer_path(&self) -> String {
        self.issuer_path_of("acme")
    }

    /// The same for another tenant.
    ///
    /// # Panics
    /// Where there is no such tenant.
    #[must_use]
    pub fn issuer_path_of(&self, tenant: &str) -> String {
        let tenants = self.json(&["tenant", "list", "--json"]);
        let found = tenants.as_array().expect("a list").iter().find(|row| row["name"] == tenant).expect("the tenant");
        format!("/saml/t/{}", found["id"].as_str().expect("an id"))
    }

    /// The command that serves it.
    #[must_use]
    pub fn serve_command(&self) -> Command {
        let listen = format!("127.0.0.1:{}", self.listen_port);
        let mut command = self.command(&["serve", "--log-json", "--listen", &listen, "--public-url", &self.url()]);
        command.arg("--allow-private-metadata-addresses");
        command.args(["--sign-on-ports", &self.sign_on_ports]).arg("--service-ca-file").arg(&self.authority.ca);
        command.arg("--tls-certificate").arg(&self.authority.certificate).arg("--tls-key").arg(&self.authority.key);
        command
    }

    /// Serves it; returns when it accepts connections.
    #[must_use]
    pub fn serve(&self) -> Program {
        self.serve_with(&[])
    }

    /// Serves it with further options; returns when it accepts connections.
    #[must_use]
    pub fn serve_with(&self, options: &[&str]) -> Program {
        let mut command = self.serve_command();
        command.args(options);
        let mut program = Program::start(command);
        program.wait_for(|line| line.contains("\"serving\""));
        program
    }
}

/// The ports that [`free_port`] gives: below those that a system takes for outgoing connections (from 32768 on under Linux, from
/// 49152 on by RFC 6335 §6), so that no connection of a test beside this one takes a port between its choice and its use, or while
/// a program that listened on it starts again; and below the agent's own.
const PORTS: std::ops::Range<u16> = 20_000..28_000;

/// A port that nothing listens on, and that this process has not given before.
///
/// # Panics
/// Where none is free.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Programs of tests that run at the same time begin far from each other.
    let first = (std::process::id().wrapping_mul(379) % u32::from(count)) as u16;
    let next = || PORTS.start + (first + GIVEN.fetch_add(1, Ordering::Relaxed) % count) % count;
    std::iter::repeat_with(next)
        .take(usize::from(count))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}
