//! What several macOS leaves need: changes of values in SystemConfiguration's dynamic store.

use core_foundation::{
    array::CFArray,
    runloop::{CFRunLoop, kCFRunLoopDefaultMode},
    string::CFString,
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};
use system_configuration::dynamic_store::{SCDynamicStore, SCDynamicStoreBuilder, SCDynamicStoreCallBackContext};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long the run loop waits at most before it looks whether it is still wanted.
const LONGEST_TURN: Duration = Duration::from_secs(3600);

/// A subscription: a run loop on a thread of its own, which is told to end on drop.
#[derive(Debug)]
pub(crate) struct StoreChanges {
    heard: UnboundedReceiver<()>,
    run_loop: CFRunLoop,
    dropped: Arc<AtomicBool>,
}

impl StoreChanges {
    /// Subscribes to the values under these keys. Waits for the thread to have begun, which takes no I/O.
    pub(crate) fn of(keys: &'static [&'static str]) -> io::Result<Self> {
        let (sender, heard) = unbounded_channel();
        let (report, started) = mpsc::channel();
        let dropped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&dropped);
        let builder = std::thread::Builder::new().name("store changes".to_owned());
        builder.spawn(move || listen(keys, sender, &report, &seen))?;
        let run_loop = started.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { heard, run_loop, dropped })
    }

    /// Returns after a change; pending for ever once the system has ended the subscription.
    pub(crate) async fn next(&mut self) {
        if self.heard.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for StoreChanges {
    fn drop(&mut self) {
        // A stop that comes before the loop runs is lost: then the thread finds the mark at its next turn, and is not waited for.
        self.dropped.store(true, Ordering::Release);
        self.run_loop.stop();
    }
}

#[expect(unsafe_code, reason = "the name of the run loop's mode is a static of the system")]
fn listen(
    keys: &[&str],
    sender: UnboundedSender<()>,
    report: &mpsc::Sender<io::Result<CFRunLoop>>,
    dropped: &AtomicBool,
) {
    let source = watch(keys, sender)
        .and_then(|store| Ok((store.create_run_loop_source().ok_or(io::ErrorKind::NotConnected)?, store)));
    // The caller has gone if reporting fails, and then nobody needs the answer.
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

fn watch(keys: &[&str], sender: UnboundedSender<()>) -> io::Result<SCDynamicStore> {
    let context = SCDynamicStoreCallBackContext { callout: changed, info: sender };
    let store = SCDynamicStoreBuilder::new("countersign")
        .callback_context(context)
        .build()
        .ok_or(io::ErrorKind::NotConnected)?;
    let keys: Vec<CFString> = keys.iter().copied().map(CFString::new).collect();
    let (keys, patterns): (CFArray<CFString>, CFArray<CFString>) =
        (CFArray::from_CFTypes(&keys), CFArray::from_CFTypes(&[]));
    if store.set_notification_keys(&keys, &patterns) { Ok(store) } else { Err(io::ErrorKind::NotConnected.into()) }
}

fn changed(_store: SCDynamicStore, _keys: CFArray<CFString>, sender: &mut UnboundedSender<()>) {
    // A receiver that is gone is about to stop the run loop.
    let _ = sender.send(());
}
