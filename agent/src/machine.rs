//! The state of one person's session: pure, so that every way through it can be tested. Time and randomness are parameters.

use std::time::Duration;

use saml::refusal::{RefusalCode, Retry};
use saml::time::UtcTime;

use crate::session::Session;
use crate::sign_in::Code;

/// The first pause after a failure, in seconds; it doubles with each one that follows.
const FIRST_PAUSE_SECONDS: i64 = 1;
/// The longest pause, in seconds.
pub(crate) const LONGEST_PAUSE_SECONDS: i64 = 900;

/// How long a new network is left to settle before it is tried, in milliseconds, and within how long after that: the devices of a site get
/// theirs back together, and their people are to be signed in within three seconds.
const NETWORK_SETTLES_MILLIS: i64 = 1000;

/// Within how many seconds those who are seen on a machine that has just started are signed in.
const SPLAY_SECONDS: i64 = 15;
/// For how long a machine counts as just started.
const JUST_STARTED: Duration = Duration::from_secs(120);

/// The ways to the portal whose failures are counted apart. The keep-alive's are in [`crate::heartbeat`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Learning who the portal is, before the first enrolment.
    Metadata,
    /// Signing in.
    SignIn,
}

/// Failures since the last success.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Failures {
    metadata: u32,
    sign_in: u32,
}

impl Failures {
    /// How many there were on `way`, and the count with one more. Who comes as far as signing in has the metadata.
    fn one_more(self, way: Way) -> (u32, Self) {
        match way {
            Way::Metadata => (self.metadata, Self { metadata: self.metadata.saturating_add(1), ..self }),
            Way::SignIn => (self.sign_in, Self { metadata: 0, sign_in: self.sign_in.saturating_add(1) }),
        }
    }
}

/// Within how many seconds a person is signed in who was just seen: at once, but on a machine that is enrolled and has just
/// started. Machines that get their power back together would come together; who enrols one has somebody waiting.
#[must_use]
pub fn splay_seconds(since_boot: Option<Duration>, enrolled: bool) -> i64 {
    let just_started = since_boot.is_some_and(|since| since < JUST_STARTED);
    if enrolled && just_started { SPLAY_SECONDS } else { 0 }
}

/// Where a person's session stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// The machine has just started: a sign-in is wanted, at its turn or when somebody asks.
    Splayed {
        /// The turn.
        until: UtcTime,
    },
    /// A sign-in is wanted or on its way.
    SigningIn {
        /// Failures since the last success.
        failures: Failures,
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
        failures: Failures,
        /// What failed.
        cause: Code,
        /// The session that is being renewed: it holds as long as it lasts.
        session: Option<Session>,
    },
    /// The portal refused, or the device can't: somebody has to do something. It is looked at again now and then, so that
    /// what an administrator corrects at the portal needs nothing at the device.
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
        /// Where.
        on: Way,
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

