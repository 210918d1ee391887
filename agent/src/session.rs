//! A session: what a verified assertion gives the person at this device.

use saml::response::{Assertion, VerifiedAssertion};
use saml::time::UtcTime;
use serde::{Serialize, Serializer};

/// A person's session with the portal. Only a [`VerifiedAssertion`] makes one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Session {
    /// `user@domain`.
    pub user: String,
    /// The portal's SessionIndex.
    pub index: String,
    /// The grade of the evidence, as an authentication context class.
    pub authn_context: String,
    /// When it began.
    #[serde(serialize_with = "time")]
    pub since: UtcTime,
    /// When it ends unless it is renewed.
    #[serde(serialize_with = "time")]
    pub until: UtcTime,
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
            since: assertion.authn_instant,
            until: assertion.session_not_on_or_after.unwrap_or(assertion.not_on_or_after),
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
