//! What the command line and the daemon say to each other over the local channel: one line of JSON each way.

use std::path::Path;

use platform::channel::{self, ChannelError, Connection};
use platform::paths::Paths;
use platform::set_aside::files_set_aside;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::failure::FailureCode;
use crate::sign_in::ServiceList;
use crate::system_access::SystemAccess;

/// The longest line, in octets.
const LONGEST_LINE: u64 = 512 * 1024;
/// The version of the JSON that `countersign status --json` prints.
pub const STATUS_VERSION: u32 = 1;

/// What a command asks of the daemon.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// How things stand.
    Status,
    /// How things stand, and again whenever that changes, until the asking end hangs up.
    Watch,
    /// Sign the asking person in now; for a service where one is named.
    SignIn {
        /// The service's entity ID.
        service: Option<String>,
    },
    /// Sign the asking person in by a one-time code.
    Prove {
        /// As it was typed.
        code: String,
    },
    /// List the services that the asking person may open.
    Services,
    /// Sign the asking person in at a service that speaks ECP.
    Ecp {
        /// The envelope with which the service has answered.
        envelope: String,
    },
    /// Take a break-glass code.
    BreakGlass {
        /// As it was typed.
        code: String,
    },
    /// Answer the portal's request for diagnostics.
    Diagnostics {
        /// Whether they may be sent.
        allow: bool,
    },
    /// Read the configuration again.
    Reload,
    /// Sign the asking person out.
    SignOut,
    /// Key and state are gone from the disk: begin afresh.
    Forgotten,
    /// Leave the cloud: tell the portal, and forget who this device was.
    Deregister,
}

/// What the daemon answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// How things stand.
    Status(Box<Status>),
    /// A Response for a service, base64 as the POST binding wants it.
    ServiceResponse {
        /// Where to post it.
        acs_url: String,
        /// The value of the form's `SAMLResponse`.
        saml_response: String,
    },
    /// The services that the asking person may open.
    Services(ServiceList),
    /// What is to be posted to a service that speaks ECP.
    Ecp {
        /// Where.
        url: String,
        /// The envelope.
        envelope: String,
        /// Why it is a SOAP fault, if it is one.
        problem: Option<Problem>,
    },
    /// It was done.
    Done,
    /// It could not be done.
    Failed(Problem),
}

/// Something that is wrong, in words for an administrator.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// The stable code.
    pub code: String,
    /// What has happened.
    pub meaning: String,
    /// What to do.
    pub next_action: String,
    /// The exit code of a command that ends with it.
    pub exit_code: u8,
}

impl Problem {
    /// The problem with that code.
    #[must_use]
    pub fn of(code: crate::sign_in::Code) -> Self {
        Self {
            code: code.as_str().to_owned(),
            meaning: code.meaning().to_owned(),
            next_action: code.next_action().to_owned(),
            exit_code: code.exit_code(),
        }
    }

    /// A failure of ours with that code.
    #[must_use]
    pub fn failure(code: FailureCode) -> Self {
        Self::of(crate::sign_in::Code::Failure(code))
    }
}

/// How the agent stands. This is what `countersign status --json` prints; fields are added to it, not changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// The version of this JSON.
    pub version: u32,
    /// `running`, or `not-running` where only the disk could be asked.
    pub agent: String,
    /// The agent's version.
    pub agent_version: String,
    /// Resident memory of the daemon, in KiB.
    pub agent_rss_kib: Option<u64>,
    /// The cloud's host.
    pub cloud: Option<String>,
    /// The device's entity ID.
    pub device: Option<String>,
    /// Whether the key is registered with the cloud.
    pub enrolled: bool,
    /// Until when local software is to let the device through whatever else stands here, because somebody has typed a break-glass code.
    #[serde(default)]
    pub break_glass_until: Option<String>,
    /// Whether the portal asks for diagnostics: `waits` for somebody at the device, `allowed` or `refused`.
    #[serde(default)]
    pub diagnostics_request: Option<String>,
    /// What protects the key.
    pub key_protection: Option<String>,
    /// Since when the portal has the key; nothing before it has said so.
    #[serde(default)]
    pub key_since: Option<String>,
    /// Whether a device token waits to be used. Never the token.
    pub token_waiting: bool,
    /// What is wrong with the options.
    pub faults: Vec<String>,
    /// Damaged files of the state directory that were set aside and are kept there, by name.
    #[serde(default)]
    pub set_aside: Vec<String>,
    /// What does not stand in the way, and somebody should look at.
    #[serde(default)]
    pub notices: Vec<Problem>,
    /// What the system tells the running agent, and does not; nothing where none runs.
    #[serde(default)]
    pub system_access: Option<SystemAccess>,
    /// The people at this device that the asking account may see.
    pub people: Vec<PersonStatus>,
    /// What concerns the whole device.
    pub problem: Option<Problem>,
}

