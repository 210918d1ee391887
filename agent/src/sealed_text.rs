//! Secrets in the agent's own files: `sealed:` and Base64 where the operating system seals to this machine, as they are where it does not.
//! What an older version has kept as it is stays readable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::sealed::{self, SealError};
use zeroize::Zeroizing;

/// What a sealed text begins with. No device token and no Base64 does.
const BEGINNING: &str = "sealed:";

/// A text of one of our files could not be unsealed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system does not.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What follows the beginning is not what was written.
    #[error("it is cut off or damaged")]
    Damaged,
}

/// Whether `text` is to be unsealed before it is used.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(BEGINNING)
}

/// `text` as it is to be kept on this machine.
///
/// # Errors
/// [`SealError`] where the system seals, and has refused to: nothing is kept in plain then.
pub fn seal(text: &str) -> Result<Zeroizing<String>, SealError> {
    as_kept(text, sealed::seal(text.as_bytes()))
}

fn as_kept(text: &str, sealed: Result<Vec<u8>, SealError>) -> Result<Zeroizing<String>, SealError> {
    match sealed {
        Ok(octets) => Ok(Zeroizing::new(format!("{BEGINNING}{}", STANDARD.encode(octets)))),
        Err(SealError::Unavailable) => Ok(Zeroizing::new(text.to_owned())),
        Err(error @ (SealError::Elsewhere { .. } | SealError::Refused { .. })) => Err(error),
    }
}

/// What was kept, sealed or not.
///
/// # Errors
/// [`OpenError`]; the text itself is in none.
pub fn open(kept: &str) -> Result<Zeroizing<String>, OpenError> {
    let Some(sealed) = kept.strip_prefix(BEGINNING) else { return Ok(Zeroizing::new(kept.to_owned())) };
    let octets = sealed::unseal(&STANDARD.decode(sealed).map_err(|_| OpenError::Damaged)?)?;
    let text = std::str::from_utf8(&octets).map_err(|_| OpenError::Damaged)?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_opened_and_sealed_where_the_system_seals() {
        let kept = seal("a secret").unwrap();
        let seals = sealed::seal(b"octets").is_ok();
        assert_eq!((is_sealed(&kept), kept.contains("a secret")), (seals, !seals), "{}", *kept);
        assert_eq!(*open(&kept).unwrap(), "a secret");
        assert_eq!(*open("kept by an older version").unwrap(), "kept by an older version");
    }

    #[test]
    fn what_the_system_refuses_to_seal_is_not_kept_in_plain() {
        let refused = SealError::Refused { call: "CryptProtectData", code: 5 };
        assert_eq!(as_kept("a secret", Err(refused.clone())).unwrap_err(), refused);
        assert_eq!(*as_kept("a secret", Ok(b"octets".to_vec())).unwrap(), "sealed:b2N0ZXRz");
        assert_eq!(*as_kept("a secret", Err(SealError::Unavailable)).unwrap(), "a secret");
    }

    #[test]
    fn what_was_sealed_elsewhere_or_is_damaged_is_an_error() {
        assert!(matches!(open("sealed:not Base64"), Err(OpenError::Damaged)));
        let error = open("sealed:b2N0ZXRz").unwrap_err();
        assert!(matches!(error, OpenError::Seal(SealError::Unavailable | SealError::Elsewhere { .. })), "{error}");
    }
}
