//! Who the person is and what the device is, as it will be sent.

use installer_options::{LocalPart, UserDomain};
use platform::device::{Fact, FactValue};
use platform::principal::{self, NameFault};
use platform::session::{EvidenceGrade as OsGrade, UserSession};
use saml::device::{Evidence, EvidenceGrade};
use saml::name::{Attribute, NameId, NameIdFormat};
use serde::Serialize;

use crate::config::Config;

/// Prefixes and names of the attributes that the portal reads.
const DEVICE: &str = "urn:countersign:device:";
const LOCAL_NAME: &str = "urn:countersign:user:local-name";
const PRINCIPAL: &str = "urn:countersign:user:principal";
const REALM: &str = "urn:countersign:user:realm";
const MANAGED_NAME: &str = "urn:countersign:user:managed-name";
const USER_ID: &str = "urn:countersign:user:id";

/// A person and the evidence for who they are.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `user@domain`.
    pub name_id: NameId,
    /// What the operating system says, and its grade.
    pub evidence: Evidence,
    /// Why this name and this grade, in one sentence.
    pub reason: String,
}

impl Identity {
    /// The identity of the person whose session `session` is.
    ///
    /// The name is the session's, unless management has given one with `userName`.
    ///
    /// # Errors
    /// [`NameFault`] where the account's name can't be the local part of a user name.
    pub fn of(session: &UserSession, domain: &UserDomain, user_name: Option<&LocalPart>) -> Result<Self, NameFault> {
        let mut attributes = vec![
            attribute(LOCAL_NAME, std::slice::from_ref(&session.local_name)),
            attribute(USER_ID, std::slice::from_ref(&session.stable_id)),
        ];
        if let Some(principal) = &session.evidence.principal {
            attributes.push(attribute(PRINCIPAL, std::slice::from_ref(principal)));
        }
        if let Some(realm) = &session.evidence.realm {
            attributes.push(attribute(REALM, std::slice::from_ref(realm)));
        }
        let (local_part, grade, reason) = match user_name {
            Some(given) => {
                attributes.push(attribute(MANAGED_NAME, &[given.to_string()]));
                let reason =
                    format!("`userName` was given by the device's management; the session is {}'s", session.local_name);
                (given.to_string(), EvidenceGrade::Managed, reason)
            }
            None => (principal::account_name(session)?, grade(session.evidence.grade), session.evidence.reason.clone()),
        };
        let name_id = NameId { format: NameIdFormat::EmailAddress, value: format!("{local_part}@{domain}") };
        let evidence = Evidence { grade, source: session.evidence.source.to_owned(), attributes };
        Ok(Self { name_id, evidence, reason })
    }
}

fn grade(grade: OsGrade) -> EvidenceGrade {
    match grade {
        OsGrade::Local => EvidenceGrade::Local,
        OsGrade::Managed => EvidenceGrade::Managed,
        OsGrade::Directory => EvidenceGrade::Directory,
    }
}

/// A fact as `countersign facts` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ShownFact {
    /// Its short name.
    pub name: String,
    /// Its values; empty where the machine does not tell.
    pub values: Vec<String>,
    /// Where it was read, or why it is unknown.
    pub source: String,
    /// Whether it is sent.
    pub sent: bool,
}

/// Every fact: the operating system's and the agent's own.
#[must_use]
pub fn facts(config: Option<&Config>, key_protection: Option<&str>) -> Vec<ShownFact> {
    let disabled = config.map_or(&[][..], |config| &config.disabled_facts);
    let of_system = platform::device::facts().into_iter().map(|Fact { name, value, source, .. }| match value {
        FactValue::Known(values) => ShownFact { name: name.to_owned(), values, source: source.to_owned(), sent: true },
        FactValue::Unknown(reason) => {
            ShownFact { name: name.to_owned(), values: Vec::new(), source: reason.to_owned(), sent: false }
        }
    });
    let own = |name: &str, value: Option<&str>, source: &str| ShownFact {
        name: name.to_owned(),
        values: value.map(str::to_owned).into_iter().collect(),
        source: source.to_owned(),
        sent: value.is_some(),
    };
    let external = config.and_then(|config| config.external_device_id.as_deref());
    let of_agent = [
        own("platform", Some(platform_name()), "the agent"),
        own("agent.version", Some(env!("CARGO_PKG_VERSION")), "the agent"),
        own("key-protection", key_protection, "the device key"),
        own("external-id", external, "externalDeviceId"),
        own("fingerprint", platform::device::fingerprint().as_deref().ok(), "the hardware"),
    ];
    let shown = of_system.chain(of_agent).map(|fact| {
        let sent = fact.sent && !disabled.contains(&fact.name);
        ShownFact { sent, ..fact }
    });
    shown.collect()
}

/// The facts that are sent, as attributes.
#[must_use]
pub fn sent_facts(config: &Config, key_protection: &str) -> Vec<Attribute> {
    let facts = facts(Some(config), Some(key_protection));
    let sent = facts.into_iter().filter(|fact| fact.sent && !fact.values.is_empty());
    sent.map(|fact| attribute(&format!("{DEVICE}{}", fact.name), &fact.values)).collect()
}

fn platform_name() -> &'static str {
    std::env::consts::OS
}

fn attribute(name: &str, values: &[String]) -> Attribute {
    Attribute { name: name.to_owned(), name_format: None, friendly_name: None, values: values.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::session::{SessionId, UserEvidence};
    use saml::name::UserName;

    fn named(account: &str) -> Result<Identity, NameFault> {
        let session = UserSession {
            id: SessionId::new("1"),
            local_name: account.to_owned(),
            stable_id: "1000@0".to_owned(),
            uid: Some(1000),
            active: true,
            remote: false,
            evidence: UserEvidence {
                grade: OsGrade::Local,
                source: "test",
                principal: None,
                realm: None,
                doubtful: false,
                reason: String::new(),
                attributes: Vec::new(),
            },
        };
        Identity::of(&session, &UserDomain::parse("example.test").unwrap(), None)
    }

    #[test]
    fn the_agent_and_the_portal_have_one_rule_for_names() {
        let signs = (1..128_u8).map(char::from).chain("äжℓ\u{200b}\u{212a}".chars());
        for sign in signs.filter(|sign| !matches!(sign, '@' | '\\')) {
            let account = format!("a{sign}b");
            let agents = named(&account).ok().map(|identity| identity.name_id.value);
            // What is around a name is no part of it: white space and the domain are taken off by the agent.
            let portals = UserName::parse(&format!("{account}@example.test")).map(|name| name.to_string());
            assert_eq!(agents, portals, "{sign:?}");
            let given = LocalPart::parse(&account).ok().map(|given| format!("{given}@example.test"));
            assert_eq!(given, portals, "{sign:?}");
        }
        for account in [".a", "a.", "a..b", &"a".repeat(64), &"a".repeat(65)] {
            let portals = UserName::parse(&format!("{account}@example.test"));
            assert_eq!(named(account).is_ok(), portals.is_some(), "{account}");
        }
    }
}
