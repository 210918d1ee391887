//! The Redirect binding (Bindings 3.4): a deflated message in the query, with a signature over the query's own octets.

use crate::dsig::{self, Accepted, Covered, decode, encode};
use crate::key::{SignError, Signer, VerifyingKey};
use crate::message::Message;
use crate::name::{EntityId, MessageId};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::ServiceAlgorithms;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// The largest message when inflated.
const MAX_OCTETS: usize = 256 * 1024;
/// The longest query: no server or browser takes a longer one.
const MAX_QUERY: usize = 64 * 1024;
/// Bindings 3.4.3 has 80 octets; real services send more, and what is longer than this is not opaque state but a mistake.
const MAX_RELAY_STATE: usize = 2048;
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";

/// Which of the two parameters a message travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `SAMLRequest`.
    Request,
    /// `SAMLResponse`.
    Response,
}

impl Direction {
    const fn parameter(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// The query for a message, signed; to be appended to the destination after `?` or `&`.
///
/// The document is one without a signature of its own (Bindings 3.4.4.1).
pub fn signed_query(
    direction: Direction,
    unsigned_xml: &str,
    relay_state: Option<&str>,
    signer: &dyn Signer,
) -> Result<String, SignError> {
    let mut query = unsigned_query(direction, unsigned_xml, relay_state);
    query.push_str("&SigAlg=");
    percent_encode(&mut query, signer.algorithm().uri());
    let signature = encode(&signer.sign(query.as_bytes())?);
    query.push_str("&Signature=");
    percent_encode(&mut query, &signature);
    Ok(query)
}

/// The address that a browser is sent to: the endpoint's own, which may have a query already, and the message's query (Bindings 3.4.4).
pub fn address(location: &str, query: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}{query}")
}

/// The query for a message, without a signature.
pub fn unsigned_query(direction: Direction, unsigned_xml: &str, relay_state: Option<&str>) -> String {
    let deflated = miniz_oxide::deflate::compress_to_vec(unsigned_xml.as_bytes(), 6);
    let mut query = format!("{}=", direction.parameter());
    percent_encode(&mut query, &encode(&deflated));
    if let Some(relay_state) = relay_state {
        query.push_str("&RelayState=");
        percent_encode(&mut query, relay_state);
    }
    query
}

fn percent_encode(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// A message that came in a query, of which nothing is believed.
#[derive(Clone, Debug)]
pub struct Redirected {
    message: Message,
    relay_state: Option<String>,
    signature: Option<QuerySignature>,
    issuer: EntityId,
    id: MessageId,
}

#[derive(Clone, Debug)]
struct QuerySignature {
    /// What was signed: the parameters as they were received (Bindings 3.4.4.1).
    octets: String,
    algorithm: String,
    value: Vec<u8>,
}

impl Redirected {
    /// Reads the query, which is what follows `?`, undecoded.
    pub(crate) fn parse(query: &str, direction: Direction, local: &str) -> Result<Self, Rejection> {
        if query.len() > MAX_QUERY {
            return Err(RejectionReason::TooLarge.into());
        }
        let parameters = Parameters::read(query, direction)?;
        let message = Message::parse(&inflate(&decode(&percent_decode(parameters.message)?)?)?, local)?;
        dsig::check_census(message.document(), &[message.element()], &[])?;
        let relay_state = parameters.relay_state.map(percent_decode).transpose()?;
        if relay_state.as_ref().is_some_and(|state| state.len() > MAX_RELAY_STATE) {
            return Err(Rejection::about(RejectionReason::Query, "RelayState"));
        }
        let signature = parameters.signature(direction)?;
        let (issuer, id) = (message.claimed_issuer()?, message.claimed_id()?);
        Ok(Self { message, relay_state, signature, issuer, id })
    }

    pub(crate) fn claimed_issuer(&self) -> &EntityId {
        &self.issuer
    }

    pub(crate) fn claimed_id(&self) -> &MessageId {
        &self.id
    }

    pub(crate) fn verify(&self, keys: &[VerifyingKey], accepted: Accepted) -> Result<Covered<'_>, Rejection> {
        let signature = self.signature.as_ref().ok_or(RejectionReason::NoSignature)?;
        Covered::by_octets(
            self.message.element(),
            signature.octets.as_bytes(),
            &signature.value,
            &signature.algorithm,
            (keys, accepted),
        )
    }

    pub(crate) fn unsigned(self) -> Result<(Message, Option<String>), Rejection> {
        match self.signature {
            None => Ok((self.message, self.relay_state)),
            Some(_) => Err(RejectionReason::NoPinnedKey.into()),
        }
    }

    pub(crate) fn into_relay_state(self) -> Option<String> {
        self.relay_state
    }
}

/// What was read from a query, with the state that came along and goes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<M> {
    /// The message.
    pub message: M,
    /// `RelayState`, which means something to its sender only.
    pub relay_state: Option<String>,
}

