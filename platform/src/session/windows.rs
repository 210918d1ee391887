//! Remote Desktop Services for who sits where, the Local Security Authority for who that is.

use super::{
    SessionChange, SessionError, UserSession,
    wts::{Logon, Seat, people},
};
use crate::{
    paths::Paths,
    service::scm,
    windows::{account_sid, own_sid, sid_text},
};
use std::{io, ptr};
use tokio::sync::mpsc::UnboundedReceiver;
use windows_sys::Win32::{
    Foundation::LUID,
    Security::Authentication::Identity::{
        LSA_UNICODE_STRING, LsaEnumerateLogonSessions, LsaFreeReturnBuffer, LsaGetLogonSessionData,
        SECURITY_LOGON_SESSION_DATA,
    },
    System::RemoteDesktop::{
        WTS_CURRENT_SERVER_HANDLE, WTS_INFO_CLASS, WTS_SESSION_INFOW, WTSActive, WTSClientProtocolType, WTSDomainName,
        WTSEnumerateSessionsW, WTSFreeMemory, WTSGetActiveConsoleSessionId, WTSQuerySessionInformationW, WTSUserName,
    },
};

#[path = "windows/changes.rs"]
mod changes;

pub(super) async fn refreshed(session: UserSession) -> UserSession {
    session
}

pub(super) async fn sessions() -> Result<Vec<UserSession>, SessionError> {
    let failed = |doing| move |error: io::Error| SessionError::Service { doing, source: Box::new(error) };
    let computer = whoami::hostname().map_err(|error| SessionError::Service {
        doing: "learn this machine's name for the list",
        source: Box::new(error),
    })?;
    let seats = seats().map_err(failed("list the sessions"))?;
    let logons = logons().map_err(failed("list the logons"))?;
    let mut found = people(&seats, &logons, &computer);
    if !Paths::is_privileged() {
        let own = own_sid().map_err(failed("learn who we are for the list"))?;
        found.retain(|session| session.stable_id == own);
    }
    Ok(found)
}

#[derive(Debug)]
pub(super) enum SessionChanges {
    /// A service is told of sessions, and of waking up, by the service control manager.
    Service(UnboundedReceiver<SessionChange>),
    /// Any other process through a window.
    Window(changes::Changes),
}

impl SessionChanges {
    pub(super) async fn subscribe() -> Result<Self, SessionError> {
        if let Some(told) = scm::take_changes() {
            return Ok(Self::Service(told));
        }
        let subscribed = changes::Changes::subscribe().await;
        subscribed
            .map(Self::Window)
            .map_err(|error| SessionError::Service { doing: "subscribe to the changes", source: Box::new(error) })
    }

    pub(super) async fn next(&mut self) -> SessionChange {
        let change = match self {
            Self::Service(told) => told.recv().await,
            Self::Window(window) => window.next().await,
        };
        match change {
            Some(change) => change,
            None => std::future::pending().await,
        }
    }
}

/// Memory of the Remote Desktop Services, freed on drop.
struct WtsMemory(*mut core::ffi::c_void);

impl Drop for WtsMemory {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the pointer came from a call that tells its caller to free it so, and is not used afterwards.
        unsafe { WTSFreeMemory(self.0) };
    }
}

