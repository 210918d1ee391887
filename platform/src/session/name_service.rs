//! The name services of directories, asked over their own sockets: nsswitch.conf(5) says which may be asked, and not which one has answered.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

/// The most octets of an answer.
const MOST_OCTETS: usize = 256 * 1024;

/// Until when all answers have to be there: a name service that has lost its directory is silent for a long time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn within(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    pub(super) fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// An account as a name service has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
}

/// A connection to a name service, on which every wait ends with the deadline.
pub(super) struct Line {
    stream: UnixStream,
    deadline: Deadline,
}

impl Line {
    /// Connects without waiting: a service that hangs accepts nobody, and its queue is full in the end.
    pub(super) fn to(socket: &Path, deadline: Deadline) -> io::Result<Self> {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let descriptor = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&descriptor, &SocketAddrUnix::new(socket)?)?;
        let stream = UnixStream::from(descriptor);
        stream.set_nonblocking(false)?;
        Ok(Self { stream, deadline })
    }

    pub(super) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write_all(octets).map_err(timed_out)
    }

    pub(super) fn receive(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > MOST_OCTETS {
            return Err(not_understood());
        }
        let mut octets = vec![0; length];
        let mut rest = octets.as_mut_slice();
        while !rest.is_empty() {
            self.stream.set_read_timeout(Some(self.deadline.left()?))?;
            let count = match self.stream.read(rest) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(timed_out(error)),
            };
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        Ok(octets)
    }
}

/// What the kernel calls a wait that has run out depends on the call.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

pub(super) fn not_understood() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer that is not understood")
}

/// The number at `offset`, in the machine's order of octets.
pub(super) fn number(octets: &[u8], offset: usize) -> io::Result<u32> {
    let octets = octets.get(offset..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(not_understood)?;
    Ok(u32::from_ne_bytes(*octets))
}

/// The text at the start of `octets`, up to its zero.
pub(super) fn text(octets: &[u8]) -> io::Result<String> {
    let end = octets.iter().position(|&octet| octet == 0).ok_or_else(not_understood)?;
    let text = std::str::from_utf8(octets.get(..end).unwrap_or_default()).map_err(|_| not_understood())?;
    if text.chars().any(char::is_control) { Err(not_understood()) } else { Ok(text.to_owned()) }
}
