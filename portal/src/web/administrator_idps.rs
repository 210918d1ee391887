//! Identity providers that sign administrators in, and which account is who there.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::access::{Posted, Visitor};
use super::administrators::reach;
use super::fields::Fields;
use super::services::certificate;
use super::view::{Confirm, Frame};
use super::{PageError, go, page, told};
use crate::admin::administrator_idp::{self, Link, may_speak_for, what};
use crate::admin::{AdminError, Noun, administrator, tenant};
use crate::grade::Grade;
use crate::store::administrator_idp::{AdministratorIdp, Kind};

/// Under which section of the menu these pages are.
const SECTION: &str = "/administrators";

#[derive(Template)]
#[template(path = "administrator_idps.html")]
struct ListPage {
    frame: Frame,
    problem: Option<String>,
    rows: Vec<IdpRow>,
    given: Fields,
    tenants: Vec<String>,
    whole: bool,
    grades: [Grade; 4],
    /// The pages as a service provider: entity ID, which is its metadata's address, ACS and certificate.
    sp: [String; 3],
}

struct IdpRow {
    name: String,
    what: String,
    reach: String,
    /// Whether who looks may remove it.
    is_ours: bool,
    accounts: usize,
}

async fn list_page(visitor: &Visitor, given: Fields, problem: Option<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let idps = administrator_idp::list(admin).await?;
    let accounts = administrator::list(admin).await?;
    let tenants = tenant::list(admin).await?;
    let row = |idp: &AdministratorIdp| IdpRow {
        name: idp.name.clone(),
        what: what(idp),
        reach: reach(&tenants, idp.tenant_id.as_ref()),
        is_ours: admin.reach.is_none() || admin.reach == idp.tenant_id,
        accounts: accounts.iter().filter(|account| account.idp_id.as_deref() == Some(&idp.id)).count(),
    };
    let cloud = &visitor.portal.cloud;
    let list = ListPage {
        frame: Frame::new(visitor, "Identity providers for administrators", None, SECTION),
        problem,
        rows: idps.iter().map(row).collect(),
        given,
        tenants: tenants.iter().map(|tenant| tenant.name.clone()).collect(),
        whole: admin.reach.is_none(),
        grades: [Grade::Proved, Grade::Verified, Grade::Assigned, Grade::Claimed],
        sp: [cloud.console_entity_id().to_string(), cloud.console_acs_url().to_owned(), certificate(&visitor.portal)],
    };
    Ok(page(list.problem.as_ref(), &list))
}

/// `GET /admin/administrator-idps`.
pub(super) async fn list(visitor: Visitor) -> Result<Response, PageError> {
    list_page(&visitor, Fields::default(), None).await
}

/// `POST /admin/administrator-idps`.
pub(super) async fn add(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match record(&visitor, &fields).await {
        Ok(_) => Ok(go("/admin/administrator-idps?notice=idp-added")),
        Err(error) => list_page(&visitor, fields, Some(told(error)?)).await,
    }
}

async fn record(visitor: &Visitor, fields: &Fields) -> Result<AdministratorIdp, AdminError> {
    let (admin, name) = (visitor.admin(), fields.text("name"));
    let tenant = fields.some("tenant");
    if fields.text("kind") != "devices" {
        let metadata = fields.raw("metadata").trim().as_bytes();
        return administrator_idp::add_external(admin, name, tenant.as_deref(), metadata).await;
    }
    let grade = fields.text("minimum_evidence");
    let minimum = grade.parse().map_err(|()| AdminError::Invalid {
        field: "minimum_evidence",
        given: grade.to_owned(),
        wanted: "a grade: `claimed`, `assigned`, `proved` or `verified`",
    })?;
    let everybody = tenant.is_none() && admin.reach.is_none();
    let devices_of = fields.text("devices_of");
    administrator_idp::add_devices(admin, &visitor.portal.cloud, (name, devices_of), minimum, everybody).await
}

/// `GET /admin/administrator-idps/{name}/remove`.
pub(super) async fn ask(visitor: Visitor, Path(name): Path<String>) -> Result<Response, PageError> {
    let rows = administrator_idp::list(visitor.admin()).await?;
    if !rows.iter().any(|row| row.name == name) {
        return Err(AdminError::missing(Noun::AdministratorIdp, &name).into());
    }
    let frame = Frame::new(&visitor, "Remove", None, SECTION);
    let escaped: String = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC).collect();
    let action = format!("/admin/administrator-idps/{escaped}/remove");
    let mut confirm =
        Confirm::new(frame, format!("Remove {name}?"), "Remove", action, "/admin/administrator-idps".to_owned());
    confirm.consequences = vec![
        "It signs nobody in any more. Accounts that it has signed in need their password, or a new link.".to_owned(),
        "Their sessions end now.".to_owned(),
    ];
    Ok(confirm.page())
}

/// `POST /admin/administrator-idps/{name}/remove`.
pub(super) async fn remove(Path(name): Path<String>, posted: Posted) -> Result<Response, PageError> {
    administrator_idp::remove(posted.visitor.admin(), &name).await?;
    Ok(go("/admin/administrator-idps?notice=idp-removed"))
}

#[derive(Template)]
#[template(path = "administrator_link.html")]
struct LinkPage {
    frame: Frame,
    problem: Option<String>,
    name: String,
    has_password: bool,
    /// The identity provider, the name there, and the devices.
    now: Option<(String, String, String)>,
    /// Names of those that may speak for the account, and whether each is devices.
    idps: Vec<(String, bool)>,
    given: Fields,
}

async fn show_link(
    visitor: &Visitor,
    name: &str,
    given: Fields,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let account = administrator::list(admin).await?.into_iter().find(|account| account.name == name);
    let account = account.ok_or_else(|| AdminError::missing(Noun::Administrator, name))?;
    let idps = administrator_idp::list(admin).await?;
    let linked = idps.iter().find(|idp| account.idp_id.as_deref() == Some(&idp.id));
    let shown = LinkPage {
        frame: Frame::new(visitor, "Sign-in by an identity provider", None, SECTION),
        problem,
        name: name.to_owned(),
        has_password: account.password.is_some(),
        now: linked.map(|idp| {
            (idp.name.clone(), account.idp_subject.clone().unwrap_or_default(), account.idp_devices.join(" "))
        }),
        idps: idps
            .iter()
            .filter(|idp| may_speak_for(idp, &account))
            .map(|idp| (idp.name.clone(), matches!(idp.kind, Kind::Devices { .. })))
            .collect(),
        given,
    };
    Ok(page(shown.problem.as_ref(), &shown))
}

/// `GET /admin/administrators/{name}/link`.
pub(super) async fn link_page(visitor: Visitor, Path(name): Path<String>) -> Result<Response, PageError> {
    show_link(&visitor, &name, Fields::default(), None).await
}

/// `POST /admin/administrators/{name}/link`.
pub(super) async fn link(Path(name): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let admin = visitor.admin();
    let link = Link {
        idp: fields.text("idp").to_owned(),
        subject: fields.text("subject").to_owned(),
        devices: fields.text("devices").split_whitespace().map(str::to_owned).collect(),
    };
    match administrator_idp::link(admin, &name, link).await {
        Ok(_) => Ok(go("/admin/administrators?notice=linked")),
        Err(error) => show_link(&visitor, &name, fields, Some(told(error)?)).await,
    }
}
