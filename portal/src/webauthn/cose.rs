//! Public keys as authenticators write them: COSE (RFC 9052 §7, RFC 9053 §2, RFC 8230 §4).

use ciborium::Value;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::{NotBelieved, cbor};

/// The algorithms that are asked for, the best first: EdDSA, ES256, RS256.
pub const ALGORITHMS: [i64; 3] = [-8, -7, -257];

/// Labels of a key (RFC 9052 §7.1), and of its kind.
const KIND: i64 = 1;
const ALGORITHM: i64 = 3;
const CURVE: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const MODULUS: i64 = -1;
const EXPONENT: i64 = -2;

/// A key of one of [`ALGORITHMS`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PublicKey {
    /// ES256 on P-256: the uncompressed point.
    Es256(Vec<u8>),
    /// EdDSA with Ed25519.
    Ed25519(Vec<u8>),
    /// RSASSA-PKCS1-v1_5 with SHA-256: modulus and exponent.
    Rs256(Vec<u8>, Vec<u8>),
}

impl PublicKey {
    /// Reads a COSE key, to its end.
    ///
    /// # Errors
    /// [`NotBelieved::Key`] where it is of another algorithm, or says anything twice.
    pub fn parse(octets: &[u8]) -> Result<Self, NotBelieved> {
        let mut rest = octets;
        let value = cbor(&mut rest)?;
        let map = value.as_map().filter(|_| rest.is_empty()).ok_or(NotBelieved::Key)?;
        let labels: Vec<i64> = map.iter().filter_map(|(label, _)| number(label)).collect();
        let is_repeated = |(place, label): (usize, &i64)| labels.iter().take(place).any(|other| other == label);
        if labels.len() != map.len() || labels.iter().enumerate().any(is_repeated) {
            return Err(NotBelieved::Key);
        }
        let get = |label: i64| map.iter().find(|(key, _)| number(key) == Some(label)).map(|(_, value)| value);
        let octets = |label: i64| get(label).and_then(Value::as_bytes).ok_or(NotBelieved::Key);
        let exactly =
            |label: i64| octets(label).and_then(|x| if x.len() == 32 { Ok(x) } else { Err(NotBelieved::Key) });
        let sort = [KIND, ALGORITHM, CURVE].map(|label| get(label).and_then(number));
        match sort {
            [Some(2), Some(-7), Some(1)] => {
                Ok(Self::Es256([&[4_u8][..], exactly(X)?.as_slice(), exactly(Y)?.as_slice()].concat()))
            }
            [Some(1), Some(-8), Some(6)] => Ok(Self::Ed25519(exactly(X)?.clone())),
            [Some(3), Some(-257), None] => {
                let plain = |label| octets(label).map(|number| without_zeros(number).to_vec());
                let (modulus, exponent) = (plain(MODULUS)?, plain(EXPONENT)?);
                let is_sound = (256..=512).contains(&modulus.len()) && (1..=4).contains(&exponent.len());
                if is_sound { Ok(Self::Rs256(modulus, exponent)) } else { Err(NotBelieved::Key) }
            }
            _ => Err(NotBelieved::Key),
        }
    }

    /// Its number among the COSE algorithms.
    #[must_use]
    pub fn algorithm(&self) -> i64 {
        match self {
            Self::Es256(_) => -7,
            Self::Ed25519(_) => -8,
            Self::Rs256(_, _) => -257,
        }
    }

    /// Passes where the key has signed `message`.
    ///
    /// # Errors
    /// [`NotBelieved::Signature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NotBelieved> {
        let verified = match self {
            Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature),
            Self::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(message, signature),
            Self::Rs256(n, e) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.map_err(|_| NotBelieved::Signature)
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_integer().and_then(|number| i64::try_from(number).ok())
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    number.get(start..).unwrap_or_default()
}
