//! Verification, which hands out the only proof that an element may be read.

use super::base64::decode;
use crate::key::{SignatureAlgorithm, VerifyingKey};
use crate::rejection::{Rejection, RejectionReason};
use crate::xml::{Canonical, Document, Element, Method, Namespace, Sequence};
use ring::digest;

/// An element that a pinned key has signed, of the document that will be read.
#[derive(Clone, Copy)]
pub(crate) struct Covered<'d>(Element<'d>);

impl<'d> Covered<'d> {
    pub(crate) fn element(self) -> Element<'d> {
        self.0
    }

    /// The whole message of a query whose octets are signed (Bindings 3.4.4.1).
    pub(crate) fn by_octets(
        message: Element<'d>,
        octets: &[u8],
        value: &[u8],
        method: &str,
        (keys, accepted): (&[VerifyingKey], Accepted),
    ) -> Result<Self, Rejection> {
        if keys.is_empty() {
            return Err(RejectionReason::NoPinnedKey.into());
        }
        check_octets(octets, value, method, keys, accepted)?;
        Ok(Self(message))
    }

    /// The element inside that is covered with it.
    pub(crate) fn child(self, child: Element<'d>) -> Option<Self> {
        (child.parent() == Some(self.0)).then_some(Self(child))
    }
}

/// Where the schema puts the signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In messages and assertions: second, after `Issuer` (Core 2.3.3, 3.2.1 and 3.2.2).
    AfterIssuer,
    /// In metadata: first (Metadata 2.3.1 and 2.3.2).
    First,
}

/// What is accepted beyond the profile, for the requests of service providers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) inclusive_canonicalization: bool,
    pub(crate) sha1: bool,
}

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";

/// The longest `PrefixList` in octets.
const MAX_PREFIX_LIST: usize = 512;

/// The signature that is a direct child of `element`, at its place.
pub(crate) fn signature_of(element: Element<'_>, place: Place) -> Result<Option<Element<'_>>, Rejection> {
    let mut found = None;
    for (position, child) in element.children().enumerate() {
        if !child.is(Namespace::Signature, "Signature") {
            continue;
        }
        if found.is_some() {
            return Err(RejectionReason::SeveralSignatures.into());
        }
        let wanted = usize::from(place == Place::AfterIssuer);
        let after_issuer = element.children().next().is_some_and(|first| first.is(Namespace::Assertion, "Issuer"));
        if position != wanted || (place == Place::AfterIssuer && !after_issuer) {
            return Err(Rejection::about(RejectionReason::SignaturePlace, element.local()));
        }
        found = Some(child);
    }
    Ok(found)
}

/// Refuses signatures, messages and assertions that stand anywhere but where they are read from.
pub(crate) fn check_census(
    document: &Document,
    messages: &[Element<'_>],
    signatures: &[Element<'_>],
) -> Result<(), Rejection> {
    for element in document.elements() {
        let (namespace, local) = (element.namespace(), element.local());
        let of_signature = || element.parent().is_some_and(|parent| signatures.contains(&parent));
        let reason = if namespace == Namespace::Signature {
            let misplaced = match local {
                "Signature" => !signatures.contains(&element),
                "SignedInfo" | "SignatureValue" => !of_signature(),
                "Object" | "Manifest" => true,
                _ => false,
            };
            misplaced.then_some(RejectionReason::SignaturePlace)
        } else if namespace == Namespace::Assertion && local.starts_with("Encrypted") {
            // Who is asked for may be hidden: nobody is found by it, and it is answered (Core 3.4.1).
            let is_asked_for = local == "EncryptedID"
                && element.parent().filter(|subject| subject.is(Namespace::Assertion, "Subject")).is_some_and(
                    |subject| {
                        subject.parent().is_some_and(|message| {
                            message.is(Namespace::Protocol, "AuthnRequest") && messages.contains(&message)
                        })
                    },
                );
            (!is_asked_for).then_some(RejectionReason::Encrypted)
        } else {
            let is_message = (namespace == Namespace::Assertion && local == "Assertion")
                || (namespace == Namespace::Protocol && is_message(local));
            (is_message && !messages.contains(&element)).then_some(RejectionReason::HiddenMessage)
        };
        if let Some(reason) = reason {
            return Err(Rejection::about(reason, local));
        }
    }
    Ok(())
}

fn is_message(local: &str) -> bool {
    ["Request", "Response", "Query", "Resolve"].iter().any(|ending| local.ends_with(ending))
}

/// Checks the enveloped signature of `element` and gives the proof that it may be read.
pub(crate) fn verify<'d>(
    element: Element<'d>,
    signature: Element<'d>,
    keys: &[VerifyingKey],
    accepted: Accepted,
) -> Result<Covered<'d>, Rejection> {
    if keys.is_empty() {
        return Err(RejectionReason::NoPinnedKey.into());
    }
    let parts = Parts::read(signature)?;
    let method = canonicalization(parts.canonicalization, accepted, RejectionReason::Canonicalization)?;
    let reference = Reference::read(parts.reference, element, accepted)?;
    check_signature_value(&parts, method, keys, accepted)?;
    let mut context = digest::Context::new(reference.digest);
    Canonical { apex: element, left_out: Some(signature), method: reference.method }.write(&mut context);
    // Neither side is a secret: both stand in the document.
    if context.finish().as_ref() != reference.value.as_slice() {
        return Err(RejectionReason::DigestMismatch.into());
    }
    Ok(Covered(element))
}

/// A `ds:Signature` taken apart (XML-DSig 4.1), with nothing in it beyond what the profile has.
struct Parts<'d> {
    signed_info: Element<'d>,
    canonicalization: Element<'d>,
    signature_method: &'d str,
    reference: Element<'d>,
    value: Element<'d>,
}

