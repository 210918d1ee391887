//! Systems that seal nothing to themselves.

use super::SealError;
use zeroize::Zeroizing;

pub(super) const fn seal(_octets: &[u8]) -> Result<Vec<u8>, SealError> {
    Err(SealError::Unavailable)
}

pub(super) const fn unseal(_sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    Err(SealError::Unavailable)
}
