use super::{ChannelError, Peer};
use crate::{
    files::{self, FileError, FileLock},
    paths::Paths,
    windows::{Attributes, SYSTEM_SID, Token, own_sid},
};
use ring::digest::{SHA256, digest};
use std::{
    io,
    os::windows::{
        fs::OpenOptionsExt,
        io::{AsRawHandle, IntoRawHandle, RawHandle},
    },
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::windows::named_pipe::{NamedPipeClient, NamedPipeServer, ServerOptions},
};
use windows_sys::Win32::{
    Foundation::{ERROR_ACCESS_DENIED, ERROR_PIPE_BUSY},
    Storage::FileSystem::{FILE_FLAG_OVERLAPPED, SECURITY_IDENTIFICATION},
    System::Pipes::{GetNamedPipeClientProcessId, GetNamedPipeServerProcessId},
};

const LOCK_NAME: &str = "countersign.lock";
/// What a caller may do: read and write, and not make instances of the pipe (`FILE_APPEND_DATA` is that right on pipes).
const CALLER_RIGHTS: u32 = 0x0012_019b;

#[derive(Debug)]
pub(super) struct Listener {
    /// The instance that waits for the next caller.
    waiting: NamedPipeServer,
    name: String,
    _lock: FileLock,
}

impl Listener {
    pub(super) fn bind(runtime_dir: &Path) -> Result<Self, ChannelError> {
        let name = pipe_name(runtime_dir);
        files::create_private_dir(runtime_dir).map_err(ChannelError::Directory)?;
        let lock = match files::lock(&runtime_dir.join(LOCK_NAME)) {
            Ok(lock) => lock,
            Err(FileError::Locked { .. }) => return Err(ChannelError::InUse { path: PathBuf::from(name) }),
            Err(other) => return Err(ChannelError::Directory(other)),
        };
        // We hold the lock, so a first instance that is there already is a squatter's.
        match make_instance(&name, true) {
            Ok(waiting) => Ok(Self { waiting, name, _lock: lock }),
            Err(error) if is_code(&error, ERROR_ACCESS_DENIED) => {
                Err(ChannelError::InUse { path: PathBuf::from(name) })
            }
            Err(source) => Err(failed("open", &name, source)),
        }
    }

    pub(super) async fn accept(&mut self) -> Result<(Stream, Peer), ChannelError> {
        self.waiting.connect().await.map_err(|error| failed("accept a caller on", &self.name, error))?;
        let next = make_instance(&self.name, false).map_err(|error| failed("open again", &self.name, error))?;
        let stream = std::mem::replace(&mut self.waiting, next);
        let peer = peer(&stream).map_err(|error| failed("learn who called on", &self.name, error))?;
        Ok((Stream::Server(stream), peer))
    }
}

pub(super) async fn connect(runtime_dir: &Path) -> Result<Stream, ChannelError> {
    let name = pipe_name(runtime_dir);
    let client = open_client(&name).await?;
    let server =
        process_at(client.as_raw_handle(), Side::Server).and_then(|id| Ok((id, Token::of_process(id)?.user_sid()?)));
    let (id, sid) = server.map_err(|error| failed("learn who listens on", &name, error))?;
    let own = own_sid().map_err(|error| failed("learn who we are before", &name, error))?;
    if sid == SYSTEM_SID || sid == own {
        Ok(Stream::Client(client))
    } else {
        Err(ChannelError::ForeignProcess { path: PathBuf::from(name), id, user: sid })
    }
}

