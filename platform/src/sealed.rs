//! Secrets at rest: octets that the operating system seals, so that they are of use on this installation of it alone.
//!
//! Windows does so by its Data Protection API. No other system here has the like: what Linux without a TPM and a daemon on macOS could seal
//! with is a key in a file beside what is sealed, and nothing is called sealed for that.

use zeroize::Zeroizing;

#[cfg(not(windows))]
#[path = "sealed/none.rs"]
mod imp;
#[cfg(windows)]
#[path = "sealed/windows.rs"]
mod imp;

/// Why nothing was sealed or unsealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// This system has nothing to seal with.
    #[error("this system seals nothing to itself")]
    Unavailable,
    /// Another installation has sealed it, or it is damaged; the next try ends in the same way.
    #[error("it was sealed by another installation of Windows, or is damaged ({code:#010x})")]
    Elsewhere {
        /// What Windows says.
        code: u32,
    },
    /// The system refused for another reason.
    #[error("`{call}` failed ({code:#010x})")]
    Refused {
        /// The call.
        call: &'static str,
        /// What Windows says.
        code: u32,
    },
}

/// Seals `octets` to this installation of the operating system. An account that may run programs on it with the rights to read the
/// result can [`unseal`] it: where the result is kept has to be private.
///
/// # Errors
///
/// [`SealError::Unavailable`] where there is nothing to seal with, [`SealError::Refused`].
pub fn seal(octets: &[u8]) -> Result<Vec<u8>, SealError> {
    imp::seal(octets)
}

/// What [`seal`] was given.
///
/// # Errors
///
/// [`SealError`].
pub fn unseal(sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    imp::unseal(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(windows)]
    #[test]
    fn what_is_sealed_is_unsealed_and_shows_nothing() {
        for octets in [&b""[..], b"a secret of this machine", &[7; 5000]] {
            let sealed = seal(octets).unwrap();
            assert!(octets.is_empty() || sealed.windows(octets.len()).all(|part| part != octets));
            assert_eq!(unseal(&sealed).unwrap().as_slice(), octets);
        }
        assert_ne!(seal(b"octets").unwrap(), seal(b"octets").unwrap(), "no two look alike");
    }

    #[cfg(windows)]
    #[test]
    fn what_was_changed_or_not_sealed_by_us_is_not_unsealed() {
        let sealed = seal(b"octets").unwrap();
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        for wrong in [&changed[..], &sealed[..sealed.len() / 2], b"octets", b""] {
            assert!(matches!(unseal(wrong), Err(SealError::Elsewhere { .. })), "{:?}", unseal(wrong));
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn where_nothing_seals_that_is_said() {
        assert_eq!(seal(b"octets"), Err(SealError::Unavailable));
        assert_eq!(unseal(b"octets"), Err(SealError::Unavailable));
    }
}
