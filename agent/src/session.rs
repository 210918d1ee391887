//! A session: what a verified assertion gives the person at this device.

use saml::device::{GRADE, GRADE_ORIGIN, KEEP_ALIVE_INTERVAL, SIGN_ON_PORTS};
use saml::response::{Assertion, VerifiedAssertion};
use saml::time::UtcTime;
use serde::{Serialize, Serializer};

/// How often the device says that it is alive where the portal names no interval, in seconds.
const DEFAULT_KEEP_ALIVE_SECONDS: i64 = 300;
/// The interval that a portal may ask for, in seconds.
const KEEP_ALIVE_SECONDS: std::ops::RangeInclusive<i64> = 1..=86_400;
/// As many ports are tried at the most.
const MOST_SIGN_ON_PORTS: usize = 8;

/// A person's session with the portal. Only a [`VerifiedAssertion`] makes one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Session {
    /// `user@domain`.
    pub user: String,
    /// The portal's SessionIndex.
    pub index: String,
    /// How far the portal has checked who they are, as an authentication context class.
    pub authn_context: String,
    /// The same as a word, where the portal says so.
    pub grade: Option<String>,
    /// How it came about, where the portal says so.
    pub origin: Option<String>,
    /// When it began.
    #[serde(serialize_with = "time")]
    pub since: UtcTime,
    /// When it ends unless it is renewed.
    #[serde(serialize_with = "time")]
    pub until: UtcTime,
    /// After how many seconds the portal wants to hear from the device again.
    pub keep_alive_seconds: i64,
    /// The ports of 127.0.0.1 on which the portal has browsers look for the agent; none: it sends none.
    pub sign_on_ports: Vec<u16>,
}

fn time<S: Serializer>(time: &UtcTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Session {
    /// The session that `verified` opens.
    #[must_use]
    pub fn opened_by(verified: &VerifiedAssertion) -> Self {
        let assertion: &Assertion = verified.assertion();
        Self {
            user: assertion.subject.value.clone(),
            index: assertion.session_index.clone().unwrap_or_default(),
            authn_context: assertion.authn_context.clone(),
            grade: told(assertion, GRADE),
            origin: told(assertion, GRADE_ORIGIN),
            since: assertion.authn_instant,
            until: assertion.session_not_on_or_after.unwrap_or(assertion.not_on_or_after),
            keep_alive_seconds: keep_alive_seconds(assertion),
            sign_on_ports: sign_on_ports(assertion),
        }
    }

    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: UtcTime) -> bool {
        now < self.until
    }

    /// When to renew it: after three quarters of its life, and up to an eighth later so that a fleet that signed in
    /// together doesn't renew together. `jitter` is uniform over its whole range.
    #[must_use]
    pub fn renew_at(&self, jitter: u32) -> UtcTime {
        let life = self.until.seconds_since(self.since).max(1);
        let spread = (life / 8) * i64::from(jitter >> 16) / i64::from(u16::MAX);
        self.since.plus_seconds(life * 3 / 4 + spread)
    }
}

/// The first value of the attribute of that name, without what could move a terminal's cursor.
fn told(assertion: &Assertion, name: &str) -> Option<String> {
    let attribute = assertion.attributes.iter().find(|attribute| attribute.name == name)?;
    let value = attribute.values.first()?;
    Some(value.chars().filter(|c| !c.is_control()).take(100).collect())
}

/// The ports of 127.0.0.1 on which the portal has browsers look for the agent.
pub(crate) fn sign_on_ports(assertion: &Assertion) -> Vec<u16> {
    let attribute = assertion.attributes.iter().find(|attribute| attribute.name == SIGN_ON_PORTS);
    let ports = attribute.into_iter().flat_map(|attribute| &attribute.values).take(MOST_SIGN_ON_PORTS);
    ports.filter_map(|port| port.parse().ok()).filter(|port| *port >= 1024).collect()
}

/// What the assertion says about the next keep-alive.
pub(crate) fn keep_alive_seconds(assertion: &Assertion) -> i64 {
    let attribute = assertion.attributes.iter().find(|attribute| attribute.name == KEEP_ALIVE_INTERVAL);
    let seconds = attribute.and_then(|attribute| attribute.values.first()?.parse().ok());
    seconds.filter(|seconds| KEEP_ALIVE_SECONDS.contains(seconds)).unwrap_or(DEFAULT_KEEP_ALIVE_SECONDS)
}
