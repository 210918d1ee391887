use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv, socket_with,
};
use std::{io, os::fd::OwnedFd};
use tokio::io::{Interest, unix::AsyncFd};

// rtnetlink(7): the multicast groups of links, of addresses and of routes, as bits.
const LINK: u32 = 0x1;
const IPV4_ADDRESS: u32 = 0x10;
const IPV4_ROUTE: u32 = 0x40;
const IPV6_ADDRESS: u32 = 0x100;
const IPV6_ROUTE: u32 = 0x400;

#[derive(Debug)]
pub(super) struct NetworkChanges {
    socket: AsyncFd<OwnedFd>,
}

impl NetworkChanges {
    #[expect(unsafe_code, reason = "registering a descriptor with the runtime")]
    pub(super) fn subscribe() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // The first protocol of netlink(7), and so its default, is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, LINK | IPV4_ADDRESS | IPV4_ROUTE | IPV6_ADDRESS | IPV6_ROUTE))?;
        // SAFETY: an `OwnedFd` stays open, and is the same descriptor, for as long as the registration owns it.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self { socket })
    }

    pub(super) async fn next(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            if drain(self.socket.get_ref())? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }
}

/// Takes whatever has arrived; whether anything had. What the messages say is not read: that there are some is the news.
fn drain(socket: &OwnedFd) -> io::Result<bool> {
    let mut heard = false;
    let mut octets = [0; 4096];
    loop {
        match recv(socket, &mut octets, RecvFlags::empty()) {
            Ok(_) => heard = true,
            // More came than the socket could hold: the change is real, its messages are lost.
            Err(rustix::io::Errno::NOBUFS) => heard = true,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(heard),
            Err(error) => return Err(error.into()),
        }
    }
}
