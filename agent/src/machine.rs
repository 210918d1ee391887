//! The state of one person's session: pure, so that every way through it can be tested. Time and randomness are parameters.

use saml::refusal::{RefusalCode, Retry};
use saml::time::UtcTime;

use crate::session::Session;
use crate::sign_in::Code;

/// The first pause after a failure, in seconds; it doubles with each one that follows.
const FIRST_PAUSE_SECONDS: i64 = 1;
/// The longest pause, in seconds.
pub(crate) const LONGEST_PAUSE_SECONDS: i64 = 900;

/// Within how many seconds a new network is tried.
const NETWORK_SETTLES_SECONDS: i64 = 3;

/// Where a person's session stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// A sign-in is wanted or on its way.
    SigningIn {
        /// Failures since the last success.
        attempt: u32,
        /// The session that is being renewed: it holds as long as it lasts.
        session: Option<Session>,
    },
    /// Signed in.
    SignedIn {
        /// The session.
        session: Session,
        /// When it is renewed.
        renew_at: UtcTime,
    },
    /// Something failed that passes: it is tried again.
    Waiting {
        /// When.
        until: UtcTime,
        /// Failures since the last success.
        attempt: u32,
        /// What failed.
        cause: Code,
        /// The session that is being renewed: it holds as long as it lasts.
        session: Option<Session>,
    },
    /// The portal refused, or the device can't: somebody has to do something. It is looked at again now and then, so that
    /// what an administrator mends at the portal needs nothing at the device.
    Refused {
        /// Why.
        code: Code,
        /// When it is looked at again.
        until: UtcTime,
    },
    /// The person has signed out, and signs in again only if they ask.
    SignedOut,
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// The time that [`State::wake_at`] names may have come.
    Timer,
    /// The sign-in that was on its way gave a session.
    Granted(Session),
    /// It failed.
    Failed {
        /// How.
        code: Code,
        /// The seconds that the portal asked to wait.
        retry_after: Option<u32>,
    },
    /// Somebody asked for a sign-in now, or the configuration has changed.
    Wanted,
    /// The network is another one, or the machine has woken up: what could not be reached may be reachable now.
    NetworkChanged,
    /// The person has signed out.
    SignedOut,
}

/// What has to be done after a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Sign the owner of the session in, and report with [`Event::Granted`] or [`Event::Failed`].
    SignIn,
}

/// The time and the randomness of one step.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time by the corrected clock.
    pub now: UtcTime,
    /// Uniform over its whole range.
    pub jitter: u32,
}

impl State {
    /// A session that has just been seen: its owner is to be signed in.
    #[must_use]
    pub fn begin() -> (Self, Option<Effect>) {
        (Self::SigningIn { attempt: 0, session: None }, Some(Effect::SignIn))
    }

    /// The state after `event`, and what is to be done.
    #[must_use]
    pub fn step(self, event: Event, at: Moment) -> (Self, Option<Effect>) {
        match event {
            Event::Timer => self.on_timer(at),
            Event::Granted(session) => {
                let renew_at = session.renew_at(at.jitter);
                (Self::SignedIn { session, renew_at }, None)
            }
            Event::Failed { code, retry_after } => (self.after_failure(code, retry_after, at), None),
            Event::Wanted => self.again(at, true),
            Event::NetworkChanged => (self.sooner(at), None),
            Event::SignedOut => (Self::SignedOut, None),
        }
    }

    /// When the next [`Event::Timer`] is due; none while a sign-in is on its way.
    #[must_use]
    pub fn wake_at(&self) -> Option<UtcTime> {
        match self {
            Self::SigningIn { .. } | Self::SignedOut => None,
            Self::SignedIn { renew_at, .. } => Some(*renew_at),
            Self::Waiting { until, .. } | Self::Refused { until, .. } => Some(*until),
        }
    }

    /// The session, if there is one that holds at `now`.
    #[must_use]
    pub fn session(&self, now: UtcTime) -> Option<&Session> {
        let session = match self {
            Self::SigningIn { session, .. } | Self::Waiting { session, .. } => session.as_ref(),
            Self::SignedIn { session, .. } => Some(session),
            Self::Refused { .. } | Self::SignedOut => None,
        };
        session.filter(|session| session.holds(now))
    }

    fn on_timer(self, at: Moment) -> (Self, Option<Effect>) {
        let due = self.wake_at().is_some_and(|wake_at| wake_at <= at.now);
        if due { self.again(at, false) } else { (self, None) }
    }

    fn again(self, at: Moment, afresh: bool) -> (Self, Option<Effect>) {
        let session = self.session(at.now).cloned();
        let attempt = match self {
            // One is on its way already: two at once would give one person two sessions.
            Self::SigningIn { .. } => return (self, None),
            Self::Waiting { attempt, .. } if !afresh => attempt,
            Self::Waiting { .. } | Self::SignedIn { .. } | Self::Refused { .. } | Self::SignedOut => 0,
        };
        (Self::SigningIn { attempt, session }, Some(Effect::SignIn))
    }

