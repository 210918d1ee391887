//! A plain TCP balancer: connections go to the backends in turn, past those that don't answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Starts to pass connections to `port` on to `backends` (ports on this machine), until the process ends.
///
/// # Panics
/// Where the port is taken.
pub fn start(port: u16, backends: Vec<u16>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let turn = AtomicUsize::new(0);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let first = turn.fetch_add(1, Ordering::Relaxed);
            let in_turn = (0..backends.len()).map(|step| backends[(first + step) % backends.len()]);
            let connected = in_turn.filter_map(|backend| TcpStream::connect(("127.0.0.1", backend)).ok()).next();
            // No backend at all: the client hears so by its connection's end.
            if let Some(backend) = connected {
                pass_on(&client, &backend);
                pass_on(&backend, &client);
            }
        }
    });
}

fn pass_on(from: &TcpStream, to: &TcpStream) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // Either side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    });
}
