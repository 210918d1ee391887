use super::{ChannelError, Peer};
use crate::files::{self, FileError, FileLock};
use rustix::process::geteuid;
use std::{
    fs::Permissions,
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixStream};

pub(super) type Stream = UnixStream;

const SOCKET_NAME: &str = "countersign.sock";
const LOCK_NAME: &str = "countersign.lock";
/// `sun_path` without its closing NUL: 108 octets on Linux, 104 on macOS; and `.new` for the moment of binding.
const LONGEST_PATH: usize = 103 - 4;

#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    _lock: FileLock,
}

impl Listener {
    pub(super) fn bind(runtime_dir: &Path) -> Result<Self, ChannelError> {
        let path = socket_path(runtime_dir)?;
        let for_everybody = geteuid().is_root();
        let made =
            if for_everybody { files::create_public_dir(runtime_dir) } else { files::create_private_dir(runtime_dir) };
        made.map_err(ChannelError::Directory)?;
        let lock = match files::lock(&runtime_dir.join(LOCK_NAME)) {
            Ok(lock) => lock,
            Err(FileError::Locked { .. }) => return Err(ChannelError::InUse { path }),
            Err(other) => return Err(ChannelError::Directory(other)),
        };
        check_replaceable(&path)?;
        let socket = bind_with_mode(&path, if for_everybody { 0o666 } else { 0o600 })
            .map_err(|source| ChannelError::Io { doing: "open", path: path.clone(), source })?;
        Ok(Self { socket, path, _lock: lock })
    }

    pub(super) async fn accept(&mut self) -> Result<(Stream, Peer), ChannelError> {
        let failed = |doing, source| ChannelError::Io { doing, path: self.path.clone(), source };
        let (stream, _) = self.socket.accept().await.map_err(|error| failed("accept a caller on", error))?;
        let credentials = stream.peer_cred().map_err(|error| failed("learn who called on", error))?;
        let uid = credentials.uid();
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let peer = Peer { uid: Some(uid), sid: None, pid, privileged: uid == 0, same_user: uid == geteuid().as_raw() };
        Ok((stream, peer))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A socket that stays behind is replaced at the next start; there is nobody to tell.
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(super) async fn connect(runtime_dir: &Path) -> Result<Stream, ChannelError> {
    let path = socket_path(runtime_dir)?;
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(ChannelError::NotRunning { path });
        }
        Err(source) => return Err(ChannelError::Io { doing: "connect to", path, source }),
    };
    // On a listening socket's other end these are the credentials of the process that called listen(): the server cannot choose them.
    let server = stream.peer_cred().map_err(|source| ChannelError::Io {
        doing: "learn who listens on",
        path: path.clone(),
        source,
    })?;
    match server.uid() {
        uid if uid == 0 || uid == geteuid().as_raw() => Ok(stream),
        uid => Err(ChannelError::ForeignServer { path, uid }),
    }
}

fn socket_path(runtime_dir: &Path) -> Result<PathBuf, ChannelError> {
    let path = runtime_dir.join(SOCKET_NAME);
    if path.as_os_str().as_bytes().len() > LONGEST_PATH {
        return Err(ChannelError::PathTooLong { path, limit: LONGEST_PATH });
    }
    Ok(path)
}

/// Nothing there, or a socket of ours that nobody holds any more (we have the lock).
fn check_replaceable(path: &Path) -> Result<(), ChannelError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ChannelError::Io { doing: "look at", path: path.to_owned(), source }),
    };
    let squatted = |found: String| Err(ChannelError::Squatted { path: path.to_owned(), found });
    match metadata.file_type() {
        kind if kind.is_symlink() => squatted("a symlink".to_owned()),
        kind if !kind.is_socket() => squatted("not a socket".to_owned()),
        _ if metadata.uid() != geteuid().as_raw() => squatted(format!("a socket of user id {}", metadata.uid())),
        _ => Ok(()),
    }
}

/// Binds under another name, sets the mode, and only then renames into place: nobody meets the socket with the wrong mode, and a caller meets either
/// the old one or the new.
fn bind_with_mode(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let pending = path.with_extension("sock.new");
    match std::fs::remove_file(&pending) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(&pending)?;
    std::fs::set_permissions(&pending, Permissions::from_mode(mode))?;
    std::fs::rename(&pending, path)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::SOCKET_NAME;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn runtime() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = dir.path().join("run");
        (dir, runtime)
    }

    #[tokio::test]
    async fn both_ends_talk_and_know_each_other() {
        let (_dir, runtime) = runtime();
        let mut listener = Listener::bind(&runtime).unwrap();
        let client = tokio::spawn(async move {
            let mut connection = connect(&runtime).await.unwrap();
            connection.write_all(b"ping").await.unwrap();
            connection.shutdown().await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            answer
        });
        let (mut connection, peer) = listener.accept().await.unwrap();
        let mut asked = String::new();
        connection.read_to_string(&mut asked).await.unwrap();
        connection.write_all(b"pong").await.unwrap();
        drop(connection);
        assert_eq!((asked.as_str(), client.await.unwrap().as_str()), ("ping", "pong"));
        assert!(peer.same_user);
        assert_eq!(peer.pid, Some(crate::process::id()));
        assert_eq!(peer.privileged, crate::paths::Paths::is_privileged());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_an_error() {
        let (_dir, runtime) = runtime();
        files_dir(&runtime);
        drop(std::os::unix::net::UnixListener::bind(runtime.join(SOCKET_NAME)).unwrap());
        assert!(matches!(connect(&runtime).await, Err(ChannelError::NotRunning { .. })));
        let live = Listener::bind(&runtime).unwrap();
        connect(&runtime).await.unwrap();
        assert!(matches!(Listener::bind(&runtime), Err(ChannelError::InUse { .. })));
        drop(live);
        assert!(!runtime.join(SOCKET_NAME).exists());
        Listener::bind(&runtime).unwrap();
    }

    #[tokio::test]
    async fn symlinks_and_files_in_the_way_are_refused_and_left_alone() {
        let (dir, runtime) = runtime();
        files_dir(&runtime);
        let (socket, victim) = (runtime.join(SOCKET_NAME), dir.path().join("victim"));
        std::fs::write(&victim, b"precious").unwrap();
        symlink(&victim, &socket).unwrap();
        assert!(matches!(Listener::bind(&runtime), Err(ChannelError::Squatted { found, .. }) if found == "a symlink"));
        std::fs::remove_file(&socket).unwrap();
        std::fs::write(&socket, b"squat").unwrap();
        assert!(matches!(Listener::bind(&runtime), Err(ChannelError::Squatted { .. })));
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        assert_eq!(std::fs::read(&socket).unwrap(), b"squat");
    }

    #[tokio::test]
    async fn a_directory_that_others_may_write_is_refused() {
        let (_dir, runtime) = runtime();
        files_dir(&runtime);
        std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Listener::bind(&runtime), Err(ChannelError::Directory(FileError::Loose { .. }))));
    }

    #[tokio::test]
    async fn a_path_that_does_not_fit_says_so() {
        let long = PathBuf::from("/tmp").join("x".repeat(120));
        let error = connect(&long).await.unwrap_err();
        assert!(matches!(error, ChannelError::PathTooLong { .. }), "{error}");
    }

    fn files_dir(runtime: &Path) {
        crate::files::create_private_dir(runtime).unwrap();
    }
}
