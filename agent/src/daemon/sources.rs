//! What wakes the daemon: each source only names what happened, as a [`Mail`].

use std::sync::Arc;
use std::time::Duration;

use platform::channel::Listener;
use platform::network::NetworkChanges;
use platform::session::{SessionChange, SessionChanges};
use platform::watch::Watch;
use tokio::sync::mpsc;

use super::{ASK_TIMEOUT, Mail};
use crate::control::{self, Ask};
use crate::local_account::{LocalAccount, Places};
use crate::system_access::SystemAccessSeen;

/// Commands of one account that are read at the same time, and those that it may have open before they are read.
const READ_AT_ONCE: usize = 4;
const MOST_OF_ACCOUNT: usize = 64;

pub(super) async fn listen(
    mut listener: Listener,
    mailbox: mpsc::UnboundedSender<Mail>,
    access: Arc<SystemAccessSeen>,
) {
    let places = Places::new(READ_AT_ONCE, MOST_OF_ACCOUNT);
    loop {
        let (mut connection, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a command could not be heard");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let Some(place) = places.take(LocalAccount::of_peer(&peer)) else { continue };
        let (mailbox, access) = (mailbox.clone(), Arc::clone(&access));
        tokio::spawn(async move {
            // Its turn included: an account that has many open waits for its own alone.
            let asked = tokio::time::timeout(ASK_TIMEOUT, async {
                let _turn = place.turn().await;
                control::read_ask(&mut connection).await
            });
            let asked = asked.await;
            if let Ok(Ok(ask)) = asked {
                // Here and not in the daemon's one loop: it may take its time.
                if matches!(ask, Ask::Status) {
                    access.try_connection_owners().await;
                }
                // The daemon is ending if its mailbox is gone.
                let _ = mailbox.send(Mail::Asked { ask, peer, connection });
            }
        });
    }
}

/// What the operating system could not tell is asked for again after this long: a machine that starts has much to do.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The stream of changes; `None`, and a line in the log, where the system does not give one now.
pub(super) async fn subscribe_to_sessions() -> Option<SessionChanges> {
    match SessionChanges::subscribe().await {
        Ok(changes) => Some(changes),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "changes of who is logged in are not heard; subscribing again soon");
            None
        }
    }
}

pub(super) async fn watch_sessions(changes: Option<SessionChanges>, mailbox: mpsc::UnboundedSender<Mail>) {
    let mut subscribed = changes;
    let mut changes = loop {
        if let Some(changes) = subscribed {
            break changes;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        subscribed = subscribe_to_sessions().await;
        // What has changed before was not heard.
        if subscribed.is_some() && mailbox.send(Mail::SessionsChanged).is_err() {
            return;
        }
    };
    loop {
        let change = changes.next().await;
        let woke_up = change == SessionChange::Resumed;
        if mailbox.send(Mail::SessionsChanged).is_err() || woke_up && mailbox.send(Mail::NetworkChanged).is_err() {
            return;
        }
    }
}

/// How long after a refusal changes of the network are subscribed to again: what refuses is a sandbox, more often than not.
const NETWORK_AGAIN_AFTER: Duration = Duration::from_secs(300);

/// The stream of changes of the network; `None`, noted in `access`, where the system does not give one now.
pub(super) fn subscribe_to_network(access: &SystemAccessSeen) -> Option<NetworkChanges> {
    match NetworkChanges::subscribe() {
        Ok(changes) => {
            access.network_changes(Ok(()));
            Some(changes)
        }
        Err(error) => {
            access.network_changes(Err(error));
            None
        }
    }
}

pub(super) async fn watch_network(
    changes: Option<NetworkChanges>,
    access: Arc<SystemAccessSeen>,
    mailbox: mpsc::UnboundedSender<Mail>,
) {
    let mut subscribed = changes;
    loop {
        if let Some(mut changes) = subscribed {
            let ended = loop {
                if let Err(error) = changes.next().await {
                    break error;
                }
                if mailbox.send(Mail::NetworkChanged).is_err() {
                    return;
                }
            };
            access.network_changes(Err(ended));
        }
        tokio::time::sleep(NETWORK_AGAIN_AFTER).await;
        subscribed = subscribe_to_network(&access);
        // What has changed before was not heard.
        if subscribed.is_some() && mailbox.send(Mail::NetworkChanged).is_err() {
            return;
        }
    }
}

pub(super) async fn watch_options(mut watch: Watch, mailbox: mpsc::UnboundedSender<Mail>) {
    loop {
        watch.changed().await;
        if mailbox.send(Mail::OptionsChanged).is_err() {
            return;
        }
    }
}
