//! A DNS server of the tests' own: it has TXT records and nothing else.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// The length of a message's header.
const HEADER: usize = 12;

/// A server on a port of 127.0.0.1, for as long as the program runs.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Where it is asked.
    pub address: SocketAddr,
    texts: Arc<Mutex<HashMap<String, String>>>,
}

impl Dns {
    /// A server that knows nothing yet.
    ///
    /// # Panics
    /// Where no port is free.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let address = socket.local_addr().expect("it has an address");
        let texts = Arc::new(Mutex::new(HashMap::new()));
        let known = Arc::clone(&texts);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let texts = known.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = socket.send_to(&answer(&buffer[..length], &texts), from);
            }
        });
        Self { address, texts }
    }

    /// Gives `name` a TXT record with `text`.
    pub fn set(&self, name: &str, text: &str) {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.insert(name.to_ascii_lowercase(), text.to_owned());
    }
}

/// The answer to `query`, whose name is one that the portal writes: without pointers.
fn answer(query: &[u8], texts: &HashMap<String, String>) -> Vec<u8> {
    let (mut at, mut labels) = (HEADER, Vec::new());
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_ascii_lowercase());
        at = end;
    }
    let question_end = at + 5;
    let found = texts.get(&labels.join("."));
    let mut message = query[..question_end].to_vec();
    // An answer, with recursion; without a record: no such name.
    message[2] = 0x81;
    message[3] = if found.is_some() { 0x80 } else { 0x83 };
    message[7] = u8::from(found.is_some());
    message[8..HEADER].fill(0);
    if let Some(text) = found {
        let length = u8::try_from(text.len()).expect("a short text");
        message.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1, 0, length + 1, length]);
        message.extend_from_slice(text.as_bytes());
    }
    message
}
