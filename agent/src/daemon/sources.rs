//! What wakes the daemon: each source only names what happened, as a [`Mail`].

use std::time::Duration;

use platform::channel::Listener;
use platform::network::NetworkChanges;
use platform::session::{SessionChange, SessionChanges};
use platform::watch::Watch;
use tokio::sync::mpsc;

use super::{ASK_TIMEOUT, Mail};
use crate::control;

pub(super) async fn listen(mut listener: Listener, mailbox: mpsc::UnboundedSender<Mail>) {
    loop {
        let (mut connection, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a command could not be heard");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let mailbox = mailbox.clone();
        tokio::spawn(async move {
            let asked = tokio::time::timeout(ASK_TIMEOUT, control::read_ask(&mut connection)).await;
            if let Ok(Ok(ask)) = asked {
                // The daemon is ending if its mailbox is gone.
                let _ = mailbox.send(Mail::Asked { ask, peer, connection });
            }
        });
    }
}

pub(super) async fn watch_sessions(mut changes: SessionChanges, mailbox: mpsc::UnboundedSender<Mail>) {
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
