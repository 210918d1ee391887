//! The audit.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::Visitor;
use super::fields::Fields;
use super::view::{Event, Frame, ROWS};
use super::{PageError, html};
use crate::admin::audit;
use crate::store::audit::{AuditFilter, AuditKind};

const KINDS: [(&str, &str); 3] =
    [("", "Everything"), ("refusals", "Refusals"), ("changes", "Changes by administrators")];

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    query: Fields,
    kinds: [(&'static str, &'static str); 3],
    rows: Vec<Event>,
    next: Option<String>,
}

/// `GET …/audit`.
pub(super) async fn page(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let (admin, query) = (visitor.admin(), &visitor.query);
    let kind = match query.text("kind") {
        "refusals" => AuditKind::Refusals,
        "changes" => AuditKind::Changes,
        _ => AuditKind::All,
    };
    let filter = AuditFilter { kind, actor: query.some("actor"), subject: query.some("subject") };
    let after = query.text("after").parse().ok();
    let found = audit::page(admin, &tenant, &filter, after.as_ref(), ROWS).await?;
    let page = AuditPage {
        frame: Frame::new(&visitor, "Audit", Some(&tenant), "/audit"),
        rows: Event::all(&found.rows, admin.now),
        next: found.next.map(|next| query.with("after", &next.to_string())),
        query: query.clone(),
        kinds: KINDS,
    };
    Ok(html(StatusCode::OK, &page))
}
