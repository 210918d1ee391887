//! What support does for a device from its page: asks it for diagnostics and reads them, and makes break-glass codes.

use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::{Posted, Visitor};
use super::devices::DeviceRow;
use super::view::{Frame, When, base};
use super::{PageError, go, told};
use crate::admin::{AdminError, Right, break_glass, device, diagnostics};
use crate::store::device::DeviceState;
use crate::store::diagnostics::DiagnosticsRequest;

/// Lives of codes that are offered: value, what people read.
const LIVES: [(&str, &str); 4] = [("1h", "an hour"), ("4h", "four hours"), ("24h", "a day"), ("48h", "two days")];

/// What was asked of a device.
pub(super) struct RequestRow {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) by: String,
    pub(super) at: When,
    pub(super) size: String,
    pub(super) is_kept: bool,
}

/// The section of the device's page.
pub(super) struct Support {
    pub(super) may: bool,
    pub(super) can_be_asked: bool,
    pub(super) lives: [(&'static str, &'static str); 4],
    pub(super) requests: Vec<RequestRow>,
}

impl Support {
    pub(super) async fn of(visitor: &Visitor, id: &str, state: DeviceState) -> Result<Self, AdminError> {
        let admin = visitor.admin();
        let row = |request: DiagnosticsRequest| RequestRow {
            is_kept: request.octets.is_some(),
            size: request.octets.map_or_else(String::new, |octets| format!("{} KiB", octets.max(0) / 1024 + 1)),
            at: When::new(request.asked_at, admin.now),
            id: request.id,
            state: request.state,
            by: request.asked_by,
        };
        Ok(Self {
            may: admin.rights.contain(Right::Devices),
            can_be_asked: state == DeviceState::Registered,
            lives: LIVES,
            requests: diagnostics::list(admin, Some(id)).await?.into_iter().map(row).collect(),
        })
    }
}

#[derive(Template)]
#[template(path = "break_glass.html")]
struct CodePage {
    frame: Frame,
    here: String,
    name: String,
    code: String,
    until: When,
    problem: Option<String>,
}

fn here(tenant: &str, id: &str) -> String {
    format!("{}/devices/{id}", base(tenant))
}

/// `POST …/devices/{id}/support/diagnostics`.
pub(super) async fn ask(Path((tenant, id)): Path<(String, String)>, posted: Posted) -> Result<Response, PageError> {
    diagnostics::ask(posted.visitor.admin(), &id).await?;
    Ok(go(&format!("{}?notice=diagnostics-asked", here(&tenant, &id))))
}

/// `POST …/devices/{id}/support/code`: the code is on this page and nowhere else.
pub(super) async fn code(Path((tenant, id)): Path<(String, String)>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let life = fields.text("for").to_owned();
    let seconds = match humantime::parse_duration(&life) {
        Ok(life) if LIVES.iter().any(|(offered, _)| *offered == fields.text("for")) => life,
        Ok(_) | Err(_) => Duration::ZERO,
    };
    let device = device::named(visitor.admin(), &id).await?;
    let frame = Frame::new(&visitor, "Break-glass code", Some(&tenant), "/devices");
    let (here, now) = (here(&tenant, &id), visitor.admin().now);
    let name = DeviceRow::new(&device, now).name;
    let page = match break_glass::make(visitor.admin(), &id, seconds).await {
        Ok(made) => CodePage { frame, here, name, code: made.code, until: When::new(made.until, now), problem: None },
        Err(error) => {
            let problem = Some(told(error)?);
            CodePage { frame, here, name, code: String::new(), until: When::new(now, now), problem }
        }
    };
    Ok(super::page(page.problem.as_ref(), &page))
}

/// `GET …/devices/{id}/support/{request}`: the bundle, as a file.
pub(super) async fn read(
    visitor: Visitor,
    Path((_, _, request)): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    visitor.admin().demand(Right::Devices)?;
    let bundle = diagnostics::read(visitor.admin(), &request).await?;
    // The names of requests are hexadecimal; nothing else is found.
    let kind = if bundle.starts_with(b"age-encryption.org/") { "zip.age" } else { "zip" };
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"diagnostics-{request}.{kind}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::OK, headers, bundle).into_response())
}

/// `POST …/devices/{id}/support/{request}/delete`.
pub(super) async fn delete(
    Path((tenant, id, request)): Path<(String, String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    diagnostics::delete(posted.visitor.admin(), &request).await?;
    Ok(go(&format!("{}?notice=diagnostics-deleted", here(&tenant, &id))))
}
