//! The device token: the seed of an Ed25519 key that may register device keys, and nothing else.
//!
//! Its text is `cst1_` and Crockford's base 32 of identifier, seed and checksum. The portal keeps only identifier and public key.

use crate::name::MessageId;
use crate::time::UtcTime;
use ring::digest;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use secrecy::SecretString;
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize, Zeroizing};

const PREFIX: &str = "cst1_";
const ID_OCTETS: usize = 10;
const SEED_OCTETS: usize = 32;
const CHECKSUM_OCTETS: usize = 4;
const OCTETS: usize = ID_OCTETS + SEED_OCTETS + CHECKSUM_OCTETS;
/// Five bits a character, the last two bits of the last one zero.
const BODY_CHARS: usize = (OCTETS * 8).div_ceil(5);
const ID_CHARS: usize = ID_OCTETS * 8 / 5;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CHECKSUM_DOMAIN: &[u8] = b"countersign device token v1\0";
const PROOF_DOMAIN: &[u8] = b"urn:countersign:1.0:enrolment\0";

/// What is wrong with the text of a token, in words for an administrator; it never holds any of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The text is something else.
    #[error("this is not a device token: a device token begins with `cst1_`; copy it from the portal again")]
    NotAToken,
    /// Characters are missing or too many.
    #[error("the device token is {}: it has {given} characters instead of {expected}; copy it from the portal again",
        if given < expected { "cut off" } else { "too long" })]
    Length {
        /// How many characters a token has.
        expected: usize,
        /// How many there are.
        given: usize,
    },
    /// A character that no token has.
    #[error(
        "the device token is mistyped: character {position} is none that a token has; copy it from the portal again"
    )]
    Character {
        /// Counted from 1.
        position: usize,
    },
    /// A character was changed, or two changed places.
    #[error("the device token is mistyped: its checksum does not match; copy it from the portal again")]
    Checksum,
}

/// The public name of a token, which may be shown and logged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId {
    octets: [u8; ID_OCTETS],
    text: String,
}

impl TokenId {
    /// The identifier made from 80 random bits.
    pub fn from_random(octets: [u8; ID_OCTETS]) -> Self {
        Self { octets, text: encode(&octets) }
    }

    /// Sixteen characters of Crockford's base 32, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for TokenId {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let given = text.chars().count();
        if given != ID_CHARS {
            return Err(TokenError::Length { expected: ID_CHARS, given });
        }
        let mut octets = [0; ID_OCTETS];
        decode(text, 0, &mut octets)?;
        Ok(Self::from_random(octets))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// The secret itself; its memory is overwritten when it is dropped.
pub struct DeviceToken {
    id: TokenId,
    seed: Zeroizing<[u8; SEED_OCTETS]>,
}

impl DeviceToken {
    /// The token of this identifier and this seed, both of them random.
    pub fn from_parts(id: TokenId, seed: [u8; SEED_OCTETS]) -> Self {
        Self { id, seed: Zeroizing::new(seed) }
    }

    /// Reads the text form; upper case is accepted, and `o`, `i` and `l` for the digits that they look like.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let begins = text.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
        let body = text.get(PREFIX.len()..).filter(|_| begins).ok_or(TokenError::NotAToken)?;
        let given = text.chars().count();
        if given != PREFIX.len() + BODY_CHARS {
            return Err(TokenError::Length { expected: PREFIX.len() + BODY_CHARS, given });
        }
        let mut octets = Zeroizing::new([0; OCTETS]);
        decode(body, PREFIX.len(), octets.as_mut())?;
        let mut id = [0; ID_OCTETS];
        let mut seed = Zeroizing::new([0; SEED_OCTETS]);
        id.copy_from_slice(&octets[..ID_OCTETS]);
        seed.copy_from_slice(&octets[ID_OCTETS..ID_OCTETS + SEED_OCTETS]);
        if checksum(&id, &seed) != octets[ID_OCTETS + SEED_OCTETS..] {
            return Err(TokenError::Checksum);
        }
        Ok(Self { id: TokenId::from_random(id), seed })
    }

