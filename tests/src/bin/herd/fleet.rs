//! What the devices of a fleet do: connect, sign, ask.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tests::device::Device;
use tests::portal::Portal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::phase::Kind;

/// As many addresses of the loopback the fleet comes from: one alone has fewer ports than a fleet has devices.
const ADDRESSES: usize = 16;

/// The service that people sign on at.
pub(crate) const SERVICE: &str = "https://service.example.test/saml";

/// One device of the fleet and how often it has asked.
pub(crate) struct Member {
    device: Device,
    sequence: u64,
}

impl Member {
    /// A device that nobody knows yet.
    pub(crate) fn new() -> Self {
        Self { device: Device::new(), sequence: 0 }
    }
}

/// What every device needs to know.
pub(crate) struct Fleet {
    pub(crate) portal: Portal,
    token: String,
    connector: TlsConnector,
    name: ServerName<'static>,
}

pub(crate) type Connection = TlsStream<TcpStream>;

/// An answer of the portal.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) is_granted: bool,
}

impl Fleet {
    pub(crate) fn new(portal: Portal) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let ca = std::fs::read(&portal.authority.ca).expect("the CA file is there");
        for certificate in CertificateDer::pem_slice_iter(&ca) {
            roots.add(certificate.expect("it is a certificate")).expect("it is a CA");
        }
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        // Each device is another one: nothing is resumed.
        config.resumption = rustls::client::Resumption::disabled();
        let token = portal.token(&["--uses", "unlimited", "--per-hour", "unlimited"]);
        let name = ServerName::try_from("localhost").expect("it is a name");
        Self { portal, token, connector: TlsConnector::from(Arc::new(config)), name }
    }

    /// A new connection of the device with this number; none where the portal takes none.
    pub(crate) async fn connect(&self, number: usize) -> Option<Connection> {
        let socket = TcpSocket::new_v4().ok()?;
        let from = Ipv4Addr::new(127, 0, 0, 2 + (number % ADDRESSES) as u8);
        socket.bind(SocketAddr::from((from, 0))).ok()?;
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.portal.port))).await.ok()?;
        stream.set_nodelay(true).ok()?;
        self.connector.connect(self.name.clone(), stream).await.ok()
    }

    /// The request of `member`, signed, as HTTP.
    pub(crate) fn request(&self, number: usize, member: &mut Member, kind: Kind) -> Vec<u8> {
        member.sequence += 1;
        let mut request = member.device.request(&self.portal, &format!("user{number}"), member.sequence);
        match kind {
            Kind::Enrol => request = member.device.enrolling(request, &self.token),
            Kind::SignIn | Kind::SignInKept => {}
            Kind::ServiceKept => request.respond_to = Some(SERVICE.parse().expect("an entity ID")),
        }
        let body = member.device.sign(&request);
        let head = format!(
            "POST /saml/soap HTTP/1.1\r\nhost: {}\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
            self.portal.cloud_name(),
            body.len()
        );
        [head.into_bytes(), body.into_bytes()].concat()
    }
}

/// Sends `request` and reads the whole answer; none where the connection ends before.
pub(crate) async fn ask(connection: &mut Connection, request: &[u8]) -> Option<Answer> {
    connection.write_all(request).await.ok()?;
    let mut bytes = Vec::with_capacity(8192);
    loop {
        let mut chunk = [0; 8192];
        match connection.read(&mut chunk).await.ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
        let Some(head_end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = header("content-length:").and_then(|length| length.parse().ok()).expect("it has a length");
        if bytes.len() < head_end + 4 + length {
            continue;
        }
        let body = String::from_utf8_lossy(&bytes[head_end + 4..]);
        return Some(Answer {
            status: head.get(9..12).and_then(|status| status.parse().ok()).expect("it has a status"),
            retry_after: header("retry-after:").and_then(|seconds| seconds.parse().ok()),
            is_granted: body.contains("status:Success\""),
        });
    }
}