#[expect(unsafe_code, reason = "tokio opens pipes with rights that our access list does not give to callers")]
async fn open_client(name: &str) -> Result<NamedPipeClient, ChannelError> {
    for _ in 0..50 {
        // The server may learn who we are, and may not act as us.
        let mut options = std::fs::OpenOptions::new();
        options
            .access_mode(CALLER_RIGHTS)
            .custom_flags(FILE_FLAG_OVERLAPPED)
            .security_qos_flags(SECURITY_IDENTIFICATION);
        match options.open(name) {
            Ok(file) => {
                // SAFETY: the handle is an open pipe in overlapped mode, and is handed over whole.
                let client = unsafe { NamedPipeClient::from_raw_handle(file.into_raw_handle()) };
                return client.map_err(|error| failed("connect to", name, error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ChannelError::NotRunning { path: PathBuf::from(name) });
            }
            // Between two callers there is a moment without a free instance.
            Err(error) if is_code(&error, ERROR_PIPE_BUSY) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => return Err(failed("connect to", name, error)),
        }
    }
    Err(failed("connect to", name, io::ErrorKind::TimedOut.into()))
}

#[expect(unsafe_code, reason = "tokio takes security attributes as a raw pointer")]
fn make_instance(name: &str, first: bool) -> io::Result<NamedPipeServer> {
    let everybody = if Paths::is_privileged() { format!("(A;;{CALLER_RIGHTS:#x};;;BU)") } else { String::new() };
    let attributes = Attributes::from_sddl(&format!("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{}){everybody}", own_sid()?))?;
    let mut options = ServerOptions::new();
    options.first_pipe_instance(first).reject_remote_clients(true);
    // SAFETY: the attributes are whole, and outlive the call.
    unsafe { options.create_with_security_attributes_raw(name, attributes.as_ptr().cast_mut().cast()) }
}

/// One name for each runtime directory, so that trials and people's own agents do not meet the machine's.
fn pipe_name(runtime_dir: &Path) -> String {
    let place = runtime_dir.to_string_lossy().to_lowercase();
    let hash = digest(&SHA256, place.as_bytes());
    format!(r"\\.\pipe\countersign-{}", data_encoding::HEXLOWER.encode(&hash.as_ref()[..8]))
}

fn peer(stream: &NamedPipeServer) -> io::Result<Peer> {
    let id = process_at(stream.as_raw_handle(), Side::Client)?;
    let token = Token::of_process(id)?;
    let sid = token.user_sid()?;
    Ok(Peer {
        uid: None,
        pid: Some(id),
        privileged: sid == SYSTEM_SID || token.is_elevated()?,
        same_user: sid == own_sid()?,
        sid: Some(sid),
    })
}

enum Side {
    Client,
    Server,
}

#[expect(unsafe_code, reason = "the operating system's interface")]
fn process_at(pipe: RawHandle, side: Side) -> io::Result<u32> {
    let mut id = 0;
    // SAFETY: the pipe is open for the length of the call; `id` is a place for one number.
    let found = unsafe {
        match side {
            Side::Client => GetNamedPipeClientProcessId(pipe, &raw mut id),
            Side::Server => GetNamedPipeServerProcessId(pipe, &raw mut id),
        }
    };
    if found == 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
}

fn is_code(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

fn failed(doing: &'static str, name: &str, source: io::Error) -> ChannelError {
    ChannelError::Io { doing, path: PathBuf::from(name), source }
}

/// Either end of a pipe.
#[derive(Debug)]
pub(super) enum Stream {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_read(context, buffer),
            Self::Client(pipe) => Pin::new(pipe).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_write(context, octets),
            Self::Client(pipe) => Pin::new(pipe).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_flush(context),
            Self::Client(pipe) => Pin::new(pipe).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Server(pipe) => Pin::new(pipe).poll_shutdown(context),
            Self::Client(pipe) => Pin::new(pipe).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn both_ends_talk_and_know_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = dir.path().join("run");
        let mut listener = Listener::bind(&runtime).unwrap();
        let second = Listener::bind(&runtime);
        assert!(matches!(second, Err(ChannelError::InUse { .. })), "{second:?}");
        let client = tokio::spawn(async move {
            let mut connection = connect(&runtime).await.unwrap();
            connection.write_all(b"ping").await.unwrap();
            let mut answer = [0; 4];
            connection.read_exact(&mut answer).await.unwrap();
            answer
        });
        let (mut connection, peer) = listener.accept().await.unwrap();
        let mut asked = [0; 4];
        connection.read_exact(&mut asked).await.unwrap();
        connection.write_all(b"pong").await.unwrap();
        assert_eq!((&asked, &client.await.unwrap()), (b"ping", b"pong"));
        assert!(peer.same_user);
        assert_eq!(peer.pid, Some(crate::process::id()));
    }

    #[tokio::test]
    async fn without_a_listener_the_error_says_what_to_do() {
        let error = connect(Path::new(r"C:\countersign-test-nobody")).await.unwrap_err();
        assert!(matches!(error, ChannelError::NotRunning { .. }), "{error}");
    }
}
