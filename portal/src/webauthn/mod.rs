//! Web Authentication Level 3, the relying party's half: what a browser's passkey has made is verified. Pure: no I/O, no clock, no database.
//!
//! [`verify_registration`] is §7.1, [`verify_assertion`] §7.2, as far as this relying party asks for anything: discoverable credentials, user
//! verification always, no attestation but `none` and self attestation, no extensions. What was not asked for is refused.

mod authenticator_data;
mod cose;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use authenticator_data::AuthenticatorData;
pub use cose::{ALGORITHMS, PublicKey};

/// The longest `clientDataJSON`, in octets.
const LONGEST_CLIENT_DATA: usize = 4096;
/// The longest attestation object and authenticator data, in octets.
const LONGEST_OBJECT: usize = 16_384;
/// The longest signature, in octets: RSA with 4096 bits has 512.
const LONGEST_SIGNATURE: usize = 1024;
/// CBOR may be nested so deep and no deeper.
const DEEPEST: usize = 8;

/// The relying party that the passkeys are for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelyingParty {
    /// The host name of the pages.
    pub id: String,
    /// Their origin: `https://host`, with a port if it isn't 443.
    pub origin: String,
}

impl RelyingParty {
    /// The relying party whose pages are at `base`, `https://host[:port]`.
    #[must_use]
    pub fn of(base: &str) -> Self {
        let origin = base.strip_suffix(":443").unwrap_or(base);
        let authority = origin.strip_prefix("https://").unwrap_or(origin);
        let host = authority.split_once(':').map_or(authority, |(host, _)| host);
        Self { id: host.to_owned(), origin: origin.to_owned() }
    }
}

/// Why something a browser has sent is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotBelieved {
    /// Longer than any of its kind.
    #[error("it is longer than any of its kind")]
    TooLong,
    /// Not what WebAuthn describes.
    #[error("it is not what WebAuthn describes: {0}")]
    Malformed(&'static str),
    /// A registration where a sign-in was awaited, or the other way round.
    #[error("it answers another question")]
    Type,
    /// Not the challenge that was given.
    #[error("it answers another challenge")]
    Challenge,
    /// A page of another site, or in another site's frame.
    #[error("it was made for another site's page")]
    Origin,
    /// A credential of another relying party.
    #[error("it was made for another host")]
    RelyingParty,
    /// Nobody touched the authenticator.
    #[error("nobody was present")]
    NotPresent,
    /// The authenticator did not ask who it is.
    #[error("the authenticator did not verify who it was")]
    NotVerified,
    /// A key of an algorithm that was not asked for, or no key.
    #[error("its key can't be used")]
    Key,
    /// An attestation that was not asked for.
    #[error("it comes with an attestation that nobody asked for")]
    Attestation,
    /// The signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// The counter stands still or goes back: there are two of it.
    #[error("its counter went back: there may be a copy of it")]
    Counter,
}

/// What the authenticator says of itself that a registration keeps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registered {
    /// The credential's ID.
    pub credential_id: Vec<u8>,
    /// The COSE key.
    pub public_key: Vec<u8>,
    /// The counter.
    pub sign_count: u32,
    /// Whether it is kept elsewhere, too.
    pub is_backed_up: bool,
}

/// What a sign-in has shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asserted {
    /// The counter now.
    pub sign_count: u32,
    /// Whether it is kept elsewhere, too.
    pub is_backed_up: bool,
}

/// The challenge that a `clientDataJSON` claims to answer; believed when it was found among those that were given out.
///
/// # Errors
/// [`NotBelieved`].
pub fn claimed_challenge(client_data: &[u8]) -> Result<Vec<u8>, NotBelieved> {
    let challenge = ClientData::parse(client_data)?.challenge;
    URL_SAFE_NO_PAD.decode(challenge).map_err(|_| NotBelieved::Malformed("challenge"))
}

/// `CollectedClientData` (§5.8.1).
#[derive(Deserialize)]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    is_cross_origin: Option<bool>,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

impl ClientData {
    fn parse(octets: &[u8]) -> Result<Self, NotBelieved> {
        if octets.len() > LONGEST_CLIENT_DATA {
            return Err(NotBelieved::TooLong);
        }
        serde_json::from_slice(octets).map_err(|_| NotBelieved::Malformed("clientDataJSON"))
    }

    fn check(&self, wanted: &str, party: &RelyingParty, challenge: &[u8]) -> Result<(), NotBelieved> {
        if self.r#type != wanted {
            return Err(NotBelieved::Type);
        }
        if URL_SAFE_NO_PAD.decode(&self.challenge).ok().as_deref() != Some(challenge) {
            return Err(NotBelieved::Challenge);
        }
        if self.origin != party.origin || self.is_cross_origin == Some(true) || self.top_origin.is_some() {
            return Err(NotBelieved::Origin);
        }
        Ok(())
    }
}

