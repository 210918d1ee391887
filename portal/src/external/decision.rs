//! The decision about what another identity provider has said, in one transaction: the same questions as to a device's request, as far as
//! there is no device.

use saml::device::EvidenceGrade;
use saml::name::{Attribute, NameId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::response::Assertion;
use saml::time::UtcTime;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::cloud::Cloud;
use crate::decision::{PersonName, Stop, session_index};
use crate::demands::Present;
use crate::grade::Assurance;
use crate::groups;
use crate::person_sign_on::find_person;
use crate::policy::SignOn;
use crate::service_answer::ServiceAnswer;
use crate::service_name;
use crate::service_settings::About;
use crate::sign_on::SKEW_SECONDS;
use crate::store::audit::{self, Entry};
use crate::store::browser_sign_on::{self, BrowserSignOn};
use crate::store::device::Facts;
use crate::store::external_sign_on::{self, ExternalSignOn};
use crate::store::person;
use crate::store::service_session::{self, ServiceSession};
use crate::store::tenant::{self, Tenant};
use crate::store::{StoreError, directory, domain, seen_request, service_provider, sign_on_count};

/// An assertion that is proven and wants a decision.
pub(super) struct Question {
    pub(super) cloud: Cloud,
    /// The portal's request that it answers.
    pub(super) sent: ExternalSignOn,
    pub(super) assertion: Assertion,
    pub(super) now: UtcTime,
}

/// What the portal's own Response says.
pub(super) struct Granted {
    /// What the identity provider has said.
    pub(super) assertion: Assertion,
    /// What the service waits for.
    pub(super) begun: BrowserSignOn,
    /// What the service is told about the person besides their name.
    pub(super) attributes: Vec<Attribute>,
    /// The session that the Response opens.
    pub(super) session: ServiceSession,
    /// The authentication context class that the service is told.
    pub(super) context: String,
}

/// How an answer of another identity provider ends.
pub(super) enum Decided {
    /// With the portal's own assertion.
    Granted(Box<Granted>),
    /// With a Response that says what can't be done for the service.
    Unable(Box<ServiceAnswer>),
    /// With a page.
    Refused(RefusalCode, String),
}

/// A row of the audit about another identity provider.
pub(super) struct Note {
    pub(super) at: UtcTime,
    pub(super) tenant_id: String,
    /// The identity provider, or the service that wants to be answered by one.
    pub(super) actor: String,
    pub(super) person: String,
    pub(super) result: String,
    pub(super) detail: Value,
}

impl Note {
    /// Writes it, and counts the sign-on.
    pub(super) async fn keep(self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        sign_on_count::add(connection, &self.tenant_id, self.at, &self.result).await?;
        let entry = Entry {
            at: self.at,
            tenant_id: Some(self.tenant_id),
            actor: self.actor,
            action: "external-sign-on",
            subject: self.person,
            result: self.result,
            detail: self.detail,
        };
        audit::append(connection, entry).await
    }
}

/// The note about an answer to `sent` that ended with `result`.
pub(super) fn note((sent, person): (&ExternalSignOn, &str), result: &str, mut detail: Value, now: UtcTime) -> Note {
    detail["request"] = json!(sent.id.as_str());
    detail["service"] = json!(sent.service.as_str());
    detail["transaction"] = json!(sent.sign_on.as_str());
    detail["idp"] = json!(sent.provider);
    Note {
        at: now,
        tenant_id: sent.tenant_id.clone(),
        actor: sent.entity_id.to_string(),
        person: person.to_owned(),
        result: result.to_owned(),
        detail,
    }
}

/// Decides about `question` and writes what follows from it; a refusal is a decision too, and uses the sign-on up.
///
/// # Errors
/// [`StoreError`]; then nothing was written.
pub(super) async fn decide(connection: &mut AnyConnection, question: Question) -> Result<Decided, StoreError> {
    let mut person = String::new();
    let decided = grant(connection, &question, &mut person).await;
    let Question { sent, assertion, now, .. } = question;
    let detail = json!({ "context": assertion.authn_context, "at": assertion.authn_instant.to_string() });
    let (result, decided) = match decided {
        Ok(granted) => ("ok".to_owned(), Decided::Granted(Box::new(granted))),
        Err(Stop::Refused(code)) => (code.to_string(), Decided::Refused(code, why(code, &person))),
        Err(Stop::Unable(answer)) => (answer.unable.result().to_owned(), Decided::Unable(answer)),
        // Only devices are told so.
        Err(Stop::Elsewhere { .. }) => {
            (RefusalCode::IdpDomain.to_string(), Decided::Refused(RefusalCode::IdpDomain, String::new()))
        }
        Err(Stop::Failed(error)) => return Err(error),
    };
    if !matches!(decided, Decided::Granted(_)) {
        // A person who is refused there has to be able to choose something else the next time.
        external_sign_on::forget_choice(connection, &sent.browser_id).await?;
    }
    note((&sent, &person), &result, detail, now).keep(connection).await?;
    Ok(decided)
}

/// What the page says beyond the code.
fn why(code: RefusalCode, person: &str) -> String {
    let about = [RefusalCode::IdpDomain, RefusalCode::UserNotProvisioned, RefusalCode::UserSuspended];
    if about.contains(&code) { person.to_owned() } else { String::new() }
}

async fn grant(connection: &mut AnyConnection, question: &Question, subject: &mut String) -> Result<Granted, Stop> {
    let Question { sent, assertion, now, .. } = question;
    let begun = use_up(connection, question).await?;
    let name = person_name(&assertion.subject).ok_or(RefusalCode::IdpName)?;
    subject.clone_from(&name.name_id);
    if names_this_portal(&question.cloud, assertion) {
        return Err(RefusalCode::SignOnLoop.into());
    }
    let tenant = tenant::by_id(connection, &sent.tenant_id).await?.ok_or(RefusalCode::IdpDisabled)?;
    let provisions = check_domain(connection, &tenant, (&sent.provider, &name)).await?;
    let assurance = Assurance::of_identity_provider(&sent.provider, &assertion.authn_context);
    let is_stale = assertion.authn_instant < sent.created_at.plus_seconds(-SKEW_SECONDS);
    if assurance.grade < tenant.minimum_evidence {
        return Err(RefusalCode::EvidenceTooWeak.into());
    }
    if begun.scope.force_authn && is_stale {
        return Err(RefusalCode::IdpRefused.into());
    }
    let service = service_provider::by_entity_id(connection, &tenant.id, begun.service.as_str()).await?;
    let service = service.filter(|_| begun.tenant_id == tenant.id).ok_or(RefusalCode::ServiceUnknown)?;
    let facts = Facts::new();
    tenant.policy.check(&SignOn {
        domain: &name.domain,
        service: Some(service.entity_id.as_str()),
        grade: assurance.grade,
        // There is no device that claims anything: the identity provider is the tenant's directory.
        claim: EvidenceGrade::Directory,
        facts: &facts,
    })?;
    let (person, is_known) = find_person(connection, &tenant, &name, provisions, *now).await?;
    let groups = groups::of(connection, &tenant.policy, None, &person).await?;
    if !service.settings.admits(&person.name_id, &groups) {
        return Err(RefusalCode::ServiceNotAllowed.into());
    }
    let present = Present { person: &person, service: &service, context: &assertion.authn_context };
    let heeded = begun.demands.heed(connection, present).await?;
    let heeded = heeded.map_err(|unable| Stop::Unable(Box::new(begun.unable(unable))))?;
    if !is_known {
        person::insert(connection, &person).await?;
    }
    person::note_seen(connection, &person.id, *now).await?;
    let browser = (sent.browser_id.as_str(), tenant.id.as_str());
    external_sign_on::remember(connection, browser, &sent.provider, *now).await?;
    let format = begun.name_format.clone().unwrap_or_else(|| service.settings.name_id_format.format());
    let wants = service.settings.wants_directory();
    let profile = directory::wanted_profile(connection, &person, wants).await?;
    let about =
        About { person: &person, groups: &groups, assurance: &assurance, device: None, profile: profile.as_ref() };
    let attributes = service.settings.attributes(&about);
    let is_free = begun.name_format.is_none();
    let name_id = match heeded.name.filter(|name| is_free || name.format == format) {
        Some(name) => name,
        None => service_name::of(&person, &begun.service, Some(&format)).map_err(|_| RefusalCode::Busy)?,
    };
    let own_end = now.plus_seconds(tenant.session_seconds);
    let session = ServiceSession {
        id: session_index()?,
        tenant_id: tenant.id,
        issuer: begun.issuer,
        service: service.entity_id,
        person: person.name_id.clone(),
        opened_by: assertion.issuer.clone(),
        name_id,
        browser_id: Some(sent.browser_id.clone()),
        ends_at: assertion.session_not_on_or_after.map_or(own_end, |end| end.min(own_end)),
        logout_why: None,
        tries: 0,
    };
    service_session::insert(connection, &session).await?;
    Ok(Granted { assertion: assertion.clone(), begun, attributes, session, context: heeded.context })
}

/// Uses request, assertion and sign-on up, so that nobody tries twice with one.
async fn use_up(connection: &mut AnyConnection, question: &Question) -> Result<BrowserSignOn, Stop> {
    let Question { sent, assertion, now, .. } = question;
    let forgotten_at = assertion.not_on_or_after.plus_seconds(2 * SKEW_SECONDS);
    let is_new = external_sign_on::use_up(connection, &sent.id, *now).await?
        && seen_request::remember(connection, &assertion.issuer, &assertion.id, forgotten_at).await?;
    if !is_new {
        return Err(RefusalCode::Replayed.into());
    }
    let begun = browser_sign_on::by_id(connection, sent.sign_on.as_str()).await?.ok_or(RefusalCode::SignOnOver)?;
    if !browser_sign_on::end_elsewhere(connection, &begun.id, *now).await? {
        return Err(RefusalCode::SignOnOver.into());
    }
    Ok(begun)
}

/// The name that the identity provider gives the person: an address, or what looks like one and claims no other format.
pub(super) fn person_name(subject: &NameId) -> Option<PersonName> {
    if !matches!(subject.format, NameIdFormat::EmailAddress | NameIdFormat::Unspecified) {
        return None;
    }
    PersonName::of(Some(&NameId { format: NameIdFormat::EmailAddress, value: subject.value.clone() }))
}

/// Whether this portal had a part in what it is told: as identity provider, or as a service provider that had asked.
pub(super) fn names_this_portal(cloud: &Cloud, assertion: &Assertion) -> bool {
    assertion.authenticating_authorities.iter().any(|id| cloud.is_own_issuer(id) || id == cloud.sp_entity_id())
}

/// An identity provider speaks for the domains that are mapped to it, or left to it; says whether it may provision somebody.
async fn check_domain(
    connection: &mut AnyConnection,
    tenant: &Tenant,
    (provider, name): (&str, &PersonName),
) -> Result<bool, Stop> {
    let of_tenant = domain::by_name(connection, &name.domain).await?;
    if of_tenant.is_none_or(|domain| domain.tenant_id != tenant.id) {
        return Err(RefusalCode::IdpDomain.into());
    }
    let answering = tenant.providers.of_domain(&name.domain).filter(|one| one.name == provider);
    let answering = answering.ok_or(RefusalCode::IdpDomain)?;
    if !tenant.idp_enabled || !answering.enabled {
        return Err(RefusalCode::IdpDisabled.into());
    }
    Ok(tenant.auto_provisioning && answering.auto_provisioning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_names_a_person() {
        let name = |format, value: &str| {
            let subject = NameId { format, value: value.to_owned() };
            person_name(&subject).map(|name| name.name_id)
        };
        assert_eq!(name(NameIdFormat::EmailAddress, "Alice@Example.TEST"), Some("alice@example.test".to_owned()));
        assert_eq!(name(NameIdFormat::Unspecified, "alice@example.test"), Some("alice@example.test".to_owned()));
        for none in ["alice", "ali\u{200b}ce@example.test", "\u{430}lice@example.test", "a/b@example.test"] {
            assert_eq!(name(NameIdFormat::Unspecified, none), None, "{none}");
        }
        assert_eq!(name(NameIdFormat::Persistent, "alice@example.test"), None);
        assert_eq!(name(NameIdFormat::Transient, "_0123"), None);
    }
}
