//! Time-based one-time passwords (RFC 6238): six digits, SHA-1, steps of 30 seconds, as every authenticator app makes them.

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use saml::time::UtcTime;

use super::password::same;
use crate::random::{self, NoRandomness};

const STEP_SECONDS: i64 = 30;

/// A new secret, base32.
///
/// # Errors
/// [`NoRandomness`].
pub fn new_secret() -> Result<String, NoRandomness> {
    Ok(BASE32_NOPAD.encode(&random::bytes::<20>()?))
}

/// The step whose code `given` is, where it is the current one or a neighbour and later than `used`.
///
/// A code is good once: the caller keeps the step and passes it as `used` from then on.
#[must_use]
pub fn accepted_step(secret: &str, given: &str, now: UtcTime, used: i64) -> Option<i64> {
    let key = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    let digits: String = given.chars().filter(|character| !character.is_whitespace()).collect();
    let current = now.unix_seconds().div_euclid(STEP_SECONDS);
    let mut steps = (current - 1..=current + 1).filter(|step| *step > used);
    steps.rfind(|step| same(code(&key, *step).as_bytes(), digits.as_bytes()))
}

/// HOTP (RFC 4226 §5.3) of the step.
fn code(key: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
    let word = tag.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// The code of `secret` at `now`, for programs that sign in as a person does.
#[must_use]
pub fn current_code(secret: &str, now: UtcTime) -> Option<String> {
    let key = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    Some(code(&key, now.unix_seconds().div_euclid(STEP_SECONDS)))
}

/// The address that an authenticator app reads from a QR code.
#[must_use]
pub fn address(secret: &str, name: &str, cloud: &str) -> String {
    format!("otpauth://totp/Countersign%20{cloud}:{name}?secret={secret}&issuer=Countersign%20{cloud}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B: the last six of its eight digits.
        for (seconds, wanted) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(current_code(SECRET, UtcTime::from_unix_seconds(seconds)).unwrap(), wanted);
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_its_time() {
        let now = UtcTime::from_unix_seconds(1_111_111_109);
        let step = accepted_step(SECRET, "081 804", now, 0).unwrap();
        assert_eq!(accepted_step(SECRET, "081804", now, step), None);
        assert_eq!(accepted_step(SECRET, "081804", now.plus_seconds(30), 0), Some(step));
        assert_eq!(accepted_step(SECRET, "081804", now.plus_seconds(120), 0), None);
        assert_eq!(accepted_step(SECRET, "", now, 0), None);
    }
}
