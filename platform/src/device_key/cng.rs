//! The rungs on Windows: keys that Cryptography API: Next Generation keeps, in the TPM (the Platform Crypto Provider) or in software (the
//! Software Key Storage Provider), for the machine and not for export.
//!
//! Windows keeps a key under its name. The key file has provider, name and public key: nothing is asked before the first signature. What the
//! provider signed is verified against that public key, so that another key of the same name is noticed.

mod blob;
#[cfg(test)]
mod fake;
#[cfg(windows)]
mod ncrypt;
mod status;
#[cfg(test)]
mod tests;

use super::KeyProtection;
use super::hardware::HardwareFault;
use super::patience::Patience;
use super::rung::{HeldKey, Rung};
use blob::KeyFile;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use status::{CallError, fault, no_answer};
#[cfg(windows)]
use std::sync::atomic::AtomicUsize;
use std::{fmt, sync::Arc, time::Duration};

/// The label of a key file that names a key of CNG.
const LABEL: &str = "CNG PRIVATE KEY";

/// How long a provider may take for making a key or for a signature.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Calls of this process that have not come back.
#[cfg(windows)]
static OUTSTANDING: AtomicUsize = AtomicUsize::new(0);

/// Who keeps the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Provider {
    /// The TPM.
    Platform,
    /// Windows itself, encrypted for this machine.
    Software,
}

impl Provider {
    /// `MS_PLATFORM_CRYPTO_PROVIDER` and `MS_KEY_STORAGE_PROVIDER`.
    const fn name(self) -> &'static str {
        match self {
            Self::Platform => "Microsoft Platform Crypto Provider",
            Self::Software => "Microsoft Software Key Storage Provider",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Platform, Self::Software].into_iter().find(|provider| provider.name() == name)
    }

    const fn protection(self) -> KeyProtection {
        match self {
            Self::Platform => KeyProtection::Tpm,
            Self::Software => KeyProtection::OsKeyStore,
        }
    }
}

/// What is asked of CNG. Calls block for as long as the provider takes.
trait Cng: fmt::Debug + Send + Sync {
    /// Makes a P-256 key of that name which signs and can't be exported, and returns its `ECCPUBLICBLOB`. On failure there is none.
    fn create(&self, provider: Provider, name: &str) -> Result<Vec<u8>, CallError>;

    /// r ‖ s over a digest.
    fn sign(&self, provider: Provider, name: &str, digest: &[u8]) -> Result<Vec<u8>, CallError>;

    /// Deletes the key of that name.
    fn delete(&self, provider: Provider, name: &str) -> Result<(), CallError>;
}

/// The rungs that this Windows has, best first.
#[cfg(windows)]
pub(super) fn rungs() -> Vec<Arc<dyn Rung>> {
    rungs_over(&(Arc::new(ncrypt::Ncrypt) as Arc<dyn Cng>), Patience::new(TIME_LIMIT, &OUTSTANDING))
}

fn rungs_over(cng: &Arc<dyn Cng>, patience: Patience) -> Vec<Arc<dyn Rung>> {
    let rung = |provider| -> Arc<dyn Rung> { Arc::new(CngRung(Access { cng: Arc::clone(cng), provider, patience })) };
    vec![rung(Provider::Platform), rung(Provider::Software)]
}

/// A provider, and how long it is waited for.
#[derive(Clone, Debug)]
struct Access {
    cng: Arc<dyn Cng>,
    provider: Provider,
    patience: Patience,
}

impl Access {
    fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Cng, Provider) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, HardwareFault> {
        let (cng, provider) = (Arc::clone(&self.cng), self.provider);
        let answer = self.patience.wait_for(move || call(cng.as_ref(), provider));
        answer.ok_or_else(|| no_answer(provider))?.map_err(|error| fault(provider, error))
    }

    fn garbled(&self, what: &str) -> HardwareFault {
        HardwareFault::ProviderGarbled { provider: self.provider.name(), what: what.to_owned() }
    }
}

#[derive(Debug)]
struct CngRung(Access);

impl Rung for CngRung {
    fn protection(&self) -> KeyProtection {
        self.0.provider.protection()
    }

    fn label(&self) -> &'static str {
        LABEL
    }

    fn reference(&self, name: &str) -> Option<String> {
        Some(blob::reference(self.0.provider, &blob::name_of(name)))
    }

    fn create(&self, name: &str) -> Result<Box<dyn HeldKey>, HardwareFault> {
        let name = blob::name_of(name);
        let asked = name.clone();
        let public = self.0.ask(move |cng, provider| cng.create(provider, &asked))?;
        let point = blob::point_of(&public).ok_or_else(|| self.0.garbled("its public key is none on P-256"))?;
        Ok(Box::new(CngKey { file: KeyFile { provider: self.0.provider, name, point }, access: self.0.clone() }))
    }

    fn read(&self, der: &[u8]) -> Option<Box<dyn HeldKey>> {
        let file = KeyFile::from_der(der).filter(|file| file.provider == self.0.provider)?;
        Some(Box::new(CngKey { file, access: self.0.clone() }))
    }

    fn delete(&self, reference: &str) -> Option<Result<(), HardwareFault>> {
        let name = blob::name_in(reference, self.0.provider)?.to_owned();
        Some(self.0.ask(move |cng, provider| cng.delete(provider, &name)))
    }
}

/// A key that CNG keeps.
#[derive(Debug)]
struct CngKey {
    file: KeyFile,
    access: Access,
}

impl HeldKey for CngKey {
    fn protection(&self) -> KeyProtection {
        self.file.provider.protection()
    }

    fn label(&self) -> &'static str {
        LABEL
    }

    fn point(&self) -> &[u8; 65] {
        &self.file.point
    }

    fn to_der(&self) -> Vec<u8> {
        self.file.to_der()
    }

    fn reference(&self) -> Option<String> {
        Some(blob::reference(self.file.provider, &self.file.name))
    }

    fn sign(&self, octets: &[u8]) -> Result<[u8; 64], HardwareFault> {
        let (name, digest) = (self.file.name.clone(), digest(&SHA256, octets));
        let signature = self.access.ask(move |cng, provider| cng.sign(provider, &name, digest.as_ref()))?;
        let signature: [u8; 64] =
            signature.try_into().map_err(|_| self.access.garbled("its signature has another length"))?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.file.point);
        let verified = public.verify(octets, &signature);
        verified.map_err(|_| HardwareFault::OtherKey { provider: self.file.provider.name() })?;
        Ok(signature)
    }
}
