//! Name services that answer as SSSD's and winbind's sockets do, from a table. The real ones are asked in the tests of the whole system.
#![expect(clippy::unwrap_used, clippy::panic, reason = "for tests: a surprise must end them loudly")]

use std::{
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

/// An account as SSSD has it, with what it keeps of the directory.
#[derive(Clone)]
pub(super) struct InSssd {
    pub(super) name: &'static str,
    pub(super) uid: u32,
    pub(super) original: Vec<(&'static str, &'static str)>,
}

fn listen(socket: &Path) -> UnixListener {
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    UnixListener::bind(socket).unwrap()
}

/// Serves until the test ends.
fn serve(listener: UnixListener, answer: impl Fn(&mut UnixStream) -> std::io::Result<()> + Send + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while answer(&mut stream).is_ok() {}
        }
    });
}

/// Takes connections and never answers.
pub(super) fn silent(socket: &Path) -> UnixListener {
    listen(socket)
}

fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(octets[at..at + 4].try_into().unwrap())
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

pub(super) fn sssd(socket: &Path, accounts: Vec<InSssd>) {
    serve(listen(socket), move |stream| {
        let mut header = [0; 16];
        stream.read_exact(&mut header)?;
        let mut body = vec![0; word(&header, 0) as usize - 16];
        stream.read_exact(&mut body)?;
        let name = || std::str::from_utf8(&body[..body.len() - 1]).unwrap();
        let entry = |account: Option<&InSssd>| match account {
            None => words(&[0, 0]),
            Some(account) => {
                [words(&[1, 0, account.uid, account.uid]), format!("{}\0*\0\0/\0/bin/sh\0", account.name).into()]
                    .concat()
            }
        };
        let (mut status, command) = (0, word(&header, 4));
        let answer = match command {
            0x0001 => words(&[1]),
            0x0011 => entry(accounts.iter().find(|account| account.name == name())),
            0x0012 => entry(accounts.iter().find(|account| account.uid == word(&body, 0))),
            0x0115 => match accounts.iter().find(|account| account.name == name()) {
                Some(account) if !account.original.is_empty() => {
                    let pairs = account.original.iter().map(|(key, value)| format!("{key}\0{value}\0"));
                    [words(&[1, 0, 3]), pairs.collect::<String>().into()].concat()
                }
                _ => {
                    status = 2;
                    Vec::new()
                }
            },
            _ => panic!("SSSD is asked {command:#x}"),
        };
        stream.write_all(&words(&[16 + u32::try_from(answer.len()).unwrap(), command, status, 0]))?;
        stream.write_all(&answer)
    });
}

/// An account as winbind has it: its name here, and its owner in the directory, if its SID has one.
#[derive(Clone)]
pub(super) struct InWinbind {
    pub(super) name: &'static str,
    pub(super) uid: u32,
    pub(super) owner: Option<(&'static str, &'static str)>,
}

/// winbind of a version whose requests have `length` octets, with what is asked about at `data`.
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) length: usize,
    pub(super) data: usize,
}

pub(super) fn winbind(pipe: &Path, version: Version, accounts: Vec<InWinbind>, domains: &'static [(&str, &str)]) {
    const ANSWER: usize = 3496;
    serve(listen(pipe), move |stream| {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        if u32::from_ne_bytes(length) as usize != version.length {
            stream.shutdown(std::net::Shutdown::Both)?;
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        let mut request = [&length[..], &vec![0; version.length - 4]].concat();
        stream.read_exact(&mut request[4..])?;
        let mut more = vec![0; word(&request, version.data + 1800 + 8) as usize];
        stream.read_exact(&mut more)?;
        let text =
            |at: usize| String::from_utf8(request[at..].iter().copied().take_while(|&one| one != 0).collect()).unwrap();
        let mut answer = vec![0; ANSWER];
        let put =
            |answer: &mut Vec<u8>, at: usize, octets: &[u8]| answer[at..at + octets.len()].copy_from_slice(octets);
        let sid = |account: &InWinbind| format!("S-1-5-21-1-2-3-{}", account.uid);
        let known = match word(&request, 4) {
            0 => {
                put(&mut answer, 8, &version.number.to_ne_bytes());
                true
            }
            command @ (1 | 2) => {
                let about = |account: &&InWinbind| match command {
                    1 => account.name == text(version.data),
                    _ => account.uid == word(&request, version.data),
                };
                accounts.iter().find(about).is_some_and(|account| {
                    put(&mut answer, 8, account.name.as_bytes());
                    put(&mut answer, 520, &account.uid.to_ne_bytes());
                    true
                })
            }
            26 => {
                let asked = String::from_utf8(more).unwrap();
                let found = accounts.iter().find(|account| asked == format!("U{}\n\0", account.uid));
                let sid = found.map_or("-".to_owned(), sid);
                answer.extend(format!("{sid}\n\0").as_bytes());
                true
            }
            21 => {
                let owner =
                    accounts.iter().find(|account| sid(account) == text(version.data)).and_then(|found| found.owner);
                owner.is_some_and(|(domain, account)| {
                    put(&mut answer, 8, domain.as_bytes());
                    put(&mut answer, 264, account.as_bytes());
                    put(&mut answer, 520, &1_u32.to_ne_bytes());
                    true
                })
            }
            35 => domains.iter().find(|(name, _)| *name == text(24)).is_some_and(|(name, dns)| {
                put(&mut answer, 8, name.as_bytes());
                put(&mut answer, 264, dns.as_bytes());
                put(&mut answer, 777, &[1]);
                true
            }),
            command => panic!("winbind is asked {command}"),
        };
        let length = u32::try_from(answer.len()).unwrap();
        put(&mut answer, 0, &length.to_ne_bytes());
        put(&mut answer, 4, &if known { 2_u32 } else { 0 }.to_ne_bytes());
        stream.write_all(&answer)
    });
}
