//! `device-key`: whether the key signs, proved by a signature.

use std::sync::Arc;

use super::on_disk;
use crate::diagnostics::seen::Local;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::{Code, code_of_key};
use saml::key::{SignatureAlgorithm, VerifyingKey};

pub(super) struct DeviceKey;

impl Check for DeviceKey {
    fn id(&self) -> &'static str {
        "device-key"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_disk(seen, look)
    }
}

fn look(seen: &Seen, local: &Local) -> Finding {
    let _ = seen;
    let key = match &local.key {
        Ok(Some(key)) => key,
        Ok(None) => return Finding::skip("no key was made yet"),
        Err(error) => return Finding::failed_or_unseen(Code::Failure(code_of_key(error)), error),
    };
    let octets = b"countersign diagnostics: no request";
    let signature = match key.sign(octets) {
        Ok(signature) => signature,
        Err(error) => return Finding::failed_or_unseen(Code::Failure(code_of_key(&error)), &error),
    };
    let public = VerifyingKey::from_spki_der(key.public_key_spki());
    let good = public.is_ok_and(|public| public.has_signed(SignatureAlgorithm::EcdsaP256Sha256, octets, &signature));
    match good {
        true => Finding::pass(format!("P-256, signed and verified, protected by: {}", key.protection())),
        false => Finding::coded(Code::Failure(FailureCode::KeyUnusable), "a signature of the key does not verify"),
    }
}
