//! Services: SAML service providers that may receive assertions.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use saml::metadata::SpMetadata;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Confirm, Frame, When, base};
use super::{PageError, go, html, page, told};
use crate::admin::metadata::Given;
use crate::admin::service::Which;
use crate::admin::{AdminError, Right, service, tenant, user};
use crate::logout::Ways;
use crate::rehearsal::Ended;
use crate::service_settings::{NameFormat, ServiceSettings};
use crate::sign_on::Portal;
use crate::store::issuer::Issuer;
use crate::store::person::DeviceUse;
use crate::store::signing_key::Purpose;

/// What a service needs to know of this identity provider.
struct IdpFacts {
    metadata: String,
    /// The address of the tenant's own issuer, where the shared one vouches for its people still.
    own: Option<String>,
    sso: Option<String>,
    certificate: String,
}

impl IdpFacts {
    async fn of(visitor: &Visitor, tenant: &str) -> Result<Self, AdminError> {
        let (portal, tenant) = (&visitor.portal, tenant::named(visitor.admin(), tenant).await?);
        let names = portal.cloud.issuer(tenant.issuer, &tenant.id);
        let certificates = portal.keys.now().issuer_certificates(tenant.issuer, &tenant.id);
        let sso = (!portal.sign_on_ports.is_empty()).then_some(names.sso_url);
        let own = portal.cloud.issuer(Issuer::Own, &tenant.id).entity_id.to_string();
        Ok(Self {
            metadata: names.entity_id.to_string(),
            own: (tenant.issuer == Issuer::Shared).then_some(own),
            sso,
            certificate: pem(certificates.first().map_or(&[], Vec::as_slice)),
        })
    }
}

/// The certificate of the cloud's key that signs for other identity providers, as PEM.
pub(super) fn certificate(portal: &Portal) -> String {
    pem(&portal.keys.now().certificates(Some(Purpose::Service)).into_iter().next().unwrap_or_default())
}

fn pem(certificate: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", lines.join("\n"))
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
    /// What of its metadata is passed over.
    notes: Vec<String>,
    frame: Frame,
    problem: Option<String>,
    id: String,
    settings: ServiceSettings,
    metadata_url: Option<String>,
    acs: String,
    created: When,
    logout: String,
    metadata: String,
    idp: IdpFacts,
    may_change: bool,
}

impl OnePage {
    /// The attributes as the form has them: a line for each.
    fn attributes(&self) -> String {
        self.settings.attributes.iter().map(|rule| format!("{rule}\n")).collect()
    }

