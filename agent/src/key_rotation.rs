//! The device key's successor: the portal says when it is time, the present key vouches for the next one.
//!
//! The next key is on the disk before the portal is told of it, and takes the present one's place when the portal has it on record. Until
//! it has signed once the portal believes both, so that whatever dies in between is only done again.

use std::sync::Arc;

use platform::device_key::DeviceKey;
use saml::device::{Rotation, RotationProof};
use saml::request::AuthnRequest;

use crate::conversation::{KeptAlive, Said, tell_alive};
use crate::device::{self, Device};
use crate::sign_in::SignInError;
use crate::steps::Steps;

/// Changes the key if it is old enough by what the portal said in `kept`, or if a change was begun. The new key has been used once when
/// this returns what the portal said then.
///
/// # Errors
/// [`SignInError`]; then one key still signs, and the next keep-alive goes on where this ended.
pub async fn rotate_if_due(
    device: &mut Device,
    kept: &KeptAlive,
    steps: &Steps,
) -> Result<Option<KeptAlive>, SignInError> {
    let next = match device.waiting_next_key()? {
        Some(next) => next,
        None if kept.key_is_due(device.clock.now()) => device.make_next_key().await?,
        None => return Ok(None),
    };
    tell_alive(device, &Said { next: Some(&next), ..Said::default() }, steps).await?;
    device.adopt_next_key(Arc::clone(&next))?;
    let kept = tell_alive(device, &Said::default(), steps).await?;
    // Nobody waits for it: the former key signs nothing that the portal would believe.
    drop(device.delete_former_keys());
    tracing::info!(protection = %next.protection(), "the device has another key");
    steps.done("key-rotated", || saml::device::entity_id_of_key(next.public_key_spki()).to_string());
    Ok(Some(kept))
}

/// What `request` says to bring `next`: the key, and that this device has it.
pub(crate) async fn bring(next: &Arc<DeviceKey>, request: &AuthnRequest) -> Result<Rotation, SignInError> {
    let spki = next.public_key_spki().to_vec();
    let proof = RotationProof {
        device: &request.issuer,
        device_key_spki: &spki,
        request: &request.id,
        issue_instant: request.issue_instant,
        destination: request.destination.as_deref().unwrap_or_default(),
    };
    let octets = proof.octets();
    let possession = device::sign(next, move |signer| signer.sign(&octets)).await?;
    Ok(Rotation { device_key_spki: spki, protection: next.protection().to_string(), possession })
}
