//! Whose program is at the other end of a connection over 127.0.0.1, as the operating system says (not as it says).

use crate::channel::Peer;
use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

#[cfg(target_os = "linux")]
#[path = "loopback/linux.rs"]
mod imp;
#[cfg(not(any(target_os = "linux", windows)))]
#[path = "loopback/unknown.rs"]
mod imp;
#[cfg(windows)]
#[path = "loopback/windows.rs"]
mod imp;

/// Whether this system tells whose program is at the other end of such a connection.
pub const TELLS_OWNERS: bool = imp::TELLS_OWNERS;

/// Who opened the end `theirs` of the connection whose end here is `ours`.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] where that end is not open any more; [`io::ErrorKind::Unsupported`] where this system does not tell.
pub fn owner(theirs: SocketAddrV4, ours: SocketAddrV4) -> io::Result<Peer> {
    imp::owner(theirs, ours)
}

/// How long a connection from this program to itself may take: a firewall that drops it must not hold up anybody.
const SELF_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether this program, as it runs, is told whose connections are: it opens one to itself and asks. What the code can do is one thing;
/// a sandbox that takes away the way to the operating system's answer is another. Blocks for up to a second.
///
/// # Errors
///
/// As [`owner`], and where no connection can be made or it is said to be somebody else's.
pub fn check() -> io::Result<()> {
    if !TELLS_OWNERS {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ours = v4(listener.local_addr()?);
    let client = TcpStream::connect_timeout(&ours.into(), SELF_CONNECT_TIMEOUT)?;
    let theirs = v4(client.local_addr()?);
    let (mut server, from) = listener.accept()?;
    if v4(from) != theirs {
        // Somebody else was first at a port that nobody was told of.
        return Err(io::Error::other("another program has connected in between"));
    }
    // Windows says whose a connection is from when its owner first used it.
    (&client).write_all(b"?")?;
    server.set_read_timeout(Some(SELF_CONNECT_TIMEOUT))?;
    server.read_exact(&mut [0])?;
    match owner(theirs, ours)? {
        peer if peer.same_user => Ok(()),
        _ => Err(io::Error::other("the system says that this program's own connection is somebody else's")),
    }
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port())
}

#[cfg(all(test, any(target_os = "linux", windows)))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_may_ask_is_told_of_its_own_connection() {
        check().unwrap();
    }

    #[test]
    fn the_end_that_is_open_is_ours_and_a_closed_one_is_nobodys() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, theirs) = listener.accept().unwrap();
        // Wine says whose a connection is from when its owner first used it.
        client.write_all(b"?").unwrap();
        server.read_exact(&mut [0]).unwrap();
        let ours = v4(server.local_addr().unwrap());
        let peer = owner(v4(theirs), ours).unwrap();
        assert!(peer.same_user, "{peer:?}");
        drop(client);
        let gone = owner(v4(theirs), ours).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound, "{gone}");
    }
}