/// §7.1: a new passkey, for `party`, in answer to `challenge`.
///
/// # Errors
/// [`NotBelieved`].
pub fn verify_registration(
    party: &RelyingParty,
    challenge: &[u8],
    client_data: &[u8],
    attestation_object: &[u8],
) -> Result<Registered, NotBelieved> {
    ClientData::parse(client_data)?.check("webauthn.create", party, challenge)?;
    if attestation_object.len() > LONGEST_OBJECT {
        return Err(NotBelieved::TooLong);
    }
    let mut rest = attestation_object;
    let object = cbor(&mut rest)?;
    if !rest.is_empty() {
        return Err(NotBelieved::Malformed("octets behind the attestation object"));
    }
    let object = object.as_map().ok_or(NotBelieved::Malformed("attestation object"))?;
    let entry = |name: &str| {
        let mut found = object.iter().filter(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value);
        found.next().filter(|_| found.next().is_none()).ok_or(NotBelieved::Malformed("attestation object"))
    };
    let data = entry("authData")?.as_bytes().ok_or(NotBelieved::Malformed("authData"))?;
    let parsed = AuthenticatorData::parse(data)?;
    parsed.check(party)?;
    let credential = parsed.credential.ok_or(NotBelieved::Malformed("no credential in the authenticator data"))?;
    let key = PublicKey::parse(&credential.public_key)?;
    let format = entry("fmt")?.as_text().ok_or(NotBelieved::Malformed("fmt"))?;
    let statement = entry("attStmt")?.as_map().ok_or(NotBelieved::Malformed("attStmt"))?;
    check_attestation((format, statement), &key, &signed(data, client_data))?;
    Ok(Registered {
        credential_id: credential.id,
        public_key: credential.public_key,
        sign_count: parsed.sign_count,
        is_backed_up: parsed.is_backed_up,
    })
}

/// `none` (§8.7), or `packed` with nobody's key but its own (§8.2), which browsers pass on where none is asked for.
fn check_attestation(
    (format, statement): (&str, &[(Value, Value)]),
    key: &PublicKey,
    signed: &[u8],
) -> Result<(), NotBelieved> {
    let entry = |name: &str| statement.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value);
    match (format, statement.len()) {
        ("none", 0) => Ok(()),
        ("packed", 2) => {
            let algorithm = entry("alg").and_then(Value::as_integer).and_then(|number| i64::try_from(number).ok());
            let signature = entry("sig").and_then(Value::as_bytes).ok_or(NotBelieved::Attestation)?;
            if algorithm != Some(key.algorithm()) {
                return Err(NotBelieved::Attestation);
            }
            key.verify(signed, signature)
        }
        _ => Err(NotBelieved::Attestation),
    }
}

/// What a browser sends to sign somebody in.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `authenticatorData`.
    pub authenticator_data: &'a [u8],
    /// `signature`.
    pub signature: &'a [u8],
}

/// §7.2: somebody has used the passkey with the COSE key `public_key`, whose counter stood at `sign_count`, for `party`, in answer to `challenge`.
///
/// # Errors
/// [`NotBelieved`].
pub fn verify_assertion(
    party: &RelyingParty,
    challenge: &[u8],
    assertion: Assertion<'_>,
    (public_key, sign_count): (&[u8], u32),
) -> Result<Asserted, NotBelieved> {
    let Assertion { client_data, authenticator_data, signature } = assertion;
    ClientData::parse(client_data)?.check("webauthn.get", party, challenge)?;
    if authenticator_data.len() > LONGEST_OBJECT || signature.len() > LONGEST_SIGNATURE {
        return Err(NotBelieved::TooLong);
    }
    let parsed = AuthenticatorData::parse(authenticator_data)?;
    if parsed.credential.is_some() {
        return Err(NotBelieved::Malformed("a new credential in a sign-in"));
    }
    parsed.check(party)?;
    PublicKey::parse(public_key)?.verify(&signed(authenticator_data, client_data), signature)?;
    let counts = parsed.sign_count > 0 || sign_count > 0;
    if counts && parsed.sign_count <= sign_count {
        return Err(NotBelieved::Counter);
    }
    Ok(Asserted { sign_count: parsed.sign_count, is_backed_up: parsed.is_backed_up })
}

/// What an authenticator signs: its own data and the hash of the browser's.
fn signed(authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [authenticator_data, digest(&SHA256, client_data).as_ref()].concat()
}

/// The next item of CBOR in `rest`, which is moved behind it.
fn cbor(rest: &mut &[u8]) -> Result<Value, NotBelieved> {
    ciborium::de::from_reader_with_recursion_limit(rest, DEEPEST).map_err(|_| NotBelieved::Malformed("CBOR"))
}

#[cfg(test)]
mod tests;