fn shape(rejection: Rejection) -> Rejection {
    let of_structure =
        [RejectionReason::UnexpectedElement, RejectionReason::MissingElement, RejectionReason::UnexpectedText];
    if of_structure.contains(&rejection.reason()) {
        Rejection::about(RejectionReason::SignatureShape, &rejection.to_string())
    } else {
        rejection
    }
}

impl<'d> Parts<'d> {
    fn read(signature: Element<'d>) -> Result<Self, Rejection> {
        let ds = Namespace::Signature;
        let mut children = Sequence::new(signature).map_err(shape)?;
        let signed_info = children.required(ds, "SignedInfo").map_err(shape)?;
        let value = children.required(ds, "SignatureValue").map_err(shape)?;
        // Whatever stands in KeyInfo is never a key here: keys are pinned.
        children.optional(ds, "KeyInfo");
        children.finish().map_err(shape)?;
        let mut children = Sequence::new(signed_info).map_err(shape)?;
        let canonicalization = children.required(ds, "CanonicalizationMethod").map_err(shape)?;
        let method = children.required(ds, "SignatureMethod").map_err(shape)?;
        let reference = children.required(ds, "Reference").map_err(shape)?;
        if children.optional(ds, "Reference").is_some() {
            return Err(RejectionReason::SeveralReferences.into());
        }
        children.finish().map_err(shape)?;
        Ok(Self { signed_info, canonicalization, signature_method: algorithm_of_leaf(method)?, reference, value })
    }
}

/// The `Algorithm` of an element that must hold nothing: parameters (a truncated HMAC's length, say) are refused.
fn algorithm_of_leaf(element: Element<'_>) -> Result<&str, Rejection> {
    Sequence::new(element).and_then(Sequence::finish).map_err(shape)?;
    element.only_attributes(&["Algorithm"])?;
    element.required_attribute("Algorithm")
}

/// A canonicalisation method or transform with its `InclusiveNamespaces` (Exclusive XML Canonicalization 1.0, section 4).
fn canonicalization(
    element: Element<'_>,
    accepted: Accepted,
    otherwise: RejectionReason,
) -> Result<Method<'_>, Rejection> {
    element.only_attributes(&["Algorithm"])?;
    let algorithm = element.required_attribute("Algorithm")?;
    let mut children = Sequence::new(element).map_err(shape)?;
    let list = children.optional(Namespace::ExclusiveC14n, "InclusiveNamespaces");
    children.finish().map_err(shape)?;
    match (algorithm, list) {
        (EXCLUSIVE, None) => Ok(Method::Exclusive { inclusive_prefixes: "" }),
        (EXCLUSIVE, Some(list)) => {
            if !list.is_empty() {
                return Err(RejectionReason::SignatureShape.into());
            }
            list.only_attributes(&["PrefixList"])?;
            let inclusive_prefixes = list.required_attribute("PrefixList")?;
            // The list is gone through for each declaration, before anybody is known to have signed it.
            if inclusive_prefixes.len() > MAX_PREFIX_LIST {
                return Err(RejectionReason::SignatureShape.into());
            }
            Ok(Method::Exclusive { inclusive_prefixes })
        }
        (INCLUSIVE, None) if accepted.inclusive_canonicalization => Ok(Method::Inclusive),
        _ => Err(Rejection::about(otherwise, algorithm)),
    }
}

