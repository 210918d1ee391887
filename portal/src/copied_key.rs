//! Signs that a device's key is in two places, and what follows from one: both holders are stopped until an administrator has looked.
//!
//! An agent sends one request at a time and numbers each before it is sent, with a number higher than all before. Two holders of one key
//! can't both do that: whichever the portal hears first, the other comes with a number that was there.

use std::net::IpAddr;

use saml::refusal::RefusalCode;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use crate::decision::Stop;
use crate::store::audit::{self, Entry};
use crate::store::device::{self, Device, DeviceState, Facts};
use crate::store::device_clone::{self, CloneSign, Why};
use crate::store::device_key::{KeyRole, Known};
use crate::store::{StoreError, device_overtaken};

/// How far ahead of the last number the next one may be. An agent that goes on from the copy of its state skips 2^32, and may have to do so
/// more than once while it can't reach the portal; starts and tries in between take a few hundred each.
const LONGEST_JUMP: i64 = 1 << 34;
/// How far behind a request may be that a later one has overtaken on its way.
const OVERTAKEN: i64 = 16;
/// Seconds for which only one request is taken for overtaken: a second one in them is a sign.
const OVERTAKEN_ONCE_IN: i64 = 3600;

/// What a request says that bears on whether its key was copied.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) sequence: i64,
    pub(crate) issued_at: UtcTime,
    /// Whether a token vouches for it as well.
    pub(crate) enrols: bool,
    pub(crate) facts: &'a Facts,
    pub(crate) address: Option<IpAddr>,
    pub(crate) now: UtcTime,
}

#[derive(Debug, Eq, PartialEq)]
enum Verdict {
    Sound,
    /// Nobody waits for its answer: the agent has given it up and sent another, which came first.
    Overtaken,
    Sign(Why),
}

/// Refuses a request that shows that the key of `found` was copied, and stops the device with it.
///
/// # Errors
/// [`RefusalCode::DeviceCloned`], or [`RefusalCode::Replayed`] where a later request has merely overtaken this one.
pub(crate) async fn check(connection: &mut AnyConnection, found: &Known, shown: Shown<'_>) -> Result<(), Stop> {
    let known = &found.device;
    let overtaken_at = match shown.sequence <= known.sequence {
        true => device_overtaken::at(connection, known.id.as_str()).await?,
        false => None,
    };
    match judge(found, shown, overtaken_at) {
        Verdict::Sound => Ok(()),
        Verdict::Overtaken => {
            device_overtaken::note(connection, known.id.as_str(), shown.now).await?;
            Err(RefusalCode::Replayed.into())
        }
        Verdict::Sign(why) => {
            stop(connection, known, why, shown).await?;
            Err(RefusalCode::DeviceCloned.into())
        }
    }
}

fn judge(found: &Known, shown: Shown<'_>, overtaken_at: Option<UtcTime>) -> Verdict {
    let known = &found.device;
    if found.role == KeyRole::Former {
        return Verdict::Sign(Why::FormerKey);
    }
    // It deletes its key when it leaves, and asks nothing more with it.
    if known.state == DeviceState::Unregistered && !shown.enrols {
        return Verdict::Sign(Why::HadLeft);
    }
    // Zero: an administrator has looked, and whatever comes next is where the count goes on.
    if known.sequence == 0 {
        return Verdict::Sound;
    }
    if shown.sequence <= known.sequence {
        let is_late = shown.sequence < known.sequence
            && known.sequence - shown.sequence <= OVERTAKEN
            && shown.issued_at <= known.last_seen_at
            && overtaken_at.is_none_or(|at| shown.now.seconds_since(at) >= OVERTAKEN_ONCE_IN);
        return if is_late { Verdict::Overtaken } else { Verdict::Sign(Why::NumberWasThere) };
    }
    // An agent that has lost its state and the copy of it goes on from the clock's milliseconds, and has to enrol again for it.
    let from = if shown.enrols { known.sequence.max(shown.now.unix_millis()) } else { known.sequence };
    if shown.sequence > from.saturating_add(LONGEST_JUMP) { Verdict::Sign(Why::Jump) } else { Verdict::Sound }
}

/// Notes a sign at `known` and stops it, if it may sign people in or waits to, or has left: no number, key or farewell counts after that.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn stop(
    connection: &mut AnyConnection,
    known: &Device,
    why: Why,
    shown: Shown<'_>,
) -> Result<(), StoreError> {
    let sign = CloneSign {
        at: shown.now,
        why,
        sequence: shown.sequence,
        expected: known.sequence.saturating_add(1),
        address: shown.address.map(|address| address.to_string()).unwrap_or_default(),
        facts: shown.facts.clone(),
    };
    device_clone::note(connection, known.id.as_str(), &sign).await?;
    let stops = match known.state {
        DeviceState::Registered | DeviceState::Pending => true,
        DeviceState::Unregistered => why == Why::HadLeft,
        DeviceState::RemovalPending | DeviceState::Removed | DeviceState::Quarantined | DeviceState::Cloned => false,
    };
    if !stops {
        return Ok(());
    }
    let mut note = why.meaning().to_owned();
    if known.state == DeviceState::Pending {
        note.push_str("; it waited for approval");
    }
    device::move_to(connection, known.id.as_str(), DeviceState::Cloned, &note).await?;
    let entry = Entry {
        at: shown.now,
        tenant_id: Some(known.tenant_id.clone()),
        actor: "portal".to_owned(),
        action: "device.stop-copied",
        subject: known.id.to_string(),
        result: "ok".to_owned(),
        detail: serde_json::json!({
            "from": known.state.to_string(),
            "why": why.as_str(),
            "number": sign.sequence,
            "expected": sign.expected,
            "address": sign.address,
        }),
    };
    audit::append(connection, entry).await
}

