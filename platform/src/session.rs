//! Who is at the keyboard: the sessions of people on this machine, as the operating system knows them.

use std::fmt;

#[cfg(any(target_os = "macos", test))]
mod console;
#[cfg(target_os = "linux")]
mod directory;
#[cfg(all(target_os = "linux", test))]
mod directory_fakes;
#[cfg(target_os = "linux")]
mod elsewhere;
#[cfg(target_os = "linux")]
#[path = "session/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "session/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "session/windows.rs"]
mod imp;
#[cfg(target_os = "linux")]
mod join;
#[cfg(target_os = "linux")]
mod keytab;
#[cfg(target_os = "linux")]
mod logind;
#[cfg(target_os = "linux")]
mod name_service;
#[cfg(any(target_os = "macos", test))]
mod open_directory;
#[cfg(target_os = "linux")]
mod sssd;
#[cfg(any(target_os = "linux", target_os = "macos", test))]
mod standing;
#[cfg(target_os = "linux")]
mod ticket;
#[cfg(target_os = "linux")]
mod utmp;
#[cfg(target_os = "linux")]
mod winbind;
#[cfg(any(windows, test))]
mod wts;

/// The operating system's name for a session: logind's id, a Windows session number, a macOS audit session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// Takes the name as the operating system spells it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The name as the operating system spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How far the operating system vouches for who somebody is, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceGrade {
    /// An account of this machine alone: an administrator of the machine can make one of any name.
    Local,
    /// The device's management gave the name.
    Managed,
    /// The account is a directory's (Active Directory, Entra ID, Kerberos realm), and this machine is joined to it.
    Directory,
}

impl EvidenceGrade {
    /// The word that goes over the wire and into `whoami`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Managed => "managed",
            Self::Directory => "directory",
        }
    }
}

impl fmt::Display for EvidenceGrade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What is known about who somebody is, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvidence {
    /// How far the operating system vouches.
    pub grade: EvidenceGrade,
    /// Who said so: `logind`, `utmp`, `process-owner`, `wts`, `console-user`.
    pub source: &'static str,
    /// UPN or Kerberos principal, as the directory spells it.
    pub principal: Option<String>,
    /// The directory that the account is in: its Kerberos realm or DNS domain, whatever suffix its UPN has.
    pub realm: Option<String>,
    /// Nobody is to be signed in by this account, as `reason` says: it is disabled or deleted, or its name may be somebody else's.
    pub doubtful: bool,
    /// One sentence for `whoami`: why this grade.
    pub reason: String,
    /// Further observations by name, for `whoami`: they prove nothing.
    pub attributes: Vec<(&'static str, String)>,
}

/// A person's session on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// The operating system's name for it.
    pub id: SessionId,
    /// The account's name as the operating system spells it.
    pub local_name: String,
    /// What stays the same when the account is renamed: user id and machine, or the SID.
    pub stable_id: String,
    /// The user id, where the system has such numbers.
    pub uid: Option<u32>,
    /// In front of its seat now, and not switched away.
    pub active: bool,
    /// Over a network (ssh, RDP).
    pub remote: bool,
    /// Who this is and how sure that is.
    pub evidence: UserEvidence,
}

#[cfg(target_os = "linux")]
const HINT: &str = "`systemctl status systemd-logind`";
#[cfg(windows)]
const HINT: &str = "the service \"Remote Desktop Services\" in `services.msc`";
#[cfg(not(any(target_os = "linux", windows)))]
const HINT: &str = "the system's log";

/// Why the sessions are not known.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The session service was there and did not answer as it should.
    #[error("could not {doing} of the session service: see {HINT}")]
    Service {
        /// What we were asking for.
        doing: &'static str,
        /// What came back.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The session service did not answer in time.
    #[error("the session service did not answer within {seconds} s: see {HINT}")]
    TimedOut {
        /// How long we waited.
        seconds: u64,
    },
    /// The owner of this process has no name.
    #[error("the user id {uid} of this process has no account name on this machine")]
    NoAccount {
        /// The user id.
        uid: u32,
    },
    /// This system's sessions cannot be read by this build.
    #[error("the sessions of this system cannot be read: {reason}")]
    Unsupported {
        /// Why.
        reason: &'static str,
    },
}

/// The sessions of people on this machine; an empty list means nobody. Greeters, services and virtual accounts are left out.
///
/// A privileged process sees everybody's; any other only those of its own user, since it must not act for others. Where that leaves nobody and this
/// process was started by hand on Linux, the answer is its owner, with evidence that says so.
///
/// # Errors
///
/// When the session service is there and fails: that is never taken for "nobody".
pub async fn sessions() -> Result<Vec<UserSession>, SessionError> {
    imp::sessions().await
}

/// The session with what its account is by now: it may have been disabled, deleted or renamed since it was listed, which no event tells. Where this
/// system tells accounts only together with their sessions, it is the session as it was.
pub async fn refreshed(session: UserSession) -> UserSession {
    imp::refreshed(session).await
}

/// What happened to a session, as a reason to ask [`sessions`] again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// A session began.
    Opened(SessionId),
    /// A session ended.
    Closed(SessionId),
    /// A session was switched to or away from, locked or unlocked, or changed in another way.
    Changed,
    /// The machine woke up from sleep: time has passed, networks and sessions may be others. Told on Linux only.
    Resumed,
    /// The session service itself came or went; everything may be different.
    ServiceRestarted,
}

/// A subscription to changes; no polling.
#[derive(Debug)]
pub struct SessionChanges(imp::SessionChanges);

impl SessionChanges {
    /// Subscribes. To miss nothing, subscribe first and then ask [`sessions`]. Must be called inside a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// When the session service is there and refuses; where there is none, the subscription is quiet for ever.
    pub async fn subscribe() -> Result<Self, SessionError> {
        imp::SessionChanges::subscribe().await.map(Self)
    }

    /// The next change; pending for ever where the operating system offers no events. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> SessionChange {
        self.0.next().await
    }
}
