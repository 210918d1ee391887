//! A sign-on that is only played through: what a service would be told about somebody at one of their devices, and why.
//!
//! It is decided by [`settle`] and written by [`issue::for_service`], as every sign-on is, from the evidence of the last time. What follows from it in the
//! database is undone, and nothing signs it.

use std::sync::{Arc, Mutex, PoisonError};

use saml::device::Evidence;
use saml::name::{Attribute, MessageId, NameId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::request::{AuthnRequest, NameIdPolicy};
use saml::response::Response;
use saml::time::UtcTime;
use serde::Deserialize;
use sqlx::AnyConnection;

use crate::cloud::Cloud;
use crate::decision::{PersonName, Stop};
use crate::issue;
use crate::person_sign_on::{Case, settle};
use crate::policy::{Rule, SignOn};
use crate::random;
use crate::standing::Standing;
use crate::store::device::{Device, Facts};
use crate::store::person::{LastEvidence, Person};
use crate::store::service_provider::ServiceProvider;
use crate::store::{Store, StoreError, tenant};

/// Who would sign in, from where, and to what.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The service.
    pub service: ServiceProvider,
    /// The person.
    pub person: Person,
    /// Their device.
    pub device: Device,
    /// What the device has offered for them last.
    pub offered: LastEvidence,
}

/// How a sign-on would go.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// Who, from where, and to what.
    pub scene: Scene,
    /// The tenant's rules that fit, each with what it says.
    pub rules: Vec<(Rule, Result<(), RefusalCode>)>,
    /// How it would end.
    pub ended: Ended,
}

/// The end of a rehearsal.
#[derive(Clone, Debug)]
pub enum Ended {
    /// With this Response, which nobody signs.
    Granted(Box<Response>),
    /// With a refusal; where people of that domain sign on instead, if it is somewhere else.
    Refused(RefusalCode, Option<String>),
}

/// Plays a sign-on through that the service has not demanded anything of.
///
/// # Errors
/// [`StoreError`].
pub async fn rehearse(store: &Store, cloud: &Cloud, scene: Scene, now: UtcTime) -> Result<Rehearsal, StoreError> {
    let (cloud, played) = (cloud.clone(), scene.clone());
    let slot = Arc::new(Mutex::new(None));
    let result = Arc::clone(&slot);
    let withdrawn = store.write(move |connection| {
        Box::pin(async move {
            let ended = play(connection, &cloud, played, now).await;
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
            // Whatever has happened, nothing of it is kept.
            Err::<(), _>(StoreError::Withdrawn)
        })
    });
    let outcome = withdrawn.await;
    let ended = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let ended = match (ended, outcome) {
        (Some(ended), _) => ended,
        (None, Err(error)) => return Err(error),
        (None, Ok(())) => return Err(StoreError::Withdrawn),
    };
    let ended = match ended {
        Ok(response) => Ended::Granted(Box::new(response)),
        Err(Stop::Refused(code)) => Ended::Refused(code, None),
        Err(Stop::Elsewhere { address, .. }) => Ended::Refused(RefusalCode::DomainNotMapped, Some(address)),
        // No service has demanded anything.
        Err(Stop::Unable(_)) => Ended::Refused(RefusalCode::Malformed, None),
        Err(Stop::Failed(error)) => return Err(error),
    };
    let rules = rules(store, &scene).await?;
    Ok(Rehearsal { scene, rules, ended })
}

async fn play(connection: &mut AnyConnection, cloud: &Cloud, scene: Scene, now: UtcTime) -> Result<Response, Stop> {
    let Scene { service, person, device, offered } = scene;
    let evidence = evidence_of(&offered)?;
    let id = || random::bytes().map(MessageId::from_random).map_err(|_| Stop::from(RefusalCode::Busy));
    // What a device asks for in a sign-on.
    let content = AuthnRequest {
        respond_to: Some(service.entity_id.clone()),
        name_id_policy: Some(NameIdPolicy { format: None, sp_name_qualifier: None, allow_create: true }),
        ..AuthnRequest::new(id()?, now, device.key_name.clone())
    };
    let named = NameId { format: NameIdFormat::EmailAddress, value: person.name_id };
    let case = Case {
        cloud,
        content: &content,
        evidence: &evidence,
        name: PersonName::of(Some(&named)).ok_or(RefusalCode::Malformed)?,
        standing: Standing::of_registered(device)?,
        awaited: None,
        now,
    };
    let mut grant = settle(connection, case).await?;
    let service = grant.service.take().unwrap_or(service);
    let issuer = cloud.issuer(grant.issuer, &grant.tenant_id).entity_id;
    Ok(issue::for_service(&issuer, (grant, &service), [id()?, id()?], now))
}