macro_rules! redirected {
    ($(#[$doc:meta])* $name:ident, $direction:ident, $local:literal, $verified:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Redirected);

        impl $name {
            /// Reads the query, which is what follows `?`, undecoded.
            pub fn parse(query: &str) -> Result<Self, Rejection> {
                Redirected::parse(query, Direction::$direction, $local).map(Self)
            }

            /// Who the issuer says it is: good for choosing the keys, and for nothing else.
            pub fn claimed_issuer(&self) -> &EntityId {
                self.0.claimed_issuer()
            }

            /// The `ID`, so that even a refusal can name it.
            pub fn claimed_id(&self) -> &MessageId {
                self.0.claimed_id()
            }

            /// Checks the signature over the query with the keys pinned for the issuer, then everything expected.
            pub fn verify(
                self,
                keys: &[VerifyingKey],
                algorithms: ServiceAlgorithms,
                expect: &crate::request::RequestExpectations<'_>,
            ) -> Result<Received<$verified>, Rejection> {
                let covered = self.0.verify(keys, algorithms.accepted())?;
                let message = <$verified>::read(covered, expect)?;
                Ok(Received { message, relay_state: self.0.into_relay_state() })
            }
        }
    };
}

redirected! {
    /// An `AuthnRequest` in a query.
    RedirectedRequest, Request, "AuthnRequest", crate::request::VerifiedRequest
}

redirected! {
    /// A `LogoutRequest` in a query.
    RedirectedLogoutRequest, Request, "LogoutRequest", crate::logout::VerifiedLogoutRequest
}

redirected! {
    /// A `LogoutResponse` in a query.
    RedirectedLogoutResponse, Response, "LogoutResponse", crate::logout::VerifiedLogoutResponse
}

impl RedirectedRequest {
    /// As [`crate::request::UnverifiedRequest::accept_unsigned`].
    pub fn accept_unsigned(
        self,
        expect: &crate::request::RequestExpectations<'_>,
    ) -> Result<Received<crate::request::UnsignedRequest>, Rejection> {
        let (message, relay_state) = self.0.unsigned()?;
        let message = crate::request::UnverifiedRequest::claims(message)?.accept_unsigned(expect)?;
        Ok(Received { message, relay_state })
    }
}

/// The parameters of the binding, undecoded; others are passed over.
#[derive(Default)]
struct Parameters<'q> {
    message: &'q str,
    relay_state: Option<&'q str>,
    algorithm: Option<&'q str>,
    signature: Option<&'q str>,
}

