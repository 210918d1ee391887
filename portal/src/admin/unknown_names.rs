//! Names that no administrator has, and that are guessed at: they wait as accounts do, so that nobody learns which names there are.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use ring::digest::{SHA256, digest};
use saml::time::UtcTime;

use super::account::wait_after;

/// Names that are remembered at most; then all are forgotten at once.
const REMEMBERED: usize = 4096;

type Tries = HashMap<Vec<u8>, (i64, Option<UtcTime>)>;

static TRIES: LazyLock<Mutex<Tries>> = LazyLock::new(Mutex::default);

/// Counts a try for `name`; whether it is to take as long as a wrong password.
pub(super) fn may_try(name: &str, now: UtcTime) -> bool {
    let mut tries = TRIES.lock().unwrap_or_else(PoisonError::into_inner);
    let key = digest(&SHA256, name.as_bytes()).as_ref().to_vec();
    if tries.len() >= REMEMBERED && !tries.contains_key(&key) {
        tries.clear();
    }
    let (failures, until) = tries.entry(key).or_default();
    if until.is_some_and(|until| until > now) {
        return false;
    }
    *failures += 1;
    *until = wait_after(*failures).map(|seconds| now.plus_seconds(seconds));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_waits_as_an_account_does() {
        let now = UtcTime::from_unix_seconds(1_700_000_000);
        let tries: Vec<_> = (0..7).map(|_| may_try("a name of this test alone", now)).collect();
        assert_eq!(tries, [true, true, true, true, true, false, false]);
        assert!(may_try("a name of this test alone", now.plus_seconds(30)));
    }
}
