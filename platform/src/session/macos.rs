//! SystemConfiguration's dynamic store: its value for the console user, and its notifications of changes to it.

use super::{SessionChange, SessionError, UserSession, console::people};
use crate::{macos::StoreChanges, paths::Paths};
use core_foundation::propertylist::{create_data, kCFPropertyListBinaryFormat_v1_0};
use rustix::process::geteuid;
use std::io;
use system_configuration::dynamic_store::SCDynamicStoreBuilder;

const KEY: &str = "State:/Users/ConsoleUser";

pub(super) async fn sessions() -> Result<Vec<UserSession>, SessionError> {
    let list = console_user().map_err(|error| failed("read the console user", error))?;
    // Without a value nobody has logged in since the machine started.
    let Some(list) = list else { return Ok(Vec::new()) };
    let malformed = || failed("read the console user", io::ErrorKind::InvalidData.into());
    let mut found = people(&list, stable_id).ok_or_else(malformed)?;
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