impl<'q> Parameters<'q> {
    fn read(query: &'q str, direction: Direction) -> Result<Self, Rejection> {
        let fault = |text: &str| Rejection::about(RejectionReason::Query, text);
        let mut found: [Option<&'q str>; 6] = [None; 6];
        const NAMES: [&str; 6] = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"];
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = percent_decode(name)?;
            let Some(place) = NAMES.iter().position(|known| *known == decoded) else { continue };
            // A name that is spelt in another way is one that another reader may not recognise.
            let slot = found.get_mut(place).filter(|_| decoded == name).ok_or_else(|| fault(name))?;
            if slot.replace(value).is_some() {
                return Err(fault(name));
            }
        }
        let [request, response, relay_state, algorithm, signature, encoding] = found;
        let (message, other) = if direction == Direction::Request { (request, response) } else { (response, request) };
        if other.is_some() || signature.is_some() != algorithm.is_some() {
            return Err(fault(query));
        }
        if encoding.is_some_and(|encoding| percent_decode(encoding).as_deref() != Ok(DEFLATE)) {
            return Err(fault("SAMLEncoding"));
        }
        Ok(Self { message: message.ok_or_else(|| fault(query))?, relay_state, algorithm, signature })
    }

    /// The signature and what it covers, in the order of Bindings 3.4.4.1.
    fn signature(&self, direction: Direction) -> Result<Option<QuerySignature>, Rejection> {
        let (Some(algorithm), Some(signature)) = (self.algorithm, self.signature) else { return Ok(None) };
        let mut octets = format!("{}={}", direction.parameter(), self.message);
        if let Some(relay_state) = self.relay_state {
            octets.push_str("&RelayState=");
            octets.push_str(relay_state);
        }
        octets.push_str("&SigAlg=");
        octets.push_str(algorithm);
        Ok(Some(QuerySignature {
            octets,
            algorithm: percent_decode(algorithm)?,
            value: decode(&percent_decode(signature)?)?,
        }))
    }
}

/// Decodes `%XX` and `+`; anything that is not UTF-8 afterwards is refused.
fn percent_decode(text: &str) -> Result<String, Rejection> {
    let fault = || Rejection::about(RejectionReason::Query, text);
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'%' => {
                let mut digit =
                    || bytes.next().and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                let (high, low) = (digit().ok_or_else(fault)?, digit().ok_or_else(fault)?);
                high * 16 + low
            }
            b'+' => b' ',
            other => other,
        };
        out.push(decoded);
    }
    String::from_utf8(out).map_err(|_| fault())
}