#[cfg(test)]
mod tests {
    use super::*;
    const SEEN: UtcTime = UtcTime::from_unix_seconds(1_700_000_000);

    fn known(state: DeviceState, sequence: i64) -> Known {
        let name: saml::name::EntityId = "urn:countersign:device:a".parse().unwrap();
        let device = Device {
            id: name.clone(),
            tenant_id: "t".to_owned(),
            token_id: saml::token::TokenId::from_random([7; 10]),
            public_key: vec![1],
            key_name: name,
            key_since: SEEN,
            next_key: None,
            state,
            wipe: false,
            state_note: String::new(),
            sequence,
            facts: Facts::new(),
            fingerprint: String::new(),
            people: crate::store::token::People::Any,
            groups: Vec::new(),
            owner_id: None,
            enrolled_at: SEEN,
            last_seen_at: SEEN,
        };
        Known { public_key: device.public_key.clone(), device, role: KeyRole::Present }
    }

    /// What a request with that number is taken for that was made `after` seconds after the device was heard last.
    fn verdict(known: &Known, sequence: i64, after: i64) -> Verdict {
        verdict_of(known, sequence, after, None)
    }

    fn verdict_of(known: &Known, sequence: i64, after: i64, overtaken_at: Option<UtcTime>) -> Verdict {
        let (facts, issued_at) = (Facts::new(), SEEN.plus_seconds(after));
        let now = SEEN.plus_seconds(after.max(1));
        judge(known, Shown { sequence, issued_at, enrols: false, facts: &facts, address: None, now }, overtaken_at)
    }

    #[test]
    fn an_agent_that_restarts_or_goes_on_from_its_copy_is_no_copy() {
        let known = known(DeviceState::Registered, 500);
        for ahead in [1, 128, 100_000, 1 << 32, 3 << 32] {
            assert_eq!(verdict(&known, 500 + ahead, 60), Verdict::Sound, "{ahead}");
        }
    }

    #[test]
    fn a_number_that_was_there_and_one_that_no_agent_reaches_are_signs() {
        let known = known(DeviceState::Registered, 500);
        for number in [0, 1, 499, 500] {
            assert_eq!(verdict(&known, number, 60), Verdict::Sign(Why::NumberWasThere), "{number}");
        }
        for number in [500 + LONGEST_JUMP + 1, 1 << 62, i64::MAX] {
            assert_eq!(verdict(&known, number, 60), Verdict::Sign(Why::Jump), "{number}");
        }
    }

    #[test]
    fn a_request_that_was_overtaken_is_no_sign_and_a_second_one_within_the_hour_is() {
        let known = known(DeviceState::Registered, 500);
        assert_eq!(verdict(&known, 499, -20), Verdict::Overtaken);
        let hour_ago = |seconds: i64| Some(SEEN.plus_seconds(1 - seconds));
        assert_eq!(verdict_of(&known, 499, -20, hour_ago(3600)), Verdict::Overtaken);
        assert_eq!(verdict_of(&known, 499, -20, hour_ago(3599)), Verdict::Sign(Why::NumberWasThere));
        for (number, made) in [(500, -20), (500 - OVERTAKEN - 1, -20), (499, 1)] {
            assert_eq!(verdict(&known, number, made), Verdict::Sign(Why::NumberWasThere), "{number} {made}");
        }
    }

    #[test]
    fn after_an_administrator_has_looked_the_count_goes_on_with_whatever_comes() {
        let known = known(DeviceState::Registered, 0);
        assert_eq!((verdict(&known, 7, 60), verdict(&known, 1 << 62, 60)), (Verdict::Sound, Verdict::Sound));
    }

    #[test]
    fn a_replaced_key_and_one_whose_device_has_left_are_signs_whatever_the_number() {
        let former = Known { role: KeyRole::Former, ..known(DeviceState::Registered, 500) };
        assert_eq!(verdict(&former, 501, 60), Verdict::Sign(Why::FormerKey));
        assert_eq!(verdict(&known(DeviceState::Unregistered, 500), 501, 60), Verdict::Sign(Why::HadLeft));
    }

    #[test]
    fn an_agent_that_lost_its_state_enrols_again_with_the_clocks_milliseconds() {
        let known = known(DeviceState::Registered, 500);
        let facts = Facts::new();
        let shown =
            |sequence, enrols| Shown { sequence, issued_at: SEEN, enrols, facts: &facts, address: None, now: SEEN };
        assert_eq!(judge(&known, shown(SEEN.unix_millis(), true), None), Verdict::Sound);
        assert_eq!(judge(&known, shown(SEEN.unix_millis(), false), None), Verdict::Sign(Why::Jump));
        assert_eq!(judge(&known, shown(1 << 62, true), None), Verdict::Sign(Why::Jump));
    }
}
