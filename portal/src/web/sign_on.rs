//! What a tenant has decided about sign-on.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use saml::device::EvidenceGrade;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Frame, base};
use super::{PageError, go, page as answer, told};
use crate::admin::tenant::{self, Settings};
use crate::admin::{AdminError, Right, domain, service};
use crate::grade::Grade;
use crate::identity_provider::Kind;
use crate::store::tenant::Tenant;

const CLAIMS: [(&str, &str); 3] = [
    ("local", "a local account"),
    ("managed", "the device's management has named the person"),
    ("directory", "the account is a directory's, and the device is joined to it"),
];

#[derive(Template)]
#[template(path = "policy.html")]
struct SettingsPage {
    frame: Frame,
    tenant: String,
    problem: Option<String>,
    row: Tenant,
    evidence: String,
    grades: [(&'static str, &'static str); 4],
    claim: String,
    claims: [(&'static str, &'static str); 3],
    proof_idps: Vec<(String, bool)>,
    limits: Vec<Choice>,
    others: Vec<Choice>,
    visits: Vec<Choice>,
    domains: Vec<String>,
    services: Vec<String>,
    may_change: bool,
}

/// One of several ways, and whether it holds.
struct Choice {
    value: &'static str,
    label: &'static str,
    holds: bool,
}

fn choices<T: serde::Serialize>(holds: &T, all: &[(&'static str, &'static str)]) -> Vec<Choice> {
    let holds = serde_json::to_value(holds).unwrap_or_default();
    all.iter().map(|(value, label)| Choice { value, label, holds: holds == *value }).collect()
}

const LIMITS: [(&str, &str); 2] = [
    ("refuse", "the new one is refused"),
    ("remove-oldest", "the one that they have not used for the longest time is removed"),
];
const OTHERS: [(&str, &str); 3] =
    [("allow", "they sign on"), ("queue", "the device waits for approval"), ("refuse", "they are refused")];
const VISITS: [(&str, &str); 2] = [
    ("ask", "a page that asks whether to sign in with the device"),
    ("automatic", "nothing: it is sent to the device at once"),
];

pub(super) async fn settings_page(
    visitor: &Visitor,
    name: &str,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let row = tenant::named(visitor.admin(), name).await?;
    let domains = domain::of_tenant(visitor.admin(), name).await?;
    let services = service::of_tenant(visitor.admin(), name).await?;
    let page = SettingsPage {
        frame: Frame::new(visitor, "Sign-on", Some(name), "/policy"),
        tenant: name.to_owned(),
        problem,
        evidence: row.minimum_evidence.to_string(),
        claim: row.minimum_claim.to_string(),
        proof_idps: proof_idps(&row),
        limits: choices(&row.policy.at_limit, &LIMITS),
        others: choices(&row.policy.other_person, &OTHERS),
        visits: choices(&row.policy.first_visit, &VISITS),
        domains: domains.into_iter().map(|domain| domain.name).collect(),
        services: services.into_iter().map(|service| service.entity_id.to_string()).collect(),
        row,
        grades: Grade::ALL.map(|grade| (grade.as_str(), grade.meaning())),
        claims: CLAIMS,
        may_change: visitor.admin().rights.contain(Right::Policy),
    };
    Ok(answer(page.problem.as_ref(), &page))
}

/// The tenant's other identity providers, and whether people may prove who they are there.
fn proof_idps(row: &Tenant) -> Vec<(String, bool)> {
    let external = row.providers.list.iter().filter(|one| matches!(one.kind, Kind::External { .. }));
    external.map(|one| (one.name.clone(), row.proof_idps.contains(&one.name))).collect()
}

/// `GET …/policy`.
pub(super) async fn page(visitor: Visitor, Path(name): Path<String>) -> Result<Response, PageError> {
    visitor.admin().demand(Right::Read)?;
    settings_page(&visitor, &name, None).await
}

/// `POST …/policy`.
pub(super) async fn save(Path(name): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let saved = match settings(&fields) {
        Ok(settings) => tenant::set(visitor.admin(), &name, settings).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(go(&format!("{}/policy?notice=saved", base(&name)))),
        Err(error) => settings_page(&visitor, &name, Some(told(error)?)).await,
    }
}

fn settings(fields: &Fields) -> Result<Settings, AdminError> {
    let invalid = |field, wanted| AdminError::Invalid { field, given: fields.text(field).to_owned(), wanted };
    let evidence = fields.text("minimum_evidence").parse::<Grade>();
    let claim = fields.text("minimum_claim").parse::<EvidenceGrade>();
    let days = fields.text("proof_days").parse::<u16>();
    let devices = fields.text("devices_per_user").parse::<u16>();
    let seconds = fields.text("session_seconds").parse::<u32>();
    Ok(Settings {
        issuer: None,
        idp_enabled: Some(fields.has("idp", "1")),
        auto_provisioning: Some(fields.has("auto_provisioning", "1")),
        minimum_evidence: Some(evidence.map_err(|()| invalid("minimum_evidence", "a grade"))?),
        minimum_claim: Some(claim.map_err(|_| invalid("minimum_claim", "a kind of claim"))?),
        known_by_claim: Some(fields.has("known_by_claim", "1")),
        proof_days: Some(days.map_err(|_| invalid("proof_days", "a number of days: 1 to 3650"))?),
        proof_idps: Some(fields.all("proof_idp")),
        devices_per_user: Some(devices.map_err(|_| invalid("devices_per_user", "a number of devices: 1 to 65535"))?),
        session_seconds: Some(seconds.map_err(|_| invalid("session_seconds", "a number of seconds: 60 to 604800"))?),
    })
}
