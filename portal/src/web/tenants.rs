//! Tenants, and the way to the first page.

use askama::Template;
use axum::response::Response;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Frame, When, base};
use super::{PageError, go, page, told};
use crate::admin::{Right, tenant};

#[derive(Template)]
#[template(path = "tenants.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<TenantRow>,
    given: Fields,
    problem: Option<String>,
    may_change: bool,
}

struct TenantRow {
    name: String,
    idp: &'static str,
    auto: &'static str,
    issuer: String,
    created: When,
}

/// `GET /admin`: to the tenant, where there is one only.
pub(super) async fn first(visitor: Visitor) -> Result<Response, PageError> {
    let tenants = tenant::list(visitor.admin()).await?;
    Ok(match &tenants[..] {
        [only] => go(&base(&only.name)),
        _ => go("/admin/tenants"),
    })
}

async fn list_page(visitor: &Visitor, given: Fields, problem: Option<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let on = |switch| if switch { "on" } else { "off" };
    let row = |tenant: crate::store::tenant::Tenant| TenantRow {
        name: tenant.name,
        idp: on(tenant.idp_enabled),
        auto: on(tenant.auto_provisioning),
        issuer: tenant.issuer.to_string(),
        created: When::new(tenant.created_at, admin.now),
    };
    let list = ListPage {
        frame: Frame::new(visitor, "Tenants", None, "/tenants"),
        rows: tenant::list(admin).await?.into_iter().map(row).collect(),
        given,
        problem,
        may_change: admin.rights.contain(Right::Tenants) && admin.reach.is_none(),
    };
    Ok(page(list.problem.as_ref(), &list))
}

/// `GET /admin/tenants`.
pub(super) async fn list(visitor: Visitor) -> Result<Response, PageError> {
    list_page(&visitor, Fields::default(), None).await
}

/// `POST /admin/tenants`.
pub(super) async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match tenant::create(visitor.admin(), fields.text("name")).await {
        Ok(made) => {
            visitor.portal.make_keys_of(visitor.admin(), &made.id).await?;
            Ok(go(&base(&made.name)))
        }
        Err(error) => list_page(&visitor, fields, Some(told(error)?)).await,
    }
}
