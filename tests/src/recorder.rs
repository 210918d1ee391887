//! Something on the way that ends TLS on both sides and keeps what passes: what an inspecting proxy would see.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::portal::Portal;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The body of the request.
    pub request: String,
    /// The body of the answer.
    pub answer: String,
}

/// Listens where agents expect the portal, and passes everything on to where the portal really is.
#[derive(Debug)]
pub struct Recorder {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    /// Stands in front of `portal`, whose port it takes; the portal is served on its `listen_port`.
    ///
    /// # Panics
    /// Where the port is taken.
    #[must_use]
    pub fn in_front_of(portal: &Portal) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", portal.port)).expect("the port is free");
        let (server, client) = (Arc::new(server_config(portal)), Arc::new(client_config(portal)));
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let (kept, port) = (Arc::clone(&exchanges), portal.listen_port);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (server, client, kept) = (Arc::clone(&server), Arc::clone(&client), Arc::clone(&kept));
                // A peer that goes away in the middle is no failure of ours.
                std::thread::spawn(move || pass_on(stream, server, client, port, &kept));
            }
        });
        Self { exchanges }
    }

    /// What has passed so far.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn server_config(portal: &Portal) -> ServerConfig {
    let chain = CertificateDer::pem_file_iter(&portal.authority.certificate).expect("the certificate is there");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("it is PEM");
    let key = PrivateKeyDer::from_pem_file(&portal.authority.key).expect("the key is there");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("the provider has them").with_no_client_auth();
    config.with_single_cert(chain, key).expect("the key belongs to the certificate")
}

fn client_config(portal: &Portal) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&portal.authority.ca).expect("the CA is there")).expect("it is a CA");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("the provider has them");
    config.with_root_certificates(roots).with_no_client_auth()
}

fn pass_on(
    stream: TcpStream,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    port: u16,
    kept: &Mutex<Vec<Exchange>>,
) -> Option<()> {
    let mut agent = StreamOwned::new(ServerConnection::new(server).ok()?, stream);
    let (request, request_body) = read_message(&mut agent)?;
    let name = ServerName::try_from("localhost").ok()?;
    let portal = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut portal = StreamOwned::new(ClientConnection::new(client, name).ok()?, portal);
    portal.write_all(&request).ok()?;
    let (answer, answer_body) = read_message(&mut portal)?;
    let exchange = Exchange { request: text(request_body), answer: text(answer_body) };
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    agent.write_all(&answer).ok()?;
    agent.conn.send_close_notify();
    agent.flush().ok()
}

/// One HTTP/1.1 message with a `Content-Length` (or none and no body): all of it, and its body.
fn read_message(stream: &mut impl std::io::Read) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut message = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        message.extend_from_slice(&buffer[..read]);
        let Some(end) = message.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
        if message.len() >= end + 4 + length {
            let body = message[end + 4..].to_vec();
            return Some((message, body));
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("SAML is UTF-8")
}
