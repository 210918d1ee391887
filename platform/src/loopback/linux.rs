use crate::channel::Peer;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
    netlink::{SOCK_DIAG, SocketAddrNetlink},
    recv, sendto, socket_with,
};
use rustix::process::geteuid;
use std::{io, net::SocketAddrV4};

pub(super) const TELLS_OWNERS: bool = true;

// sock_diag(7), linux/inet_diag.h and linux/tcp.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const TCP_ESTABLISHED: u8 = 1;
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Where `inet_diag_msg` has the state, the user id and the inode, behind the header.
const STATE: usize = HEADER + 1;
const UID: usize = HEADER + 64;
const INODE: usize = HEADER + 68;

pub(super) fn owner(theirs: SocketAddrV4, ours: SocketAddrV4) -> io::Result<Peer> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    sendto(&socket, &request(theirs, ours), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut octets = [0; 1024];
    // The kernel answers within the call that asked.
    let (_, length) = recv(&socket, &mut octets, RecvFlags::DONTWAIT)?;
    let uid = uid_in(octets.get(..length).unwrap_or_default())?;
    Ok(Peer { uid: Some(uid), sid: None, pid: None, privileged: uid == 0, same_user: uid == geteuid().as_raw() })
}

/// `nlmsghdr` and `inet_diag_req_v2`: the one socket whose own address is `theirs` and whose peer's is `ours`.
fn request(theirs: SocketAddrV4, ours: SocketAddrV4) -> Vec<u8> {
    let mut octets = Vec::with_capacity(REQUEST);
    octets.extend_from_slice(&u32::try_from(REQUEST).unwrap_or_default().to_ne_bytes());
    octets.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    octets.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    octets.extend_from_slice(&[0; 8]);
    octets.extend_from_slice(&[AF_INET, IPPROTO_TCP, 0, 0]);
    octets.extend_from_slice(&u32::MAX.to_ne_bytes());
    octets.extend_from_slice(&theirs.port().to_be_bytes());
    octets.extend_from_slice(&ours.port().to_be_bytes());
    for address in [theirs.ip(), ours.ip()] {
        octets.extend_from_slice(&address.octets());
        octets.extend_from_slice(&[0; 12]);
    }
    octets.extend_from_slice(&[0; 4]);
    // INET_DIAG_NOCOOKIE: any socket with these addresses, and there is one at most.
    octets.extend_from_slice(&[0xff; 8]);
    octets
}

fn uid_in(answer: &[u8]) -> io::Result<u32> {
    let number = |at: usize| {
        let octets = answer.get(at..at + 4).and_then(|octets| octets.try_into().ok());
        octets.map(u32::from_ne_bytes).ok_or(io::Error::from(io::ErrorKind::InvalidData))
    };
    let kind = answer.get(4..6).and_then(|octets| octets.try_into().ok()).map(u16::from_ne_bytes);
    if kind == Some(NLMSG_ERROR) {
        return Err(match number(HEADER)?.cast_signed() {
            0 => io::ErrorKind::InvalidData.into(),
            code => match io::Error::from_raw_os_error(code.saturating_neg()) {
                error if error.kind() == io::ErrorKind::NotFound => io::ErrorKind::NotFound.into(),
                error => error,
            },
        });
    }
    // A socket that its program has closed belongs to nobody, and the kernel then says 0, which is root's number.
    let is_open = answer.get(STATE) == Some(&TCP_ESTABLISHED) && number(INODE)? != 0;
    if kind != Some(SOCK_DIAG_BY_FAMILY) || !is_open {
        return Err(io::ErrorKind::NotFound.into());
    }
    number(UID)
}