    /// What waits is tried within seconds, and still counts what failed: a network that comes and goes makes no storm.
    fn sooner(self, at: Moment) -> Self {
        match self {
            Self::Waiting { until, attempt, cause, session } => {
                let soon = at.now.plus_seconds(1 + spread(NETWORK_SETTLES_SECONDS, at.jitter));
                Self::Waiting { until: until.min(soon), attempt, cause, session }
            }
            Self::SigningIn { .. } | Self::SignedIn { .. } | Self::Refused { .. } | Self::SignedOut => self,
        }
    }

    fn after_failure(self, code: Code, retry_after: Option<u32>, at: Moment) -> Self {
        if self == Self::SignedOut {
            return self;
        }
        let session = self.session(at.now).cloned();
        let attempt = match self {
            Self::SigningIn { attempt, .. } => attempt,
            Self::SignedIn { .. } | Self::Waiting { .. } | Self::Refused { .. } | Self::SignedOut => 0,
        };
        if needs_somebody(code) {
            let until = at.now.plus_seconds(LONGEST_PAUSE_SECONDS + spread(LONGEST_PAUSE_SECONDS, at.jitter));
            return Self::Refused { code, until };
        }
        let pause = pause_seconds(attempt, retry_after, at.jitter);
        Self::Waiting { until: at.now.plus_seconds(pause), attempt: attempt.saturating_add(1), cause: code, session }
    }
}

/// Whether only a person can put it right, as against what passes by itself.
fn needs_somebody(code: Code) -> bool {
    use crate::failure::FailureCode as F;
    match code {
        Code::Refusal(RefusalCode::Malformed | RefusalCode::BadSignature) => true,
        // Who is shut out has no session to go on with, however the portal would like to be asked again.
        Code::Refusal(RefusalCode::DeviceQuarantined | RefusalCode::UserSuspended) => true,
        Code::Refusal(code) => code.retry() == Retry::Never,
        Code::Failure(code) => match code {
            F::NameNotResolved
            | F::PortalUnreachable
            | F::PortalFailing
            | F::TlsNotTrusted
            | F::TlsIntercepted
            | F::Leaving
            | F::CaptivePortal
            | F::ProxyWantsCredentials
            | F::AnswerNotUnderstood => false,
            F::KeyUnusable | F::KeyHardware | F::StateUnusable | F::StateSetAside | F::DiskFull => false,
            F::NotRunning | F::NotSignedIn | F::OptionsInvalid | F::NobodyLoggedIn | F::NameUnusable => true,
            F::SignedOut
            | F::NotEnrolled
            | F::AnswerNotTrusted
            | F::PortalKeysUnknown
            | F::GoldenImage
            | F::KeyLost => true,
        },
    }
}

/// How long to wait after the failure number `attempt` (from 0): anything up to the doubled pause, and never less than a
/// second or what the portal asked for.
pub(crate) fn pause_seconds(attempt: u32, retry_after: Option<u32>, jitter: u32) -> i64 {
    let longest = FIRST_PAUSE_SECONDS.saturating_mul(1 << attempt.min(20)).min(LONGEST_PAUSE_SECONDS);
    let asked = i64::from(retry_after.unwrap_or(0)).min(LONGEST_PAUSE_SECONDS);
    asked + spread(longest, jitter).max(FIRST_PAUSE_SECONDS)
}

