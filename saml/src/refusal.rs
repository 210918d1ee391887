//! Why the portal refuses, in words that do not change: one table makes the codes, their meaning, what to do, the agent's exit codes,
//! when to try again and the SAML status codes (Core 3.2.2.2).

use crate::time::UtcTime;
use std::fmt;
use std::str::FromStr;

/// The namespace of our elements in `Extensions` and `StatusDetail`.
pub const NAMESPACE: &str = "urn:countersign:1.0";

/// When the agent may try again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Not before somebody has changed something.
    Never,
    /// After a pause: the cause passes, or is corrected at the portal.
    Later,
    /// At once, after correcting the clock by the time that came with the refusal.
    AfterClockCorrection,
}

/// The top-level status codes (Core 3.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopLevelStatus {
    /// The request succeeded.
    Success,
    /// The requester is at fault.
    Requester,
    /// The responder is at fault.
    Responder,
    /// The version of the request can't be processed.
    VersionMismatch,
}

/// The second-level status codes that the portal writes, and any other that it reads (Core 3.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecondLevelStatus {
    /// The principal could not be authenticated.
    AuthnFailed,
    /// Unexpected content in an attribute or its value.
    InvalidAttrNameOrValue,
    /// The name identifier policy can't be met.
    InvalidNameIdPolicy,
    /// The authentication context asked for can't be met.
    NoAuthnContext,
    /// The principal can't be authenticated without asking.
    NoPassive,
    /// Not every participant of a session was logged out.
    PartialLogout,
    /// The request may not be passed on to another identity provider.
    ProxyCountExceeded,
    /// The request is understood and refused.
    RequestDenied,
    /// The request is of a kind that is not supported.
    RequestUnsupported,
    /// The principal is not known.
    UnknownPrincipal,
    /// The binding asked for can't be had.
    UnsupportedBinding,
    /// Any other URI.
    Other(String),
}

const STATUS_PREFIX: &str = "urn:oasis:names:tc:SAML:2.0:status:";

impl TopLevelStatus {
    /// The URI that stands for the code on the wire.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Success => "urn:oasis:names:tc:SAML:2.0:status:Success",
            Self::Requester => "urn:oasis:names:tc:SAML:2.0:status:Requester",
            Self::Responder => "urn:oasis:names:tc:SAML:2.0:status:Responder",
            Self::VersionMismatch => "urn:oasis:names:tc:SAML:2.0:status:VersionMismatch",
        }
    }

    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        [Self::Success, Self::Requester, Self::Responder, Self::VersionMismatch]
            .into_iter()
            .find(|code| code.uri() == uri)
    }
}

impl SecondLevelStatus {
    const NAMED: [(Self, &'static str); 11] = [
        (Self::AuthnFailed, "AuthnFailed"),
        (Self::InvalidAttrNameOrValue, "InvalidAttrNameOrValue"),
        (Self::InvalidNameIdPolicy, "InvalidNameIDPolicy"),
        (Self::NoAuthnContext, "NoAuthnContext"),
        (Self::NoPassive, "NoPassive"),
        (Self::PartialLogout, "PartialLogout"),
        (Self::ProxyCountExceeded, "ProxyCountExceeded"),
        (Self::RequestDenied, "RequestDenied"),
        (Self::RequestUnsupported, "RequestUnsupported"),
        (Self::UnknownPrincipal, "UnknownPrincipal"),
        (Self::UnsupportedBinding, "UnsupportedBinding"),
    ];

    /// The URI that stands for the code on the wire.
    pub fn uri(&self) -> String {
        if let Self::Other(uri) = self {
            return uri.clone();
        }
        let name = Self::NAMED.iter().find(|(code, _)| code == self).map_or("", |(_, name)| name);
        format!("{STATUS_PREFIX}{name}")
    }

    pub(crate) fn from_uri(uri: &str) -> Self {
        let named = uri.strip_prefix(STATUS_PREFIX).and_then(|tail| Self::NAMED.iter().find(|(_, name)| *name == tail));
        named.map_or_else(|| Self::Other(uri.to_owned()), |(code, _)| code.clone())
    }
}

macro_rules! refusals {
    ($($variant:ident $code:literal $exit:literal $retry:ident $top:ident/$second:ident $meaning:literal $action:literal;)+) => {
        /// Why a sign-in was refused: the stable codes of `cs:Refusal/@Code`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RefusalCode {
            $(#[doc = $meaning] $variant,)+
        }

        impl RefusalCode {
            /// All codes, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The text on the wire; it never changes.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What happened, as a sentence without a full stop.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// What the administrator does next, as a sentence without a full stop.
            pub const fn next_action(self) -> &'static str {
                match self { $(Self::$variant => $action,)+ }
            }

            /// The exit code of the agent's command line; each code has its own.
            pub const fn exit_code(self) -> u8 {
                match self { $(Self::$variant => $exit,)+ }
            }

            /// When the agent may try again by itself.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry,)+ }
            }

            /// The status codes that go with it (Core 3.2.2.2).
            pub const fn status(self) -> (TopLevelStatus, SecondLevelStatus) {
                match self { $(Self::$variant => (TopLevelStatus::$top, SecondLevelStatus::$second),)+ }
            }
        }
    };
}

