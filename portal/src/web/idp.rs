//! Identity providers of a tenant: what holds, what is prepared, and bringing a version back.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use saml::metadata::Role;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::services::certificate;
use super::view::{Frame, When, base};
use super::{PageError, go, page as answer, told};
use crate::admin::idp::{self, Changes};
use crate::admin::metadata::one_entity;
use crate::admin::{Admin, AdminError, Right};
use crate::identity_provider::{Domains, Kind, Provider};
use crate::sign_on::Portal;

#[derive(Template)]
#[template(path = "idp.html")]
struct IdpPage {
    frame: Frame,
    problem: Option<String>,
    has_draft: bool,
    draft_by: String,
    difference: Vec<String>,
    rows: Vec<ProviderRow>,
    versions: Vec<VersionRow>,
    /// The portal as a service provider: entity ID, which is its metadata's address, ACS and certificate.
    sp: [String; 3],
    may_change: bool,
}

struct ProviderRow {
    name: String,
    kind: String,
    is_default: bool,
    status: &'static str,
    domains: String,
    auto: &'static str,
}

struct VersionRow {
    number: i64,
    at: When,
    by: String,
    holds: bool,
}

impl ProviderRow {
    fn new(provider: &Provider) -> Self {
        Self {
            name: provider.name.clone(),
            kind: match &provider.kind {
                Kind::Countersign => "this portal".to_owned(),
                Kind::External { entity_id, .. } => entity_id.clone(),
            },
            is_default: provider.is_default,
            status: if provider.enabled { "enabled" } else { "disabled" },
            domains: match &provider.domains {
                _ if provider.is_default => "every other".to_owned(),
                Domains::Any => "Any".to_owned(),
                Domains::Only(list) if list.is_empty() => "none".to_owned(),
                Domains::Only(list) => list.join(", "),
            },
            auto: if provider.auto_provisioning { "on" } else { "off" },
        }
    }
}

async fn idp_page(visitor: &Visitor, tenant: &str, problem: Option<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let standing = idp::standing(admin, tenant).await?;
    let shown = standing.draft.as_ref().map_or(&standing.active, |draft| &draft.providers);
    let version = |version: crate::store::provider::Version| VersionRow {
        number: version.version,
        at: When::new(version.activated_at, admin.now),
        by: version.activated_by,
        holds: version.version == standing.version,
    };
    let page = IdpPage {
        frame: Frame::new(visitor, "Identity providers", Some(tenant), "/idp"),
        problem,
        has_draft: standing.draft.is_some(),
        draft_by: standing.draft.as_ref().map(|draft| draft.changed_by.clone()).unwrap_or_default(),
        difference: standing.difference.clone(),
        rows: shown.list.iter().map(ProviderRow::new).collect(),
        versions: idp::versions(admin, tenant).await?.into_iter().map(version).collect(),
        sp: service_provider(&visitor.portal),
        may_change: admin.rights.contain(Right::Policy),
    };
    Ok(answer(page.problem.as_ref(), &page))
}

fn service_provider(portal: &Portal) -> [String; 3] {
    [portal.cloud.sp_entity_id().to_string(), portal.cloud.acs_url().to_owned(), certificate(portal)]
}

/// `GET …/idp`.
pub(super) async fn page(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    visitor.admin().demand(Right::Read)?;
    idp_page(&visitor, &tenant, None).await
}

/// `POST …/idp/{step}`: everything goes into the draft, until it is activated.
pub(super) async fn change(
    Path((tenant, step)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match apply(visitor.admin(), &tenant, &step, &fields).await {
        Ok(notice) => Ok(go(&format!("{}/idp?notice={notice}", base(&tenant)))),
        Err(error) => idp_page(&visitor, &tenant, Some(told(error)?)).await,
    }
}

async fn apply(admin: &Admin, tenant: &str, step: &str, fields: &Fields) -> Result<&'static str, AdminError> {
    let name = fields.text("name");
    match step {
        "activate" => {
            idp::activate(admin, tenant).await?;
            return Ok("activated");
        }
        "discard" => {
            idp::discard(admin, tenant).await?;
            return Ok("discarded");
        }
        "bring-back" => idp::bring_back(admin, tenant, fields.text("version").parse().unwrap_or(0)).await?,
        "add" => {
            let metadata = fields.raw("metadata").trim().as_bytes();
            let metadata = one_entity(metadata, Role::IdentityProvider, fields.some("entity_id").as_deref())?;
            idp::add_external(admin, tenant, name, &metadata, Changes::default()).await?;
        }
        "map" => {
            let domains = Some(domains(fields.text("domains")));
            idp::set(admin, tenant, name, Changes { domains, ..Changes::default() }).await?;
        }
        "set" if fields.has("default", "1") => idp::make_default(admin, tenant, name).await?,
        "set" if fields.has("remove", "1") => idp::remove(admin, tenant, name).await?,
        "set" => {
            let switch = |field: &str| fields.some(field).map(|value| value == "1");
            let changes = Changes { domains: None, enabled: switch("enabled"), auto_provisioning: switch("auto") };
            idp::set(admin, tenant, name, changes).await?;
        }
        _ => {
            let wanted = "a change of identity providers";
            return Err(AdminError::Invalid { field: "step", given: step.to_owned(), wanted });
        }
    }
    Ok("prepared")
}

fn domains(given: &str) -> Domains {
    if given.eq_ignore_ascii_case("any") {
        return Domains::Any;
    }
    let list = given.split(',').map(str::trim).filter(|domain| !domain.is_empty());
    Domains::Only(list.map(str::to_owned).collect())
}