/// Evidence as it is kept.
#[derive(Deserialize)]
struct Kept {
    source: String,
    attributes: Facts,
}

fn evidence_of(offered: &LastEvidence) -> Result<Evidence, StoreError> {
    let unreadable = |_| StoreError::Unreadable { table: "device_person", column: "evidence" };
    let kept: Kept = serde_json::from_str(&offered.evidence).map_err(unreadable)?;
    let attributes = kept.attributes.into_iter();
    let attributes =
        attributes.map(|(name, values)| Attribute { name, name_format: None, friendly_name: None, values }).collect();
    Ok(Evidence { grade: offered.claim, source: kept.source, attributes })
}

/// The tenant's rules that fit.
async fn rules(store: &Store, scene: &Scene) -> Result<Vec<(Rule, Result<(), RefusalCode>)>, StoreError> {
    let mut connection = store.read().await?;
    let Some(tenant) = tenant::by_id(&mut connection, &scene.device.tenant_id).await? else { return Ok(Vec::new()) };
    let domain = scene.person.name_id.split_once('@').map_or("", |(_, domain)| domain);
    let sign_on = SignOn {
        domain,
        service: Some(scene.service.entity_id.as_str()),
        grade: scene.offered.assurance.grade,
        claim: scene.offered.claim,
        facts: &scene.device.facts,
    };
    Ok(tenant.policy.judge(&sign_on).map(|(rule, verdict)| (rule.clone(), verdict)).collect())
}

impl Rehearsal {
    /// What an administrator reads: names of things with their values, in the order of a Response.
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        let assurance = &self.scene.offered.assurance;
        let assurance = format!("{} ({})", assurance.grade, assurance.origin);
        let mut lines = vec![
            ("Device".to_owned(), format!("{} ({})", self.scene.device.id, self.scene.device.state)),
            ("Grade".to_owned(), format!("{assurance}, as of {}", self.scene.offered.at)),
        ];
        for (rule, verdict) in &self.rules {
            let verdict = verdict.map_or_else(|code| format!("refuses: {code}"), |()| "is met".to_owned());
            lines.push((format!("Rule {}", rule.id), format!("{}: {verdict}", rule.demands())));
        }
        if self.rules.is_empty() {
            lines.push(("Rules".to_owned(), "no rule of the tenant is for this sign-on".to_owned()));
        }
        match &self.ended {
            Ended::Granted(response) => lines.extend(told(response)),
            Ended::Refused(code, elsewhere) => {
                lines.push(("Refused".to_owned(), format!("{code}: {}", code.meaning())));
                lines.push(("What to do".to_owned(), code.next_action().to_owned()));
                lines.extend(elsewhere.iter().map(|address| ("They sign on at".to_owned(), address.clone())));
            }
        }
        lines
    }
}

fn told(response: &Response) -> Vec<(String, String)> {
    let Some(assertion) = &response.assertion else { return Vec::new() };
    let named = |name: &str, value: String| (name.to_owned(), value);
    let mut lines = vec![
        named("Goes to", response.destination.clone().unwrap_or_default()),
        named("Issuer", assertion.issuer.to_string()),
        named("Audience", assertion.audience.to_string()),
        named("Subject", assertion.subject.value.clone()),
        named("Format", assertion.subject.format.uri().to_owned()),
        named("Valid", format!("{} to {}", assertion.not_before, assertion.not_on_or_after)),
        named("Authentication context", assertion.authn_context.clone()),
    ];
    lines.extend(assertion.session_not_on_or_after.map(|end| named("Session ends", end.to_string())));
    for Attribute { name, friendly_name, values, .. } in &assertion.attributes {
        let friendly = friendly_name.as_ref().map_or_else(String::new, |friendly| format!(" ({friendly})"));
        lines.push((format!("Attribute {name}{friendly}"), values.join(", ")));
    }
    lines
}
