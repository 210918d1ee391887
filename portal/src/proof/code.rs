//! One-time codes by which people prove who they are: an administrator makes them, or the person's own page.

use ring::digest::{SHA256, digest};
use saml::time::UtcTime;
use sqlx::AnyConnection;

use crate::random::{self, NoRandomness};
use crate::store::StoreError;
use crate::store::proof;

/// What a proof by a code is called.
pub(crate) const METHOD: &str = "code";
/// Wrong codes that a device may give before it has to wait.
const MOST_FAILURES: i64 = 5;
/// For how long they count, in seconds.
const FAILURES_COUNT_SECONDS: i64 = 900;
/// Letters and digits that nobody takes for others; 32 of them, so that a random octet picks each as often.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters of a code: 60 bits.
const LENGTH: usize = 12;

/// A new code, as people read it: three groups of four.
pub(crate) fn new() -> Result<String, NoRandomness> {
    let picked = random::bytes::<LENGTH>()?;
    let letters: Vec<char> = picked.iter().map(|octet| char::from(ALPHABET[usize::from(octet % 32)])).collect();
    Ok(letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

/// What the portal keeps of a code: the SHA-256 of its letters, however somebody has typed them.
pub(crate) fn digest_of(code: &str) -> String {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    data_encoding::HEXLOWER.encode(digest(&SHA256, letters.to_ascii_uppercase().as_bytes()).as_ref())
}

/// Uses the person's code up; `subject` is who tries: after five wrong codes it is not listened to for a while.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn take(
    connection: &mut AnyConnection,
    tenant_id: &str,
    name_id: &str,
    subject: &str,
    given: &str,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let since = now.plus_seconds(-FAILURES_COUNT_SECONDS);
    if proof::failures(connection, subject, since).await? >= MOST_FAILURES {
        return Ok(false);
    }
    let is_good = proof::use_code(connection, &digest_of(given), tenant_id, name_id, now).await?;
    if !is_good {
        proof::count_failure(connection, subject, since, now).await?;
    }
    Ok(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = new().unwrap();
        assert_eq!(code.len(), LENGTH + 2);
        let typed = format!(" {} ", code.to_lowercase().replace('-', " "));
        assert_eq!(digest_of(&typed), digest_of(&code));
        assert_ne!(digest_of(&new().unwrap()), digest_of(&code));
    }
}