impl Event {
    /// A failure for which the portal asked nothing.
    #[must_use]
    pub fn failed_here(code: Code) -> Self {
        Self::Failed { code, on: Way::SignIn, retry_after: None }
    }
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
        (Self::SigningIn { failures: Failures::default(), session: None }, Some(Effect::SignIn))
    }

    /// The same, with the sign-in at some time within `seconds`.
    #[must_use]
    pub fn begin_within(seconds: i64, at: Moment) -> (Self, Option<Effect>) {
        match spread(seconds, at.jitter) {
            ..1 => Self::begin(),
            pause => (Self::Splayed { until: at.now.plus_seconds(pause) }, None),
        }
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
            Event::Failed { code, on, retry_after } => (self.after_failure((code, on), retry_after, at), None),
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
            Self::Splayed { until } | Self::Waiting { until, .. } | Self::Refused { until, .. } => Some(*until),
        }
    }

    /// The session, if there is one that holds at `now`.
    #[must_use]
    pub fn session(&self, now: UtcTime) -> Option<&Session> {
        let session = match self {
            Self::SigningIn { session, .. } | Self::Waiting { session, .. } => session.as_ref(),
            Self::SignedIn { session, .. } => Some(session),
            Self::Splayed { .. } | Self::Refused { .. } | Self::SignedOut => None,
        };
        session.filter(|session| session.holds(now))
    }

    fn on_timer(self, at: Moment) -> (Self, Option<Effect>) {
        let due = self.wake_at().is_some_and(|wake_at| wake_at <= at.now);
        if due { self.again(at, false) } else { (self, None) }
    }

    fn again(self, at: Moment, afresh: bool) -> (Self, Option<Effect>) {
        let session = self.session(at.now).cloned();
        let failures = match self {
            // One is on its way already: two at once would give one person two sessions.
            Self::SigningIn { .. } => return (self, None),
            Self::Waiting { failures, .. } if !afresh => failures,
            Self::Splayed { .. }
            | Self::Waiting { .. }
            | Self::SignedIn { .. }
            | Self::Refused { .. }
            | Self::SignedOut => Failures::default(),
        };
        (Self::SigningIn { failures, session }, Some(Effect::SignIn))
    }

    /// What waits is tried within seconds, and still counts what failed: a network that comes and goes makes no storm.
    fn sooner(self, at: Moment) -> Self {
        match self {
            Self::Waiting { until, failures, cause, session } => {
                let settled = NETWORK_SETTLES_MILLIS + spread(NETWORK_SETTLES_MILLIS, at.jitter);
                let soon = UtcTime::from_unix_millis(at.now.unix_millis() + settled);
                Self::Waiting { until: until.min(soon), failures, cause, session }
            }
            Self::Splayed { .. }
            | Self::SigningIn { .. }
            | Self::SignedIn { .. }
            | Self::Refused { .. }
            | Self::SignedOut => self,
        }
    }

    fn after_failure(self, (code, on): (Code, Way), retry_after: Option<u32>, at: Moment) -> Self {
        if self == Self::SignedOut {
            return self;
        }
        let session = self.session(at.now).cloned();
        let failures = match self {
            Self::SigningIn { failures, .. } => failures,
            Self::Splayed { .. }
            | Self::SignedIn { .. }
            | Self::Waiting { .. }
            | Self::Refused { .. }
            | Self::SignedOut => Failures::default(),
        };
        if needs_somebody(code) {
            let until = at.now.plus_seconds(LONGEST_PAUSE_SECONDS + spread(LONGEST_PAUSE_SECONDS, at.jitter));
            return Self::Refused { code, until };
        }
        let (before, failures) = failures.one_more(on);
        let pause = pause_seconds(before, retry_after, at.jitter);
        Self::Waiting { until: at.now.plus_seconds(pause), failures, cause: code, session }
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
            | F::SignOnNotTrusted
            | F::BrowserOwnerUnknown
            | F::ServiceNotUnderstood
            | F::ServiceAddressDiffers
            | F::ServiceUnreachable
            | F::ServiceRefused
            | F::KeyLost
            | F::BreakGlassRefused
            | F::BreakGlassWaiting
            | F::BreakGlassNoKey
            | F::ConnectionOwnersHidden
            | F::NetworkChangesHidden => true,
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
            authn_context: "urn:countersign:1.0:ac:classes:claimed".to_owned(),
            grade: Some("claimed".to_owned()),
            origin: Some("claim:local".to_owned()),
            since: UtcTime::from_unix_seconds(since),
            until: UtcTime::from_unix_seconds(since + 3600),
            keep_alive_seconds: 300,
            sign_on_ports: Vec::new(),
        }
    }

    fn failed(code: Code) -> Event {
        Event::failed_here(code)
    }

    fn no_metadata() -> Event {
        Event::Failed { code: UNREACHABLE, on: Way::Metadata, retry_after: None }
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
        let event = Event::Failed { code: Code::Refusal(RefusalCode::Busy), on: Way::SignIn, retry_after: Some(120) };
        let (state, _) = State::begin().0.step(event, at(0));
        assert!(state.wake_at().unwrap() >= UtcTime::from_unix_seconds(121));
    }

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour_and_no_further() {
        assert!((0..100).all(|attempt| (1..=900).contains(&pause_seconds(attempt, None, u32::MAX))));
        assert_eq!(pause_seconds(0, None, u32::MAX), 1);
        assert_eq!(pause_seconds(20, None, u32::MAX), 900);
    }

    /// What the longest pause after one more failure is, in seconds.
    fn longest_pause_after(state: State, event: Event) -> i64 {
        let moment = Moment { jitter: u32::MAX, ..at(0) };
        let (state, _) = state.step(event, moment);
        state.wake_at().unwrap().seconds_since(moment.now)
    }

    #[test]
    fn a_portal_that_was_long_unknown_is_not_signed_in_to_late() {
        let mut state = State::begin().0;
        for _ in 0..8 {
            state = state.step(no_metadata(), at(0)).0.step(Event::Timer, at(10_000)).0;
        }
        assert_eq!(longest_pause_after(state.clone(), no_metadata()), 256);
        assert_eq!(longest_pause_after(state.clone(), failed(UNREACHABLE)), 1);
        // The portal is known now: its metadata, should they be wanted again, are asked for at once.
        let state = state.step(failed(UNREACHABLE), at(10_000)).0.step(Event::Timer, at(20_000)).0;
        assert_eq!(longest_pause_after(state, no_metadata()), 1);
    }

    #[test]
    fn only_an_enrolled_machine_that_has_just_started_waits_its_turn() {
        let (soon, later) = (Some(Duration::from_secs(20)), Some(Duration::from_secs(3600)));
        assert_eq!(splay_seconds(soon, true), SPLAY_SECONDS);
        assert_eq!([splay_seconds(soon, false), splay_seconds(later, true), splay_seconds(None, true)], [0, 0, 0]);
        assert_eq!(State::begin_within(0, at(0)).1, Some(Effect::SignIn));
    }

    #[test]
    fn who_asks_does_not_wait_for_their_turn() {
        let (state, effect) = State::begin_within(SPLAY_SECONDS, at(0));
        assert_eq!((effect, state.session(at(0).now)), (None, None));
        let (state, effect) = state.step(Event::Timer, at(1));
        assert_eq!(effect, None, "it is not its turn yet");
        assert_eq!(state.step(Event::Wanted, at(1)).1, Some(Effect::SignIn));
    }

    #[derive(Clone, Debug)]
    enum Happening {
        Timer,
        Wanted,
        NetworkChanged,
        SignedOut,
        Succeeds,
        Fails(usize, Way),
    }

    fn happening() -> impl Strategy<Value = (Happening, i64, u32)> {
        let kind = prop_oneof![
            Just(Happening::Timer),
            Just(Happening::Wanted),
            Just(Happening::NetworkChanged),
            Just(Happening::SignedOut),
            Just(Happening::Succeeds),
            (0..FailureCode::ALL.len() + RefusalCode::ALL.len(), prop_oneof![Just(Way::Metadata), Just(Way::SignIn)])
                .prop_map(|(code, way)| Happening::Fails(code, way))
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
        fn a_fleet_that_starts_together_is_signed_in_within_the_splay(jitter in any::<u32>()) {
            let (state, effect) = State::begin_within(SPLAY_SECONDS, Moment { jitter, ..at(0) });
            let waits = state.wake_at().map(|until| until.seconds_since(at(0).now));
            prop_assert_eq!(effect.is_some(), waits.is_none());
            prop_assert!(waits.is_none_or(|seconds| (1..=SPLAY_SECONDS).contains(&seconds)));
            let signed_in = matches!(state.step(Event::Timer, at(SPLAY_SECONDS)).0, State::SigningIn { .. });
            prop_assert!(signed_in);
        }

        #[test]
        fn there_is_never_a_second_sign_in_in_flight_and_always_a_next_wake_up(
            splay in 0..=SPLAY_SECONDS,
            happenings in prop::collection::vec(happening(), 1..200),
        ) {
            let (mut state, effect) = State::begin_within(splay, at(0));
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
                    Happening::Succeeds | Happening::Fails(..) if in_flight == 0 => continue,
                    Happening::Succeeds => { in_flight -= 1; Event::Granted(session(now)) }
                    Happening::Fails(index, on) => {
                        in_flight -= 1;
                        Event::Failed { code: any_code(index), on, retry_after: None }
                    }
                };
                let before = match (&state, &event) {
                    (State::SigningIn { failures, .. }, Event::Failed { on, .. }) => Some((*failures, *on)),
                    _ => None,
                };
                let (next, effect) = state.step(event, moment);
                in_flight += u32::from(effect.is_some());
                prop_assert!(in_flight <= 1);
                let signing_in = matches!(next, State::SigningIn { .. });
                prop_assert_eq!(in_flight == 1, signing_in);
                if let (Some((before, on)), State::Waiting { until, failures, .. }) = (before, &next) {
                    let (count, after) = before.one_more(on);
                    prop_assert_eq!(*failures, after);
                    let longest = FIRST_PAUSE_SECONDS << count.min(20);
                    prop_assert!((1..=longest.min(LONGEST_PAUSE_SECONDS)).contains(&until.seconds_since(moment.now)));
                }
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
