//! The calls of CNG as Windows has them (`ncrypt.dll`).

use super::status::{Call, CallError};
use super::{Cng, Provider};
use crate::windows::wide;
use std::ptr;
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_ECCPUBLIC_BLOB, BCRYPT_ECDSA_P256_ALGORITHM, MS_KEY_STORAGE_PROVIDER, MS_PLATFORM_CRYPTO_PROVIDER,
    NCRYPT_ALLOW_EXPORT_FLAG, NCRYPT_ALLOW_PLAINTEXT_EXPORT_FLAG, NCRYPT_EXPORT_POLICY_PROPERTY, NCRYPT_HANDLE,
    NCRYPT_IMPL_HARDWARE_FLAG, NCRYPT_IMPL_TYPE_PROPERTY, NCRYPT_MACHINE_KEY_FLAG, NCRYPT_PERSIST_FLAG,
    NCRYPT_SILENT_FLAG, NCryptCreatePersistedKey, NCryptDeleteKey, NCryptExportKey, NCryptFinalizeKey,
    NCryptFreeObject, NCryptGetProperty, NCryptOpenKey, NCryptOpenStorageProvider, NCryptSetProperty, NCryptSignHash,
};
use windows_sys::core::{HRESULT, PCWSTR};

/// An `ECCPUBLICBLOB` of P-256 has 72 octets, a signature 64.
const ROOM: usize = 256;

/// CNG of this Windows.
#[derive(Debug)]
pub(super) struct Ncrypt;

impl Cng for Ncrypt {
    fn create(&self, provider: Provider, name: &str) -> Result<Vec<u8>, CallError> {
        let store = Object::provider(provider)?;
        // Opening the provider for the TPM may succeed where there is none.
        if provider == Provider::Platform && store.number(NCRYPT_IMPL_TYPE_PROPERTY)? & NCRYPT_IMPL_HARDWARE_FLAG == 0 {
            return Err(CallError::NoHardware);
        }
        let key = store.new_key(name)?;
        if provider == Provider::Software {
            // What the TPM holds can't be exported in any case, and its provider need not know the property.
            key.forbid_export()?;
        }
        key.finalize()?;
        let checked = key.check_export(provider).and_then(|()| key.public_blob());
        if checked.is_err() {
            // What can't be used is not left behind; that it could not be deleted either would say nothing new.
            let _ = key.delete();
        }
        checked
    }

    fn sign(&self, provider: Provider, name: &str, digest: &[u8]) -> Result<Vec<u8>, CallError> {
        Object::provider(provider)?.key(name)?.sign(digest)
    }

    fn delete(&self, provider: Provider, name: &str) -> Result<(), CallError> {
        Object::provider(provider)?.key(name)?.delete()
    }
}

/// A provider or a key that is open; closed on drop.
#[derive(Debug)]
struct Object(NCRYPT_HANDLE);

impl Drop for Object {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn drop(&mut self) {
        // SAFETY: the handle came from a call that opened it for us, and nobody else closes it.
        unsafe { NCryptFreeObject(self.0) };
    }
}

fn done(call: Call, status: HRESULT) -> Result<(), CallError> {
    if status == 0 { Ok(()) } else { Err(CallError::Status(call, status.cast_unsigned())) }
}

impl Object {
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn provider(provider: Provider) -> Result<Self, CallError> {
        let name = match provider {
            Provider::Platform => MS_PLATFORM_CRYPTO_PROVIDER,
            Provider::Software => MS_KEY_STORAGE_PROVIDER,
        };
        let mut handle = 0;
        // SAFETY: the name is a constant that ends with a NUL; `handle` is a place for one handle.
        done(Call::OpenStorageProvider, unsafe { NCryptOpenStorageProvider(&raw mut handle, name, 0) })?;
        Ok(Self(handle))
    }

