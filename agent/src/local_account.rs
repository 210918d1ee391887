//! Local accounts at the agent's doors: what each may take of connections, jobs and wrong codes, so that none keeps the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use platform::channel::Peer;
use platform::session::UserSession;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An account of this machine, as the operating system names it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum LocalAccount {
    /// By its number.
    Uid(u32),
    /// By its SID.
    Sid(String),
    /// The system could not say.
    Unknown,
}

impl LocalAccount {
    /// The account at the other end.
    #[must_use]
    pub fn of_peer(peer: &Peer) -> Self {
        match (peer.uid, &peer.sid) {
            (Some(uid), _) => Self::Uid(uid),
            (None, Some(sid)) => Self::Sid(sid.clone()),
            (None, None) => Self::Unknown,
        }
    }

    /// The account whose session that is.
    #[must_use]
    pub fn of_session(session: &UserSession) -> Self {
        session.uid.map_or_else(|| Self::Sid(session.stable_id.clone()), Self::Uid)
    }
}

/// Places at a door: so many for each account, of which a part is served at the same time and the rest waits.
#[derive(Clone, Debug)]
pub struct Places {
    at_once: usize,
    most: usize,
    taken: Arc<Mutex<HashMap<LocalAccount, Share>>>,
}

#[derive(Debug)]
struct Share {
    count: usize,
    served: Arc<Semaphore>,
}

/// A place that an account has; it counts until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    account: LocalAccount,
    served: Arc<Semaphore>,
}

impl Places {
    /// `most` for each account, `at_once` of which are served at the same time.
    #[must_use]
    pub fn new(at_once: usize, most: usize) -> Self {
        Self { at_once, most, taken: Arc::default() }
    }

    /// A place for `account`; none where it has as many as it may.
    #[must_use]
    pub fn take(&self, account: LocalAccount) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Share { count: 0, served: Arc::new(Semaphore::new(self.at_once)) };
        let share = taken.entry(account.clone()).or_insert_with(new);
        if share.count >= self.most {
            return None;
        }
        share.count += 1;
        let served = Arc::clone(&share.served);
        drop(taken);
        Some(Place { places: self.clone(), account, served })
    }
}

impl Place {
    /// Waits until it is this one's turn; it is over when what comes back is dropped.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.served).acquire_owned().await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = taken.get_mut(&self.account) {
            share.count -= 1;
            if share.count == 0 {
                taken.remove(&self.account);
            }
        }
    }
}

/// Wrong codes that an account may type in a row.
const FREE_WRONG: u32 = 4;
/// How long it waits then. Others don't: what all type together has a limit of its own.
const WRONG_WAIT: Duration = Duration::from_secs(900);

/// Wrong break-glass codes, for each account.
#[derive(Debug, Default)]
pub struct WrongCodes(HashMap<LocalAccount, (u32, Instant)>);

impl WrongCodes {
    /// Whether `account` has to wait at `now`.
    #[must_use]
    pub fn wait(&self, account: &LocalAccount, now: Instant) -> bool {
        let over = |(wrong, last): &(u32, Instant)| *wrong >= FREE_WRONG && now.duration_since(*last) < WRONG_WAIT;
        self.0.get(account).is_some_and(over)
    }

    /// Notes how a try of `account` has ended.
    pub fn note(&mut self, account: LocalAccount, was_right: bool, now: Instant) {
        self.0.retain(|_, (_, last)| now.duration_since(*last) < WRONG_WAIT);
        if was_right {
            self.0.remove(&account);
            return;
        }
        let (wrong, last) = self.0.entry(account).or_insert((0, now));
        (*wrong, *last) = (wrong.saturating_add(1), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_account_has_its_own_places_and_each_end_makes_room() {
        let places = Places::new(1, 2);
        let (one, other) = (LocalAccount::Uid(1), LocalAccount::Uid(2));
        let first = places.take(one.clone()).unwrap();
        let second = places.take(one.clone()).unwrap();
        assert!(places.take(one.clone()).is_none());
        assert!(places.take(other).is_some(), "another account is not kept out");
        let turn = first.turn().await.unwrap();
        assert_eq!(second.served.available_permits(), 0, "one after the other");
        drop(turn);
        assert!(second.turn().await.is_some());
        drop((first, second));
        assert!(places.taken.lock().unwrap().is_empty() && places.take(one).is_some());
    }

    #[test]
    fn an_account_that_types_wrong_codes_waits_and_others_do_not() {
        let (mut codes, now) = (WrongCodes::default(), Instant::now());
        let (one, other) = (LocalAccount::Uid(1), LocalAccount::Uid(2));
        for _ in 0..FREE_WRONG {
            assert!(!codes.wait(&one, now));
            codes.note(one.clone(), false, now);
        }
        assert!(codes.wait(&one, now) && !codes.wait(&other, now));
        assert!(!codes.wait(&one, now + WRONG_WAIT));
        codes.note(one.clone(), true, now);
        assert!(!codes.wait(&one, now));
    }
}
