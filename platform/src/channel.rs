//! The local channel between the agent and its command line: a Unix socket (a named pipe on Windows) whose two ends know who the other is. Never TCP.

use crate::{files::FileError, session::UserSession};
use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(unix)]
#[path = "channel/unix.rs"]
mod imp;
#[cfg(windows)]
#[path = "channel/windows.rs"]
mod imp;

/// Who is at the other end, as the operating system says (not as they say).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user id, where the system has such numbers.
    pub uid: Option<u32>,
    /// The user's SID, where the system has such.
    pub sid: Option<String>,
    /// The process that connected; it may have ended since, and its number may have been given to another.
    pub pid: Option<u32>,
    /// Root or SYSTEM.
    pub privileged: bool,
    /// The user that this process runs as.
    pub same_user: bool,
}

impl Peer {
    /// Whether a session is that of the user at the other end.
    pub fn owns(&self, session: &UserSession) -> bool {
        let by_uid = self.uid.is_some() && self.uid == session.uid;
        by_uid || self.sid.as_ref().is_some_and(|sid| *sid == session.stable_id)
    }
}

/// What went wrong on the local channel.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The operating system refused.
    #[error("could not {doing} the local channel `{path}`")]
    Io {
        /// What we were doing, as a verb.
        doing: &'static str,
        /// The socket or pipe.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The directory of the channel is not fit for it.
    #[error("the directory of the local channel is not safe to use")]
    Directory(#[source] FileError),
    /// A live agent has it.
    #[error(
        "another countersign listens on `{path}` already: stop it with `countersign service stop`, or end its process"
    )]
    InUse {
        /// The socket or pipe.
        path: PathBuf,
    },
    /// Something that is no channel of ours lies there.
    #[error("`{path}` is {found}: find out who put it there, then remove it")]
    Squatted {
        /// The socket or pipe.
        path: PathBuf,
        /// What lies there.
        found: String,
    },
    /// No agent listens.
    #[error("no countersign listens on `{path}`: start it with `countersign service start`")]
    NotRunning {
        /// The socket or pipe.
        path: PathBuf,
    },
    /// The account that listens is neither root nor ours.
    #[error("what listens on `{path}` runs as user id {uid}, which is neither root nor you: nothing was sent to it")]
    ForeignServer {
        /// The socket or pipe.
        path: PathBuf,
        /// Whose process it is.
        uid: u32,
    },
    /// The account that listens is neither SYSTEM nor ours.
    #[error(
        "what listens on `{path}` is process {id} of {user}, which is neither SYSTEM nor you: nothing was sent to it"
    )]
    ForeignProcess {
        /// The pipe.
        path: PathBuf,
        /// The process.
        id: u32,
        /// Its user's SID.
        user: String,
    },
    /// The path does not fit a socket address.
    #[error(
        "`{path}` is longer than the {limit} octets that a Unix socket's address holds: choose a shorter runtime directory"
    )]
    PathTooLong {
        /// The socket.
        path: PathBuf,
        /// The most octets allowed.
        limit: usize,
    },
}

/// The agent's end. On drop the socket is removed.
#[derive(Debug)]
pub struct Listener(imp::Listener);

impl Listener {
    /// Opens the channel in `runtime_dir`, which is made where it lacks. Must be called inside a tokio runtime with I/O.
    ///
    /// A root agent's channel is open to every user (who they are is in [`Peer`]), a person's own to that person alone. A socket that a killed agent
    /// left is replaced.
    ///
    /// # Errors
    ///
    /// [`ChannelError::InUse`] when an agent lives there; [`ChannelError::Squatted`] for symlinks, foreign sockets and whatever else is in the way.
    pub fn bind(runtime_dir: &Path) -> Result<Self, ChannelError> {
        imp::Listener::bind(runtime_dir).map(Self)
    }

    /// The next caller and who it is.
    ///
    /// # Errors
    ///
    /// When a caller could not be taken or identified: that caller is gone, the listener goes on.
    pub async fn accept(&mut self) -> Result<(Connection, Peer), ChannelError> {
        let (stream, peer) = self.0.accept().await?;
        Ok((Connection(stream), peer))
    }
}

/// Connects to the agent that listens in `runtime_dir`, and checks that it runs as root (SYSTEM) or as ourselves.
///
/// # Errors
///
/// [`ChannelError::NotRunning`] when there is none, [`ChannelError::ForeignServer`] when it is somebody else's.
pub async fn connect(runtime_dir: &Path) -> Result<Connection, ChannelError> {
    imp::connect(runtime_dir).await.map(Connection)
}

/// One conversation.
#[derive(Debug)]
pub struct Connection(imp::Stream);

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
