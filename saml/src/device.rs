//! `cs:Device`, the one element of ours in a request's `Extensions`: what the device says about its user and itself.

use std::fmt;
use std::str::FromStr;

use crate::dsig::{decode, encode};
use crate::key::{SignatureAlgorithm, VerifyingKey};
use crate::name::{Attribute, EntityId, MessageId};
use crate::rejection::{Rejection, RejectionReason};
use crate::time::UtcTime;
use crate::token::TokenId;
use crate::wire;
use crate::xml::{Element, Namespace, Sequence, Writer};

/// `Reason` of the `LogoutRequest` by which a device leaves the cloud.
pub const DEREGISTER: &str = "urn:countersign:1.0:logout:deregister";
/// Name of the attribute that tells a device after how many seconds the portal wants to hear from it again.
pub const KEEP_ALIVE_INTERVAL: &str = "urn:countersign:1.0:keep-alive:interval";

/// Name of the attribute with the ports of 127.0.0.1 on which browsers look for the agent, the first one first.
pub const SIGN_ON_PORTS: &str = "urn:countersign:1.0:sign-on:ports";
/// Path of the agent's sign-on address on 127.0.0.1.
pub const SIGN_ON_PATH: &str = "/sign-on";

/// The agent's sign-on address on `port`, to which the portal's half of a browser's sign-on is addressed.
pub fn sign_on_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}{SIGN_ON_PATH}")
}

/// Name of the attribute of a person's evidence with the one-time code by which they prove who they are; the portal keeps none of it.
pub const PROOF_CODE: &str = "urn:countersign:user:proof-code";
/// Name of the attribute of a person's evidence with the id of their account that stays when the account is renamed.
pub const ACCOUNT_ID: &str = "urn:countersign:user:id";
/// Name of the attribute that tells a device how far the portal has checked who the person is: `claimed`, `assigned`, `proved`, `verified`.
pub const GRADE: &str = "urn:countersign:user:evidence-grade";
/// Name of the attribute that tells a device how that grade came about.
pub const GRADE_ORIGIN: &str = "urn:countersign:user:evidence-origin";
/// Path under the portal's address of the page on which people are asked who they are.
pub const PROVE_PATH: &str = "/prove";

/// Path under the portal's address where a device brings the requests of services that speak ECP.
pub const ECP_PATH: &str = "/saml/ecp";
/// Below this path at the portal each tenant has an issuer of its own: `/saml/t/ID/metadata`, `/saml/t/ID/ecp`.
pub const TENANTS_PATH: &str = "/saml/t/";
/// The attribute of the device's own session and of the answer to its keep-alive: entity IDs of the issuers that vouch for its people towards
/// services, the one first that answers where no service has asked.
pub const SERVICE_ISSUERS: &str = "urn:countersign:1.0:service-issuers";
/// The attribute beside it: base64 of the DER of the certificates of the tenant's own issuer.
pub const SERVICE_CERTIFICATES: &str = "urn:countersign:1.0:service-certificates";

/// Name of the attribute that tells a device since when its present key is registered.
pub const KEY_SINCE: &str = "urn:countersign:1.0:device-key:since";
/// Name of the attribute that tells a device after how many seconds it brings its next key; absent: it keeps the one it has.
pub const KEY_LIFE: &str = "urn:countersign:1.0:device-key:life";
/// Name of the attribute with the services that the person may open, each as a JSON object: `entity_id`, and where they are known `name` and
/// `initiator`, the address at which the service itself begins a sign-on. It is in the answer to a request whose `thrpty:RespondTo` is the
/// portal itself.
pub const SERVICES: &str = "urn:countersign:1.0:services";
/// Name of the attribute that tells a device by which entity ID the portal lists it, which stays when its key changes.
pub const DEVICE_ID: &str = "urn:countersign:device:id";
/// Name of the attribute by which a device hears that the portal's signing keys are others: [`signing_keys_digest`] of them.
pub const SIGNING_KEYS: &str = "urn:countersign:1.0:signing-keys";

