//! SystemConfiguration's dynamic store: its value for the console user, and its notifications of changes to it.

use super::{SessionChange, SessionError, UserSession, console::people};
use crate::paths::Paths;
use core_foundation::{
    array::CFArray,
    propertylist::{create_data, kCFPropertyListBinaryFormat_v1_0},
    runloop::{CFRunLoop, kCFRunLoopDefaultMode},
    string::CFString,
};
use rustix::process::geteuid;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use system_configuration::dynamic_store::{SCDynamicStore, SCDynamicStoreBuilder, SCDynamicStoreCallBackContext};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

const KEY: &str = "State:/Users/ConsoleUser";
/// How long the run loop waits at most before it looks whether it is still wanted.
const LONGEST_TURN: Duration = Duration::from_secs(3600);

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

/// A subscription: a run loop on a thread of its own, which is told to end on drop.
#[derive(Debug)]
pub(super) struct SessionChanges {
    heard: UnboundedReceiver<SessionChange>,
    run_loop: CFRunLoop,
    dropped: Arc<AtomicBool>,
}

impl SessionChanges {
    pub(super) async fn subscribe() -> Result<Self, SessionError> {
        let refused = |error| failed("subscribe to the changes", error);
        let (sender, heard) = unbounded_channel();
        let (report, started) = oneshot::channel();
        let builder = std::thread::Builder::new().name("session changes".to_owned());
        let dropped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&dropped);
        builder.spawn(move || listen(sender, report, &seen)).map_err(refused)?;
        let run_loop = started.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())).map_err(refused)?;
        Ok(Self { heard, run_loop, dropped })
    }

    pub(super) async fn next(&mut self) -> SessionChange {
        match self.heard.recv().await {
            Some(change) => change,
            None => std::future::pending().await,
        }
    }
}

impl Drop for SessionChanges {
    fn drop(&mut self) {
        // A stop that comes before the loop runs is lost: then the thread finds the mark at its next turn, and is not waited for.
        self.dropped.store(true, Ordering::Release);
        self.run_loop.stop();
    }
}

#[expect(unsafe_code, reason = "the name of the run loop's mode is a static of the system")]
fn listen(
    sender: UnboundedSender<SessionChange>,
    report: oneshot::Sender<io::Result<CFRunLoop>>,
    dropped: &AtomicBool,
) {
    let source =
        watch(sender).and_then(|store| Ok((store.create_run_loop_source().ok_or(io::ErrorKind::NotConnected)?, store)));
    // Whoever asked has gone if reporting fails, and then nobody needs the answer.
    match source {
        Ok((source, _store)) => {
            let run_loop = CFRunLoop::get_current();
            // SAFETY: a constant of CoreFoundation, set before any of our code runs.
            let mode = unsafe { kCFRunLoopDefaultMode };
            run_loop.add_source(&source, mode);
            let wanted = report.send(Ok(run_loop)).is_ok();
            while wanted && !dropped.load(Ordering::Acquire) {
                CFRunLoop::run_in_mode(mode, LONGEST_TURN, false);
            }
        }
        Err(error) => {
            let _ = report.send(Err(error));
        }
    }
}

fn watch(sender: UnboundedSender<SessionChange>) -> io::Result<SCDynamicStore> {
    let context = SCDynamicStoreCallBackContext { callout: changed, info: sender };
    let store = SCDynamicStoreBuilder::new("countersign")
        .callback_context(context)
        .build()
        .ok_or(io::ErrorKind::NotConnected)?;
    let (keys, patterns): (CFArray<CFString>, CFArray<CFString>) =
        (CFArray::from_CFTypes(&[CFString::new(KEY)]), CFArray::from_CFTypes(&[]));
    if store.set_notification_keys(&keys, &patterns) { Ok(store) } else { Err(io::ErrorKind::NotConnected.into()) }
}

fn changed(_store: SCDynamicStore, _keys: CFArray<CFString>, sender: &mut UnboundedSender<SessionChange>) {
    // A receiver that is gone is about to stop the run loop.
    let _ = sender.send(SessionChange::Changed);
}
