//! winbind, asked over its pipe (the structures of Samba's `winbind_struct_protocol.h`, versions 28 to 33, so Samba 4.6 to 4.22 and on).
//!
//! A request has a fixed length, which tells the versions apart: winbind hangs up on any other.

use super::name_service::{Account, Deadline, Line, not_understood, number, text};
use std::{io, ops::RangeInclusive, path::Path};

const TEXT: usize = 256;
const HEADER: usize = 8;
const OK: u32 = 2;
/// The kind of a SID that is a person's (MS-LSAT section 2.2.13).
const USER: u32 = 1;

/// The commands whose numbers are the same in all of these versions.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Ask {
    Version = 0,
    AccountByName = 1,
    AccountById = 2,
    NameOfSid = 21,
    SidsOfIds = 26,
    Domain = 35,
}

/// Where a request has what is asked about.
#[derive(Clone)]
struct Layout {
    versions: RangeInclusive<u32>,
    data: usize,
}

const DOMAIN_NAME: usize = 24;
const DATA: usize = 1800;
const LAYOUTS: [Layout; 3] = [
    Layout { versions: 32..=33, data: 320 },
    Layout { versions: 31..=31, data: 312 },
    Layout { versions: 28..=30, data: 280 },
];

/// Where a domain's answer says that the domain is an Active Directory, and what its NetBIOS name, its DNS name and its SID come before.
const IS_ACTIVE_DIRECTORY: usize = HEADER + 3 * TEXT + 1;

/// Whose a SID is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SidOwner {
    /// The domain's NetBIOS name.
    pub(super) domain: String,
    /// The account's name in the directory: its sAMAccountName.
    pub(super) account: String,
}

/// A connection to winbind.
pub(super) struct Winbind {
    line: Line,
    layout: Layout,
    /// The length of an answer without what is added to it.
    answer: usize,
}

impl Winbind {
    pub(super) fn at(pipe: &Path, deadline: Deadline) -> io::Result<Self> {
        for layout in LAYOUTS {
            let mut winbind = Self { line: Line::to(pipe, deadline)?, layout, answer: 0 };
            match winbind.ask(Ask::Version, b"", b"", b"") {
                Ok(Some(answer)) => {
                    let version = number(&answer, HEADER)?;
                    if !winbind.layout.versions.contains(&version) {
                        return Err(io::Error::other(format!(
                            "winbind speaks version {version} of its interface, which is not known here"
                        )));
                    }
                    winbind.answer = answer.len();
                    return Ok(winbind);
                }
                Ok(None) => return Err(not_understood()),
                // It hangs up where it expects another length.
                Err(error) if is_end(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("winbind speaks a version of its interface which is not known here"))
    }

    /// The account with that user id, by the name that winbind gives it.
    pub(super) fn by_id(&mut self, uid: u32) -> io::Result<Option<Account>> {
        self.ask(Ask::AccountById, b"", &uid.to_ne_bytes(), b"")?.map(|answer| account(&answer)).transpose()
    }

    pub(super) fn by_name(&mut self, name: &str) -> io::Result<Option<Account>> {
        self.ask(Ask::AccountByName, b"", name.as_bytes(), b"")?.map(|answer| account(&answer)).transpose()
    }

    pub(super) fn sid_of(&mut self, uid: u32) -> io::Result<Option<String>> {
        let Some(answer) = self.ask(Ask::SidsOfIds, b"", b"", format!("U{uid}\n\0").as_bytes())? else {
            return Ok(None);
        };
        let added = String::from_utf8_lossy(answer.get(self.answer..).unwrap_or_default()).into_owned();
        let sid = added.lines().next().unwrap_or_default().trim_end_matches('\0').trim().to_owned();
        Ok(Some(sid).filter(|sid| sid.starts_with("S-1-")))
    }

    /// The person whose SID it is; `None` where it is nobody's any more, or a group's.
    pub(super) fn owner_of(&mut self, sid: &str) -> io::Result<Option<SidOwner>> {
        let Some(answer) = self.ask(Ask::NameOfSid, b"", sid.as_bytes(), b"")? else { return Ok(None) };
        let field = |index: usize| text(answer.get(HEADER + index * TEXT..).unwrap_or_default());
        let owner = SidOwner { domain: field(0)?, account: field(1)? };
        Ok(Some(owner).filter(|_| number(&answer, HEADER + 2 * TEXT).is_ok_and(|kind| kind == USER)))
    }

    /// The DNS name of a domain of Active Directory; `None` for every other domain.
    pub(super) fn dns_name_of(&mut self, domain: &str) -> io::Result<Option<String>> {
        let Some(answer) = self.ask(Ask::Domain, domain.as_bytes(), b"", b"")? else { return Ok(None) };
        let name = text(answer.get(HEADER + TEXT..).unwrap_or_default())?;
        let is_active_directory = answer.get(IS_ACTIVE_DIRECTORY).is_some_and(|&flag| flag != 0);
        Ok(Some(name).filter(|name| is_active_directory && name.contains('.')))
    }

    /// Asks about a domain by its name, or about `about`; the answer is whole, with its header.
    fn ask(&mut self, ask: Ask, domain: &[u8], about: &[u8], more: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let data = self.layout.data;
        // The texts end with a zero, so one octet of each stays free.
        if domain.len() >= TEXT || about.len() >= TEXT {
            return Err(not_understood());
        }
        let length = data + DATA + 16;
        let mut request = vec![0; length];
        let mut put = |at: usize, octets: &[u8]| {
            if let Some(place) = request.get_mut(at..at + octets.len()) {
                place.copy_from_slice(octets);
            }
        };
        put(0, &u32::try_from(length).unwrap_or_default().to_ne_bytes());
        put(4, &(ask as u32).to_ne_bytes());
        put(12, &std::process::id().to_ne_bytes());
        put(DOMAIN_NAME, domain);
        put(data, about);
        put(data + DATA + 8, &u32::try_from(more.len()).unwrap_or_default().to_ne_bytes());
        self.line.send(&[&request, more].concat())?;
        let header = self.line.receive(HEADER)?;
        let length = usize::try_from(number(&header, 0)?).ok().and_then(|length| length.checked_sub(HEADER));
        let rest = self.line.receive(length.ok_or_else(not_understood)?)?;
        Ok((number(&header, 4)? == OK).then(|| [header, rest].concat()))
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// Name and password, then user id.
fn account(answer: &[u8]) -> io::Result<Account> {
    let name = text(answer.get(HEADER..).unwrap_or_default())?;
    Ok(Account { name, uid: number(answer, HEADER + 2 * TEXT)? })
}
