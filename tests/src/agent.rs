//! The agent in a directory of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::binaries::binaries;
use crate::portal::Portal;
use crate::program::Program;

/// An agent's directories: commands can be run on them, and the daemon.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Where its key and state are.
    pub state_dir: PathBuf,
    /// Where its local channel is.
    pub runtime_dir: PathBuf,
    /// Its configuration file, which need not exist.
    pub config_file: PathBuf,
    /// Where the device's management would speak, which need not exist.
    pub policy_file: PathBuf,
}

impl Agent {
    /// The agent in `dir`.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            state_dir: dir.join("state"),
            runtime_dir: dir.join("run"),
            config_file: dir.join("countersign.toml"),
            policy_file: dir.join("policy.toml"),
        }
    }

    /// `countersign` on its directories, with `arguments`.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&binaries().agent);
        command.arg("--state-dir").arg(&self.state_dir).arg("--runtime-dir").arg(&self.runtime_dir);
        command.arg("--config").arg(&self.config_file).arg("--policy").arg(&self.policy_file).args(arguments);
        command
    }

    /// Runs a command; returns whatever came of it.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the agent can be started")
    }

    /// Runs a command that must succeed; returns what it printed.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`countersign {}` failed: {errors}", arguments.join(" "));
        String::from_utf8(output.stdout).expect("output is text")
    }

    /// What a command prints as JSON, however it ends.
    ///
    /// # Panics
    /// Where it prints something else.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("output is JSON, not: {output:?}"))
    }

    /// Gives it the three options of `portal`, the token over standard input.
    pub fn configure(&self, portal: &Portal, token: &str) -> Output {
        self.configure_with(portal, token, &[])
    }

    /// The same, with more options.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn configure_with(&self, portal: &Portal, token: &str, more: &[&str]) -> Output {
        let ca = portal.authority.ca.to_str().expect("paths in tests are text");
        let cloud = portal.cloud_name();
        let options = ["configure", "--userDomain", "example.test", "--cloudName", &cloud, "--caFile", ca];
        let mut command = self.command(&[&options[..], &["--deviceTokenFile", "-"], more].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the agent can be started");
        // A command that refuses may have ended before it read everything.
        drop(child.stdin.take().expect("it is piped").write_all(token.as_bytes()));
        child.wait_with_output().expect("the agent can be waited for")
    }

    /// The command that runs the daemon and prints its steps.
    #[must_use]
    pub fn run_command(&self) -> Command {
        self.command(&["run", "--steps", "--log-json"])
    }

    /// Runs the daemon.
    #[must_use]
    pub fn start(&self) -> Program {
        Program::start(self.run_command())
    }

    /// Runs the daemon until it has a session.
    #[must_use]
    pub fn start_signed_in(&self) -> Program {
        let mut program = self.start();
        program.wait_for(is_session);
        program
    }
}

/// Whether `line` is the step that tells of a session.
#[must_use]
pub fn is_session(line: &str) -> bool {
    line.starts_with("{\"step\":\"session\"")
}