/// A part of `seconds` between nothing and all of it.
pub(crate) fn spread(seconds: i64, jitter: u32) -> i64 {
    seconds * i64::from(jitter >> 16) / i64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::failure::FailureCode;

    const UNREACHABLE: Code = Code::Failure(FailureCode::PortalUnreachable);

    fn at(seconds: i64) -> Moment {
        Moment { now: UtcTime::from_unix_seconds(seconds), jitter: u32::MAX / 2 }
    }

    fn session(since: i64) -> Session {
        Session {
            user: "alice@example.com".to_owned(),
            index: "_1".to_owned(),
            authn_context: "urn:countersign:1.0:ac:classes:local".to_owned(),
            since: UtcTime::from_unix_seconds(since),
            until: UtcTime::from_unix_seconds(since + 3600),
            keep_alive_seconds: 300,
        }
    }

    fn failed(code: Code) -> Event {
        Event::Failed { code, retry_after: None }
    }

    #[test]
    fn a_session_is_renewed_before_it_ends() {
        let (state, _) = State::begin().0.step(Event::Granted(session(0)), at(0));
        let renew_at = state.wake_at().unwrap();
        assert!(renew_at > UtcTime::from_unix_seconds(2600) && renew_at < UtcTime::from_unix_seconds(3300));
        let (state, effect) = state.step(Event::Timer, at(renew_at.unix_seconds()));
        assert_eq!(effect, Some(Effect::SignIn));
        assert!(state.session(renew_at).is_some(), "the old session holds while it is renewed");
    }

    #[test]
    fn a_portal_that_is_away_does_not_end_a_session_early() {
        let (state, _) = State::begin().0.step(Event::Granted(session(0)), at(0));
        let (state, _) = state.step(Event::Wanted, at(100));
        let (state, _) = state.step(failed(UNREACHABLE), at(101));
        assert!(state.session(UtcTime::from_unix_seconds(3599)).is_some());
        assert!(state.session(UtcTime::from_unix_seconds(3600)).is_none());
    }

    #[test]
    fn a_removed_device_has_no_session() {
        let (state, _) = State::begin().0.step(Event::Granted(session(0)), at(0));
        let (state, _) = state.step(Event::Wanted, at(100));
        let (state, _) = state.step(failed(Code::Refusal(RefusalCode::DeviceRemoved)), at(101));
        assert!(state.session(UtcTime::from_unix_seconds(101)).is_none());
        assert!(matches!(state, State::Refused { .. }));
    }

    #[test]
    fn what_the_portal_asks_to_wait_is_waited() {
        let event = Event::Failed { code: Code::Refusal(RefusalCode::Busy), retry_after: Some(120) };
        let (state, _) = State::begin().0.step(event, at(0));
        assert!(state.wake_at().unwrap() >= UtcTime::from_unix_seconds(121));
    }

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour_and_no_further() {
        assert!((0..100).all(|attempt| (1..=900).contains(&pause_seconds(attempt, None, u32::MAX))));
        assert_eq!(pause_seconds(0, None, u32::MAX), 1);
        assert_eq!(pause_seconds(20, None, u32::MAX), 900);
    }

    #[derive(Clone, Debug)]
    enum Happening {
        Timer,
        Wanted,
        NetworkChanged,
        SignedOut,
        Succeeds,
        Fails(usize),
    }

    fn happening() -> impl Strategy<Value = (Happening, i64, u32)> {
        let kind = prop_oneof![
            Just(Happening::Timer),
            Just(Happening::Wanted),
            Just(Happening::NetworkChanged),
            Just(Happening::SignedOut),
            Just(Happening::Succeeds),
            (0..FailureCode::ALL.len() + RefusalCode::ALL.len()).prop_map(Happening::Fails)
        ];
        (kind, 0..2000_i64, any::<u32>())
    }

    fn any_code(index: usize) -> Code {
        FailureCode::ALL.get(index).map_or_else(
            || Code::Refusal(RefusalCode::ALL[index - FailureCode::ALL.len()]),
            |code| Code::Failure(*code),
        )
    }

    proptest! {
        #[test]
        fn there_is_never_a_second_sign_in_in_flight_and_always_a_next_wake_up(happenings in prop::collection::vec(happening(), 1..200)) {
            let (mut state, effect) = State::begin();
            let mut in_flight = u32::from(effect.is_some());
            let mut now = 0;
            for (happening, seconds, jitter) in happenings {
                now += seconds;
                let moment = Moment { now: UtcTime::from_unix_seconds(now), jitter };
                let event = match happening {
                    Happening::Timer => Event::Timer,
                    Happening::Wanted => Event::Wanted,
                    Happening::NetworkChanged => Event::NetworkChanged,
                    // The device does one thing at a time: a sign-out waits for the sign-in that is on its way.
                    Happening::SignedOut if in_flight > 0 => continue,
                    Happening::SignedOut => Event::SignedOut,
                    Happening::Succeeds | Happening::Fails(_) if in_flight == 0 => continue,
                    Happening::Succeeds => { in_flight -= 1; Event::Granted(session(now)) }
                    Happening::Fails(index) => { in_flight -= 1; failed(any_code(index)) }
                };
                let (next, effect) = state.step(event, moment);
                in_flight += u32::from(effect.is_some());
                prop_assert!(in_flight <= 1);
                let signing_in = matches!(next, State::SigningIn { .. });
                prop_assert_eq!(in_flight == 1, signing_in);
                match next.wake_at() {
                    None => prop_assert!(in_flight == 1 || next == State::SignedOut),
                    Some(wake_at) => {
                        let signed_in = matches!(next, State::SignedIn { .. });
                        prop_assert!(signed_in || wake_at.seconds_since(moment.now) <= 2 * LONGEST_PAUSE_SECONDS);
                    }
                }
                if let Some(session) = next.session(moment.now) {
                    prop_assert!(session.holds(moment.now));
                }
                state = next;
            }
        }
    }
}
