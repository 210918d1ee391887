//! The portal's randomness: identifiers and the seeds of device tokens.

use ring::rand::{SecureRandom as _, SystemRandom};

/// The operating system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandomness;

/// `N` random bytes.
///
/// # Errors
/// [`NoRandomness`], which no healthy machine returns.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A new identifier for a row: 128 random bits in hexadecimal.
///
/// # Errors
/// [`NoRandomness`].
pub fn row_id() -> Result<String, NoRandomness> {
    Ok(data_encoding::HEXLOWER.encode(&bytes::<16>()?))
}