impl Status {
    /// Whether `other` says the same of everything but the memory that the agent happens to take.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        *self == Self { agent_rss_kib: self.agent_rss_kib, ..other.clone() }
    }

    /// The same, with what the system tells the agent. A problem that is there already stays the first to be solved.
    #[must_use]
    pub fn with_system_access(mut self, access: SystemAccess) -> Self {
        match (&self.problem, access.problem()) {
            (None, hidden) => self.problem = hidden,
            (Some(_), hidden) => self.notices.extend(hidden),
        }
        self.notices.extend(access.notice());
        self.system_access = Some(access);
        self
    }

    /// The same, with what was set aside in `state_dir`.
    #[must_use]
    pub fn with_set_aside(mut self, state_dir: &Path) -> Self {
        self.set_aside = files_set_aside(state_dir);
        if !self.set_aside.is_empty() {
            self.notices.push(Problem::failure(FailureCode::StateSetAside));
        }
        self
    }
}

/// How one person's session stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PersonStatus {
    /// The operating system's session.
    pub session: String,
    /// The account's name.
    pub account: String,
    /// `enrolling`, `signing-in`, `signed-in`, `waiting`, `refused` or `signed-out`.
    pub state: String,
    /// `user@domain`, once signed in.
    pub user: Option<String>,
    /// The evidence's source.
    pub evidence: String,
    /// How far the portal has checked who they are: `claimed`, `assigned`, `proved`, `verified`; none before it has said so.
    #[serde(default)]
    pub grade: Option<String>,
    /// How that grade came about, for example `claim:local`, `passkey`.
    #[serde(default)]
    pub origin: Option<String>,
    /// When the session began.
    pub since: Option<String>,
    /// When it ends unless it is renewed.
    pub until: Option<String>,
    /// When the agent acts next.
    pub next_at: Option<String>,
    /// What is wrong.
    pub problem: Option<Problem>,
}

/// What went wrong on the channel.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No daemon, or no right to speak to it.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The other side went away.
    #[error("the agent ended the conversation")]
    Broken(#[source] std::io::Error),
    /// The other side says something else.
    #[error("the agent answers in a way that this version doesn't understand; restart it after an upgrade")]
    NotUnderstood(#[source] serde_json::Error),
}

/// Asks the daemon whose runtime directory `paths` names.
///
/// # Errors
/// [`ControlError`].
pub async fn ask(paths: &Paths, ask: &Ask) -> Result<Reply, ControlError> {
    let mut connection = channel::connect(&paths.runtime_dir).await?;
    write_line(&mut connection, ask).await.map_err(ControlError::Broken)?;
    let line = read_line(&mut BufReader::new(connection)).await.map_err(ControlError::Broken)?;
    serde_json::from_str(&line).map_err(ControlError::NotUnderstood)
}

/// The status, as often as it changes.
#[derive(Debug)]
pub struct Watching(BufReader<Connection>);

/// Has the daemon whose runtime directory `paths` names tell its status whenever it changes.
///
/// # Errors
/// [`ControlError`].
pub async fn watch(paths: &Paths) -> Result<Watching, ControlError> {
    let mut connection = channel::connect(&paths.runtime_dir).await?;
    write_line(&mut connection, &Ask::Watch).await.map_err(ControlError::Broken)?;
    Ok(Watching(BufReader::new(connection)))
}

impl Watching {
    /// Waits for the next change; the first one is how things stand now.
    ///
    /// # Errors
    /// [`ControlError::Broken`] when the daemon has ended, [`ControlError::NotUnderstood`].
    pub async fn next(&mut self) -> Result<Reply, ControlError> {
        let line = read_line(&mut self.0).await.map_err(ControlError::Broken)?;
        serde_json::from_str(&line).map_err(ControlError::NotUnderstood)
    }
}

/// Reads what the other side asks.
///
/// # Errors
/// [`ControlError::Broken`], [`ControlError::NotUnderstood`].
pub async fn read_ask(connection: &mut Connection) -> Result<Ask, ControlError> {
    let line = read_line(&mut BufReader::new(connection)).await.map_err(ControlError::Broken)?;
    serde_json::from_str(&line).map_err(ControlError::NotUnderstood)
}

/// Writes `message` as one line.
///
/// # Errors
/// Where the other side has gone.
pub async fn write_line(connection: &mut Connection, message: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message).map_err(std::io::Error::other)?;
    line.push(b'\n');
    connection.write_all(&line).await?;
    connection.flush().await
}

async fn read_line(connection: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<String> {
    let mut line = String::new();
    connection.take(LONGEST_LINE).read_line(&mut line).await?;
    if line.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}
