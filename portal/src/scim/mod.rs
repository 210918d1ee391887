//! SCIM 2.0 (RFC 7643, RFC 7644): how a directory provisions the people and groups of one tenant. It shows an API key with the scope `scim`
//! that was made for that tenant.

mod caller;
mod discovery;
pub mod fault;
pub mod filter;
mod group_patch;
mod groups;
mod patch;
#[cfg(test)]
mod properties;
mod resource;
mod schema;
mod search;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::door::body::{self, NoBody};
use crate::sign_on::Portal;
use fault::{Fault, ScimType};
use search::Asked;

/// The largest body of a request, in octets.
const LARGEST_BODY: usize = 1024 * 1024;

type Answered = Result<Response, Fault>;

/// The routes.
pub(crate) fn router() -> Router<Arc<Portal>> {
    Router::new().route("/scim/v2", any(handle)).route("/scim/v2/{*rest}", any(handle))
}

/// A request of somebody who may make it.
struct Call {
    admin: Admin,
    /// `https://host/scim/v2`.
    base: String,
    method: Method,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// What is asked for in the query.
    fn asked(&self) -> Result<Asked, Fault> {
        Asked::of_query(&self.query)
    }

    /// The body, which is a JSON object.
    fn json(&self) -> Result<Value, Fault> {
        let syntax = |why: String| Fault::bad(ScimType::InvalidSyntax, why);
        let value: Value = serde_json::from_slice(&self.body)
            .map_err(|why| syntax(format!("the body can't be read as JSON: {why}")))?;
        if value.is_object() { Ok(value) } else { Err(syntax("the body is a JSON object".to_owned())) }
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Passes where the request is for this version of what it changes, or for any.
    fn precondition(&self) -> impl FnOnce(&str) -> Result<(), Fault> + Send + 'static {
        let wanted = self.header(header::IF_MATCH).map(str::to_owned);
        move |version: &str| {
            let Some(wanted) = wanted else { return Ok(()) };
            let fits = |one: &str| one.trim() == "*" || bare(one) == bare(version);
            let changed = || {
                let detail = "it was changed meanwhile: read it again and repeat what is still wanted";
                Fault::new(StatusCode::PRECONDITION_FAILED, detail)
            };
            wanted.split(',').any(fits).then_some(()).ok_or_else(changed)
        }
    }

    /// A resource as it is shown, with its version.
    fn resource(&self, status: StatusCode, resource: Value, asked: &Asked) -> Response {
        let version = resource["meta"]["version"].as_str().unwrap_or_default().to_owned();
        let location = resource["meta"]["location"].as_str().and_then(|url| HeaderValue::from_str(url).ok());
        let known = self.header(header::IF_NONE_MATCH).unwrap_or_default();
        let is_known = known.split(',').any(|one| bare(one) == bare(&version));
        let mut response = if self.method == Method::GET && is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            answer(status, &asked.view.of(resource))
        };
        with_version(&mut response, &version);
        if let Some(location) = location.filter(|_| status == StatusCode::CREATED) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// A version without the mark of a weak one.
fn bare(version: &str) -> &str {
    let version = version.trim();
    version.strip_prefix("W/").unwrap_or(version)
}

fn with_version(response: &mut Response, version: &str) {
    if let Ok(version) = HeaderValue::from_str(version) {
        response.headers_mut().insert(header::ETAG, version);
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/scim+json"), (header::CACHE_CONTROL, "no-store")];
    (status, kind, Body::from(body.to_string())).into_response()
}

/// `ListResponse`: some of `all` resources, the first of which is number `first`.
fn list(resources: Vec<Value>, first: i64, all: i64) -> Response {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": all, "startIndex": first, "itemsPerPage": resources.len(), "Resources": resources,
    });
    answer(StatusCode::OK, &body)
}