    /// The identifier.
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// The half that the portal keeps.
    #[expect(clippy::expect_used, reason = "ring accepts every seed of 32 octets")]
    fn key_pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(self.seed.as_ref()).expect("a seed of 32 octets")
    }

    /// The half that the portal keeps.
    pub fn public_key(&self) -> TokenPublicKey {
        let mut octets = [0; 32];
        octets.copy_from_slice(self.key_pair().public_key().as_ref());
        TokenPublicKey(octets)
    }

    /// The text form, to be shown once.
    pub fn reveal(&self) -> SecretString {
        let mut octets = Zeroizing::new([0; OCTETS]);
        octets[..ID_OCTETS].copy_from_slice(&self.id.octets);
        octets[ID_OCTETS..ID_OCTETS + SEED_OCTETS].copy_from_slice(self.seed.as_ref());
        octets[ID_OCTETS + SEED_OCTETS..].copy_from_slice(&checksum(&self.id.octets, &self.seed));
        let mut body = encode(octets.as_ref());
        let mut text = String::with_capacity(PREFIX.len() + BODY_CHARS);
        text.push_str(PREFIX);
        text.push_str(&body);
        body.zeroize();
        SecretString::from(text)
    }

    /// Signs for the registration of one device key by one request.
    pub fn sign_enrolment(&self, proof: &EnrolmentProof<'_>) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.key_pair().sign(proof.digest().as_ref()).as_ref());
        signature
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DeviceToken({PREFIX}{}…)", self.id)
    }
}

/// The public half of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenPublicKey([u8; 32]);

/// The token's signature does not cover this enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's signature does not cover this enrolment")]
pub struct TokenSignatureInvalid;

impl TokenPublicKey {
    /// The key of these octets (RFC 8032 5.1.5).
    pub const fn from_bytes(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The octets (RFC 8032 5.1.5).
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks what [`DeviceToken::sign_enrolment`] made.
    pub fn verify_enrolment(&self, proof: &EnrolmentProof<'_>, signature: &[u8]) -> Result<(), TokenSignatureInvalid> {
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        key.verify(proof.digest().as_ref(), signature).map_err(|_| TokenSignatureInvalid)
    }
}

/// What a token's signature covers: this key, in this request, to this portal.
#[derive(Clone, Copy, Debug)]
pub struct EnrolmentProof<'a> {
    /// The token that signs.
    pub token: &'a TokenId,
    /// The device key to be registered, as a DER `SubjectPublicKeyInfo`.
    pub device_key_spki: &'a [u8],
    /// The request that carries the signature.
    pub request: &'a MessageId,
    /// `IssueInstant` of that request.
    pub issue_instant: UtcTime,
    /// `Destination` of that request.
    pub destination: &'a str,
}

impl EnrolmentProof<'_> {
    /// SHA-256 over the domain and each field with its length, so that no two proofs have the same octets.
    fn digest(&self) -> digest::Digest {
        let instant = self.issue_instant.to_string();
        let fields = [
            self.token.as_str().as_bytes(),
            self.device_key_spki,
            self.request.as_str().as_bytes(),
            instant.as_bytes(),
            self.destination.as_bytes(),
        ];
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(PROOF_DOMAIN);
        for field in fields {
            context.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            context.update(field);
        }
        context.finish()
    }
}

fn checksum(id: &[u8; ID_OCTETS], seed: &[u8; SEED_OCTETS]) -> [u8; CHECKSUM_OCTETS] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(CHECKSUM_DOMAIN);
    context.update(id);
    context.update(seed);
    let mut checksum = [0; CHECKSUM_OCTETS];
    checksum.copy_from_slice(&context.finish().as_ref()[..CHECKSUM_OCTETS]);
    checksum
}

pub(crate) fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity((octets.len() * 8).div_ceil(5));
    let (mut bits, mut held) = (0_u32, 0_u32);
    for octet in octets {
        bits = (bits << 8) | u32::from(*octet);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(ALPHABET[((bits >> held) & 31) as usize]));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(char::from(ALPHABET[((bits << (5 - held)) & 31) as usize]));
    }
    text
}

