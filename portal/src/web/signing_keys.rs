//! The keys that sign Responses: which there are, and until when.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::HEXUPPER;
use ring::digest::{SHA256, digest};

use super::access::Visitor;
use super::view::{Frame, When};
use super::{PageError, html};
use crate::admin::{Right, key};
use crate::store::signing_key::{Purpose, SigningKey};

#[derive(Template)]
#[template(path = "signing_keys.html")]
struct KeysPage {
    frame: Frame,
    rows: Vec<KeyRow>,
}

struct KeyRow {
    id: String,
    purpose: &'static str,
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
    let row = |key: SigningKey| KeyRow {
        purpose: match key.purpose {
            Purpose::Service => "services and other identity providers",
            Purpose::Agent => "agents",
        },
        state: if !key.holds(admin.now) {
            "retired"
        } else if current.id(key.purpose) == key.id {
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