refusals! {
    Malformed "malformed" 20 Never Requester/RequestUnsupported
        "the request is not a document that the portal accepts"
        "update the agent; if it is current, send the output of `countersign diagnostics` to support";
    BadSignature "bad-signature" 21 Never Requester/RequestDenied
        "the signature does not match the document or the key on record"
        "look for a proxy that rewrites requests; if there is none, remove the device at the portal and enrol it again";
    Replayed "replayed" 22 Later Requester/RequestDenied
        "a request with this ID was already answered"
        "nothing if it happens once; if it repeats, look for a proxy that sends requests twice";
    ClockSkew "clock-skew" 23 AfterClockCorrection Requester/RequestDenied
        "the request was made too long ago or in the future by the portal's clock"
        "set the device's clock; the agent corrects for the difference by itself";
    UnknownToken "unknown-token" 24 Never Requester/RequestDenied
        "no such device token exists in this cloud"
        "check the cloud name, and copy the device token from the portal again";
    TokenExpired "token-expired" 25 Never Requester/RequestDenied
        "the device token's time is over"
        "make a new device token at the portal and deploy it";
    TokenUsedUp "token-used-up" 26 Never Requester/RequestDenied
        "the device token has enrolled as many devices as it may"
        "raise the token's limit at the portal or make a new one";
    TokenRevoked "token-revoked" 27 Never Requester/RequestDenied
        "an administrator has revoked the device token"
        "deploy a token that is in force";
    TokenScope "token-scope" 28 Never Requester/RequestDenied
        "the device token is not for this domain, platform, network or serial number"
        "compare the token's limits at the portal with `countersign facts`";
    DomainNotAllowed "domain-not-allowed" 29 Never Requester/RequestDenied
        "the user's domain does not belong to the token's or the device's tenant"
        "check the `userDomain` option, or add the domain to the tenant";
    DomainNotMapped "domain-not-mapped" 30 Later Requester/RequestDenied
        "no identity provider answers for the user's domain"
        "map the domain to an identity provider at the portal and activate the change";
    IdpDisabled "idp-disabled" 31 Later Responder/RequestDenied
        "the identity provider of the user's domain is disabled"
        "enable it at the portal and activate the change";
    UserNotProvisioned "user-not-provisioned" 32 Later Responder/UnknownPrincipal
        "the user is not known and may not be created by signing in"
        "create the user, or switch auto-provisioning on";
    UserSuspended "user-suspended" 33 Later Responder/AuthnFailed
        "the user is suspended"
        "lift the suspension at the portal if it is no longer meant";
    EvidenceTooWeak "evidence-too-weak" 34 Later Responder/NoAuthnContext
        "what the device knows about the user is weaker than the policy asks for"
        "join the device to a directory or a management service, or change the policy";
    DeviceUnknown "device-unknown" 35 Never Requester/RequestDenied
        "the portal has no device with this name"
        "deploy a device token so that the device enrols again";
    DevicePending "device-pending" 36 Later Responder/RequestDenied
        "the device waits for an administrator's approval"
        "approve the device at the portal";
    DeviceQuarantined "device-quarantined" 37 Later Responder/RequestDenied
        "the device is in quarantine"
        "release the device at the portal once its cause is settled";
    DeviceRemoved "device-removed" 38 Never Responder/RequestDenied
        "the device was removed"
        "deploy a device token if it is to come back";
    DeviceLimit "device-limit" 39 Later Responder/RequestDenied
        "the user has as many devices as the policy allows"
        "remove a device of the user's, or raise the limit";
    DeviceCloned "device-cloned" 40 Later Responder/RequestDenied
        "the device's key is in two places, and the portal believes neither"
        "compare the two at the portal (`device clones`), then restore or remove the device there";
    Busy "busy" 41 Later Responder/RequestDenied
        "the portal has more to do than it can"
        "nothing: the agent waits as long as it is told";
    ServiceUnknown "service-unknown" 42 Never Requester/RequestDenied
        "the service asked for is not registered"
        "register the service's metadata at the portal, or correct the entity ID";
    DeviceNotCompliant "device-not-compliant" 43 Later Responder/RequestDenied
        "the device does not state what the policy demands of devices"
        "compare `countersign facts` with the rules of the tenant's policy";
    DeviceBound "device-bound" 44 Later Responder/RequestDenied
        "the device belongs to another person, and the policy lets nobody else sign on from it"
        "remove the device at the portal and enrol it again if it has changed hands";
    KeyProtectionWeaker "key-protection-weaker" 45 Later Requester/RequestDenied
        "the device's next key is protected less well than the one that it has"
        "correct what keeps the hardware from making a key; until then the device goes on with the key that it has";
    DeviceWiped "device-wiped" 46 Never Responder/RequestDenied
        "the device was removed, and the portal told it to delete its key and its state"
        "deploy a device token if it is to come back as a new device";
    AcsNotRegistered "acs-not-registered" 47 Never Requester/RequestDenied
        "the service wants its answer at an address that is not in its registered metadata"
        "register the service's current metadata at the portal; if it is current, somebody else made this request";
    SignOnOver "sign-on-over" 48 Never Requester/RequestDenied
        "nobody waits for this sign-on: its minute is over, or it was begun for another service"
        "open the service again";
    SignOnLoop "sign-on-loop" 49 Never Responder/RequestDenied
        "the sign-on came back to where it had been: identity providers send it to each other"
        "compare which identity provider each of them asks, and end the circle at one of them";
    ProxyNotAllowed "proxy-not-allowed" 80 Never Responder/ProxyCountExceeded
        "the service lets the portal ask no other identity provider"
        "sign in with a device, or let the administrators of the service allow it (`Scoping/ProxyCount`)";
    ResponseUnsolicited "response-unsolicited" 81 Never Requester/RequestDenied
        "the identity provider sent an answer that nobody has asked for"
        "open the service first: sign-on begins there, and not at the identity provider";
    IdpRefused "idp-refused" 82 Never Responder/AuthnFailed
        "the identity provider has signed nobody in"
        "try once more; if it stays like this, ask the administrators of the identity provider";
    IdpDomain "idp-domain" 83 Never Responder/RequestDenied
        "the identity provider answered for a person of a domain that is not mapped to it"
        "sign in there with the account of your organisation, or map the domain to it at the portal";
    IdpName "idp-name" 84 Never Responder/InvalidNameIdPolicy
        "the identity provider did not name the person as `user@domain`"
        "let it send the person's address as NameID, of the format `emailAddress`";
    ServiceNotAllowed "service-not-allowed" 85 Later Responder/RequestDenied
        "the service is for other people or groups than this person and their groups"
        "add the person or one of their groups to the service at the portal, if they are to use it";
    ProofNeeded "proof-needed" 86 Later Responder/NoPassive
        "the user has to prove once on this device who they are"
        "open a service in a browser on this device, or run `countersign prove`; an administrator makes a one-time code by `countersign-portal user code`";
    ProofRefused "proof-refused" 87 Never Responder/AuthnFailed
        "the one-time code is wrong, was used before, has expired, or is another user's"
        "type the code again, or get a new one; after five wrong ones in a quarter of an hour the device has to wait";
    TokenRate "token-rate" 88 Later Requester/RequestDenied
        "the device token has enrolled as many devices in this hour as it may"
        "nothing: the agent tries again; `token create --per-hour` allows more";
    UserNotListed "user-not-listed" 89 Later Responder/RequestDenied
        "the device signs in only the people its device token lists, and the user is none of them"
        "make a device token that lists the user, or one with `--people proven`, and enrol the device with it";
}

