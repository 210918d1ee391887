//! Connections: how many one address may have open, and how long one may be silent.
//!
//! What speaks HTTP above has its own patience for headers and bodies. This one is for what says nothing at all, at whatever moment, and so
//! holds a place for ever.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How long a connection may be silent.
pub const SILENCE: Duration = Duration::from_secs(75);

/// Lets connections in, so many from each address.
#[derive(Clone, Debug)]
pub struct Connections {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// How many one address may have.
    limit: usize,
    /// Addresses of proxies, behind which there is everybody.
    exempt: Arc<[IpNet]>,
}

impl Connections {
    /// Lets `limit` in from each address, and any number from the networks in `exempt`.
    #[must_use]
    pub fn new(limit: usize, exempt: &[IpNet]) -> Self {
        Self { open: Arc::default(), limit, exempt: exempt.into() }
    }

    /// A place for a connection from `address`; none where it has as many as it may.
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let of = household(address);
        if self.exempt.iter().any(|network| network.contains(&address.to_canonical())) {
            return Some(Place { open: None, of });
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(of).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Place { open: Some(Arc::clone(&self.open)), of })
    }
}

/// What one household or company has of the network: an IPv4 address, or 64 bits of an IPv6 one.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// A connection that was let in; it counts until this is dropped.
#[derive(Debug)]
struct Place {
    open: Option<Arc<Mutex<HashMap<IpAddr, usize>>>>,
    of: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(open) = &self.open else { return };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.of);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Patient<TcpStream>;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepted = stream.peer_addr().and_then(|peer| {
            // Without NODELAY the last part of a TLS flight waits 40 ms for an acknowledgement.
            stream.set_nodelay(true)?;
            let place = self.enter(peer.ip());
            let place = place.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok((Patient::new(stream, SILENCE, Some(place)), service))
        });
        std::future::ready(accepted)
    }
}

/// A stream that ends when nothing has gone over it, either way, for as long as its patience lasts.
#[derive(Debug)]
pub struct Patient<T> {
    stream: T,
    patience: Duration,
    last: Instant,
    alarm: Pin<Box<Sleep>>,
    _place: Option<Place>,
}

impl<T> Patient<T> {
    fn new(stream: T, patience: Duration, place: Option<Place>) -> Self {
        let last = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(last + patience));
        Self { stream, patience, last, alarm, _place: place }
    }

    /// What `polled` comes to: an error where it has waited for too long.
    fn within_patience<R>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.last = Instant::now();
            return polled;
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            let end = self.last + self.patience;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(end);
        }
        polled
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.within_patience(context, polled)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, octets);
        self.within_patience(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, octets);
        self.within_patience(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_each_end_makes_room() {
        let connections = Connections::new(2, &["10.0.0.0/8".parse().unwrap()]);
        let enter = |address: &str| connections.enter(address.parse().unwrap());
        let (one, two) = (enter("192.0.2.1"), enter("::ffff:192.0.2.1"));
        assert!(one.is_some() && two.is_some() && enter("192.0.2.1").is_none(), "however it is written");
        assert!(enter("192.0.2.2").is_some());
        drop(one);
        assert!(enter("192.0.2.1").is_some());
        let many: Vec<_> = (0..9).map(|_| enter("10.1.2.3")).collect();
        assert!(many.iter().all(Option::is_some), "a proxy speaks for everybody");
        drop((two, many));
        assert!(connections.open.lock().unwrap().is_empty(), "nothing is kept of those that have gone");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let connections = Connections::new(1, &[]);
        let _one = connections.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(connections.enter("2001:db8::2".parse().unwrap()).is_none());
        assert!(connections.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
    }

    #[tokio::test]
    async fn a_silent_connection_ends_and_one_that_speaks_does_not() {
        let (mut theirs, ours) = tokio::io::duplex(64);
        let mut ours = Patient::new(ours, Duration::from_millis(20), None);
        theirs.write_all(b"a").await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap(), b'a');
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
