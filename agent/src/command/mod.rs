//! The command line: one file for each command.

mod break_glass;
mod configure;
mod deregister;
mod diagnostics;
mod ecp;
mod facts;
mod installer;
mod logs;
mod open;
mod params;
mod prove;
mod run;
mod service;
mod sign_in;
mod sign_out;
mod status;
mod whoami;

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use platform::paths::{Paths, PathsError};

use crate::browser::OnceError;
use crate::config::ConfigError;
use crate::control::{ControlError, Problem};
use crate::daemon::DaemonError;
use crate::diagnostics::BundleError;
use crate::failure::FailureCode;
use crate::golden_image::GoldenImageError;
use crate::sign_in::SignInError;
use crate::web_client::WebError;
use platform::files::FileError;
use platform::service::ServiceError;
use platform::session::SessionError;

/// Signs the people of this device in to the cloud, silently, with a key that never leaves it.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true)]
pub struct CommandLine {
    /// The configuration file, in place of the system's or the user's own.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file in which the device's management speaks, in place of the system's.
    #[arg(long, global = true, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The directory for the key and the state, in place of the system's or the user's own.
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The directory for the local channel, in place of the system's or the user's own.
    #[arg(long, global = true, value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent in the foreground; this is what service managers start.
    Run(Box<run::Run>),
    /// Install, remove, start or stop the service, or show how it stands.
    #[command(subcommand)]
    Service(service::Service),
    #[command(subcommand, hide = true)]
    Installer(installer::Installer),
    /// Set install options, in the spelling of any installer; with nothing behind it, list them.
    Configure(configure::Configure),
    /// Show the effective options and where each comes from; change one without installing again.
    #[command(subcommand)]
    Params(params::Params),
    /// Show who is signed in, until when, and what to do where something is wrong.
    Status(status::StatusCommand),
    /// Sign in now, or get a Response for a service.
    SignIn(sign_in::SignIn),
    /// List the services that you may open, or open one in your browser, signed in.
    Open(open::Open),
    /// Get a page of a service that speaks ECP, or its session's cookies: for programs that are no browser.
    Ecp(ecp::Ecp),
    /// Prove once, on this device, who you are: in your browser, or with a one-time code.
    Prove(prove::Prove),
    /// End your own session with the portal; `sign-in` begins another.
    SignOut,
    /// Type in the code that support has read out: for a while local software is told to let this device through, portal or not.
    BreakGlass(break_glass::BreakGlass),
    /// Leave the cloud: tell the portal, and forget key, state and token.
    Deregister(deregister::Deregister),
    /// Show who the operating system says is logged in, the name that is made from it, and why.
    Whoami(whoami::Whoami),
    /// Find out what is wrong, why, and what to do; works with the agent dead and the network down.
    Diagnostics(diagnostics::Diagnostics),
    /// Show the agent's own log.
    Logs(logs::Logs),
    /// Show the facts about this device, where each was read, and whether it is sent.
    Facts(facts::Facts),
}

/// Why a command ended without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Paths(#[from] PathsError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    GoldenImage(#[from] GoldenImageError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Device(#[from] SignInError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    OneTimePage(#[from] OnceError),
    #[error("can't open a browser here; with `--print` the address is printed for one that you open yourself")]
    Browser(#[source] std::io::Error),
    #[error(
        "several services are called `{0}`: name the one that you mean by its entity ID, as `countersign open` lists it"
    )]
    SeveralServices(String),
    #[error("there is no file `{}`", .0.display())]
    NoFile(PathBuf),
    #[error("can't get the page")]
    Page(#[source] Box<dyn Error + Send + Sync>),
    #[error("{} [{}]; {}", FailureCode::ServiceUnreachable.meaning(), FailureCode::ServiceUnreachable, FailureCode::ServiceUnreachable.next_action())]
    ServiceUnreachable(#[source] WebError),
    #[error("{} (status {}) [{}]; {}", FailureCode::ServiceRefused.meaning(), .0, FailureCode::ServiceRefused, FailureCode::ServiceRefused.next_action())]
    ServiceRefused(u16),
    #[error("can't run `{}`", .name.display())]
    Program {
        name: OsString,
        #[source]
        source: std::io::Error,
    },
    #[error("{} [{}]; {}", .0.meaning, .0.code, .0.next_action)]
    Problem(Problem),
}

impl CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Problem(problem) => problem.exit_code,
            Self::ServiceUnreachable(_) => FailureCode::ServiceUnreachable.exit_code(),
            Self::ServiceRefused(_) => FailureCode::ServiceRefused.exit_code(),
            Self::Device(error) => error.code().exit_code(),
            Self::Config(ConfigError::Faults(_) | ConfigError::Locked { .. }) => {
                FailureCode::OptionsInvalid.exit_code()
            }
            Self::Control(ControlError::Channel(_)) => FailureCode::NotRunning.exit_code(),
            Self::Config(ConfigError::File(_) | ConfigError::Managed(_) | ConfigError::Token(_))
            | Self::File(_)
            | Self::GoldenImage(_) => FailureCode::StateUnusable.exit_code(),
            Self::Service(ServiceError::NotInstalled) => FailureCode::NotRunning.exit_code(),
            Self::Paths(_)
            | Self::Control(_)
            | Self::Daemon(_)
            | Self::Session(_)
            | Self::Service(_)
            | Self::OneTimePage(_)
            | Self::Browser(_)
            | Self::NoFile(_)
            | Self::SeveralServices(_)
            | Self::Page(_)
            | Self::Program { .. }
            | Self::Bundle(_) => 1,
        }
    }
}

