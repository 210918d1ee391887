//! Signed heads of the audit: number and hash of its newest row, signed by a key of the portal's. One that was kept elsewhere shows later whether
//! the chain was cut off behind it or made anew, which the chain by itself does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::key::{SignError, SignatureAlgorithm, VerifyingKey};
use saml::time::UtcTime;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use crate::signing::SigningKeys;
use crate::store::signing_key::{self, Purpose};
use crate::store::{StoreError, audit, audit_retention};

/// A line of an export: `{"head":{…}}`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The head.
    pub head: SignedHead,
}

/// The head of one moment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// Number of the newest row.
    pub sequence: i64,
    /// Its hash.
    pub hash: String,
    /// When it was signed.
    pub at: String,
    /// DER of the certificate of the key that has signed, base64.
    pub certificate: String,
    /// ECDSA over P-256 with SHA-256, DER or fixed as the key's algorithm has it, base64.
    pub signature: String,
}

/// What a head says about the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The row is there as it was.
    Holds,
    /// It has been cut off by age, as the chain's beginning says: there is nothing left to compare.
    CutByAge,
    /// The chain ends before it.
    CutOff,
    /// There is another row in its place.
    Remade,
    /// No key of this portal's has signed it.
    NotSigned,
}

fn octets(sequence: i64, hash: &str, at: &str) -> Vec<u8> {
    format!("countersign audit head 1\n{sequence}\n{hash}\n{at}\n").into_bytes()
}

/// The signed head of the audit now; none where it is empty.
///
/// # Errors
/// [`StoreError`]; the inner one where the key does not sign.
pub async fn sign(
    connection: &mut AnyConnection,
    keys: &SigningKeys,
    now: UtcTime,
) -> Result<Result<Option<Line>, SignError>, StoreError> {
    let Some(newest) = audit::newest(connection, 1).await?.pop() else { return Ok(Ok(None)) };
    let identity = keys.identity(Purpose::Agent);
    let at = now.to_string();
    let signed = identity.signer.sign(&octets(newest.sequence, &newest.hash, &at));
    Ok(signed.map(|signature| {
        let (certificate, signature) = (STANDARD.encode(identity.certificate_der), STANDARD.encode(signature));
        Some(Line { head: SignedHead { sequence: newest.sequence, hash: newest.hash, at, certificate, signature } })
    }))
}

/// Compares the chain with a head that was kept. That the chain is one from its beginning to its end is [`audit::verify`]'s to say.
///
/// # Errors
/// [`StoreError`].
pub async fn compare(connection: &mut AnyConnection, head: &SignedHead) -> Result<Finding, StoreError> {
    if !is_signed(connection, head).await? {
        return Ok(Finding::NotSigned);
    }
    let (begins_after, anchored) = audit_retention::anchor(connection).await?;
    if head.sequence < begins_after {
        return Ok(Finding::CutByAge);
    }
    let found = if head.sequence == begins_after {
        Some(anchored)
    } else {
        audit::after(connection, head.sequence - 1, 1)
            .await?
            .pop()
            .filter(|row| row.sequence == head.sequence)
            .map(|row| row.hash)
    };
    Ok(match found {
        None => Finding::CutOff,
        Some(hash) if hash == head.hash => Finding::Holds,
        Some(_) => Finding::Remade,
    })
}

async fn is_signed(connection: &mut AnyConnection, head: &SignedHead) -> Result<bool, StoreError> {
    let decoded = STANDARD.decode(&head.certificate).ok().zip(STANDARD.decode(&head.signature).ok());
    let Some((certificate, signature)) = decoded else { return Ok(false) };
    let own = signing_key::list(connection).await?;
    let is_own = own.iter().any(|key| key.purpose == Purpose::Agent && key.certificate == certificate);
    let key = VerifyingKey::from_certificate_der(&certificate).ok().filter(|_| is_own);
    let signed = octets(head.sequence, &head.hash, &head.at);
    Ok(key.is_some_and(|key| key.has_signed(SignatureAlgorithm::EcdsaP256Sha256, &signed, &signature)))
}
