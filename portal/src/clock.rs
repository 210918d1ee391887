//! The portal's clock: asked at the edge, once for each request or command; everything below takes the time as a parameter.

use std::time::SystemTime;

use saml::time::UtcTime;

/// The time by the machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the portal asks for the time")]
pub fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
