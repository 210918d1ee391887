//! Passwords of administrators: Argon2id (RFC 9106), in the PHC string format.

use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::AdminError;
use crate::random;

/// Memory in KiB, passes and lanes: what OWASP recommends for Argon2id.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// The shortest password that is taken.
pub const SHORTEST: usize = 12;
/// The longest.
pub const LONGEST: usize = 256;
/// How many are hashed at a time in this process: strangers who guess must not take all memory and all cores.
static HASHING: Semaphore = Semaphore::const_new(2);
/// What is hashed in, as much as is hashed at a time. It is kept: an allocator that gets and gives back 19 MiB on one thread after the other keeps
/// as much for each of them.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());
/// How many may wait for that; beyond it they are sent away, so that the queue is no longer than a person waits.
static WAITING: Semaphore = Semaphore::const_new(100);
/// What is verified where there is no account, so that its absence takes as long as a wrong password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes `password` for keeping.
///
/// # Errors
/// [`AdminError::Invalid`] where it is too short, too long, or the account's own name.
pub async fn hash(name: &str, password: String) -> Result<String, AdminError> {
    let length = password.chars().count();
    if !(SHORTEST..=LONGEST).contains(&length) || password.to_lowercase().contains(&name.to_lowercase()) {
        let wanted = "a password: 12 to 256 characters, and not with the account's name in it";
        return Err(AdminError::Invalid { field: "password", given: "what was given".to_owned(), wanted });
    }
    let salt: [u8; 16] = random::bytes()?;
    let hash = off_thread(password, salt.to_vec(), COST).await?;
    let (memory, passes, lanes) = COST;
    let [salt, hash] = [&salt[..], &hash[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    Ok(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}"))
}

/// Whether `password` is the one that `kept` is a hash of. Takes as long where there is none.
///
/// # Errors
/// [`AdminError::Thread`].
pub async fn matches(kept: Option<&str>, password: String) -> Result<bool, AdminError> {
    let parsed = kept.and_then(parse);
    let is_kept = parsed.is_some();
    let Some((cost, salt, expected)) = parsed.or_else(|| parse(NOBODY)) else { return Ok(false) };
    if password.chars().count() > LONGEST {
        return Ok(false);
    }
    let hash = off_thread(password, salt, cost).await?;
    Ok(same(&hash, &expected) && is_kept)
}

type Parsed = ((u32, u32, u32), Vec<u8>, Vec<u8>);

fn parse(kept: &str) -> Option<Parsed> {
    let rest = kept.strip_prefix("$argon2id$v=19$m=")?;
    let (memory, rest) = rest.split_once(",t=")?;
    let (passes, rest) = rest.split_once(",p=")?;
    let mut parts = rest.split('$');
    let cost = (memory.parse().ok()?, passes.parse().ok()?, parts.next()?.parse().ok()?);
    Some((cost, STANDARD_NO_PAD.decode(parts.next()?).ok()?, STANDARD_NO_PAD.decode(parts.next()?).ok()?))
}

/// A place in the queue.
fn queue(waiting: &Semaphore) -> Result<SemaphorePermit<'_>, AdminError> {
    waiting.try_acquire().map_err(|_| AdminError::Busy)
}

async fn off_thread(password: String, salt: Vec<u8>, cost: (u32, u32, u32)) -> Result<[u8; 32], AdminError> {
    let _waits = queue(&WAITING)?;
    // The semaphore is never closed.
    let _turn = HASHING.acquire().await;
    let hashing = tokio::task::spawn_blocking(move || {
        let mut hash = [0; 32];
        let params = Params::new(cost.0, cost.1, cost.2, Some(hash.len()))?;
        let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        memory.resize(params.block_count(), Block::default());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hashed = argon2.hash_password_into_with_memory(password.as_bytes(), &salt, &mut hash, &mut memory);
        memory.fill(Block::default());
        MEMORY.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        hashed.map(|()| hash)
    });
    let hashed = hashing.await.map_err(|source| AdminError::Thread { doing: "check the password", source })?;
    hashed.map_err(|error| AdminError::Hashing(error.to_string()))
}

/// Compares without telling by its time where the difference is.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_matches_and_no_other() {
        let kept = hash("ada", "correct horse battery".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(matches(Some(&kept), "correct horse battery".to_owned()).await.unwrap());
        assert!(!matches(Some(&kept), "correct horse batterY".to_owned()).await.unwrap());
        assert!(!matches(None, String::new()).await.unwrap());
        assert_ne!(kept, hash("ada", "correct horse battery".to_owned()).await.unwrap(), "each has its own salt");
    }

    #[tokio::test]
    async fn a_crowd_that_guesses_is_sent_away_before_it_takes_memory() {
        let waiting = Semaphore::new(2);
        let both = [queue(&waiting).unwrap(), queue(&waiting).unwrap()];
        assert!(matches!(queue(&waiting), Err(AdminError::Busy)));
        drop(both);
        assert!(queue(&waiting).is_ok());
    }

    #[tokio::test]
    async fn a_short_password_and_one_with_the_name_in_it_are_refused_without_being_repeated() {
        for password in ["short", "my-name-is-Ada-and-long"] {
            let refused = hash("ada", password.to_owned()).await.unwrap_err();
            assert!(!refused.to_string().contains(password), "{refused}");
        }
    }
}
