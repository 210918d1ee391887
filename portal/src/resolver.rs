//! TXT records (RFC 1035), asked for at the machine's own resolvers or at one that the administrator names. What they answer is believed as far as
//! they are; a portal on a hostile network names a resolver that validates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::{files, random};

/// Where systems name their resolvers.
const SYSTEM: &str = "/etc/resolv.conf";
/// How long one resolver may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// As many resolvers are asked, one after the other.
const MOST_SERVERS: usize = 3;
const TXT: u16 = 16;
const INTERNET: u16 = 1;
/// A header: ID, flags, and four counts.
const HEADER: usize = 12;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResolverError {
    /// Nobody answered in time.
    #[error("no DNS server answers")]
    Unanswered,
    /// A server could not tell.
    #[error("the DNS server says that it failed (code {0})")]
    Failed(u8),
    /// What came is no answer to what was asked.
    #[error("the DNS server's answer can't be read")]
    Unreadable,
    /// No name of a record.
    #[error("that is no name in the DNS")]
    Name,
}

/// Whom to ask.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    server: Option<SocketAddr>,
}

impl Resolver {
    /// The server at `address`, or those of the machine.
    #[must_use]
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self { server }
    }

    /// The texts of the TXT records called `name`; none where there is no such record.
    ///
    /// # Errors
    /// [`ResolverError`] of the last server that was asked.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, ResolverError> {
        let mut ended = Err(ResolverError::Unanswered);
        for server in self.servers() {
            ended = match tokio::time::timeout(PATIENCE, ask(server, name)).await {
                Ok(answered) => answered,
                Err(_) => Err(ResolverError::Unanswered),
            };
            if ended.is_ok() {
                break;
            }
        }
        ended
    }

    fn servers(&self) -> Vec<SocketAddr> {
        if let Some(server) = self.server {
            return vec![server];
        }
        let text = files::read(Path::new(SYSTEM)).unwrap_or_default();
        let mut servers = listed(&String::from_utf8_lossy(&text));
        if servers.is_empty() {
            // resolv.conf(5): without a line the machine's own is asked.
            servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
        }
        servers
    }
}

fn listed(resolv_conf: &str) -> Vec<SocketAddr> {
    let words = resolv_conf.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let named = words.filter(|words| words.first() == Some(&"nameserver"));
    let addresses = named.filter_map(|words| words.get(1)?.parse::<IpAddr>().ok());
    addresses.map(|address| SocketAddr::from((address, 53))).take(MOST_SERVERS).collect()
}

async fn ask(server: SocketAddr, name: &str) -> Result<Vec<String>, ResolverError> {
    let query = query(random::bytes().map_err(|_| ResolverError::Unanswered)?, name).ok_or(ResolverError::Name)?;
    let unanswered = |_| ResolverError::Unanswered;
    let here: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((here, 0)).await.map_err(unanswered)?;
    socket.connect(server).await.map_err(unanswered)?;
    socket.send(&query).await.map_err(unanswered)?;
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(unanswered)?;
        let message = &buffer[..length];
        // Anybody can send to this port: what does not repeat the question is not the answer to it.
        if !is_answer(message, &query) {
            continue;
        }
        let is_cut_off = message[2] & 0b10 != 0;
        return if is_cut_off { ask_whole(server, &query).await } else { texts(message, query.len()) };
    }
}

/// The same over TCP, where an answer does not fit into a datagram (RFC 7766).
async fn ask_whole(server: SocketAddr, query: &[u8]) -> Result<Vec<String>, ResolverError> {
    let unanswered = |_| ResolverError::Unanswered;
    let mut stream = TcpStream::connect(server).await.map_err(unanswered)?;
    let length = u16::try_from(query.len()).map_err(|_| ResolverError::Name)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await.map_err(unanswered)?;
    let length = stream.read_u16().await.map_err(unanswered)?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.map_err(unanswered)?;
    if is_answer(&message, query) { texts(&message, query.len()) } else { Err(ResolverError::Unreadable) }
}

