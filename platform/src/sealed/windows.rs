//! The Data Protection API (`crypt32.dll`), by the machine's key: the service, which is SYSTEM, and an administrator who configures it open
//! what the other has sealed. What keeps other accounts off is the access list of the file.

use super::SealError;
use std::{io, ptr, slice};
use windows_sys::Win32::Foundation::{ERROR_INVALID_DATA, LocalFree, NTE_BAD_DATA, NTE_BAD_KEY_STATE};
use windows_sys::Win32::Security::Cryptography::{
    CRYPT_INTEGER_BLOB, CRYPTPROTECT_LOCAL_MACHINE, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData, CryptUnprotectData,
};
use zeroize::{Zeroize as _, Zeroizing};

/// What every call is given besides, so that nothing opens our secrets by accident. It is no secret.
const PURPOSE: &[u8] = b"Countersign: a secret of the agent at rest";

const FLAGS: u32 = CRYPTPROTECT_LOCAL_MACHINE | CRYPTPROTECT_UI_FORBIDDEN;

#[expect(unsafe_code, reason = "the operating system's interface")]
pub(super) fn seal(octets: &[u8]) -> Result<Vec<u8>, SealError> {
    let (plain, purpose, mut given) = (blob(octets), blob(PURPOSE), Given::default());
    // SAFETY: both blobs outlive the call, which only reads them; there is no description and no prompt, and `given` is a place for one blob.
    let done = unsafe {
        CryptProtectData(
            &raw const plain,
            ptr::null(),
            &raw const purpose,
            ptr::null(),
            ptr::null(),
            FLAGS,
            &raw mut given.0,
        )
    };
    if done == 0 { Err(last_error("CryptProtectData")) } else { Ok(given.octets().to_vec()) }
}

#[expect(unsafe_code, reason = "the operating system's interface")]
pub(super) fn unseal(sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (sealed, purpose, mut given) = (blob(sealed), blob(PURPOSE), Given::default());
    // SAFETY: both blobs outlive the call, which only reads them; the description is not asked for, there is no prompt, and `given` is a place
    // for one blob.
    let done = unsafe {
        CryptUnprotectData(
            &raw const sealed,
            ptr::null_mut(),
            &raw const purpose,
            ptr::null(),
            ptr::null(),
            FLAGS,
            &raw mut given.0,
        )
    };
    if done == 0 { Err(last_error("CryptUnprotectData")) } else { Ok(Zeroizing::new(given.octets().to_vec())) }
}

/// Octets as the calls take them; what we seal is no longer than a small file.
fn blob(octets: &[u8]) -> CRYPT_INTEGER_BLOB {
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    CRYPT_INTEGER_BLOB { cbData: length, pbData: octets.as_ptr().cast_mut() }
}

/// What a call has given: memory of `LocalAlloc`, which may hold a secret. Overwritten and freed on drop.
struct Given(CRYPT_INTEGER_BLOB);

impl Default for Given {
    fn default() -> Self {
        Self(CRYPT_INTEGER_BLOB { cbData: 0, pbData: ptr::null_mut() })
    }
}

impl Given {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn octets(&self) -> &[u8] {
        if self.0.pbData.is_null() {
            return &[];
        }
        // SAFETY: the call has written this length and pointer together, and the memory lives as long as `self`.
        unsafe { slice::from_raw_parts(self.0.pbData, self.0.cbData as usize) }
    }
}

impl Drop for Given {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        if self.0.pbData.is_null() {
            return;
        }
        // SAFETY: as in `octets`, and nobody else has the memory.
        unsafe { slice::from_raw_parts_mut(self.0.pbData, self.0.cbData as usize) }.zeroize();
        // SAFETY: the calls tell their caller to free it so, and it is not used afterwards.
        unsafe { LocalFree(self.0.pbData.cast()) };
    }
}

/// What the call that has just failed says.
fn last_error(call: &'static str) -> SealError {
    error_of(call, io::Error::last_os_error().raw_os_error().unwrap_or_default().cast_unsigned())
}

/// A key that is not here, and data that its key does not fit. Everything else may be otherwise at the next try.
fn error_of(call: &'static str, code: u32) -> SealError {
    const ELSEWHERE: [u32; 3] = [ERROR_INVALID_DATA, NTE_BAD_KEY_STATE.cast_unsigned(), NTE_BAD_DATA.cast_unsigned()];
    if ELSEWHERE.contains(&code) { SealError::Elsewhere { code } } else { SealError::Refused { call, code } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::Foundation::ERROR_ACCESS_DENIED;

    /// `RPC_S_SERVER_UNAVAILABLE`: the part of Windows that has the keys is not up.
    const SERVER_UNAVAILABLE: u32 = 1722;

    #[test]
    fn what_may_pass_is_not_taken_for_another_machines() {
        for code in [ERROR_ACCESS_DENIED, SERVER_UNAVAILABLE] {
            let error = error_of("CryptUnprotectData", code);
            assert!(matches!(error, SealError::Refused { .. }), "{error}");
            assert!(error.to_string().contains("CryptUnprotectData"), "{error}");
        }
        let error = error_of("CryptUnprotectData", NTE_BAD_KEY_STATE.cast_unsigned());
        assert_eq!(error, SealError::Elsewhere { code: 0x8009_000b });
    }

    #[test]
    fn what_another_program_sealed_for_its_own_purpose_is_not_ours() {
        let (plain, mut given) = (blob(b"octets"), Given::default());
        #[expect(unsafe_code, reason = "the operating system's interface")]
        // SAFETY: as in `seal`, without a purpose.
        let done = unsafe {
            CryptProtectData(
                &raw const plain,
                ptr::null(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
                FLAGS,
                &raw mut given.0,
            )
        };
        assert_ne!(done, 0);
        assert!(matches!(unseal(given.octets()), Err(SealError::Elsewhere { .. })));
    }
}
