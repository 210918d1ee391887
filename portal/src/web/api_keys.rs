//! API keys.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use saml::time::UtcTime;

use super::access::{Posted, Visitor};
use super::administrators::reach;
use super::fields::Fields;
use super::view::{Confirm, Frame, When};
use super::{PageError, go, page, told};
use crate::admin::api_key::{self, NewApiKey, parse_scopes};
use crate::admin::token::parse_life;
use crate::admin::{AdminError, Right, tenant};
use crate::store::api_key::ApiKey;

#[derive(Template)]
#[template(path = "api_keys.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<KeyRow>,
    given: Fields,
    problem: Option<String>,
    made: Option<String>,
    cloud: String,
    rights: Vec<Right>,
    tenants: Vec<String>,
    whole: bool,
}

struct KeyRow {
    id: String,
    name: String,
    state: &'static str,
    scopes: String,
    reach: String,
    expires: Option<When>,
    last: Option<When>,
}

fn state(key: &ApiKey, now: UtcTime) -> &'static str {
    match key {
        ApiKey { revoked_at: Some(_), .. } => "revoked",
        ApiKey { expires_at: Some(at), .. } if *at <= now => "expired",
        _ => "active",
    }
}

async fn list_page(
    visitor: &Visitor,
    given: Fields,
    problem: Option<String>,
    made: Option<String>,
) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let keys = api_key::list(admin).await?;
    let tenants = tenant::list(admin).await?;
    let row = |key: &ApiKey| KeyRow {
        id: key.id.clone(),
        name: if key.description.is_empty() { "without description".to_owned() } else { key.description.clone() },
        state: state(key, admin.now),
        scopes: key.scopes.join(", "),
        reach: reach(&tenants, key.tenant_id.as_ref()),
        expires: key.expires_at.map(|at| When::new(at, admin.now)),
        last: key.last_used_at.map(|at| When::new(at, admin.now)),
    };
    let list = ListPage {
        frame: Frame::new(visitor, "API keys", None, "/api-keys"),
        rows: keys.iter().map(row).collect(),
        given,
        problem,
        made,
        cloud: visitor.portal.cloud.base().to_owned(),
        rights: admin.rights.iter().collect(),
        tenants: tenants.into_iter().map(|tenant| tenant.name).collect(),
        whole: admin.reach.is_none(),
    };
    Ok(page(list.problem.as_ref(), &list))
}

/// `GET /admin/api-keys`.
pub(super) async fn list(visitor: Visitor) -> Result<Response, PageError> {
    list_page(&visitor, Fields::default(), None, None).await
}

/// `POST /admin/api-keys`: the one page that shows the key.
pub(super) async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let made = match new_key(&fields) {
        Ok(new) => api_key::create(visitor.admin(), new).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => list_page(&visitor, Fields::default(), None, Some(made.text)).await,
        Err(error) => list_page(&visitor, fields, Some(told(error)?), None).await,
    }
}

fn new_key(fields: &Fields) -> Result<NewApiKey, AdminError> {
    let scopes = fields.all("scope");
    let life = parse_life(fields.text("expires")).map_err(|_| AdminError::Invalid {
        field: "expires",
        given: fields.text("expires").to_owned(),
        wanted: "how long a key works: write `12h`, `90d` or `never`",
    });
    Ok(NewApiKey {
        description: fields.text("description").to_owned(),
        scopes: parse_scopes(scopes.iter().map(String::as_str))?,
        tenant: fields.some("tenant"),
        life: life?,
    })
}

/// `GET /admin/api-keys/{id}/revoke`.
pub(super) async fn ask(visitor: Visitor, Path(id): Path<String>) -> Result<Response, PageError> {
    let frame = Frame::new(&visitor, "Revoke an API key", None, "/api-keys");
    let (action, back) = (format!("/admin/api-keys/{id}/revoke"), "/admin/api-keys".to_owned());
    let mut confirm = Confirm::new(frame, format!("Revoke the API key {id}?"), "Revoke", action, back);
    confirm.consequences =
        vec!["Programs that show it are refused from the next request on. This can't be undone.".to_owned()];
    Ok(confirm.page())
}

/// `POST /admin/api-keys/{id}/revoke`.
pub(super) async fn revoke(Path(id): Path<String>, posted: Posted) -> Result<Response, PageError> {
    api_key::revoke(posted.visitor.admin(), &id).await?;
    Ok(go("/admin/api-keys?notice=key-revoked"))
}