/// What tells one set of signing keys from another: the SHA-256, in hexadecimal, of the sorted SHA-256 digests of their certificates in DER.
pub fn signing_keys_digest<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> String {
    let sha256 = |octets: &[u8]| ring::digest::digest(&ring::digest::SHA256, octets);
    let mut digests: Vec<Vec<u8>> = certificates.map(|der| sha256(der).as_ref().to_vec()).collect();
    digests.sort_unstable();
    sha256(&digests.concat()).as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The entity ID of the device whose key this is: `urn:countersign:device:` and the first 128 bits of the SHA-256 of its DER
/// `SubjectPublicKeyInfo` in hexadecimal. A device can't take another's name without its key.
#[expect(clippy::expect_used, reason = "a URN of 55 ASCII characters is an entity ID")]
pub fn entity_id_of_key(spki_der: &[u8]) -> EntityId {
    let digest = ring::digest::digest(&ring::digest::SHA256, spki_der);
    let name: String = digest.as_ref().iter().take(16).map(|octet| format!("{octet:02x}")).collect();
    format!("urn:countersign:device:{name}").parse().expect("it is an entity ID")
}

/// Everything the device states; all of it is a claim until a policy says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatement {
    /// Counts the device's requests, so that a copied key shows.
    pub sequence: u64,
    /// Why the device thinks that this user is at it.
    pub evidence: Evidence,
    /// What the device says about itself.
    pub facts: Vec<Attribute>,
    /// Present in the request that registers the device's key.
    pub enrolment: Option<Enrolment>,
    /// Present in the request by which a registered device brings its next key.
    pub rotation: Option<Rotation>,
}

/// How much stands behind the user's name, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceGrade {
    /// A local account.
    Local,
    /// A device management service named the user.
    Managed,
    /// A directory authenticated the user.
    Directory,
}

impl EvidenceGrade {
    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Managed => "managed",
            Self::Directory => "directory",
        }
    }

    fn parse(text: &str) -> Result<Self, Rejection> {
        let grade = [Self::Local, Self::Managed, Self::Directory].into_iter().find(|grade| grade.as_str() == text);
        grade.ok_or_else(|| Rejection::about(RejectionReason::BadValue, text))
    }
}

impl fmt::Display for EvidenceGrade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for EvidenceGrade {
    type Err = Rejection;

    fn from_str(text: &str) -> Result<Self, Rejection> {
        Self::parse(text)
    }
}

/// Where the user's name comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its grade, as the device sees it.
    pub grade: EvidenceGrade,
    /// What was asked, for example `logind`.
    pub source: String,
    /// What it answered.
    pub attributes: Vec<Attribute>,
}

/// The registration of a device key, backed by a device token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The token that stands behind it.
    pub token: TokenId,
    /// The device key as a DER `SubjectPublicKeyInfo`.
    pub device_key_spki: Vec<u8>,
    /// The token's signature over the [`crate::token::EnrolmentProof`].
    pub token_signature: Vec<u8>,
}

/// The next key of a registered device. Its present key vouches for it by signing the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The next key as a DER `SubjectPublicKeyInfo`.
    pub device_key_spki: Vec<u8>,
    /// What protects it, in the word of the fact `key-protection`.
    pub protection: String,
    /// The next key's own signature over [`RotationProof::octets`]: ECDSA on P-256 with SHA-256, r ‖ s.
    pub possession: Vec<u8>,
}

/// What the next key signs to show that the device has its other half: for this device, in this request, to this portal.
#[derive(Clone, Copy, Debug)]
pub struct RotationProof<'a> {
    /// The device by its present key.
    pub device: &'a EntityId,
    /// The next key as a DER `SubjectPublicKeyInfo`.
    pub device_key_spki: &'a [u8],
    /// The request that carries the signature.
    pub request: &'a MessageId,
    /// `IssueInstant` of that request.
    pub issue_instant: UtcTime,
    /// `Destination` of that request.
    pub destination: &'a str,
}

impl RotationProof<'_> {
    /// The domain and each field with its length, so that no two proofs have the same octets.
    pub fn octets(&self) -> Vec<u8> {
        let instant = self.issue_instant.to_string();
        let fields = [
            self.device.as_str().as_bytes(),
            self.device_key_spki,
            self.request.as_str().as_bytes(),
            instant.as_bytes(),
            self.destination.as_bytes(),
        ];
        let mut octets = ROTATION_DOMAIN.to_vec();
        for field in fields {
            octets.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            octets.extend_from_slice(field);
        }
        octets
    }

    /// Whether the key that `rotation` brings has signed this.
    pub fn is_signed_in(&self, rotation: &Rotation) -> bool {
        let key = VerifyingKey::from_spki_der(&rotation.device_key_spki);
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
        rotation.device_key_spki == self.device_key_spki
            && key.is_ok_and(|key| key.has_signed(algorithm, &self.octets(), &rotation.possession))
    }
}

