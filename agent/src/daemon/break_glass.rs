//! Break-glass codes in the daemon: they are taken while a sign-in is stuck on a dead network, so they don't wait for the device.

use std::time::Instant;

use platform::channel::{Connection, Peer};

use super::{Daemon, reply};
use crate::break_glass::{BreakGlass, BreakGlassError};
use crate::control::{Problem, Reply};
use crate::conversation::{KeptAlive, Report};
use crate::local_account::{LocalAccount, WrongCodes};

/// What is kept of the codes, and when the time of a grant was counted last.
pub(super) struct Codes {
    kept: Option<BreakGlass>,
    counted: Instant,
    /// Who has typed wrong ones.
    wrong: WrongCodes,
}

impl Default for Codes {
    fn default() -> Self {
        Self { kept: None, counted: Instant::now(), wrong: WrongCodes::default() }
    }
}

impl Daemon {
    /// Reads what the disk has; where that can't be used no code is taken, and local software is told to let nobody through.
    pub(super) fn open_break_glass(&mut self) {
        self.codes = Codes { wrong: std::mem::take(&mut self.codes.wrong), ..Codes::default() };
        match BreakGlass::load(&self.paths.state_dir) {
            Ok(kept) => self.codes.kept = Some(kept),
            Err(error) => tracing::warn!(
                code = error.code().code(),
                error = &error as &dyn std::error::Error,
                "break-glass codes can't be taken"
            ),
        }
    }

    /// Somebody at this device has typed a code.
    pub(super) fn break_glass_asked(&mut self, code: &str, peer: &Peer, connection: Connection) {
        let at_it = self.people.values().any(|person| peer.owns(&person.session));
        if !(peer.privileged || peer.same_user || at_it) {
            return reply(connection, Reply::Failed(Problem::not_allowed()));
        }
        let (account, instant) = (LocalAccount::of_peer(peer), Instant::now());
        if !peer.privileged && self.codes.wrong.wait(&account, instant) {
            return reply(connection, Reply::Failed(Problem::failure(BreakGlassError::Waiting.code())));
        }
        self.count_break_glass();
        let now = self.now();
        let taken = self.codes.kept.as_mut().ok_or(BreakGlassError::NoKey).and_then(|kept| kept.take(code, now));
        if matches!(taken, Ok(_) | Err(BreakGlassError::Refused)) {
            self.codes.wrong.note(account, taken.is_ok(), instant);
        }
        match taken {
            Ok(until) => {
                tracing::warn!(%until, "a break-glass code was taken: local software is to let this device through");
                let status = self.status_for(peer);
                reply(connection, Reply::Status(Box::new(status)));
            }
            Err(error) => {
                tracing::warn!(
                    code = error.code().code(),
                    error = &error as &dyn std::error::Error,
                    "a break-glass code was not taken"
                );
                reply(connection, Reply::Failed(Problem::failure(error.code())));
            }
        }
    }

    /// What the next keep-alive says besides.
    pub(super) fn report(&self) -> Report {
        let kept = self.codes.kept.as_ref();
        Report {
            key_name: kept.and_then(BreakGlass::key_name),
            used: kept.and_then(BreakGlass::to_tell),
            refused: self.support.refused(),
        }
    }

    /// What a keep-alive has brought.
    pub(super) fn break_glass_heard(&mut self, kept_alive: &KeptAlive) {
        let now = self.now();
        let Some(kept) = self.codes.kept.as_mut() else { return };
        let written = match &kept_alive.agreed {
            Some(key) => kept.keep(key.clone()),
            None => kept.heard(kept_alive.reported, now),
        };
        match written {
            Ok(()) if kept_alive.agreed.is_some() => tracing::info!("a break-glass key was agreed on"),
            Ok(()) if kept_alive.reported.is_some() => {
                tracing::info!("the portal has heard that a break-glass code was used");
            }
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is known of break-glass codes can't be kept"
                );
            }
        }
    }

    /// Counts the time that has passed of a grant.
    pub(super) fn count_break_glass(&mut self) {
        let (now, counted) = (self.now(), Instant::now());
        let passed = counted.duration_since(self.codes.counted);
        self.codes.counted = counted;
        if let Some(Err(error)) = self.codes.kept.as_mut().map(|kept| kept.pass(passed, now)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the time of a break-glass code is not written down"
            );
        }
    }

    /// Until when local software is to let the device through.
    pub(super) fn let_through_until(&self) -> Option<saml::time::UtcTime> {
        self.codes.kept.as_ref()?.until(self.now())
    }
}