#[expect(unsafe_code, reason = "the operating system's interface")]
fn seats() -> io::Result<Vec<Seat>> {
    let (mut list, mut count): (*mut WTS_SESSION_INFOW, u32) = (ptr::null_mut(), 0);
    // SAFETY: both places are ours; version 1 is the only one.
    if unsafe { WTSEnumerateSessionsW(WTS_CURRENT_SERVER_HANDLE, 0, 1, &raw mut list, &raw mut count) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let owner = WtsMemory(list.cast());
    // SAFETY: on success there are `count` entries, which live as long as `owner`.
    let entries = if list.is_null() {
        &[]
    } else {
        unsafe { std::slice::from_raw_parts(list, usize::try_from(count).unwrap_or(0)) }
    };
    let mut seats: Vec<_> = entries.iter().map(|entry| seat(entry.SessionId, entry.State == WTSActive)).collect();
    drop(owner);
    if seats.is_empty() {
        // A Windows that lists not even the services' own session does not keep the list; it still knows the console.
        // SAFETY: takes nothing.
        seats.extend(
            Some(unsafe { WTSGetActiveConsoleSessionId() }).filter(|id| *id != u32::MAX).map(|id| seat(id, true)),
        );
    }
    Ok(seats)
}

fn seat(id: u32, active: bool) -> Seat {
    let (user, domain) = (session_text(id, WTSUserName), session_text(id, WTSDomainName));
    // 0 is the console, 2 is RDP.
    let remote = session_octets(id, WTSClientProtocolType).is_some_and(|octets| octets.first() == Some(&2));
    let account = Some(format!("{domain}\\{user}")).filter(|_| id != 0 && !user.is_empty());
    let sid = account.and_then(|account| account_sid(&account).ok());
    Seat { id, user, domain, active, remote, sid }
}

fn session_text(session: u32, class: WTS_INFO_CLASS) -> String {
    let octets = session_octets(session, class).unwrap_or_default();
    let units: Vec<u16> = octets
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16_lossy(&units)
}

/// A property of a session; `None` when the session has just ended or does not have it.
#[expect(unsafe_code, reason = "the operating system's interface")]
fn session_octets(session: u32, class: WTS_INFO_CLASS) -> Option<Vec<u8>> {
    let (mut buffer, mut length) = (ptr::null_mut(), 0);
    // SAFETY: both places are ours.
    if unsafe {
        WTSQuerySessionInformationW(WTS_CURRENT_SERVER_HANDLE, session, class, &raw mut buffer, &raw mut length)
    } == 0
        || buffer.is_null()
    {
        return None;
    }
    let owner = WtsMemory(buffer.cast());
    // SAFETY: on success there are `length` octets, which live as long as `owner`.
    let octets =
        unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), usize::try_from(length).unwrap_or(0)) }.to_vec();
    drop(owner);
    Some(octets)
}

/// Memory of the Local Security Authority, freed on drop.
struct LsaMemory(*const core::ffi::c_void);

impl Drop for LsaMemory {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the pointer came from a call that tells its caller to free it so, and is not used afterwards.
        unsafe { LsaFreeReturnBuffer(self.0) };
    }
}

#[expect(unsafe_code, reason = "the operating system's interface")]
fn logons() -> io::Result<Vec<Logon>> {
    let (mut count, mut list): (u32, *mut LUID) = (0, ptr::null_mut());
    // SAFETY: both places are ours.
    let status = unsafe { LsaEnumerateLogonSessions(&raw mut count, &raw mut list) };
    if status < 0 {
        return Err(io::Error::other(format!("LsaEnumerateLogonSessions gave NTSTATUS {status:#010x}")));
    }
    let owner = LsaMemory(list.cast());
    // SAFETY: on success there are `count` identifiers, which live as long as `owner`.
    let ids = if list.is_null() {
        &[]
    } else {
        unsafe { std::slice::from_raw_parts(list, usize::try_from(count).unwrap_or(0)) }
    };
    let logons = ids.iter().filter_map(logon).collect();
    drop(owner);
    Ok(logons)
}

/// One logon; `None` when it has ended, or is not ours to see.
#[expect(unsafe_code, reason = "the operating system's interface")]
fn logon(id: &LUID) -> Option<Logon> {
    let mut found: *mut SECURITY_LOGON_SESSION_DATA = ptr::null_mut();
    // SAFETY: the identifier is readable; `found` is a place for one pointer.
    if unsafe { LsaGetLogonSessionData(id, &raw mut found) } < 0 || found.is_null() {
        return None;
    }
    let owner = LsaMemory(found.cast());
    // SAFETY: on success the structure is whole, and lives as long as `owner`.
    let data = unsafe { &*found };
    let sid = if data.Sid.is_null() { String::new() } else { sid_text(data.Sid).ok()? };
    // SAFETY: the texts belong to the same structure.
    let text = |text: &LSA_UNICODE_STRING| unsafe { lsa_text(text) };
    let logon = Logon {
        session: data.Session,
        user: text(&data.UserName),
        domain: text(&data.LogonDomain),
        dns_domain: text(&data.DnsDomainName),
        upn: text(&data.Upn),
        sid,
        package: text(&data.AuthenticationPackage),
    };
    drop(owner);
    Some(logon)
}

/// A counted text of the Local Security Authority.
///
/// # Safety
///
/// A `Buffer` that is not null holds `Length` octets.
#[expect(unsafe_code, reason = "the operating system's interface")]
unsafe fn lsa_text(text: &LSA_UNICODE_STRING) -> String {
    if text.Buffer.is_null() {
        return String::new();
    }
    // SAFETY: by the caller's word.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text.Buffer, usize::from(text.Length / 2)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_calls_answer_or_say_why_not() {
        match sessions().await {
            Ok(sessions) => assert!(sessions.iter().all(|session| session.stable_id.starts_with("S-1-"))),
            Err(error) => assert!(error.to_string().contains("session service"), "{error}"),
        }
    }
}