    /// A key of this provider that is to be made; there is none before [`Object::finalize`].
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn new_key(&self, name: &str) -> Result<Self, CallError> {
        let (name, mut key) = (wide(name), 0);
        // SAFETY: the provider is open, both texts end with a NUL and outlive the call, and `key` is a place for one handle.
        let status = unsafe {
            NCryptCreatePersistedKey(
                self.0,
                &raw mut key,
                BCRYPT_ECDSA_P256_ALGORITHM,
                name.as_ptr(),
                0,
                NCRYPT_MACHINE_KEY_FLAG,
            )
        };
        done(Call::CreatePersistedKey, status)?;
        Ok(Self(key))
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn key(&self, name: &str) -> Result<Self, CallError> {
        let (name, mut key) = (wide(name), 0);
        let flags = NCRYPT_MACHINE_KEY_FLAG | NCRYPT_SILENT_FLAG;
        // SAFETY: the provider is open, the name ends with a NUL and outlives the call, and `key` is a place for one handle.
        done(Call::OpenKey, unsafe { NCryptOpenKey(self.0, &raw mut key, name.as_ptr(), 0, flags) })?;
        Ok(Self(key))
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn forbid_export(&self) -> Result<(), CallError> {
        let policy = 0_u32.to_ne_bytes();
        // SAFETY: the key is open; the value is four octets, as the property has them, and outlives the call.
        let status = unsafe {
            NCryptSetProperty(self.0, NCRYPT_EXPORT_POLICY_PROPERTY, policy.as_ptr(), 4, NCRYPT_PERSIST_FLAG)
        };
        done(Call::SetProperty, status)
    }

    fn check_export(&self, provider: Provider) -> Result<(), CallError> {
        let ways = NCRYPT_ALLOW_EXPORT_FLAG | NCRYPT_ALLOW_PLAINTEXT_EXPORT_FLAG;
        let exportable = provider == Provider::Software && self.number(NCRYPT_EXPORT_POLICY_PROPERTY)? & ways != 0;
        if exportable { Err(CallError::Exportable) } else { Ok(()) }
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn finalize(&self) -> Result<(), CallError> {
        // SAFETY: the key is open.
        done(Call::FinalizeKey, unsafe { NCryptFinalizeKey(self.0, NCRYPT_SILENT_FLAG) })
    }

    /// A property that is one number.
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn number(&self, property: PCWSTR) -> Result<u32, CallError> {
        let (mut octets, mut used) = ([0; 4], 0);
        // SAFETY: the object is open, the property's name is a constant that ends with a NUL, and the buffer has the four octets that are given.
        let status = unsafe { NCryptGetProperty(self.0, property, octets.as_mut_ptr(), 4, &raw mut used, 0) };
        done(Call::GetProperty, status)?;
        Ok(u32::from_ne_bytes(octets))
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn public_blob(&self) -> Result<Vec<u8>, CallError> {
        let (mut octets, mut used) = (vec![0; ROOM], 0);
        // SAFETY: the key is open; the buffer is ours and has the size that is given; there is neither an export key nor a parameter.
        let status = unsafe {
            NCryptExportKey(
                self.0,
                0,
                BCRYPT_ECCPUBLIC_BLOB,
                ptr::null(),
                octets.as_mut_ptr(),
                ROOM as u32,
                &raw mut used,
                0,
            )
        };
        done(Call::ExportKey, status)?;
        octets.truncate(usize::try_from(used).unwrap_or(ROOM));
        Ok(octets)
    }

    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, CallError> {
        let (mut octets, mut used) = (vec![0; ROOM], 0);
        let length = u32::try_from(digest.len()).unwrap_or(u32::MAX);
        // SAFETY: the key is open; ECDSA has no padding; the digest is readable for its length, and the buffer is ours and has the size that is
        // given.
        let status = unsafe {
            NCryptSignHash(
                self.0,
                ptr::null(),
                digest.as_ptr(),
                length,
                octets.as_mut_ptr(),
                ROOM as u32,
                &raw mut used,
                NCRYPT_SILENT_FLAG,
            )
        };
        done(Call::SignHash, status)?;
        octets.truncate(usize::try_from(used).unwrap_or(ROOM));
        Ok(octets)
    }

    /// Deletes the key for good.
    #[expect(unsafe_code, reason = "the operating system's interface")]
    fn delete(self) -> Result<(), CallError> {
        // SAFETY: the key is open.
        let status = unsafe { NCryptDeleteKey(self.0, NCRYPT_SILENT_FLAG) };
        // The call closes the handle. Where it fails its documentation leaves open whether: a handle is rather lost than closed twice.
        std::mem::forget(self);
        done(Call::DeleteKey, status)
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::fault;
    use super::super::{blob, status};
    use super::*;
    use windows_sys::Win32::Foundation as windows;

    #[test]
    fn the_names_of_the_providers_are_those_of_windows() {
        for (provider, name) in
            [(Provider::Platform, MS_PLATFORM_CRYPTO_PROVIDER), (Provider::Software, MS_KEY_STORAGE_PROVIDER)]
        {
            let ours = wide(provider.name());
            #[expect(unsafe_code, reason = "a constant of the operating system's interface")]
            // SAFETY: the constant ends with a NUL and is at least as long as what is compared, up to the first difference.
            let same = ours.iter().enumerate().all(|(place, unit)| unsafe { *name.add(place) } == *unit);
            assert!(same, "{provider:?}");
        }
    }

    #[test]
    fn the_statuses_are_those_of_windows() {
        macro_rules! same {
            ($($name:ident)*) => { $(assert_eq!(status::$name, windows::$name.cast_unsigned(), stringify!($name));)* };
        }
        same!(E_ACCESSDENIED NTE_NO_KEY NTE_BAD_KEY_STATE NTE_PERM NTE_NOT_FOUND NTE_BAD_KEYSET NTE_KEYSET_NOT_DEF
            NTE_KEYSET_ENTRY_BAD NTE_PROV_TYPE_NOT_DEF NTE_PROVIDER_DLL_FAIL NTE_PROV_DLL_NOT_FOUND NTE_DEVICE_NOT_READY
            NTE_DEVICE_NOT_FOUND TBS_E_SERVICE_NOT_RUNNING TBS_E_TOO_MANY_TBS_CONTEXTS TBS_E_TOO_MANY_RESOURCES
            TBS_E_SERVICE_START_PENDING TBS_E_COMMAND_CANCELED TBS_E_TPM_NOT_FOUND TBS_E_SERVICE_DISABLED
            TBS_E_ACCESS_DENIED TPM_20_E_HIERARCHY TPM_20_E_INTEGRITY TPM_20_E_FAILURE TPM_20_E_DISABLED
            TPM_20_E_NEEDS_TEST TPM_20_E_YIELDED TPM_20_E_TESTING TPM_20_E_LOCKOUT TPM_20_E_RETRY
            TPM_E_PCP_DEVICE_NOT_READY TPM_E_PCP_WRONG_PARENT TPM_E_LOCKED_OUT TPM_E_PCP_KEY_HANDLE_INVALIDATED);
    }

    /// On Windows the software provider makes a key; Wine's does not, and says so.
    #[test]
    fn a_provider_makes_a_key_that_signs_and_goes_or_says_why_not() {
        for provider in [Provider::Platform, Provider::Software] {
            let name = blob::name_of(&data_encoding::HEXLOWER.encode(&crate::random::bytes::<16>()));
            match Ncrypt.create(provider, &name) {
                Ok(public) => {
                    assert!(blob::point_of(&public).is_some());
                    assert_eq!(Ncrypt.sign(provider, &name, &[7; 32]).unwrap().len(), 64);
                    Ncrypt.delete(provider, &name).unwrap();
                }
                Err(error) => {
                    let fault = fault(provider, error);
                    println!("{fault}");
                    assert!(!fault.is_loss_of_the_key() && !fault.is_passing(), "{fault}");
                }
            }
            assert!(Ncrypt.sign(provider, &name, &[7; 32]).is_err(), "{provider:?} has no such key");
        }
    }

    /// Under Wine the key is in a sealed file, with what each provider said; on Windows a provider has it.
    #[test]
    fn the_ladder_makes_a_key_whatever_the_providers_do_and_tells_what_they_said() {
        use crate::device_key::{KeyProtection, Ladder};
        let dir = tempfile::tempdir().unwrap();
        let (state, ladder) = (dir.path().join("state"), Ladder::default());
        let made = ladder.create(&state).unwrap();
        let rung = [KeyProtection::Tpm, KeyProtection::OsKeyStore, KeyProtection::SealedFile]
            .into_iter()
            .position(|protection| protection == made.key.protection());
        assert_eq!(rung, Some(made.passed_over.len()), "{made:?}");
        for (provider, fault) in [Provider::Platform, Provider::Software].into_iter().zip(&made.passed_over) {
            let absent = matches!(fault, crate::device_key::HardwareFault::NoTpm { .. });
            assert!(absent || fault.to_string().contains(provider.name()), "{fault}");
        }
        ladder.load(&state).unwrap().unwrap().sign(b"octets").unwrap();
        assert!(ladder.destroy(&state).unwrap());
        ladder.sweep(&state).unwrap();
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);
    }
}