/// The text is none of the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a refusal code")]
pub struct UnknownRefusalCode;

impl FromStr for RefusalCode {
    type Err = UnknownRefusalCode;

    fn from_str(text: &str) -> Result<Self, UnknownRefusalCode> {
        Self::ALL.iter().copied().find(|code| code.code() == text).ok_or(UnknownRefusalCode)
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

/// What `StatusDetail/cs:Refusal` carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// Seconds to wait before the next try, where waiting helps.
    pub retry_after_seconds: Option<u32>,
    /// The portal's time, so that a wrong clock can be corrected.
    pub time: Option<UtcTime>,
}

impl Refusal {
    /// A refusal that says only why.
    pub const fn new(code: RefusalCode) -> Self {
        Self { code, retry_after_seconds: None, time: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_and_exit_codes_are_distinct_and_in_order() {
        let codes: HashSet<_> = RefusalCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), RefusalCode::ALL.len());
        for (place, code) in RefusalCode::ALL.iter().enumerate() {
            // 50 to 79 are the agent's own.
            let exit_code = if place < 30 { 20 + place } else { 50 + place };
            assert_eq!(usize::from(code.exit_code()), exit_code);
            assert_eq!(code.code().parse::<RefusalCode>().unwrap(), *code);
        }
        assert!("Malformed".parse::<RefusalCode>().is_err());
    }

    #[test]
    fn sentences_have_no_full_stop() {
        for code in RefusalCode::ALL {
            assert!(!code.meaning().ends_with('.') && !code.next_action().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn second_level_codes_survive_the_wire() {
        for code in RefusalCode::ALL {
            let (_, second) = code.status();
            assert_eq!(SecondLevelStatus::from_uri(&second.uri()), second);
        }
        assert_eq!(SecondLevelStatus::from_uri("urn:x"), SecondLevelStatus::Other("urn:x".into()));
    }
}
