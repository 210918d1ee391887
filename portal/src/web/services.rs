//! Services: SAML service providers that may receive assertions.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Confirm, Frame, When, base};
use super::{PageError, go, html, page, told};
use crate::admin::{Right, service};
use crate::sign_on::Portal;
use crate::store::signing_key::Purpose;

/// What a service needs to know of this identity provider.
struct IdpFacts {
    metadata: String,
    sso: Option<String>,
    certificate: String,
}

impl IdpFacts {
    fn of(portal: &Portal) -> Self {
        let signing = portal.keys.now().certificates(Some(Purpose::Service)).into_iter().next().unwrap_or_default();
        let text = base64::engine::general_purpose::STANDARD.encode(signing);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", lines.join("\n"));
        let sso = (!portal.sign_on_ports.is_empty()).then(|| portal.cloud.sso_url().to_owned());
        Self { metadata: portal.cloud.entity_id().to_string(), sso, certificate }
    }
}

struct ServiceRow {
    id: String,
    acs: String,
    created: When,
}

#[derive(Template)]
#[template(path = "services.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<ServiceRow>,
    idp: IdpFacts,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "service_new.html")]
struct FormPage {
    frame: Frame,
    given: Fields,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "service.html")]
struct OnePage {
    frame: Frame,
    id: String,
    acs: String,
    created: When,
    metadata: String,
    idp: IdpFacts,
    may_change: bool,
}

/// `GET …/services`.
pub(super) async fn list(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let row = |service: crate::store::service_provider::ServiceProvider| ServiceRow {
        id: service.entity_id.to_string(),
        acs: service.acs_url,
        created: When::new(service.created_at, admin.now),
    };
    let page = ListPage {
        frame: Frame::new(&visitor, "Services", Some(&tenant), "/services"),
        rows: service::of_tenant(admin, &tenant).await?.into_iter().map(row).collect(),
        idp: IdpFacts::of(&visitor.portal),
        may_change: admin.rights.contain(Right::Services),
    };
    Ok(html(StatusCode::OK, &page))
}

fn form_page(visitor: &Visitor, tenant: &str, given: Fields, problem: Option<String>) -> Response {
    let frame = Frame::new(visitor, "Add a service", Some(tenant), "/services");
    let form = FormPage { frame, given, problem };
    page(form.problem.as_ref(), &form)
}

/// `GET …/services/new`.
pub(super) async fn form(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    visitor.admin().demand(Right::Services)?;
    Ok(form_page(&visitor, &tenant, Fields::default(), None))
}

fn path_of(tenant: &str, id: &str, what: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("{}/services/{what}?id={id}", base(tenant))
}

/// `POST …/services/new`.
pub(super) async fn add(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match service::add(visitor.admin(), &tenant, fields.raw("metadata").trim().as_bytes()).await {
        Ok(added) => Ok(go(&format!("{}&notice=service-added", path_of(&tenant, added.entity_id.as_str(), "one")))),
        Err(error) => Ok(form_page(&visitor, &tenant, fields, Some(told(error)?))),
    }
}

/// `GET …/services/one?id=…`: entity IDs are addresses, which don't fit into a path.
pub(super) async fn one(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let row = service::by_entity_id(admin, visitor.query.text("id")).await?;
    let page = OnePage {
        frame: Frame::new(&visitor, "Service", Some(&tenant), "/services"),
        id: row.entity_id.to_string(),
        acs: row.acs_url,
        created: When::new(row.created_at, admin.now),
        metadata: row.metadata,
        idp: IdpFacts::of(&visitor.portal),
        may_change: admin.rights.contain(Right::Services),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET …/services/remove?id=…`.
pub(super) async fn ask(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let row = service::by_entity_id(visitor.admin(), visitor.query.text("id")).await?;
    let id = row.entity_id.as_str();
    let frame = Frame::new(&visitor, "Remove a service", Some(&tenant), "/services");
    let (action, back) = (path_of(&tenant, id, "remove"), path_of(&tenant, id, "one"));
    let mut confirm = Confirm::new(frame, "Remove this service?".to_owned(), "Remove", action, back);
    confirm.consequences = vec![
        "It receives no more assertions, from the next request on. People keep the sessions that it has given them."
            .to_owned(),
    ];
    confirm.things = vec![id.to_owned()];
    Ok(confirm.page())
}

/// `POST …/services/remove?id=…`.
pub(super) async fn remove(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    service::remove(posted.visitor.admin(), posted.visitor.query.text("id")).await?;
    Ok(go(&format!("{}/services?notice=service-removed", base(&tenant))))
}
