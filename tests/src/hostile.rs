//! Something hostile between an agent and its portal: a port that passes everything on, or does what networks do on bad days.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Authority;

/// What happens to a connection.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It reaches the portal.
    None,
    /// It is closed as soon as it is there.
    Closed,
    /// It is cut after so many octets of the portal's answer.
    CutAfter(usize),
    /// It is taken and nothing is ever said.
    Silent,
    /// This is said, without TLS.
    Says(String),
    /// TLS with a certificate of `authority`'s, and this answer to whatever is asked.
    Answers {
        /// Whose certificate.
        authority: Authority,
        /// A whole HTTP answer; nothing at all where it is empty.
        answer: String,
    },
}

/// A port in front of the portal's.
pub struct Hostile {
    fault: Arc<Mutex<Fault>>,
}

impl Hostile {
    /// Listens on `port` and passes on to `target`, both on this machine, until the process ends.
    ///
    /// # Panics
    /// Where the port is taken.
    #[must_use]
    pub fn between(port: u16, target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let fault = Arc::new(Mutex::new(Fault::None));
        let current = Arc::clone(&fault);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let fault = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // A connection that fails is what this is for.
                std::thread::spawn(move || drop(treat(stream, &fault, target)));
            }
        });
        Self { fault }
    }

    /// From the next connection on, `fault` happens.
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

fn treat(mut stream: TcpStream, fault: &Fault, target: u16) -> std::io::Result<()> {
    match fault {
        Fault::Closed => Ok(()),
        Fault::None => pass_on(stream, target, usize::MAX),
        Fault::CutAfter(octets) => pass_on(stream, target, *octets),
        Fault::Silent => drain(&mut stream),
        Fault::Says(text) => {
            let mut some = [0; 1024];
            let _ = stream.read(&mut some)?;
            stream.write_all(text.as_bytes())
        }
        Fault::Answers { authority, answer } => answer_over_tls(stream, authority, answer),
    }
}

fn drain(stream: &mut impl Read) -> std::io::Result<()> {
    let mut some = [0; 4096];
    while stream.read(&mut some)? > 0 {}
    Ok(())
}

fn pass_on(stream: TcpStream, target: u16, most: usize) -> std::io::Result<()> {
    let mut portal = TcpStream::connect(("127.0.0.1", target))?;
    let (mut from_agent, mut to_portal) = (stream.try_clone()?, portal.try_clone()?);
    std::thread::spawn(move || {
        // Either side may go first.
        let _ = std::io::copy(&mut from_agent, &mut to_portal);
        let _ = to_portal.shutdown(Shutdown::Write);
    });
    let (mut stream, mut left, mut some) = (stream, most, [0; 4096]);
    while left > 0 {
        let length = portal.read(&mut some)?;
        if length == 0 {
            break;
        }
        let length = length.min(left);
        stream.write_all(&some[..length])?;
        left -= length;
    }
    stream.shutdown(Shutdown::Both)
}

fn answer_over_tls(stream: TcpStream, authority: &Authority, answer: &str) -> std::io::Result<()> {
    let read = |path: &std::path::Path| std::fs::read(path);
    let certificate = CertificateDer::from_pem_slice(&read(&authority.certificate)?).map_err(std::io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&authority.key)?).map_err(std::io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(std::io::Error::other)?.with_no_client_auth().with_single_cert(vec![certificate], key);
    let connection = ServerConnection::new(Arc::new(config.map_err(std::io::Error::other)?));
    let mut tls = StreamOwned::new(connection.map_err(std::io::Error::other)?, stream);
    let mut asked = Vec::new();
    let mut some = [0; 4096];
    while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = tls.read(&mut some)?;
        if length == 0 {
            return Ok(());
        }
        asked.extend_from_slice(&some[..length]);
    }
    if answer.is_empty() {
        return drain(&mut tls);
    }
    tls.write_all(answer.as_bytes())?;
    tls.conn.send_close_notify();
    tls.flush()?;
    drain(&mut tls.sock)
}
