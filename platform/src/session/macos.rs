//! SystemConfiguration's dynamic store: its value for the console user, and its notifications of changes to it; and Open Directory for who that is.

use super::{SessionChange, SessionError, UserSession, console::people, open_directory, standing::Standing};
use crate::{macos::StoreChanges, paths::Paths};
use core_foundation::{
    array::{CFArray, CFArrayRef},
    base::{CFAllocatorRef, CFType, CFTypeRef, TCFType as _},
    error::CFErrorRef,
    propertylist::{create_data, kCFPropertyListBinaryFormat_v1_0},
    string::{CFString, CFStringRef},
};
use rustix::process::geteuid;
use std::{io, ptr::null, ptr::null_mut, time::Duration};
use system_configuration::dynamic_store::SCDynamicStoreBuilder;

const KEY: &str = "State:/Users/ConsoleUser";
/// The node of Open Directory that looks where the login window looks.
const SEARCH: &str = "/Search";
const USERS: &str = "dsRecTypeStandard:Users";
/// How long a directory may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn refreshed(session: UserSession) -> UserSession {
    session
}

pub(super) async fn sessions() -> Result<Vec<UserSession>, SessionError> {
    // A directory that is far away is asked for as long as it takes: not on the threads that serve others.
    let asked = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(sessions_now)).await;
    match asked {
        Ok(Ok(found)) => found,
        Ok(Err(ended)) => Err(failed("read the console user", io::Error::other(ended))),
        Err(_) => Err(SessionError::TimedOut { seconds: PATIENCE.as_secs() }),
    }
}

fn sessions_now() -> Result<Vec<UserSession>, SessionError> {
    let list = console_user().map_err(|error| failed("read the console user", error))?;
    // Without a value nobody has logged in since the machine started.
    let Some(list) = list else { return Ok(Vec::new()) };
    let malformed = || failed("read the console user", io::ErrorKind::InvalidData.into());
    let mut found = people(&list, stable_id, standing).ok_or_else(malformed)?;
    let own = geteuid().as_raw();
    found.retain(|session| Paths::is_privileged() || session.uid == Some(own));
    Ok(found)
}

fn failed(doing: &'static str, error: io::Error) -> SessionError {
    SessionError::Service { doing, source: Box::new(error) }
}

/// The value as a binary property list.
fn console_user() -> io::Result<Option<Vec<u8>>> {
    let store = SCDynamicStoreBuilder::new("countersign").build().ok_or(io::ErrorKind::NotConnected)?;
    let Some(value) = store.get(KEY) else { return Ok(None) };
    let list =
        create_data(value.as_CFTypeRef(), kCFPropertyListBinaryFormat_v1_0).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Some(list.bytes().to_vec()))
}

fn standing(name: &str, uid: u32) -> Standing {
    match Record::of_user(name) {
        Some(record) => open_directory::standing(name, uid, |attribute| record.values(attribute)),
        None => Standing::local("is not known to Open Directory"),
    }
}

#[expect(unsafe_code, reason = "Open Directory has a C interface: CFOpenDirectory's ODNode.h and ODRecord.h")]
#[link(name = "OpenDirectory", kind = "framework")]
unsafe extern "C" {
    fn ODNodeCreateWithName(
        allocator: CFAllocatorRef,
        session: CFTypeRef,
        name: CFStringRef,
        error: *mut CFErrorRef,
    ) -> CFTypeRef;
    fn ODNodeCopyRecord(
        node: CFTypeRef,
        kind: CFStringRef,
        name: CFStringRef,
        attributes: CFTypeRef,
        error: *mut CFErrorRef,
    ) -> CFTypeRef;
    fn ODRecordCopyValues(record: CFTypeRef, attribute: CFStringRef, error: *mut CFErrorRef) -> CFArrayRef;
}

/// A record of Open Directory; released on drop.
struct Record(CFType);

impl Record {
    /// The record of the account with this name; none where there is none, or none can be had.
    #[expect(unsafe_code, reason = "Open Directory has a C interface")]
    fn of_user(name: &str) -> Option<Self> {
        let (search, users, name) = (CFString::new(SEARCH), CFString::new(USERS), CFString::new(name));
        // SAFETY: the texts live until the end of this function; without a session the default one is taken, without a place no error is written.
        let node = unsafe { ODNodeCreateWithName(null(), null(), search.as_concrete_TypeRef(), null_mut()) };
        let node = owned(node)?;
        // SAFETY: as above, and the node is owned; without a list of attributes all can be asked for.
        let record = unsafe {
            ODNodeCopyRecord(
                node.as_CFTypeRef(),
                users.as_concrete_TypeRef(),
                name.as_concrete_TypeRef(),
                null(),
                null_mut(),
            )
        };
        owned(record).map(Self)
    }

    /// The values of an attribute that are texts.
    #[expect(unsafe_code, reason = "Open Directory has a C interface")]
    fn values(&self, attribute: &str) -> Vec<String> {
        let attribute = CFString::new(attribute);
        // SAFETY: the record is owned and the text lives; without a place no error is written.
        let values = unsafe { ODRecordCopyValues(self.0.as_CFTypeRef(), attribute.as_concrete_TypeRef(), null_mut()) };
        if values.is_null() {
            return Vec::new();
        }
        // SAFETY: by the rule for names with "Copy", what is not null is an array that is ours to release.
        let values: CFArray<CFType> = unsafe { CFArray::wrap_under_create_rule(values) };
        values.iter().filter_map(|value| value.downcast::<CFString>()).map(|text| text.to_string()).collect()
    }
}

/// Takes over what a function with "Create" or "Copy" in its name has returned; none where that is null.
#[expect(unsafe_code, reason = "Open Directory has a C interface")]
fn owned(object: CFTypeRef) -> Option<CFType> {
    // SAFETY: by the rule for such names, what is not null is ours to release.
    (!object.is_null()).then(|| unsafe { CFType::wrap_under_create_rule(object) })
}

/// User ids are given out anew on every machine, so the machine is part of what stays the same.
fn stable_id(uid: u32) -> String {
    let machine = crate::device::machine_hash().unwrap_or_else(|| "unknown-machine".to_owned());
    format!("{uid}@{machine}")
}

#[derive(Debug)]
pub(super) struct SessionChanges(StoreChanges);

impl SessionChanges {
    pub(super) async fn subscribe() -> Result<Self, SessionError> {
        StoreChanges::of(&[KEY]).map(Self).map_err(|error| failed("subscribe to the changes", error))
    }

    pub(super) async fn next(&mut self) -> SessionChange {
        self.0.next().await;
        SessionChange::Changed
    }
}
