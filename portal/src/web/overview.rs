//! A tenant's first page.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::Visitor;
use super::chart::{self, Share, shares};
use super::view::{Frame, base};
use super::{PageError, html};
use crate::admin::overview::{self, Hour, Risk};
use crate::admin::{domain, token};
use crate::store::token::Token;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    tenant: String,
    devices: i64,
    has_domain: bool,
    has_token: bool,
    signed_on: i64,
    refused: i64,
    most: i64,
    chart: String,
    hours: Vec<Hour>,
    refusals: Vec<Share>,
    states: Vec<Share>,
    platforms: Vec<Share>,
    key_protections: Vec<Share>,
    versions: Vec<Share>,
    risks: Vec<Risk>,
    ending: Vec<Ending>,
}

struct Ending {
    id: String,
    name: String,
    end: String,
    uses: String,
}

/// `GET /admin/t/{tenant}`.
pub(super) async fn page(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let of = overview::of(admin, &tenant).await?;
    let devices = of.states.iter().map(|(_, number)| number).sum();
    let base = base(&tenant);
    let filtered = |name: &'static str| {
        let base = base.clone();
        move |value: &str| {
            let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            format!("{base}/devices?{name}={value}")
        }
    };
    let page = OverviewPage {
        frame: Frame::new(&visitor, &tenant, Some(&tenant), ""),
        devices,
        has_domain: !domain::of_tenant(admin, &tenant).await?.is_empty(),
        has_token: !token::page(admin, &tenant, None, 1).await?.rows.is_empty(),
        signed_on: of.hours.iter().map(|hour| hour.signed_on).sum(),
        refused: of.hours.iter().map(|hour| hour.refused).sum(),
        most: of.hours.iter().map(|hour| hour.signed_on + hour.refused).max().unwrap_or(0),
        chart: chart::hours(&of.hours),
        hours: of.hours,
        refusals: shares(&of.refusals, |_| format!("{base}/audit?kind=refusals")),
        states: shares(&of.states, filtered("state")),
        platforms: shares(&of.platforms, filtered("platform")),
        key_protections: shares(&of.key_protections, filtered("key")),
        versions: shares(&of.versions, filtered("version")),
        risks: of.risks,
        ending: of.ending_tokens.iter().map(ending).collect(),
        tenant,
    };
    Ok(html(StatusCode::OK, &page))
}

fn ending(token: &Token) -> Ending {
    let id = token.id.to_string();
    Ending {
        name: if token.description.is_empty() { id.clone() } else { token.description.clone() },
        end: token.expires_at.map_or_else(|| "nearly used up".to_owned(), |at| format!("expires {at}")),
        uses: token.use_limit.map_or_else(|| token.uses.to_string(), |limit| format!("{} / {limit}", token.uses)),
        id,
    }
}