    /// The formats of names, each with what it means.
    fn formats(&self) -> [(NameFormat, &'static str); 3] {
        [
            (NameFormat::Email, "Their address, user@domain."),
            (NameFormat::Persistent, "A name that stays and that no other service gets."),
            (NameFormat::Transient, "Another name each time."),
        ]
    }
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
        idp: IdpFacts::of(&visitor, &tenant).await?,
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

fn which<'a>(tenant: &'a str, entity_id: &'a str) -> Which<'a> {
    Which { entity_id, tenant: Some(tenant) }
}

fn path_of(tenant: &str, id: &str, what: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("{}/services/{what}?id={id}", base(tenant))
}

/// `POST …/services/new`.
pub(super) async fn add(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let added = match given(&visitor, &fields).await {
        Ok(given) => service::add(visitor.admin(), &tenant, given).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(added) => Ok(go(&format!("{}&notice=service-added", path_of(&tenant, added.entity_id.as_str(), "one")))),
        Err(error) => Ok(form_page(&visitor, &tenant, fields, Some(told(error)?))),
    }
}

/// The one of the form's ways to describe a service that was filled in.
async fn given(visitor: &Visitor, fields: &Fields) -> Result<Given, AdminError> {
    if let Some(url) = fields.some("metadata_url") {
        let given = Given::fetch(visitor.admin(), Right::Services, (&visitor.portal.client, &url)).await?;
        return Ok(given.about(fields.some("entity_id")));
    }
    if let Some(entity_id) = fields.some("entity_id").filter(|_| fields.raw("metadata").trim().is_empty()) {
        return Given::form(&entity_id, fields.text("acs_url"), fields.raw("certificate"));
    }
    Ok(Given::document(fields.raw("metadata").trim().as_bytes()).about(fields.some("entity_id")))
}

/// `POST …/services/metadata?id=…`: other metadata, or the same address once more.
pub(super) async fn update(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let id = visitor.query.text("id").to_owned();
    let updated = if fields.has("refresh", "1") {
        service::refresh(visitor.admin(), &visitor.portal.client, which(&tenant, &id)).await
    } else {
        match given(&visitor, &fields).await {
            Ok(given) => service::set_metadata(visitor.admin(), which(&tenant, &id), given).await,
            Err(error) => Err(error),
        }
    };
    match updated {
        Ok(_) => Ok(go(&format!("{}&notice=service-updated", path_of(&tenant, &id, "one")))),
        Err(error) => one_page(&visitor, &tenant, &id, Some(told(error)?)).await,
    }
}

/// `POST …/services/settings?id=…`.
pub(super) async fn set(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let id = visitor.query.text("id").to_owned();
    let saved = match settings(&fields) {
        Ok(settings) => service::set(visitor.admin(), which(&tenant, &id), |_| settings).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(go(&format!("{}&notice=saved", path_of(&tenant, &id, "one")))),
        Err(error) => one_page(&visitor, &tenant, &id, Some(told(error)?)).await,
    }
}

fn settings(fields: &Fields) -> Result<ServiceSettings, AdminError> {
    let invalid = |field, given: &str, wanted| AdminError::Invalid { field, given: given.to_owned(), wanted };
    let lines = |field: &str| -> Vec<String> {
        let lines = fields.raw(field).lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let format = fields.text("name_id_format");
    let rule = |line: String| {
        line.parse()
            .map_err(|_| invalid("attributes", &line, "an attribute: `NAME=SOURCE`, with one of the sources below"))
    };
    Ok(ServiceSettings {
        name_id_format: format.parse().map_err(|()| invalid("name_id_format", format, "a format of names"))?,
        mail: fields.has("mail", "1"),
        attributes: lines("attributes").into_iter().map(rule).collect::<Result<_, _>>()?,
        only_people: lines("only_people"),
        only_groups: lines("only_groups"),
        authn_contexts: lines("authn_contexts"),
        sha1_signatures: fields.has("sha1_signatures", "1"),
    })
}

/// `GET …/services/one?id=…`: entity IDs are addresses, which don't fit into a path.
pub(super) async fn one(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let id = visitor.query.text("id").to_owned();
    one_page(&visitor, &tenant, &id, None).await
}

async fn one_page(visitor: &Visitor, tenant: &str, id: &str, problem: Option<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let row = service::one(admin, which(tenant, id)).await?;
    let notes = service::notes(&row);
    let shown = OnePage {
        notes,
        frame: Frame::new(visitor, "Service", Some(tenant), "/services"),
        problem,
        id: row.entity_id.to_string(),
        settings: row.settings,
        metadata_url: row.metadata_url,
        acs: row.acs_url,
        created: When::new(row.created_at, admin.now),
        logout: SpMetadata::parse(row.metadata.as_bytes())
            .map_or_else(|_| String::new(), |said| Ways::of(&said).to_string()),
        metadata: row.metadata,
        idp: IdpFacts::of(visitor, tenant).await?,
        may_change: admin.rights.contain(Right::Services),
    };
    Ok(page(shown.problem.as_ref(), &shown))
}

#[derive(Template)]
#[template(path = "service_test.html")]
struct TestPage {
    frame: Frame,
    id: String,
    user: String,
    device: String,
    devices: Vec<(String, String)>,
    problem: Option<String>,
    ends_well: Option<bool>,
    lines: Vec<(String, String)>,
}

/// `GET …/services/test?id=…&user=…&device=…`: what the service would be told.
pub(super) async fn test(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let (admin, query) = (visitor.admin(), &visitor.query);
    let service = service::one(admin, which(&tenant, query.text("id"))).await?;
    let mut shown = TestPage {
        frame: Frame::new(&visitor, "Test a service", Some(&tenant), "/services"),
        id: service.entity_id.to_string(),
        user: query.text("user").to_owned(),
        device: query.text("device").to_owned(),
        devices: Vec::new(),
        problem: None,
        ends_well: None,
        lines: Vec::new(),
    };
    if shown.user.is_empty() {
        return Ok(page(None, &shown));
    }
    if let Err(error) = play(&visitor, &tenant, &mut shown).await {
        shown.problem = Some(told(error)?);
    }
    Ok(page(shown.problem.as_ref(), &shown))
}

async fn play(visitor: &Visitor, tenant: &str, shown: &mut TestPage) -> Result<(), AdminError> {
    let admin = visitor.admin();
    let detail = user::detail(admin, &shown.user).await?;
    let name = |used: &DeviceUse| {
        let name = if used.hostname.is_empty() { &used.device_id } else { &used.hostname };
        (used.device_id.clone(), name.clone())
    };
    shown.devices = detail.devices.iter().map(name).collect();
    // Another person's device is chosen no longer when the person is another one.
    let known = shown.devices.iter().any(|(id, _)| *id == shown.device);
    let device = Some(shown.device.as_str()).filter(|_| known);
    let played = service::test(admin, &visitor.portal.cloud, which(tenant, &shown.id), (&shown.user, device)).await?;
    shown.ends_well = Some(matches!(played.ended, Ended::Granted(_)));
    shown.lines = played.lines();
    shown.device = played.scene.device.id.to_string();
    Ok(())
}

/// `GET …/services/remove?id=…`.
pub(super) async fn ask(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let row = service::one(visitor.admin(), which(&tenant, visitor.query.text("id"))).await?;
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
    service::remove(posted.visitor.admin(), which(&tenant, posted.visitor.query.text("id"))).await?;
    Ok(go(&format!("{}/services?notice=service-removed", base(&tenant))))
}
