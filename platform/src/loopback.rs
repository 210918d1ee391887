//! Whose program is at the other end of a connection over 127.0.0.1, as the operating system says (not as it says).

use crate::channel::Peer;
use std::{io, net::SocketAddrV4};

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

#[cfg(all(test, any(target_os = "linux", windows)))]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port())
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
