//! Machines with a package of ours on them, and the cloud that they belong to.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::binaries::workspace_dir;
use crate::container::{Container, eventually};
use crate::portal::{Portal, free_port};
use crate::program::Program;

/// The version that the packages have.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The artefact of this version between these two, as text; `packaging/build` makes it.
#[must_use]
pub fn artefact(before: &str, after: &str) -> String {
    workspace_dir().join(format!("dist/countersign{before}{VERSION}{after}")).display().to_string()
}

/// A portal on the host's loopback, which machines share.
#[derive(Debug)]
pub struct Cloud {
    /// Its files.
    pub dir: TempDir,
    /// The portal.
    pub portal: Portal,
    /// Its process.
    pub serving: Program,
}

impl Default for Cloud {
    fn default() -> Self {
        Self::new()
    }
}

impl Cloud {
    /// A portal that sends browsers to agents.
    ///
    /// # Panics
    /// Where it can't be made.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let mut portal = Portal::create(dir.path());
        portal.sign_on_ports = format!("{},{}", free_port(), free_port());
        let serving = portal.serve();
        Self { dir, portal, serving }
    }

    /// The command line that configures an agent for it; a token is given on standard input where `token` says so.
    #[must_use]
    pub fn configure(&self, token: bool) -> String {
        let token = if token { " --deviceTokenFile -" } else { "" };
        let cloud = self.portal.cloud_name();
        format!("countersign configure -c {cloud} -d example.test --caFile /etc/ssl/countersign-ca.pem{token}")
    }

    /// The devices that it lists.
    ///
    /// # Panics
    /// Where it lists none.
    #[must_use]
    pub fn devices(&self) -> Vec<Value> {
        self.portal.json(&["device", "list", "--json"]).as_array().expect("a list").clone()
    }

    /// How they stand.
    ///
    /// # Panics
    /// Where one has no state.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        self.devices().iter().map(|device| device["state"].as_str().expect("text").to_owned()).collect()
    }

    /// Waits until there are `count`.
    pub fn expect_devices(&self, count: usize) {
        eventually(&format!("{count} devices"), || self.devices().len() == count);
    }

    /// Puts the portal's CA and the account `alice` onto a machine.
    pub fn prepare(&self, machine: &Container) {
        machine.put(&self.portal.authority.ca, "/etc/ssl/countersign-ca.pem");
        machine.ok("useradd --create-home --shell /bin/sh alice");
    }

    /// Gives an installed agent its options and a token, and waits until `alice` is signed in.
    pub fn enrol(&self, machine: &Container) {
        machine.ok_with(&self.configure(true), self.portal.token(&["--uses", "1"]).as_bytes());
        signed_in(machine, "alice");
    }
}

/// Logs an account in, in the unit `login-NAME`.
pub fn log_in(machine: &Container, account: &str) {
    machine.ok(&format!(
        "systemd-run --quiet --unit=login-{account} -E XDG_SESSION_CLASS=user -E XDG_SESSION_TYPE=tty -p PAMName=login -p User={account} sleep infinity"
    ));
    machine.until(&format!("loginctl list-sessions --no-legend | grep -q {account}"));
}

/// Waits until an account is signed in as itself.
pub fn signed_in(machine: &Container, account: &str) {
    machine.until(&format!("countersign status --json | grep -q '\"user\": \"{account}@example.test\"'"));
}

/// What `countersign` prints as JSON in a machine, however it ends.
///
/// # Panics
/// Where it is no JSON.
#[must_use]
pub fn json(machine: &Container, arguments: &str) -> Value {
    let output = machine.shell_with(&format!("countersign {arguments} --json"), b"");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("`{arguments}` prints JSON, not: {output:?}"))
}

/// Installs the `.deb` for amd64, silently.
pub fn install_deb(machine: &Container) {
    machine.put(Path::new(&artefact("_", "_amd64.deb")), "/root/countersign.deb");
    machine.ok("dpkg -i /root/countersign.deb");
}

/// Installs the `.rpm` for x86-64, silently.
pub fn install_rpm(machine: &Container) {
    machine.put(Path::new(&artefact("-", "-1.x86_64.rpm")), "/root/countersign.rpm");
    // Debian's dpkg knows nothing of the shell that the scripts ask rpm for.
    machine.ok("rpm -i --nodeps /root/countersign.rpm");
}

/// Unpacks the tarball for amd64, and runs its script with these words, under this umask; returns the script's path.
#[must_use]
pub fn install_tarball(machine: &Container, umask: &str) -> String {
    machine.put(Path::new(&artefact("-", "-linux-amd64.tar.gz")), "/root/countersign.tar.gz");
    let script = format!("/root/countersign-{VERSION}-linux-amd64/install.sh");
    machine.ok(&format!("umask {umask}; tar --no-same-permissions -xzf /root/countersign.tar.gz -C /root && {script}"));
    script
}
