//! Which directory a claim comes from: one that speaks for the person's domain, and the one that the person is of.
//!
//! `alice` of one Active Directory and `alice` of another are two people, whatever domain their devices were given.

use saml::device::{Evidence, EvidenceGrade};
use saml::refusal::RefusalCode;
use saml::time::UtcTime;
use serde_json::json;
use sqlx::AnyConnection;

use crate::decision::{PersonName, Stop};
use crate::evidence::{PRINCIPAL, value};
use crate::store::audit::{self, Entry};
use crate::store::domain_realm::{self, DomainRealm};

/// The directory that an account is in, whatever suffix its UPN has.
const REALM: &str = "urn:countersign:user:realm";
/// As domains in the DNS.
const LONGEST: usize = 253;

/// Checks that the directory that a device names speaks for the person's domain, and that it is the person's own.
///
/// A domain without a realm learns the first one, and so does a person. Other kinds of claims name no directory and pass.
///
/// # Errors
/// [`RefusalCode::EvidenceTooWeak`] where it is another directory, with a row in the audit that names both; the database.
pub(crate) async fn check(
    connection: &mut AnyConnection,
    tenant_id: &str,
    evidence: &Evidence,
    name: &PersonName,
    now: UtcTime,
) -> Result<(), Stop> {
    if evidence.grade != EvidenceGrade::Directory {
        return Ok(());
    }
    let realm = of_claim(evidence).ok_or(RefusalCode::EvidenceTooWeak)?;
    let note = |action, result: String, detail| Entry {
        at: now,
        tenant_id: Some(tenant_id.to_owned()),
        actor: "portal".to_owned(),
        action,
        subject: name.name_id.clone(),
        result,
        detail,
    };
    let known = domain_realm::of_domain(connection, &name.domain).await?;
    if known.is_empty() {
        let row = DomainRealm {
            domain: name.domain.clone(),
            realm: realm.clone(),
            origin: "claim".to_owned(),
            created_at: now,
        };
        domain_realm::insert(connection, &row).await?;
        let detail = json!({ "domain": name.domain, "realm": realm });
        audit::append(connection, note("domain.realm.learn", "ok".to_owned(), detail)).await?;
    } else if !known.iter().any(|known| known.realm == realm) {
        let known: Vec<_> = known.into_iter().map(|known| known.realm).collect();
        let detail = json!({ "domain": name.domain, "realm": realm, "realms of the domain": known });
        let code = RefusalCode::EvidenceTooWeak;
        audit::append(connection, note("domain.realm.refuse", code.to_string(), detail)).await?;
        return Err(code.into());
    }
    let own = domain_realm::of_person(connection, &name.name_id, &realm, now).await?;
    if own != realm {
        let detail = json!({ "domain": name.domain, "realm": realm, "realm of the person": own });
        let code = RefusalCode::EvidenceTooWeak;
        audit::append(connection, note("domain.realm.refuse", code.to_string(), detail)).await?;
        return Err(code.into());
    }
    Ok(())
}

/// The realm that the claim names, else the suffix of its principal.
fn of_claim(evidence: &Evidence) -> Option<String> {
    let suffix = || value(&evidence.attributes, PRINCIPAL)?.rsplit_once('@').map(|(_, suffix)| suffix);
    name(value(&evidence.attributes, REALM).or_else(suffix)?)
}

/// A realm as it is kept: small letters, without a closing dot; `None` for what is none.
pub(crate) fn name(given: &str) -> Option<String> {
    let name = given.trim().trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    };
    (name.len() <= LONGEST && name.split('.').all(label)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;
    use saml::name::Attribute;

    fn claim(principal: &str, realm: Option<&str>) -> Evidence {
        let attribute = |name: &str, value: &str| Attribute {
            name: name.to_owned(),
            name_format: None,
            friendly_name: None,
            values: vec![value.to_owned()],
        };
        let attributes = [Some(attribute(PRINCIPAL, principal)), realm.map(|realm| attribute(REALM, realm))];
        let attributes = attributes.into_iter().flatten().collect();
        Evidence { grade: EvidenceGrade::Directory, source: "test".to_owned(), attributes }
    }

    #[test]
    fn the_directory_counts_and_else_the_suffix() {
        assert_eq!(of_claim(&claim("bob@EXAMPLE.COM", Some("DOM.TEST"))).as_deref(), Some("dom.test"));
        assert_eq!(of_claim(&claim("bob@Dom.Test.", None)).as_deref(), Some("dom.test"));
        for none in ["bob", "bob@", "bob@a..b", "bob@a b"] {
            assert_eq!(of_claim(&claim(none, None)), None, "{none}");
        }
    }

    /// Whether the portal takes `user@REALM` for `user@example.test`.
    async fn takes(store: &crate::store::Store, user: &str, realm: &str) -> bool {
        let evidence = claim(&format!("{user}@{realm}"), None);
        let name = format!("{user}@example.test");
        store
            .write(move |connection| {
                Box::pin(async move {
                    let name = PersonName::parse(&name).unwrap();
                    match check(connection, "t", &evidence, &name, UtcTime::from_unix_seconds(1)).await {
                        Ok(()) => Ok(true),
                        Err(Stop::Refused(code)) => {
                            assert_eq!(code, RefusalCode::EvidenceTooWeak);
                            Ok(false)
                        }
                        Err(Stop::Failed(error)) => Err(error),
                        Err(Stop::Elsewhere { .. } | Stop::Unable(_)) => panic!("nobody else is asked"),
                    }
                })
            })
            .await
            .unwrap()
    }

    async fn add(store: &crate::store::Store, realm: &str) {
        let row = DomainRealm {
            domain: "example.test".to_owned(),
            realm: realm.to_owned(),
            origin: "administrator".to_owned(),
            created_at: UtcTime::from_unix_seconds(1),
        };
        store
            .write(move |connection| Box::pin(async move { domain_realm::insert(connection, &row).await }))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_domain_learns_one_directory_and_homonyms_of_another_are_refused() {
        let (_dir, store) = testing::store().await;
        assert!(takes(&store, "alice", "DOM.TEST").await);
        assert!(takes(&store, "bob", "dom.test").await);
        assert!(!takes(&store, "alice", "DOM2.TEST").await);
        assert!(!takes(&store, "tina", "DOM2.TEST").await, "nobody has said that it speaks for the domain");
        add(&store, "dom2.test").await;
        assert!(takes(&store, "tina", "DOM2.TEST").await);
        assert!(!takes(&store, "alice", "DOM2.TEST").await, "she is the other directory's");
        assert!(!takes(&store, "tina", "DOM.TEST").await);
        let removed = store
            .write(|connection| {
                Box::pin(async move { domain_realm::delete(connection, "example.test", "dom.test").await })
            })
            .await;
        assert!(removed.unwrap());
        assert!(takes(&store, "alice", "DOM2.TEST").await, "an administrator has taken the first one away");
    }
}
