//! Encrypting a file to somebody's `age` key (age-encryption.org/v1, X25519 recipients), so that only they can read it.
//!
//! Only sealing, and over the primitives that the agent has anyway: the `age` crate brings some 100 further ones for its other half. What
//! is sealed here is judged by the real `age` program (`tests/support.rs`).

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bech32::primitives::decode::CheckedHrpstring;
use platform::random;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::{hkdf, hmac};
use zeroize::Zeroizing;

/// Octets of plain text in a chunk.
const CHUNK: usize = 64 * 1024;
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";

/// Somebody's public key: `age1…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient([u8; 32]);

/// The text is no public key of `age`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("that is no public key of `age`: it begins with `age1` and has 62 characters; `age-keygen` prints it")]
pub struct RecipientInvalid;

/// Nothing was sealed: the key is one that nobody can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("nothing can be encrypted to that public key")]
pub struct SealError;

impl FromStr for Recipient {
    type Err = RecipientInvalid;

    fn from_str(text: &str) -> Result<Self, RecipientInvalid> {
        let checked = CheckedHrpstring::new::<bech32::Bech32>(text.trim()).map_err(|_| RecipientInvalid)?;
        let octets: Vec<u8> = checked.byte_iter().collect();
        let is_age = checked.hrp().to_string() == "age";
        let octets = octets.try_into().map_err(|_| RecipientInvalid)?;
        if is_age { Ok(Self(octets)) } else { Err(RecipientInvalid) }
    }
}

impl Recipient {
    /// Encrypts `plain`; only the holder of the private key can read what is returned.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let file_key: Zeroizing<[u8; 16]> = Zeroizing::new(random::bytes());
        let mut header = format!("age-encryption.org/v1\n{}---", self.stanza(&file_key)?);
        let mac_key = derive(&[], file_key.as_ref(), b"header")?;
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, mac_key.as_ref()), header.as_bytes());
        header.push_str(&format!(" {}\n", STANDARD_NO_PAD.encode(mac)));
        let mut sealed = header.into_bytes();
        let nonce: [u8; 16] = random::bytes();
        sealed.extend_from_slice(&nonce);
        let key = aead(derive(&nonce, file_key.as_ref(), b"payload")?.as_ref())?;
        // The last chunk says so, and is empty only where all is.
        let last = plain.len().div_ceil(CHUNK).saturating_sub(1);
        for count in 0..=last {
            let chunk = plain.get(count * CHUNK..).unwrap_or_default();
            let mut chunk = chunk.get(..CHUNK).unwrap_or(chunk).to_vec();
            let mut nonce = [0; 12];
            nonce[3..11].copy_from_slice(&u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
            nonce[11] = u8::from(count == last);
            seal_in_place(&key, nonce, &mut chunk)?;
            sealed.append(&mut chunk);
        }
        Ok(sealed)
    }

    /// The file key for this recipient, wrapped with what an ephemeral key and theirs agree on.
    fn stanza(&self, file_key: &[u8; 16]) -> Result<String, SealError> {
        let ours = EphemeralPrivateKey::generate(&X25519, &random::generator()).map_err(|_| SealError)?;
        let share = ours.compute_public_key().map_err(|_| SealError)?;
        let salt = [share.as_ref(), &self.0].concat();
        // `ring` refuses an agreement that is all zero, as the format asks.
        let wrapping = agree_ephemeral(ours, &UnparsedPublicKey::new(&X25519, self.0), |shared| {
            derive(&salt, shared, X25519_INFO)
        });
        let key = aead(wrapping.map_err(|_| SealError)??.as_ref())?;
        let mut wrapped = file_key.to_vec();
        seal_in_place(&key, [0; 12], &mut wrapped)?;
        Ok(format!("-> X25519 {}\n{}\n", STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(wrapped)))
    }
}

fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let mut key = Zeroizing::new([0; 32]);
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let filled = extracted.expand(&[info], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(key.as_mut()));
    filled.map(|()| key).map_err(|_| SealError)
}

fn aead(key: &[u8]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| SealError)
}

fn seal_in_place(key: &LessSafeKey, nonce: [u8; 12], octets: &mut Vec<u8>) -> Result<(), SealError> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), octets).map_err(|_| SealError)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the format's specification.
    const ALICE: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

    #[test]
    fn a_key_is_read_and_anything_else_is_not() {
        assert!(ALICE.parse::<Recipient>().is_ok());
        let mistyped = ALICE.replace("zvky", "zvkq");
        // As the program `age` does, which writes and takes small letters.
        let capitals = ALICE.to_uppercase();
        for text in ["", "age1", "alice", &mistyped, &capitals, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"] {
            assert_eq!(text.parse::<Recipient>(), Err(RecipientInvalid), "{text}");
        }
    }

    #[test]
    fn a_key_that_nobody_can_have_is_refused() {
        assert_eq!(Recipient([0; 32]).seal(b"x"), Err(SealError));
    }

    #[test]
    fn chunks_end_where_the_format_wants_them_to() {
        let alice: Recipient = ALICE.parse().unwrap();
        let overhead = alice.seal(b"").unwrap().len();
        for (plain, chunks) in [(1, 1), (CHUNK, 1), (CHUNK + 1, 2), (3 * CHUNK, 3)] {
            let sealed = alice.seal(&vec![7; plain]).unwrap();
            assert_eq!(sealed.len(), overhead + plain + 16 * (chunks - 1), "{plain}");
        }
    }
}
