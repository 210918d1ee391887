//! A page that is served once, to the person whose command asked for it: how a command hands a Response to their browser. A file would lie
//! about, and another account could read the address from the list of processes; that account is refused by the connection's owner.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::{loopback, random};
use tokio::net::TcpListener;

use super::{ASK_TIMEOUT, BrowserAnswer, BrowserEnd, page, read_head, request, write};

/// How long the page waits for its browser: as long as a person waits, and less than the Response lives.
const PATIENCE: Duration = Duration::from_secs(120);
const PATH: &str = "/open";

/// Why nobody got the page.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// No port of 127.0.0.1.
    #[error("can't wait for the browser on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// Nobody came.
    #[error("no browser has opened the page within {} seconds", PATIENCE.as_secs())]
    NobodyCame,
}

/// The page, waiting.
#[derive(Debug)]
pub struct OneTimePage {
    listener: TcpListener,
    port: u16,
    secret: String,
}

impl OneTimePage {
    /// Waits on a port of 127.0.0.1 that the system gives.
    ///
    /// # Errors
    /// [`OnceError::Listen`].
    pub async fn bind() -> Result<Self, OnceError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(OnceError::Listen)?;
        let port = listener.local_addr().map_err(OnceError::Listen)?.port();
        Ok(Self { listener, port, secret: URL_SAFE_NO_PAD.encode(random::bytes::<16>()) })
    }

    /// Its address, which works once.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}?{}", self.port, self.secret)
    }

    /// Gives `answer` to the first browser of this account that knows the address; everybody else is refused.
    ///
    /// # Errors
    /// [`OnceError`].
    pub async fn give(self, answer: BrowserAnswer) -> Result<(), OnceError> {
        let given = tokio::time::timeout(PATIENCE, self.wait(answer)).await;
        given.map_err(|_| OnceError::NobodyCame)?
    }

    async fn wait(self, answer: BrowserAnswer) -> Result<(), OnceError> {
        loop {
            let (mut stream, theirs) = self.listener.accept().await.map_err(OnceError::Listen)?;
            let SocketAddr::V4(theirs) = theirs else { continue };
            let owner = loopback::owner(theirs, SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port));
            if !owner.is_ok_and(|owner| owner.same_user) {
                continue;
            }
            let Ok(Ok(head)) = tokio::time::timeout(ASK_TIMEOUT, read_head(&mut stream)).await else { continue };
            match request::parse(&head, self.port, PATH) {
                Ok(query) if query == self.secret => {
                    write(&mut stream, &page::of(Ok(BrowserEnd::Posts(answer)))).await;
                    return Ok(());
                }
                Ok(_) => write(&mut stream, &page::refused(request::Refused::NoSuchPage)).await,
                Err(refused) => write(&mut stream, &page::refused(refused)).await,
            }
        }
    }
}