/// The only reference (XML-DSig 4.3.3), found to be to the element itself.
struct Reference<'d> {
    method: Method<'d>,
    digest: &'static digest::Algorithm,
    value: Vec<u8>,
}

impl<'d> Reference<'d> {
    fn read(reference: Element<'d>, element: Element<'d>, accepted: Accepted) -> Result<Self, Rejection> {
        let ds = Namespace::Signature;
        reference.only_attributes(&["URI", "Id", "Type"])?;
        let uri = reference.required_attribute("URI")?;
        let id = element.attribute("ID").filter(|id| crate::xml::is_ncname(id));
        if id.is_none() || uri.strip_prefix('#') != id {
            return Err(Rejection::about(RejectionReason::ReferenceTarget, uri));
        }
        let mut children = Sequence::new(reference).map_err(shape)?;
        let transforms = children.optional(ds, "Transforms").ok_or(RejectionReason::Transforms)?;
        let digest_method = children.required(ds, "DigestMethod").map_err(shape)?;
        let digest_value = children.required(ds, "DigestValue").map_err(shape)?;
        children.finish().map_err(shape)?;
        let method = read_transforms(transforms, accepted)?;
        let digest = match algorithm_of_leaf(digest_method)? {
            "http://www.w3.org/2001/04/xmlenc#sha256" => &digest::SHA256,
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => &digest::SHA384,
            "http://www.w3.org/2001/04/xmlenc#sha512" => &digest::SHA512,
            SHA1 if accepted.sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            other => return Err(Rejection::about(RejectionReason::DigestAlgorithm, other)),
        };
        let value = decode(digest_value.text()?)?;
        Ok(Self { method, digest, value })
    }
}

/// Exactly two transforms: the enveloped signature, then canonicalisation (Core 5.4.4).
fn read_transforms(transforms: Element<'_>, accepted: Accepted) -> Result<Method<'_>, Rejection> {
    let mut children = Sequence::new(transforms).map_err(shape)?;
    let both =
        (children.optional(Namespace::Signature, "Transform"), children.optional(Namespace::Signature, "Transform"));
    if children.peek().is_some() {
        return Err(RejectionReason::Transforms.into());
    }
    let (Some(enveloped), Some(canonical)) = both else { return Err(RejectionReason::Transforms.into()) };
    if algorithm_of_leaf(enveloped)? != ENVELOPED {
        return Err(RejectionReason::Transforms.into());
    }
    canonicalization(canonical, accepted, RejectionReason::Transforms)
}

fn check_signature_value(
    parts: &Parts<'_>,
    method: Method<'_>,
    keys: &[VerifyingKey],
    accepted: Accepted,
) -> Result<(), Rejection> {
    let value = decode(parts.value.text()?)?;
    let mut octets = Vec::with_capacity(1024);
    Canonical { apex: parts.signed_info, left_out: None, method }.write(&mut octets);
    check_octets(&octets, &value, parts.signature_method, keys, accepted)
}

/// Whether one of the keys signed the octets with the named algorithm.
fn check_octets(
    octets: &[u8],
    value: &[u8],
    method: &str,
    keys: &[VerifyingKey],
    accepted: Accepted,
) -> Result<(), Rejection> {
    if method == RSA_SHA1 && accepted.sha1 {
        let good = keys.iter().any(|key| key.has_signed_with_rsa_sha1(octets, value));
        return if good { Ok(()) } else { Err(RejectionReason::SignatureMismatch.into()) };
    }
    let algorithm = SignatureAlgorithm::from_uri(method)
        .ok_or_else(|| Rejection::about(RejectionReason::SignatureAlgorithm, method))?;
    let mut fitting = keys.iter().filter(|key| key.fits(algorithm)).peekable();
    if fitting.peek().is_none() {
        return Err(Rejection::about(RejectionReason::AlgorithmNotForKey, method));
    }
    if fitting.any(|key| key.has_signed(algorithm, octets, value)) {
        Ok(())
    } else {
        Err(RejectionReason::SignatureMismatch.into())
    }
}