/// Fills `octets`; `text` has as many characters as they need, and begins `offset` characters into what the user typed.
pub(crate) fn decode(text: &str, offset: usize, octets: &mut [u8]) -> Result<(), TokenError> {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut places = octets.iter_mut();
    for (index, c) in text.chars().enumerate() {
        let value = match c.to_ascii_lowercase() {
            'o' => Some(0),
            'i' | 'l' => Some(1),
            c => ALPHABET.iter().position(|letter| char::from(*letter) == c),
        };
        let value = value
            .and_then(|value| u32::try_from(value).ok())
            .ok_or(TokenError::Character { position: offset + index + 1 })?;
        bits = (bits << 5) | value;
        held += 5;
        if held >= 8 {
            held -= 8;
            if let Some(place) = places.next() {
                *place = (bits >> held).to_le_bytes()[0];
            }
            bits &= (1 << held) - 1;
        }
    }
    if bits == 0 { Ok(()) } else { Err(TokenError::Checksum) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn token() -> DeviceToken {
        let mut seed = [0; 32];
        for (place, octet) in seed.iter_mut().enumerate() {
            *octet = u8::try_from(place * 7 + 3).unwrap();
        }
        DeviceToken::from_parts(TokenId::from_random([0xF1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), seed)
    }

    #[test]
    fn survives_the_round_trip_in_either_case() {
        let text = token().reveal();
        let text = text.expose_secret();
        assert_eq!(text.len(), 79);
        for text in
            [text.to_owned(), text.to_uppercase(), text.replace('0', "O").replace('1', "l").replace("cstl_", "cst1_")]
        {
            let read = DeviceToken::parse(&text).unwrap();
            assert_eq!(read.id(), token().id());
            assert_eq!(read.public_key(), token().public_key());
        }
    }

    #[test]
    fn says_what_is_wrong_with_the_text() {
        let text = token().reveal();
        let text = text.expose_secret();
        assert_eq!(DeviceToken::parse("hello").unwrap_err(), TokenError::NotAToken);
        assert_eq!(DeviceToken::parse("ééé").unwrap_err(), TokenError::NotAToken);
        assert_eq!(DeviceToken::parse(&text[..70]).unwrap_err(), TokenError::Length { expected: 79, given: 70 });
        assert_eq!(
            DeviceToken::parse(&format!("{text}\n")).unwrap_err(),
            TokenError::Length { expected: 79, given: 80 }
        );
        assert_eq!(
            DeviceToken::parse(&format!("{}-{}", &text[..20], &text[21..])).unwrap_err(),
            TokenError::Character { position: 21 }
        );
        assert_eq!(
            DeviceToken::parse(&format!("{}u{}", &text[..20], &text[21..])).unwrap_err(),
            TokenError::Character { position: 21 }
        );
        for place in 5..79 {
            let other = if &text[place..=place] == "z" { "y" } else { "z" };
            let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            assert_eq!(DeviceToken::parse(&changed).unwrap_err(), TokenError::Checksum, "character {place}");
        }
    }

    #[test]
    fn shows_only_its_identifier() {
        let shown = format!("{:?}", token());
        assert_eq!(shown, format!("DeviceToken(cst1_{}…)", token().id()));
        assert_eq!(token().id().as_str().parse::<TokenId>().unwrap(), *token().id());
    }

    #[test]
    fn a_proof_is_good_for_one_enrolment_only() {
        let (token, request) = (token(), MessageId::from_random([1; 20]));
        let (other, later) = (MessageId::from_random([2; 20]), UtcTime::from_unix_seconds(2));
        let instant = UtcTime::from_unix_seconds(1);
        let proof = EnrolmentProof {
            token: token.id(),
            device_key_spki: b"key",
            request: &request,
            issue_instant: instant,
            destination: "https://a",
        };
        let signature = token.sign_enrolment(&proof);
        let key = TokenPublicKey::from_bytes(*token.public_key().as_bytes());
        assert_eq!(key.verify_enrolment(&proof, &signature), Ok(()));
        for changed in [
            EnrolmentProof { device_key_spki: b"kez", ..proof },
            EnrolmentProof { request: &other, ..proof },
            EnrolmentProof { issue_instant: later, ..proof },
            EnrolmentProof { destination: "https://b", ..proof },
            EnrolmentProof { token: &TokenId::from_random([0; 10]), ..proof },
        ] {
            assert_eq!(key.verify_enrolment(&changed, &signature), Err(TokenSignatureInvalid));
        }
        assert_eq!(key.verify_enrolment(&proof, &signature[..63]), Err(TokenSignatureInvalid));
    }
}
