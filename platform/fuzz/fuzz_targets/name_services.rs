//! What SSSD and winbind answer, over a socket as they do: a service that answers anything at all crashes nobody and is not waited for.
#![no_main]

#[path = "../../src/session/name_service.rs"]
mod name_service;
#[path = "../../src/session/sssd.rs"]
mod sssd;
#[path = "../../src/session/winbind.rs"]
mod winbind;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use name_service::Deadline;

/// What the service sends next, whatever it is asked.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The service's socket.
static SOCKET: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory can be made").keep();
    let path = directory.join("service");
    let listener = UnixListener::bind(&path).expect("a socket can be made");
    std::thread::spawn(move || listener.incoming().flatten().for_each(|client| drop(answer(client))));
    path
});

/// Everything at once: the client has all that it may want to read, and then the end.
fn answer(mut client: UnixStream) -> std::io::Result<()> {
    let answer = ANSWER.lock().map(|answer| answer.clone()).unwrap_or_default();
    client.write_all(&answer)?;
    client.shutdown(Shutdown::Write)?;
    client.read_to_end(&mut Vec::new()).map(drop)
}

/// The answers of SSSD to the question for its version.
fn sssd_speaks(rest: &[u8]) -> Vec<u8> {
    let header = [20_u32, 1, 0, 0, 1].map(u32::to_ne_bytes).concat();
    [&header, rest].concat()
}

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((which, rest)) = octets.split_first() else { return };
    let is_greeted = which & 1 == 0;
    let given = if is_greeted { sssd_speaks(rest) } else { rest.to_vec() };
    *ANSWER.lock().expect("nobody has panicked with it") = given;
    let deadline = Deadline::within(Duration::from_secs(2));
    match which >> 1 & 3 {
        0 => drop(sssd::Sssd::at(&SOCKET, deadline).and_then(|mut sssd| sssd.by_id(1000))),
        1 => {
            let original = sssd::Sssd::at(&SOCKET, deadline).and_then(|mut sssd| sssd.original("alice"));
            drop(original.map(|found| (found.is_empty(), found.value("userPrincipalName").is_some())));
        }
        2 => drop(sssd::Sssd::at(&SOCKET, deadline).and_then(|mut sssd| sssd.by_name("alice"))),
        _ => {
            let Ok(mut winbind) = winbind::Winbind::at(&SOCKET, deadline) else { return };
            drop(winbind.by_id(1000));
            drop(winbind.by_name("alice"));
            drop(winbind.sid_of(1000));
            drop(winbind.owner_of("S-1-5-21-1-2-3-1000").map(|owner| owner.map(|it| (it.domain, it.account))));
            drop(winbind.dns_name_of("DOM"));
        }
    }
});