const ROTATION_DOMAIN: &[u8] = b"urn:countersign:1.0:key-rotation";
const CS: Namespace = Namespace::Countersign;

impl DeviceStatement {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.start(CS, "Device").attribute("Sequence", &self.sequence.to_string());
        writer
            .start(CS, "Evidence")
            .attribute("Grade", self.evidence.grade.as_str())
            .attribute("Source", &self.evidence.source);
        for attribute in &self.evidence.attributes {
            wire::write_attribute(writer, attribute);
        }
        writer.end().start(CS, "Facts");
        for attribute in &self.facts {
            wire::write_attribute(writer, attribute);
        }
        writer.end();
        if let Some(enrolment) = &self.enrolment {
            writer
                .start(CS, "Enrolment")
                .attribute("Algorithm", "ed25519")
                .attribute("Token", enrolment.token.as_str());
            writer.leaf(CS, "PublicKey", &encode(&enrolment.device_key_spki));
            writer.leaf(CS, "TokenSignature", &encode(&enrolment.token_signature)).end();
        }
        if let Some(rotation) = &self.rotation {
            writer.start(CS, "Rotation").attribute("Protection", &rotation.protection);
            writer.leaf(CS, "PublicKey", &encode(&rotation.device_key_spki));
            writer.leaf(CS, "Possession", &encode(&rotation.possession)).end();
        }
        writer.end();
    }

    pub(crate) fn read(element: Element<'_>) -> Result<Self, Rejection> {
        element.only_attributes(&["Sequence"])?;
        let mut children = Sequence::new(element)?;
        let evidence = children.required(CS, "Evidence")?;
        let facts = children.required(CS, "Facts")?;
        let enrolment = children.optional(CS, "Enrolment");
        let rotation = children.optional(CS, "Rotation");
        children.finish()?;
        evidence.only_attributes(&["Grade", "Source"])?;
        facts.only_attributes(&[])?;
        Ok(Self {
            sequence: number(element.required_attribute("Sequence")?)?,
            evidence: Evidence {
                grade: EvidenceGrade::parse(evidence.required_attribute("Grade")?)?,
                source: evidence.required_attribute("Source")?.to_owned(),
                attributes: wire::attributes(evidence)?,
            },
            facts: wire::attributes(facts)?,
            enrolment: enrolment.map(Enrolment::read).transpose()?,
            rotation: rotation.map(Rotation::read).transpose()?,
        })
    }
}

/// Digits without a sign or a leading zero, so that each number has one spelling.
fn number(text: &str) -> Result<u64, Rejection> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = if plain { text.parse().ok() } else { None };
    number.ok_or_else(|| Rejection::about(RejectionReason::BadValue, text))
}

impl Rotation {
    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        element.only_attributes(&["Protection"])?;
        let mut children = Sequence::new(element)?;
        let key = children.required(CS, "PublicKey")?;
        let possession = children.required(CS, "Possession")?;
        children.finish()?;
        Ok(Self {
            device_key_spki: decode(key.text()?)?,
            protection: element.required_attribute("Protection")?.to_owned(),
            possession: decode(possession.text()?)?,
        })
    }
}

impl Enrolment {
    /// The device key and the token of an enrolment that has not been verified.
    pub(crate) fn claims_of(element: Element<'_>) -> Result<(Vec<u8>, TokenId), Rejection> {
        let key = Sequence::new(element)?.required(CS, "PublicKey")?;
        let token = element.required_attribute("Token")?;
        let token = token.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, token))?;
        Ok((decode(key.text()?)?, token))
    }

    fn read(element: Element<'_>) -> Result<Self, Rejection> {
        element.only_attributes(&["Algorithm", "Token"])?;
        let algorithm = element.required_attribute("Algorithm")?;
        if algorithm != "ed25519" {
            return Err(Rejection::about(RejectionReason::BadValue, algorithm));
        }
        let token = element.required_attribute("Token")?;
        let mut children = Sequence::new(element)?;
        let key = children.required(CS, "PublicKey")?;
        let signature = children.required(CS, "TokenSignature")?;
        children.finish()?;
        Ok(Self {
            token: token.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, token))?,
            device_key_spki: decode(key.text()?)?,
            token_signature: decode(signature.text()?)?,
        })
    }
}
