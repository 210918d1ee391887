//! An HTTP proxy that takes `CONNECT` (RFC 9110 §9.3.6), as offices have them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A proxy on loopback; serves until the process ends.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy that lets everybody through, or only those who send this value as `Proxy-Authorization`.
    ///
    /// # Panics
    /// Where no port can be had.
    #[must_use]
    pub fn start(wanted: Option<&'static str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port can be had");
        let port = listener.local_addr().expect("it has an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                // A peer that goes away in the middle is no failure of ours.
                std::thread::spawn(move || serve(stream, wanted, &kept));
            }
        });
        Self { port, requests }
    }

    /// The request lines that have come so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(client: TcpStream, wanted: Option<&str>, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let head: Vec<String> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let request = head.first().cloned().unwrap_or_default();
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let mut client = reader.into_inner();
    let authorization = head.iter().find_map(|line| {
        line.split_once(": ")
            .filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))
            .map(|(_, value)| value)
    });
    if wanted.is_some() && authorization != wanted {
        return client.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"office\"\r\nContent-Length: 0\r\n\r\n",
        );
    }
    let target = request.split(' ').nth(1).unwrap_or_default();
    let Ok(mut server) = TcpStream::connect(target) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        let done = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
        done
    });
    std::io::copy(&mut client, &mut server)?;
    let _ = server.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}
