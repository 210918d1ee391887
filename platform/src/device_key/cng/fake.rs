//! A CNG in memory: makes real keys, and fails as it is told to.

use super::status::{Call, CallError, NTE_BAD_KEYSET};
use super::{Cng, Provider};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

/// What the fake has, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct FakeCng(Mutex<Inside>);

#[derive(Debug, Default)]
pub(super) struct Inside {
    /// PKCS #8 of each key.
    pub(super) keys: HashMap<(Provider, String), Vec<u8>>,
    /// What every call to a provider fails with.
    pub(super) broken: HashMap<Provider, CallError>,
    /// Signs with another key than it was asked to.
    pub(super) confused: bool,
}

impl FakeCng {
    pub(super) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    pub(super) fn names(&self, provider: Provider) -> Vec<String> {
        self.inside().keys.keys().filter(|(at, _)| *at == provider).map(|(_, name)| name.clone()).collect()
    }
}

fn generate() -> Vec<u8> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    document.as_ref().to_vec()
}

fn pair(pkcs8: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).unwrap()
}

impl Inside {
    fn check(&self, provider: Provider) -> Result<(), CallError> {
        self.broken.get(&provider).map_or(Ok(()), |error| Err(*error))
    }
}

impl Cng for FakeCng {
    fn create(&self, provider: Provider, name: &str) -> Result<Vec<u8>, CallError> {
        let mut inside = self.inside();
        inside.check(provider)?;
        let pkcs8 = generate();
        let point = pair(&pkcs8).public_key().as_ref()[1..].to_vec();
        inside.keys.insert((provider, name.to_owned()), pkcs8);
        Ok([b"ECS1\x20\0\0\0".to_vec(), point].concat())
    }

    fn sign(&self, provider: Provider, name: &str, digest: &[u8]) -> Result<Vec<u8>, CallError> {
        let inside = self.inside();
        inside.check(provider)?;
        let pkcs8 = inside.keys.get(&(provider, name.to_owned()));
        let pkcs8 = pkcs8.ok_or(CallError::Status(Call::OpenKey, NTE_BAD_KEYSET))?;
        let other = generate();
        // ring hashes what it signs; the fake is asked for digests of one text only, which the tests sign.
        assert_eq!(digest, ring::digest::digest(&ring::digest::SHA256, b"octets").as_ref());
        let signing = pair(if inside.confused { &other } else { pkcs8 });
        Ok(signing.sign(&SystemRandom::new(), b"octets").unwrap().as_ref().to_vec())
    }

    fn delete(&self, provider: Provider, name: &str) -> Result<(), CallError> {
        let mut inside = self.inside();
        inside.check(provider)?;
        let key = inside.keys.remove(&(provider, name.to_owned()));
        key.map(drop).ok_or(CallError::Status(Call::OpenKey, NTE_BAD_KEYSET))
    }
}