async fn handle(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix("/scim/v2").unwrap_or_default().to_owned();
    let admin = match caller::admit(&portal, &parts, &path).await {
        Ok(admin) => admin,
        Err(fault) => return fault.into_response(),
    };
    let method = parts.method.clone();
    let read = body::read(body, LARGEST_BODY).await;
    let _permit = match caller::enter(&portal) {
        Ok(permit) => permit,
        Err(fault) => return fault.into_response(),
    };
    let answered = match read {
        Ok(body) => {
            let body = Bytes::from(body);
            let base = format!("{}/scim/v2", portal.cloud.base());
            let query = parts.uri.query().unwrap_or_default().to_owned();
            dispatch(
                Call { admin: admin.clone(), base, method: parts.method, query, headers: parts.headers, body },
                &path,
            )
            .await
        }
        Err(NoBody::TooSlow) => Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in ten seconds")),
        Err(NoBody::TooLarge | NoBody::BrokeOff) => {
            let detail = "a body may have a mebibyte at most: send fewer members or attributes at once";
            Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
    };
    match answered {
        Ok(response) => response,
        Err(fault) => {
            // What only reads is not in the audit, however it ends.
            if !fault.status.is_server_error() && method != Method::GET {
                caller::note(&admin, &format!("{method} {path}"), &fault).await;
            }
            fault.into_response()
        }
    }
}

async fn dispatch(call: Call, path: &str) -> Answered {
    let segments: Vec<_> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["ServiceProviderConfig"] => described(&call, &[discovery::configuration(&call.base)], Some(0)),
        ["ResourceTypes", id @ ..] => description(&call, discovery::resource_types(&call.base), id),
        ["Schemas", id @ ..] => description(&call, schema::schemas(&call.base), id),
        ["Users"] => users::collection(call).await,
        ["Users", ".search"] => users::search(call).await,
        ["Users", id] => users::one(call, id).await,
        ["Groups"] => groups::collection(call).await,
        ["Groups", ".search"] => groups::search(call).await,
        ["Groups", id] => groups::one(call, id).await,
        [".search"] => Err(not_done(
            "a search over all resources is not supported: post it to `/Users/.search` or `/Groups/.search`",
        )),
        ["Bulk"] => Err(not_done("many operations in one request are not supported: send one request for each")),
        ["Me"] => Err(not_done("a key is nobody's: name a user by id")),
        _ => Err(Fault::new(StatusCode::NOT_FOUND, "there is no such endpoint: see `/ResourceTypes`")),
    }
}

fn not_done(detail: &str) -> Fault {
    Fault::new(StatusCode::NOT_IMPLEMENTED, detail)
}

fn wrong_method() -> Fault {
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, "this endpoint does not take that method")
}

/// One of the descriptions of the server, or all of them.
fn described(call: &Call, all: &[Value], index: Option<usize>) -> Answered {
    if call.method != Method::GET {
        return Err(wrong_method());
    }
    if call.asked()?.has_filter() {
        return Err(Fault::new(StatusCode::FORBIDDEN, "the description of the server is not filtered (RFC 7644 §4)"));
    }
    match index {
        Some(index) => Ok(answer(StatusCode::OK, &all[index])),
        None => Ok(list(all.to_vec(), 1, i64::try_from(all.len()).unwrap_or(i64::MAX))),
    }
}

fn description(call: &Call, all: Vec<Value>, id: &[&str]) -> Answered {
    match id {
        [] => described(call, &all, None),
        [id] => {
            let place =
                all.iter().position(|one| one["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id)));
            let missing = || Fault::new(StatusCode::NOT_FOUND, "there is none of that id: see the list of them");
            described(call, &all, Some(place.ok_or_else(missing)?))
        }
        _ => Err(Fault::new(StatusCode::NOT_FOUND, "there is no such endpoint: see `/ResourceTypes`")),
    }
}

#[cfg(test)]
mod property_tests {
    use proptest::prelude::*;

    use super::properties::reads;

    /// What filters are made of, so that many of the texts are filters.
    const WORDS: [&str; 24] = [
        "userName",
        "emails",
        "type",
        "urn:a:2.0:User:name.givenName",
        "value",
        " eq ",
        " pr",
        " co ",
        " and ",
        " or ",
        "not ",
        "(",
        ")",
        "[",
        "]",
        "\"work\"",
        "\"a\\u00e9\\\"\"",
        "true",
        "null",
        "-1.5e3",
        ".",
        " ",
        "\u{e9}",
        "$ref",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn every_text_is_read_or_refused(text in ".{0,60}") {
            reads(text.as_bytes());
        }

        #[test]
        fn every_heap_of_words_is_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..24)) {
            reads(words.concat().as_bytes());
        }
    }
}
