//! TXT records (RFC 1035 §3.3.14), asked for at the DNS servers of this machine or at one that the administrator names. The servers' answers are
//! believed: an administrator whose network is hostile names a server that validates (RFC 4033).

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData};

/// How long a server may take; there are two attempts.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// The name can't be one of a record.
    #[error("that is not a name in the DNS")]
    Name,
    /// The servers did not answer, or could not.
    #[error("the DNS could not be asked: {0}")]
    Unanswered(#[from] NetError),
}

/// The DNS servers that are asked.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    server: Option<SocketAddr>,
}

impl Resolver {
    /// The server at `server`, or those that this machine is configured with.
    #[must_use]
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self { server }
    }

    /// The texts of the TXT records called `name`; none where there is no such record. The strings of one record are joined.
    ///
    /// # Errors
    /// [`ResolverError`].
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, ResolverError> {
        let mut name = Name::from_ascii(name).map_err(|_| ResolverError::Name)?;
        // The machine's search domains are for names that people type.
        name.set_fqdn(true);
        match self.client()?.txt_lookup(name).await {
            Ok(found) => Ok(found.answers().iter().filter_map(|record| text(&record.data)).collect()),
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Made for each question: the machine's servers change, and a record that was missing a minute ago is looked for anew.
    fn client(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.server {
            Some(server) => TokioResolver::builder_with_config(only(server), TokioRuntimeProvider::default()),
            None => TokioResolver::builder_tokio()?,
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build()
    }
}

fn only(server: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, connections.into())])
}

fn text(data: &RData) -> Option<String> {
    let RData::TXT(text) = data else { return None };
    Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned())
}

/// Whether the servers say that there is no such record, which is an answer.
fn is_absent(error: &NetError) -> bool {
    let NetError::Dns(DnsError::NoRecordsFound(absent)) = error else { return false };
    matches!(absent.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// A server that answers one question with `code` and these octets of records, each a record of its own with the name of the question.
    fn server(code: u8, records: &'static [&'static [u8]]) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                let end = 12 + buffer[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
                let mut message = buffer[..end].to_vec();
                message[2..4].copy_from_slice(&[0x81, 0x80 | code]);
                message[6..12].copy_from_slice(&[0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
                for record in records {
                    message.extend_from_slice(&[0xc0, 12]);
                    message.extend_from_slice(record);
                }
                socket.send_to(&message, from).unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn the_strings_of_a_record_are_one_text() {
        let records: &[&[u8]] = &[b"\0\x10\0\x01\0\0\0\x3c\0\x09\x03one\x04-two", b"\0\x10\0\x01\0\0\0\x3c\0\x02\x01x"];
        let resolver = Resolver::new(Some(server(0, records)));
        let mut texts = resolver.txt("_countersign-challenge.example.test").await.unwrap();
        texts.sort();
        assert_eq!(texts, ["one-two", "x"]);
    }

    #[tokio::test]
    async fn a_missing_record_is_an_answer_and_a_failed_server_is_none() {
        assert_eq!(Resolver::new(Some(server(3, &[]))).txt("a.test").await.unwrap(), Vec::<String>::new());
        assert_eq!(Resolver::new(Some(server(0, &[]))).txt("a.test").await.unwrap(), Vec::<String>::new());
        let failed = Resolver::new(Some(server(2, &[]))).txt("a.test").await;
        assert!(matches!(failed, Err(ResolverError::Unanswered(_))), "{failed:?}");
        assert!(matches!(Resolver::default().txt("a..test").await, Err(ResolverError::Name)));
    }
}
