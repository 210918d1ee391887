//! A portal that sends browsers on, and a device whose agent awaits them: what every service is tried with.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::agent::{Agent, is_session};
use crate::portal::{Portal, free_port};
use crate::program::{PATIENCE, Program};

/// Both, running.
#[derive(Debug)]
pub struct House {
    dir: TempDir,
    /// The portal.
    pub portal: Portal,
    /// The device's agent.
    pub agent: Agent,
    /// The portal's and the agent's processes.
    pub programs: [Program; 2],
}

impl House {
    /// With one person signed in: whoever runs the tests.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None, 1)
    }

    /// With the `people` of the logind on this bus.
    #[must_use]
    pub fn of_bus(address: &str, people: usize) -> Self {
        Self::with(Some(address), people)
    }

    /// With one person, whoever runs the tests, who has not proved yet who they are. Their browser is awaited.
    #[must_use]
    pub fn unproven() -> Self {
        let mut house = Self::serving(None, &["--people", "proven"]);
        house.programs[1].wait_for(|line| line.contains("browsers are awaited"));
        house
    }

    fn with(bus: Option<&str>, people: usize) -> Self {
        let mut house = Self::serving(bus, &[]);
        (0..people).for_each(|_| drop(house.programs[1].wait_for(is_session)));
        house
    }

    fn serving(bus: Option<&str>, limits: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let mut portal = Portal::create(dir.path());
        portal.sign_on_ports = format!("{},{}", free_port(), free_port());
        let serving = portal.serve();
        let agent = Agent::in_dir(&dir.path().join("agent"));
        assert!(agent.configure(&portal, &portal.token(limits)).status.success());
        let mut command = agent.run_command();
        command.envs(bus.map(|address| ("DBUS_SYSTEM_BUS_ADDRESS", address)));
        let running = Program::start(command);
        Self { dir, portal, agent, programs: [serving, running] }
    }

    /// A directory of the house's own, which need not exist.
    #[must_use]
    pub fn dir(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The portal's name for the person who is signed in first.
    ///
    /// # Panics
    /// Where nobody is.
    #[must_use]
    pub fn user(&self) -> String {
        self.agent.json(&["status", "--json"])["people"][0]["user"].as_str().expect("a user").to_owned()
    }

    /// How many rows of the audit say that `action` ended with `result`.
    ///
    /// # Panics
    /// Where the audit can't be read.
    #[must_use]
    pub fn audited(&self, action: &str, result: &str) -> usize {
        let lines = self.portal.ok(&["audit", "list", "--json"]);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        rows.filter(|row| row["action"] == action && row["result"] == result).count()
    }

    /// Waits until the audit has `count` such rows.
    ///
    /// # Panics
    /// Where it does not get them.
    pub fn wait_for_audited(&self, action: &str, result: &str, count: usize) {
        let patience = Instant::now() + PATIENCE;
        while self.audited(action, result) < count {
            assert!(Instant::now() < patience, "they do not come: {}", self.portal.ok(&["audit", "list", "--json"]));
            std::thread::yield_now();
        }
    }
}

impl Default for House {
    fn default() -> Self {
        Self::new()
    }
}
