//! Commands that follow the status: each is told when what it may see has changed, and the latest only where it reads slowly.

use platform::channel::{Connection, Peer};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;

use super::{ASK_TIMEOUT, Daemon, reply};
use crate::control::{self, Problem, Reply, Status};
use crate::local_account::LocalAccount;

/// How many may follow at once.
const MOST: usize = 16;

/// How many of one account, which is not the administrator's alone.
const MOST_OF_ACCOUNT: usize = MOST / 2;

/// The connections that follow the status.
#[derive(Default)]
pub(super) struct Watchers(Vec<Watcher>);

struct Watcher {
    peer: Peer,
    status: watch::Sender<Status>,
}

impl Daemon {
    pub(super) fn watch_asked(&mut self, peer: Peer, connection: Connection) {
        self.watchers.0.retain(|watcher| !watcher.status.is_closed());
        let account = LocalAccount::of_peer(&peer);
        let own = self.watchers.0.iter().filter(|watcher| LocalAccount::of_peer(&watcher.peer) == account).count();
        if self.watchers.0.len() >= MOST || own >= MOST_OF_ACCOUNT {
            return reply(connection, Reply::Failed(Problem::too_many_watch()));
        }
        let (status, changes) = watch::channel(self.status_for(&peer));
        tokio::spawn(tell_changes(connection, changes));
        self.watchers.0.push(Watcher { peer, status });
    }

    /// Tells those who follow what has changed since they were told, if anything has.
    pub(super) fn tell_watchers(&mut self) {
        self.watchers.0.retain(|watcher| !watcher.status.is_closed());
        for watcher in &self.watchers.0 {
            let status = self.status_for(&watcher.peer);
            watcher.status.send_if_modified(|told| {
                let changed = !told.says_the_same_as(&status);
                if changed {
                    *told = status;
                }
                changed
            });
        }
    }
}

async fn tell_changes(mut connection: Connection, mut changes: watch::Receiver<Status>) {
    loop {
        let status = Reply::Status(Box::new(changes.borrow_and_update().clone()));
        let told = tokio::time::timeout(ASK_TIMEOUT, control::write_line(&mut connection, &status)).await;
        if !matches!(told, Ok(Ok(()))) {
            return;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            // The command says nothing more: what comes is its end.
            _ = connection.read_u8() => return,
        }
    }
}

impl Problem {
    /// There are enough of them.
    fn too_many_watch() -> Self {
        Self {
            code: "too-many-watch".to_owned(),
            meaning: format!("{MOST} commands follow the status already"),
            next_action: "end one of them, or ask again and again with `countersign status`".to_owned(),
            exit_code: 1,
        }
    }
}
