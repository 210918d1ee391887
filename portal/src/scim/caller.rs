//! Who calls, and whether they may now: the key, its scope and its tenant, how often it comes, and how much the portal has to do.

use std::time::Instant;

use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde_json::json;

use super::fault::Fault;
use crate::admin::api_key::{self, Shown};
use crate::admin::directory::tenant_of;
use crate::admin::{Admin, Right};
use crate::admission::Permit;
use crate::clock;
use crate::sign_on::{Portal, seconds};
use crate::store::audit::{self, Entry};

/// Takes a place among the requests that are answered at the same time; it counts until it is dropped.
pub(super) fn enter(portal: &Portal) -> Result<Permit<'_>, Fault> {
    portal.admission.enter().ok_or_else(|| {
        let wait = seconds(portal.admission.come_back(Instant::now()));
        let detail = "the portal has too much to do: come back after `Retry-After`";
        Fault { retry_after: Some(wait), ..Fault::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    })
}

/// Lets a caller in who shows a good key, and notes who shows one that is not good for this.
pub(super) async fn admit(portal: &Portal, parts: &Parts, path: &str) -> Result<Admin, Fault> {
    // Given back before the body is read: who sends that slowly keeps nobody out.
    let _permit = enter(portal)?;
    let unknown = || {
        let detail =
            "show an API key that is in force as `Authorization: Bearer KEY`; owners make them with the scope `scim`";
        Fault::new(StatusCode::UNAUTHORIZED, detail)
    };
    let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, key) = shown.and_then(|value| value.split_once(' ')).ok_or_else(unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unknown());
    }
    let now = clock::now();
    let admin = match api_key::examine(&portal.store, key.trim(), now).await? {
        Shown::InForce(admin) => admin,
        Shown::Over(admin) => {
            let fault = unknown();
            note(&admin, &format!("{} {path}", parts.method), &fault).await;
            return Err(fault);
        }
        Shown::Unknown => return Err(unknown()),
    };
    if let Err(wait) = portal.rates.take_scim(&admin.actor.to_string(), Instant::now()) {
        let detail = "this key comes too often: come back after `Retry-After`";
        let wait = Some(seconds(wait));
        return Err(Fault { retry_after: wait, ..Fault::new(StatusCode::TOO_MANY_REQUESTS, detail) });
    }
    let refused = if !admin.rights.contain(Right::Scim) {
        Some("this key may not provision: make one with the scope `scim`")
    } else if tenant_of(&admin).is_err() {
        Some("this key reaches every tenant: make one with the scope `scim` for the one tenant whose people these are")
    } else {
        None
    };
    if let Some(detail) = refused {
        let fault = Fault::new(StatusCode::FORBIDDEN, detail);
        note(&admin, &format!("{} {path}", parts.method), &fault).await;
        return Err(fault);
    }
    // What a directory provisions are people and groups, whatever else its key may do elsewhere.
    let rights = [Right::Users].into_iter().collect();
    Ok(Admin { rights, ..admin })
}

/// Writes into the audit that a request was refused.
pub(super) async fn note(admin: &Admin, what: &str, fault: &Fault) {
    let entry = Entry {
        at: admin.now,
        tenant_id: admin.reach.clone(),
        actor: admin.actor.to_string(),
        action: "scim",
        subject: what.chars().take(200).collect(),
        result: fault.code(),
        detail: json!({ "why": fault.detail.chars().take(300).collect::<String>() }),
    };
    let noted = admin.store.write(move |connection| Box::pin(async move { audit::append(connection, entry).await }));
    if let Err(error) = noted.await {
        tracing::error!(error = &error as &dyn std::error::Error, "could not note a refusal of a directory's request");
    }
}