/// What a command printed and how it ended.
pub(crate) struct Outcome {
    text: String,
    exit_code: u8,
}

impl Outcome {
    fn success(text: String) -> Self {
        Self { text, exit_code: 0 }
    }

    fn json(value: &impl serde::Serialize, exit_code: u8) -> Self {
        // What is printed are maps with text keys and plain values, which always have a JSON form.
        Self { text: serde_json::to_string_pretty(value).unwrap_or_default() + "\n", exit_code }
    }
}

impl CommandLine {
    /// Runs the command and prints what came of it. The exit code is 0, 1 for an error without a code of its own, 2 for
    /// wrong usage, or the code's own number.
    pub async fn run(self) -> ExitCode {
        match self.outcome().await {
            Ok(outcome) => {
                use std::io::Write as _;
                // A reader that went away (`| head`) is no failure of the command.
                let _ = std::io::stdout().write_all(outcome.text.as_bytes());
                ExitCode::from(outcome.exit_code)
            }
            Err(error) => {
                let mut text = format!("error: {error}");
                let mut cause = error.source();
                while let Some(source) = cause {
                    let _ = write!(text, ": {source}");
                    cause = source.source();
                }
                #[expect(clippy::print_stderr, reason = "the edge of the program, where the chain is printed once")]
                {
                    eprintln!("{text}");
                }
                ExitCode::from(error.exit_code())
            }
        }
    }

    async fn outcome(self) -> Result<Outcome, CommandError> {
        let is_agent = matches!(self.command, Command::Run(_) | Command::Configure(_));
        let mut paths = if is_agent { Paths::suitable()? } else { Paths::of_the_agent_here()? };
        if let Some(config) = self.config {
            paths.config_file = config;
        }
        if let Some(policy) = self.policy {
            paths.policy_file = Some(policy);
        }
        if let Some(state_dir) = self.state_dir {
            paths.state_dir = state_dir;
        }
        if let Some(runtime_dir) = self.runtime_dir {
            paths.runtime_dir = runtime_dir;
        }
        match self.command {
            Command::Run(command) => command.run(paths).await,
            Command::Service(command) => command.run(),
            Command::Installer(command) => command.run(&paths),
            Command::Configure(command) => command.run(&paths).await,
            Command::Params(command) => command.run(&paths).await,
            Command::Status(command) => command.run(&paths).await,
            Command::SignIn(command) => command.run(&paths).await,
            Command::Open(command) => command.run(&paths).await,
            Command::Ecp(command) => command.run(&paths).await,
            Command::Prove(command) => command.run(&paths).await,
            Command::SignOut => sign_out::run(&paths).await,
            Command::BreakGlass(command) => command.run(&paths).await,
            Command::Deregister(command) => command.run(&paths).await,
            Command::Whoami(command) => command.run(&paths).await,
            Command::Diagnostics(command) => command.run(paths).await,
            Command::Logs(command) => command.run(&paths),
            Command::Facts(command) => command.run(&paths),
        }
    }
}