/// Inflates raw DEFLATE (RFC 1951) into no more than a document may have, with nothing left over.
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut out = vec![0; deflated.len().saturating_mul(4).clamp(1024, MAX_OCTETS)];
    let mut state = Box::<DecompressorOxide>::default();
    let (mut read, mut written) = (0, 0);
    loop {
        let rest = deflated.get(read..).unwrap_or_default();
        let (status, consumed, produced) =
            decompress(&mut state, rest, &mut out, written, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        read += consumed;
        written += produced;
        if status == TINFLStatus::Done && read == deflated.len() {
            out.truncate(written);
            return Ok(out);
        }
        if status != TINFLStatus::HasMoreOutput || out.len() >= MAX_OCTETS {
            return Err(RejectionReason::Inflate.into());
        }
        out.resize((out.len() * 2).min(MAX_OCTETS), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SignatureAlgorithm;
    use crate::key::tests::{p256, rsa};
    use crate::request::tests::{EXPECT, full_request};

    const CURRENT: ServiceAlgorithms = ServiceAlgorithms::Current;

    fn reason(query: &str, keys: &[VerifyingKey]) -> RejectionReason {
        let verified = RedirectedRequest::parse(query).and_then(|request| request.verify(keys, CURRENT, &EXPECT));
        verified.map(|_| ()).unwrap_err().reason()
    }

    #[test]
    fn a_signed_query_survives_the_round_trip() {
        let signer = rsa(SignatureAlgorithm::RsaSha256);
        let request = full_request(b"k");
        let query = signed_query(Direction::Request, &request.to_unsigned_xml(), Some("a b&c"), &signer).unwrap();
        let parsed = RedirectedRequest::parse(&query).unwrap();
        assert_eq!(parsed.claimed_issuer(), &request.issuer);
        let received = parsed.verify(&[signer.verifying_key().unwrap()], CURRENT, &EXPECT).unwrap();
        assert_eq!((received.message.request(), received.relay_state.as_deref()), (&request, Some("a b&c")));
    }

    #[test]
    fn the_octets_of_the_query_are_what_is_signed() {
        let signer = p256();
        let keys = [signer.verifying_key().unwrap()];
        let query =
            signed_query(Direction::Request, &full_request(b"k").to_unsigned_xml(), Some("state"), &signer).unwrap();
        assert_eq!(
            reason(&query.replace("RelayState=state", "RelayState=stat%65"), &keys),
            RejectionReason::SignatureMismatch
        );
        assert_eq!(
            reason(&query.replace("RelayState=state", "RelayState=other"), &keys),
            RejectionReason::SignatureMismatch
        );
        assert_eq!(reason(&query.replace("&RelayState=state", ""), &keys), RejectionReason::SignatureMismatch);
        assert_eq!(reason(&query.replace("RelayState=", "Relay%53tate="), &keys), RejectionReason::Query);
        assert_eq!(reason(&format!("{query}&RelayState=x"), &keys), RejectionReason::Query);
        assert_eq!(reason(&format!("{query}&SAMLResponse=x"), &keys), RejectionReason::Query);
        assert_eq!(reason(query.split_once("&SigAlg").unwrap().0, &keys), RejectionReason::NoSignature);
        assert_eq!(reason(query.split_once("&Signature").unwrap().0, &keys), RejectionReason::Query);
        let reordered = format!("RelayState=state&{}", query.replace("&RelayState=state", ""));
        assert!(RedirectedRequest::parse(&reordered).unwrap().verify(&keys, CURRENT, &EXPECT).is_ok());
    }

    #[test]
    fn an_unsigned_query_is_another_type() {
        let request = full_request(b"k");
        let query = unsigned_query(Direction::Request, &request.to_unsigned_xml(), None);
        let received = RedirectedRequest::parse(&query).unwrap().accept_unsigned(&EXPECT).unwrap();
        assert_eq!(received.message.request(), &request);
        let signed = signed_query(Direction::Request, &request.to_unsigned_xml(), None, &p256()).unwrap();
        let refused = RedirectedRequest::parse(&signed).unwrap().accept_unsigned(&EXPECT).unwrap_err();
        assert_eq!(refused.reason(), RejectionReason::NoPinnedKey);
    }

    #[test]
    fn an_address_keeps_the_query_that_it_has() {
        assert_eq!(
            address("https://idp.example.test/sso", "SAMLRequest=x"),
            "https://idp.example.test/sso?SAMLRequest=x"
        );
        assert_eq!(
            address("https://idp.example.test/?sso=1", "SAMLRequest=x"),
            "https://idp.example.test/?sso=1&SAMLRequest=x"
        );
    }

    #[test]
    fn a_message_with_a_signature_inside_is_refused() {
        let signer = p256();
        let query = unsigned_query(Direction::Request, full_request(b"k").sign(&signer).unwrap().xml(), None);
        assert_eq!(reason(&query, &[signer.verifying_key().unwrap()]), RejectionReason::SignaturePlace);
    }

    #[test]
    fn inflating_is_bounded_and_exact() {
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![b'a'; 64 * MAX_OCTETS], 9);
        assert_eq!(inflate(&bomb).unwrap_err().reason(), RejectionReason::Inflate);
        let good = miniz_oxide::deflate::compress_to_vec(&vec![b'a'; MAX_OCTETS], 9);
        assert_eq!(inflate(&good).unwrap().len(), MAX_OCTETS);
        assert!(inflate(&good[..good.len() - 1]).is_err());
        assert!(inflate(&[&good[..], b"x"].concat()).is_err());
        assert!(inflate(b"").is_err());
        let noise: Vec<u8> = (0..200_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        assert_eq!(inflate(&miniz_oxide::deflate::compress_to_vec(&noise, 1)).unwrap(), noise);
    }
}