/// The question for the TXT records of `name`, which asks for recursion.
fn query(id: [u8; 2], name: &str) -> Option<Vec<u8>> {
    let mut message = [&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&TXT.to_be_bytes());
    message.extend_from_slice(&INTERNET.to_be_bytes());
    (message.len() <= HEADER + 255 + 4).then_some(message)
}

/// Whether `message` is an answer with the ID and the question of `query`.
fn is_answer(message: &[u8], query: &[u8]) -> bool {
    let question = message.get(HEADER..query.len());
    let same = question.zip(query.get(HEADER..)).is_some_and(|(theirs, ours)| theirs.eq_ignore_ascii_case(ours));
    same && message[..2] == query[..2] && message[2] & 0x80 != 0 && message[4..6] == [0, 1]
}

/// The texts of the TXT records in an answer whose question ends at `at`.
fn texts(message: &[u8], mut at: usize) -> Result<Vec<String>, ResolverError> {
    match message[3] & 0x0f {
        0 => {}
        // There is no such name.
        3 => return Ok(Vec::new()),
        code => return Err(ResolverError::Failed(code)),
    }
    let count = number(message, 6).ok_or(ResolverError::Unreadable)?;
    let mut found = Vec::new();
    for _ in 0..count {
        let (kind, data, next) = record(message, at).ok_or(ResolverError::Unreadable)?;
        if kind == TXT {
            found.push(text(data).ok_or(ResolverError::Unreadable)?);
        }
        at = next;
    }
    Ok(found)
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

/// Type, data and end of the record at `at`.
fn record(message: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    let fixed = after_name(message, at)?;
    let (kind, length) = (number(message, fixed)?, usize::from(number(message, fixed + 8)?));
    let data = fixed + 10;
    Some((kind, message.get(data..data + length)?, data + length))
}

/// Where the name ends that begins at `at`: behind its last label, or behind the pointer to the rest of it.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// The strings of a TXT record as one.
fn text(mut data: &[u8]) -> Option<String> {
    let mut octets = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let (part, rest) = rest.split_at_checked(usize::from(*length))?;
        octets.extend_from_slice(part);
        data = rest;
    }
    Some(String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to `query` with these records, each of a type and its data, under a name that points to the question's.
    fn answer(query: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = query.to_vec();
        message[2] = 0x81;
        message[3] = 0x80 | code;
        message[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            message.extend_from_slice(&[0xc0, 12]);
            message.extend_from_slice(&kind.to_be_bytes());
            message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            message.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend_from_slice(data);
        }
        message
    }

    #[test]
    fn texts_are_read_and_other_records_passed_over() {
        let query = query([1, 2], "_countersign-challenge.example.test").unwrap();
        let whole = answer(&query, 0, &[(5, &[0xc0, 12]), (TXT, b"\x03one\x04-two"), (TXT, b"\x01x")]);
        assert!(is_answer(&whole, &query));
        assert_eq!(texts(&whole, query.len()), Ok(vec!["one-two".to_owned(), "x".to_owned()]));
        assert_eq!(texts(&answer(&query, 3, &[]), query.len()), Ok(Vec::new()), "no such name");
        assert_eq!(texts(&answer(&query, 2, &[]), query.len()), Err(ResolverError::Failed(2)));
        for length in query.len()..whole.len() {
            assert_eq!(texts(&whole[..length], query.len()), Err(ResolverError::Unreadable), "cut off at {length}");
        }
    }

    #[test]
    fn an_answer_repeats_the_question() {
        let asked = query([1, 2], "a.test").unwrap();
        let other = query([1, 2], "b.test").unwrap();
        let stranger = query([1, 3], "a.test").unwrap();
        assert!(!is_answer(&answer(&other, 0, &[]), &asked));
        assert!(!is_answer(&answer(&stranger, 0, &[]), &asked));
        assert!(!is_answer(&asked, &asked), "a question is no answer");
        assert!(!is_answer(&[], &asked));
        assert_eq!(query([0, 0], "a..test"), None);
        assert_eq!(query([0, 0], &"a".repeat(64)), None);
    }

    #[test]
    fn the_machines_servers_are_read() {
        let text =
            "# nameserver 192.0.2.9\nsearch example.test\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver x\n";
        assert_eq!(listed(text), ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse::<SocketAddr>().unwrap()]);
    }
}
