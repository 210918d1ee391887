use crate::channel::Peer;
use crate::windows::{SYSTEM_SID, Token, own_sid};
use std::{io, net::SocketAddrV4};
use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR},
    NetworkManagement::IpHelper::{
        GetExtendedTcpTable, MIB_TCP_STATE_ESTAB, MIB_TCPROW_OWNER_PID, TCP_TABLE_OWNER_PID_CONNECTIONS,
    },
    Networking::WinSock::AF_INET,
};

pub(super) const TELLS_OWNERS: bool = true;

pub(super) fn owner(theirs: SocketAddrV4, ours: SocketAddrV4) -> io::Result<Peer> {
    let address = |address: &SocketAddrV4| u32::from_ne_bytes(address.ip().octets());
    let port = |address: &SocketAddrV4| u32::from(address.port().to_be());
    let is_theirs = |row: &MIB_TCPROW_OWNER_PID| {
        (row.dwLocalAddr, row.dwLocalPort & 0xffff) == (address(&theirs), port(&theirs))
            && (row.dwRemoteAddr, row.dwRemotePort & 0xffff) == (address(&ours), port(&ours))
            && row.dwState == MIB_TCP_STATE_ESTAB.cast_unsigned()
    };
    let row = connections()?.into_iter().find(is_theirs).ok_or(io::ErrorKind::NotFound)?;
    // Closed ends belong to no process, and Windows then says 0.
    if row.dwOwningPid == 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    let token = Token::of_process(row.dwOwningPid)?;
    let sid = token.user_sid()?;
    Ok(Peer {
        uid: None,
        pid: Some(row.dwOwningPid),
        privileged: sid == SYSTEM_SID || token.is_elevated()?,
        same_user: sid == own_sid()?,
        sid: Some(sid),
    })
}

#[expect(unsafe_code, reason = "the operating system's interface")]
fn connections() -> io::Result<Vec<MIB_TCPROW_OWNER_PID>> {
    let mut octets: u32 = 64 * 1024;
    for _ in 0..8 {
        // Words of 32 bits align the table, which holds nothing larger.
        let mut words = vec![0_u32; usize::try_from(octets).unwrap_or_default().div_ceil(4)];
        // SAFETY: the buffer has `octets` octets, and `octets` is a place for one number.
        let result = unsafe {
            GetExtendedTcpTable(
                words.as_mut_ptr().cast(),
                &raw mut octets,
                0,
                u32::from(AF_INET),
                TCP_TABLE_OWNER_PID_CONNECTIONS,
                0,
            )
        };
        if result == NO_ERROR {
            let mut words = words.into_iter();
            let count = words.next().unwrap_or_default();
            let rows = (0..count).map_while(|_| row(&mut words));
            return Ok(rows.collect());
        }
        if result != ERROR_INSUFFICIENT_BUFFER {
            return Err(io::Error::from_raw_os_error(result.cast_signed()));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// The next row of the table: six numbers.
fn row(words: &mut impl Iterator<Item = u32>) -> Option<MIB_TCPROW_OWNER_PID> {
    Some(MIB_TCPROW_OWNER_PID {
        dwState: words.next()?,
        dwLocalAddr: words.next()?,
        dwLocalPort: words.next()?,
        dwRemoteAddr: words.next()?,
        dwRemotePort: words.next()?,
        dwOwningPid: words.next()?,
    })
}
