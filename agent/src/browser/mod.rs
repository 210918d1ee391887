//! The sign-on address on 127.0.0.1: where the portal sends people's browsers. It does this one thing, and is no control channel.
//!
//! One path, by GET, as a navigation of a whole page; `Host` exact, so that no name that resolves here opens it; nothing in the answer lets
//! another page's script read it. Who the person is says the operating system, by the owner of the connection's other end. What the browser
//! brings along is the portal's own request, which its signature proves; what goes back is a page that posts the Response.

mod once;
mod page;
mod request;
mod transaction;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use platform::channel::Peer;
use platform::loopback;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::failure::FailureCode;
use crate::sign_in::{Code, ServiceResponse};
pub use once::{OnceError, OneTimePage};
use saml::device::SIGN_ON_PATH;
pub use transaction::Transaction;

use request::{LONGEST_HEAD, Refused};

/// Browsers that are answered at the same time; further ones wait in the system's queue.
const AT_ONCE: usize = 8;
/// How long a browser may take to say what it wants.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the portal may take before the person is told so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a browser may take to read the answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A browser that was sent here, and waits.
#[derive(Debug)]
pub struct BrowserAsk {
    /// The portal's request: the query as it came.
    pub query: String,
    /// The port that it came to.
    pub port: u16,
    /// Whose browser it is.
    pub owner: Peer,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<BrowserEnd, Code>>,
}

/// Where a browser goes from here.
#[derive(Debug)]
pub enum BrowserEnd {
    /// To the service, with a Response.
    Posts(BrowserAnswer),
    /// Back to the portal, at this address: somebody else answers for the person.
    GoesBack(String),
}

/// What the browser takes to the service.
#[derive(Debug)]
pub struct BrowserAnswer {
    /// The Response and where to post it.
    pub response: ServiceResponse,
    /// What goes along untouched.
    pub relay_state: Option<String>,
}

/// The address as long as it is open.
#[derive(Debug, Default)]
pub struct SignOnAddress {
    ports: Vec<u16>,
    open: Option<(u16, JoinHandle<()>)>,
}

impl SignOnAddress {
    /// Whether browsers are awaited.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens the first of `ports` that is free, if these are others than before; `give` takes what browsers ask. None: the address is closed.
    pub fn follow(&mut self, ports: &[u16], give: impl Fn(BrowserAsk) -> bool + Send + Sync + 'static) {
        if self.ports == ports && (self.open.is_some() || ports.is_empty()) || !loopback::TELLS_OWNERS {
            return;
        }
        if let Some((_, task)) = self.open.take() {
            task.abort();
        }
        ports.clone_into(&mut self.ports);
        let Some((port, listener)) = ports.iter().find_map(|port| Some((*port, listen(*port)?))) else {
            if !ports.is_empty() {
                tracing::warn!(?ports, "no port for browsers is free: services can't be opened in a browser here");
            }
            return;
        };
        tracing::info!(port, "browsers are awaited");
        self.open = Some((port, tokio::spawn(serve(listener, port, Arc::new(give)))));
    }
}

impl Drop for SignOnAddress {
    fn drop(&mut self) {
        if let Some((_, task)) = self.open.take() {
            task.abort();
        }
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    listener.set_nonblocking(true).ok()?;
    TcpListener::from_std(listener).ok()
}

async fn serve(listener: TcpListener, port: u16, give: Arc<impl Fn(BrowserAsk) -> bool + Send + Sync + 'static>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, theirs) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a browser could not be heard");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let give = Arc::clone(&give);
        tokio::spawn(async move {
            answer(stream, theirs, port, &*give).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, theirs: SocketAddr, port: u16, give: &impl Fn(BrowserAsk) -> bool) {
    // At once: the other end is open as long as it waits for its answer.
    let owner = match theirs {
        SocketAddr::V4(theirs) => loopback::owner(theirs, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
        SocketAddr::V6(_) => Err(std::io::ErrorKind::Unsupported.into()),
    };
    let Ok(Ok(head)) = tokio::time::timeout(ASK_TIMEOUT, read_head(&mut stream)).await else { return };
    let answer = match request::parse(&head, port, SIGN_ON_PATH) {
        Err(refused) => page::refused(refused),
        Ok(query) => match owner {
            Ok(owner) => page::of(ask(query, port, owner, give).await),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "can't tell whose browser it is");
                page::of(Err(Code::Failure(FailureCode::BrowserOwnerUnknown)))
            }
        },
    };
    write(&mut stream, &answer).await;
}

/// A browser that has gone away needs no answer.
async fn write(stream: &mut TcpStream, answer: &str) {
    let written = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(WRITE_TIMEOUT, written).await;
}

async fn ask(query: String, port: u16, owner: Peer, give: &impl Fn(BrowserAsk) -> bool) -> Result<BrowserEnd, Code> {
    let (answer, answered) = oneshot::channel();
    if !give(BrowserAsk { query, port, owner, answer }) {
        return Err(Code::Failure(FailureCode::NotRunning));
    }
    match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Code::Failure(FailureCode::NotRunning)),
        Err(_) => Err(Code::Failure(FailureCode::PortalUnreachable)),
    }
}

/// The octets up to the empty line that ends the head; more than the limit is cut off, and refused when it is read.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(2048);
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        let before = head.len();
        let room = u64::try_from(LONGEST_HEAD - before).unwrap_or_default();
        if (&mut *stream).take(room).read_buf(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}
