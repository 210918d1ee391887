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
use crate::store::tenant::Tenant;

const GRADES: [(&str, &str); 3] = [
    ("local", "The name of a local account is enough."),
    ("managed", "The device's management must name the person."),
    ("directory", "A directory must name the person."),
];

#[derive(Template)]
#[template(path = "policy.html")]
struct SettingsPage {
    frame: Frame,
    tenant: String,
    problem: Option<String>,
    row: Tenant,
    evidence: String,
    grades: [(&'static str, &'static str); 3],
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
        limits: choices(&row.policy.at_limit, &LIMITS),
        others: choices(&row.policy.other_person, &OTHERS),
        visits: choices(&row.policy.first_visit, &VISITS),
        domains: domains.into_iter().map(|domain| domain.name).collect(),
        services: services.into_iter().map(|service| service.entity_id.to_string()).collect(),
        row,
        grades: GRADES,
        may_change: visitor.admin().rights.contain(Right::Policy),
    };
    Ok(answer(page.problem.as_ref(), &page))
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
    let evidence = fields.text("minimum_evidence").parse::<EvidenceGrade>();
    let devices = fields.text("devices_per_user").parse::<u16>();
    let seconds = fields.text("session_seconds").parse::<u32>();
    Ok(Settings {
        idp_enabled: Some(fields.has("idp", "1")),
        auto_provisioning: Some(fields.has("auto_provisioning", "1")),
        minimum_evidence: Some(evidence.map_err(|_| invalid("minimum_evidence", "a grade of evidence"))?),
        devices_per_user: Some(devices.map_err(|_| invalid("devices_per_user", "a number of devices: 1 to 65535"))?),
        session_seconds: Some(seconds.map_err(|_| invalid("session_seconds", "a number of seconds: 60 to 604800"))?),
    })
}
