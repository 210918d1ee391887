//! The rung above a plain file on Windows: the key is in a file that Windows has sealed to this installation ([`crate::sealed`]).
//!
//! The file has the public key beside what is sealed: nothing is asked before the first signature, which unseals the key. From then on it is in
//! this process's memory, as a plain file's is.

mod blob;
#[cfg(test)]
mod tests;

use super::KeyProtection;
use super::hardware::HardwareFault;
use super::patience::Patience;
use super::rung::{HeldKey, Rung};
use crate::sealed::SealError;
use blob::KeyFile;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
#[cfg(windows)]
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::{fmt, time::Duration};
use zeroize::Zeroizing;

/// The label of a key file that is sealed.
const LABEL: &str = "DPAPI PRIVATE KEY";
/// Who seals, for messages.
const PROVIDER: &str = "Data Protection API";
/// How long sealing and unsealing may take: Windows asks another process of its own.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Calls of this process that have not come back.
#[cfg(windows)]
static OUTSTANDING: AtomicUsize = AtomicUsize::new(0);

/// What seals. A call blocks for as long as the system takes.
trait Sealer: fmt::Debug + Send + Sync {
    /// Seals octets to this installation.
    fn seal(&self, octets: &[u8]) -> Result<Vec<u8>, SealError>;

    /// What was sealed.
    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError>;
}

/// This Windows.
#[cfg(windows)]
#[derive(Debug)]
struct Dpapi;

#[cfg(windows)]
impl Sealer for Dpapi {
    fn seal(&self, octets: &[u8]) -> Result<Vec<u8>, SealError> {
        crate::sealed::seal(octets)
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        crate::sealed::unseal(sealed)
    }
}

/// The rung of this Windows.
#[cfg(windows)]
pub(super) fn rung() -> Arc<dyn Rung> {
    Arc::new(SealedRung(Access { sealer: Arc::new(Dpapi), patience: Patience::new(TIME_LIMIT, &OUTSTANDING) }))
}

/// What seals, and how long it is waited for.
#[derive(Clone, Debug)]
struct Access {
    sealer: Arc<dyn Sealer>,
    patience: Patience,
}

impl Access {
    fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Sealer) -> Result<T, SealError> + Send + 'static,
    ) -> Result<T, HardwareFault> {
        let sealer = Arc::clone(&self.sealer);
        let answer = self.patience.wait_for(move || call(sealer.as_ref()));
        let late = || HardwareFault::NoAnswer { provider: PROVIDER, seconds: TIME_LIMIT.as_secs() };
        answer.ok_or_else(late)?.map_err(HardwareFault::from)
    }
}

#[derive(Debug)]
struct SealedRung(Access);

impl Rung for SealedRung {
    fn protection(&self) -> KeyProtection {
        KeyProtection::SealedFile
    }

    fn label(&self) -> &'static str {
        LABEL
    }

    fn reference(&self, _name: &str) -> Option<String> {
        None
    }

    fn create(&self, _name: &str) -> Result<Box<dyn HeldKey>, HardwareFault> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| garbled("no key could be made to be sealed"))?;
        let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
        let pair = read_pair(&pkcs8).ok_or_else(|| garbled("the key that was made is none"))?;
        let point = pair.public_key().as_ref().try_into().map_err(|_| garbled("the key that was made is none"))?;
        let sealed = self.0.ask(move |sealer| sealer.seal(&pkcs8))?;
        let key = SealedKey { file: KeyFile { point, sealed }, access: self.0.clone(), pair: OnceLock::new() };
        // A key that can't be unsealed again would be noticed after the next start only, and be lost by then.
        key.pair()?;
        Ok(Box::new(key))
    }

    fn read(&self, der: &[u8]) -> Option<Box<dyn HeldKey>> {
        let file = KeyFile::from_der(der)?;
        Some(Box::new(SealedKey { file, access: self.0.clone(), pair: OnceLock::new() }))
    }

    fn delete(&self, _reference: &str) -> Option<Result<(), HardwareFault>> {
        None
    }
}

fn garbled(what: &str) -> HardwareFault {
    HardwareFault::ProviderGarbled { provider: PROVIDER, what: what.to_owned() }
}

/// This also checks that the public key belongs to the private one.
fn read_pair(pkcs8: &[u8]) -> Option<EcdsaKeyPair> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).ok()
}

/// A key whose file is sealed.
#[derive(Debug)]
struct SealedKey {
    file: KeyFile,
    access: Access,
    /// The key, once it was unsealed.
    pair: OnceLock<EcdsaKeyPair>,
}

impl SealedKey {
    fn pair(&self) -> Result<&EcdsaKeyPair, HardwareFault> {
        if let Some(pair) = self.pair.get() {
            return Ok(pair);
        }
        let sealed = self.file.sealed.clone();
        let pkcs8 = self.access.ask(move |sealer| sealer.unseal(&sealed))?;
        let pair = read_pair(&pkcs8).filter(|pair| pair.public_key().as_ref() == self.file.point);
        let pair = pair.ok_or(HardwareFault::SealedElsewhere { said: "another key was sealed".to_owned() })?;
        Ok(self.pair.get_or_init(|| pair))
    }
}

impl HeldKey for SealedKey {
    fn protection(&self) -> KeyProtection {
        KeyProtection::SealedFile
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
        None
    }

    fn sign(&self, octets: &[u8]) -> Result<[u8; 64], HardwareFault> {
        let signature =
            self.pair()?.sign(&SystemRandom::new(), octets).map_err(|_| garbled("the key does not sign"))?;
        signature.as_ref().try_into().map_err(|_| garbled("a signature has another length"))
    }
}
