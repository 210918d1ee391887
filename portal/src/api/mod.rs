//! `/api/v1`: administration for programs, with API keys, in JSON.
//!
//! [`operations`] is the one table: requests are dispatched by it and the OpenAPI document is made from it, so neither can
//! know an operation that the other doesn't. Each operation calls the same function as the command line and the pages.

mod calls;
mod document;
mod operations;
mod schemas;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::admin::{Admin, AdminError, api_key};
use crate::clock;
use crate::door::body::{self, NoBody};
use crate::sign_on::Portal;
use crate::web::fields::Fields;
use crate::web::status_of;

use operations::{OPERATIONS, Operation};

/// The largest body of a request, in octets: a service's metadata.
const LARGEST_BODY: usize = 1024 * 1024;

/// The API's routes.
pub(crate) fn router() -> Router<Arc<Portal>> {
    Router::new().route("/api/v1/{*rest}", any(answer))
}

/// What an operation is called with.
pub(super) struct Call {
    admin: Admin,
    portal: Arc<Portal>,
    path: Vec<(&'static str, String)>,
    query: Fields,
    body: Value,
}

impl Call {
    /// The part of the path that the operation's template names `name`.
    fn part(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// Why a request was not done, as RFC 9457 tells it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    field: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: &str) -> Self {
        Self { status, kind, detail: detail.to_owned(), field: None }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let status = status_of(&error);
        if status.is_server_error() {
            tracing::error!(error = &error as &dyn std::error::Error, "could not answer a program");
        }
        let kind = match status {
            StatusCode::NOT_FOUND => "not-found",
            StatusCode::FORBIDDEN => "scope-missing",
            StatusCode::CONFLICT => "conflict",
            StatusCode::UNPROCESSABLE_ENTITY => "invalid",
            _ => "portal-failed",
        };
        let field = if let AdminError::Invalid { field, .. } = &error { Some(*field) } else { None };
        Self { status, kind, detail: error.to_string(), field }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:countersign:problem:{}", self.kind),
            "title": self.kind.replace('-', " "),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        let mut response = json_response(self.status, "application/problem+json", &body);
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn json_response(status: StatusCode, kind: &'static str, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}

async fn answer(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    if request.uri().path() == "/api/v1/openapi.json" {
        return json_response(StatusCode::OK, "application/json", &document::document(portal.cloud.base()));
    }
    match dispatch(&portal, request).await {
        Ok((StatusCode::NO_CONTENT, _)) => StatusCode::NO_CONTENT.into_response(),
        Ok((status, body)) => json_response(status, "application/json", &body),
        Err(problem) => problem.into_response(),
    }
}

async fn dispatch(portal: &Arc<Portal>, request: Request) -> Result<(StatusCode, Value), Problem> {
    let (parts, body) = request.into_parts();
    let admin = authenticate(portal, &parts.headers).await?;
    let (operation, path) = find(&parts.method, parts.uri.path())?;
    let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let body = body::read(body, LARGEST_BODY).await.map_err(|error| match error {
        NoBody::TooSlow => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not come in ten seconds")
        }
        NoBody::TooLarge | NoBody::BrokeOff => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "a body may have a mebibyte at most")
        }
    })?;
    let Some(_permit) = portal.admission.enter() else {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the portal has too much to do: try again"));
    };
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "not-json", &format!("the body can't be read: {error}"))
        })?
    };
    let value = (operation.call)(Call { admin, portal: Arc::clone(portal), path, query, body }).await?;
    Ok((operation.success(), value))
}

/// Who calls. API keys only: a browser's session opens nothing here, so no other site can make it.
async fn authenticate(portal: &Portal, headers: &HeaderMap) -> Result<Admin, Problem> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = shown.and_then(|value| value.strip_prefix("Bearer "));
    let unknown = || {
        let detail = "show an API key that is in force as `Authorization: Bearer KEY`; owners make them under API keys";
        Problem::new(StatusCode::UNAUTHORIZED, "not-authenticated", detail)
    };
    let known = api_key::authenticate(&portal.store, key.ok_or_else(unknown)?, clock::now()).await?;
    known.ok_or_else(unknown)
}

type Found = (&'static Operation, Vec<(&'static str, String)>);

/// The operation that `method` and `path` name, with the parts of the path.
fn find(method: &Method, path: &str) -> Result<Found, Problem> {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let mut there = false;
    for operation in OPERATIONS {
        if let Some(parts) = fits(operation.path, path) {
            if operation.method == method.as_str() {
                return Ok((operation, parts));
            }
            there = true;
        }
    }
    Err(if there {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "see `/api/v1/openapi.json` for the methods")
    } else {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such address; see `/api/v1/openapi.json`")
    })
}

/// The parts of `path`, decoded, if it has the form of `template`.
fn fits(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some(wanted), Some(given)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => parts.push((name, percent_decode_str(given).decode_utf8().ok()?.into_owned())),
                None if wanted == given => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_by_their_form() {
        let (operation, parts) = find(&Method::GET, "/api/v1/users/alice%40example.test").unwrap();
        assert_eq!((operation.id, parts[0].1.as_str()), ("getUser", "alice@example.test"));
        assert_eq!(find(&Method::DELETE, "/api/v1/tenants").err().unwrap().status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(find(&Method::GET, "/api/v1/nothing").err().unwrap().status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn each_operation_has_a_name_and_an_address_of_its_own() {
        let mut ids: Vec<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        let mut addresses: Vec<_> = OPERATIONS.iter().map(|operation| (operation.method, operation.path)).collect();
        ids.sort_unstable();
        addresses.sort_unstable();
        ids.dedup();
        addresses.dedup();
        assert_eq!((ids.len(), addresses.len()), (OPERATIONS.len(), OPERATIONS.len()));
    }
}
