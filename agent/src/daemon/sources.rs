//! What wakes the daemon: each source only names what happened, as a [`Mail`].

use std::time::Duration;

use platform::channel::Listener;
use platform::network::NetworkChanges;
use platform::session::{SessionChange, SessionChanges};
use platform::watch::Watch;
use tokio::sync::mpsc;

use super::{ASK_TIMEOUT, Mail};
use crate::control;
use crate::local_account::{LocalAccount, Places};

/// Commands of one account that are read at the same time, and those that it may have open before they are read.
const READ_AT_ONCE: usize = 4;
const MOST_OF_ACCOUNT: usize = 64;

pub(super) async fn listen(mut listener: Listener, mailbox: mpsc::UnboundedSender<Mail>) {
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
        let mailbox = mailbox.clone();
        tokio::spawn(async move {
            // Its turn included: an account that has many open waits for its own alone.
            let asked = tokio::time::timeout(ASK_TIMEOUT, async {
                let _turn = place.turn().await;
                control::read_ask(&mut connection).await
            });
            let asked = asked.await;
            if let Ok(Ok(ask)) = asked {
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

pub(super) async fn watch_network(mut changes: NetworkChanges, mailbox: mpsc::UnboundedSender<Mail>) {
    loop {
        changes.next().await;
        if mailbox.send(Mail::NetworkChanged).is_err() {
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
