//! SSSD's NSS responder, asked over its socket (protocol version 1, as `sss_cli.h` of SSSD has it).
//!
//! A message is its length, a command, a status and a zero, each a `u32` in the machine's order, and a body.

use super::name_service::{Account, Deadline, Line, not_understood, number, text};
use std::{io, path::Path};

const VERSION: u32 = 1;
const HEADER: usize = 16;
const NOT_FOUND: u32 = 2;

#[derive(Clone, Copy)]
#[repr(u32)]
enum Ask {
    Version = 0x0001,
    AccountByName = 0x0011,
    AccountById = 0x0012,
    OriginalByName = 0x0115,
}

/// What SSSD keeps of an account as its directory has it; empty for accounts whose names an administrator has replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Original(Vec<(String, String)>);

impl Original {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A connection to the responder.
pub(super) struct Sssd(Line);

impl Sssd {
    pub(super) fn at(socket: &Path, deadline: Deadline) -> io::Result<Self> {
        let mut sssd = Self(Line::to(socket, deadline)?);
        let version = sssd.ask(Ask::Version, &VERSION.to_ne_bytes())?;
        if number(&version, 0)? == VERSION { Ok(sssd) } else { Err(not_understood()) }
    }

    /// The account with that user id, by the name that SSSD gives it.
    pub(super) fn by_id(&mut self, uid: u32) -> io::Result<Option<Account>> {
        account(&self.ask(Ask::AccountById, &uid.to_ne_bytes())?)
    }

    pub(super) fn by_name(&mut self, name: &str) -> io::Result<Option<Account>> {
        account(&self.ask(Ask::AccountByName, &[name.as_bytes(), &[0]].concat())?)
    }

    pub(super) fn original(&mut self, name: &str) -> io::Result<Original> {
        let answer = self.ask(Ask::OriginalByName, &[name.as_bytes(), &[0]].concat())?;
        // A count, a zero and the kind of the object come first.
        let Some(mut rest) = answer.get(12..).filter(|_| number(&answer, 0).is_ok_and(|count| count > 0)) else {
            return Ok(Original::default());
        };
        let mut pairs = Vec::new();
        while !rest.is_empty() {
            let key = next_text(&mut rest)?;
            pairs.push((key, next_text(&mut rest)?));
        }
        Ok(Original(pairs))
    }

    fn ask(&mut self, ask: Ask, body: &[u8]) -> io::Result<Vec<u8>> {
        let length = u32::try_from(HEADER + body.len()).map_err(|_| not_understood())?;
        let header = [length, ask as u32, 0, 0].map(u32::to_ne_bytes).concat();
        self.0.send(&[&header, body].concat())?;
        let header = self.0.receive(HEADER)?;
        let length = usize::try_from(number(&header, 0)?).ok().and_then(|length| length.checked_sub(HEADER));
        let body = self.0.receive(length.ok_or_else(not_understood)?)?;
        match number(&header, 8)? {
            0 => Ok(body),
            NOT_FOUND => Ok(vec![0; 8]),
            code => Err(io::Error::other(format!("SSSD answers with the error {code}"))),
        }
    }
}

/// A count and a zero, then user id, group id and the texts of passwd(5), of which the name is the first.
fn account(answer: &[u8]) -> io::Result<Option<Account>> {
    if number(answer, 0)? == 0 {
        return Ok(None);
    }
    let name = text(answer.get(16..).unwrap_or_default())?;
    Ok(Some(Account { name, uid: number(answer, 8)? }))
}

/// Values that are no text, such as a person's certificate, end what can be read: what is asked for here comes as text.
fn next_text(rest: &mut &[u8]) -> io::Result<String> {
    let end = rest.iter().position(|&octet| octet == 0).ok_or_else(not_understood)?;
    let (found, after) = rest.split_at_checked(end + 1).ok_or_else(not_understood)?;
    *rest = after;
    Ok(String::from_utf8_lossy(found.get(..end).unwrap_or_default()).into_owned())
}
