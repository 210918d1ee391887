//! The keys that sign Responses: which there are, and until when.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::HEXUPPER;
use ring::digest::{SHA256, digest};

use super::access::Visitor;
use super::view::{Frame, When};
use super::{PageError, html};
use crate::admin::{Right, key, tenant};
use crate::store::signing_key::{Purpose, SigningKey};

#[derive(Template)]
#[template(path = "signing_keys.html")]
struct KeysPage {
    frame: Frame,
    rows: Vec<KeyRow>,
}

struct KeyRow {
    id: String,
    purpose: String,
    state: &'static str,
    made: When,
    retires: Option<When>,
    fingerprint: String,
}

/// `GET /admin/signing-keys`.
pub(super) async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let admin = visitor.admin();
    admin.demand(Right::Keys)?;
    let current = visitor.portal.keys.now();
    let tenants = tenant::list(admin).await?;
    let signs = |key: &SigningKey| match &key.tenant_id {
        None => current.id(key.purpose) == key.id,
        Some(id) => current.tenant_key_id(id) == Some(&key.id),
    };
    let row = |key: SigningKey| KeyRow {
        purpose: match (key.purpose, &key.tenant_id) {
            (Purpose::Service, None) => {
                "other identity providers, and services of tenants with the shared issuer".to_owned()
            }
            (Purpose::Service, Some(id)) => {
                let tenant = tenants.iter().find(|tenant| tenant.id == *id);
                format!("services of {}", tenant.map_or("", |tenant| &tenant.name))
            }
            (Purpose::Agent, _) => "agents".to_owned(),
        },
        state: if !key.holds(admin.now) {
            "retired"
        } else if signs(&key) {
            "signs"
        } else {
            "listed"
        },
        made: When::new(key.created_at, admin.now),
        retires: key.retires_at.map(|at| When::new(at, admin.now)),
        fingerprint: HEXUPPER.encode(digest(&SHA256, &key.certificate).as_ref()),
        id: key.id,
    };
    let rows = key::list(admin).await?.into_iter().map(row).collect();
    Ok(html(StatusCode::OK, &KeysPage { frame: Frame::new(&visitor, "Signing keys", None, "/signing-keys"), rows }))
}
