//! The pages for administrators: made here, on the server, out of the templates in `templates/`.
//!
//! Every page goes through [`access`] and every change through [`crate::admin`]; these files only turn forms into calls and
//! results into pages.

mod access;
mod account;
mod administrator_idps;
mod administrators;
mod api_keys;
mod assets;
mod audit;
mod chart;
mod console;
mod devices;
mod domains;
pub(crate) mod fields;
mod groups;
mod idp;
mod me;
mod overview;
mod passkeys;
mod policy;
mod services;
mod sign_in;
mod sign_on;
mod signing_keys;
mod snippets;
mod support;
mod tenants;
mod tokens;
mod users;
pub(crate) mod view;

pub(crate) use access::cookie;
pub(crate) use assets::Links;
pub(crate) use passkeys::used_passkey;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::admin::AdminError;
use crate::sign_on::Portal;

/// The pages' routes.
pub(crate) fn router() -> Router<Arc<Portal>> {
    Router::new()
        .route("/", get(front_page))
        .route("/assets/{name}", get(assets::serve))
        .route("/me", get(me::page))
        .route("/me/acs", post(me::receive))
        .route("/me/sign-out", post(me::sign_out))
        .route("/me/code", post(me::code))
        .route("/me/approve/{id}", post(me::approve))
        .route("/me/devices/sign-out", get(me::ask_sign_out_of).post(me::sign_out_of))
        .route("/me/passkeys", post(me::begin_passkey))
        .route("/me/passkeys/new", post(me::add_passkey))
        .route("/me/passkeys/remove", post(me::remove_passkey))
        .route("/me/passkeys/{id}/remove", get(me::ask_remove_passkey))
        .route("/admin", get(tenants::first))
        .route("/admin/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/admin/sign-in/with/{idp}", get(console::leave))
        .route("/admin/sign-in/passkey", post(passkeys::ask_stranger))
        .route("/admin/sign-in/passkey/answer", post(passkeys::sign_in))
        .route("/saml/admin", get(console::metadata))
        .route("/saml/admin/acs", post(console::receive))
        .route("/admin/sign-out", post(sign_in::sign_out))
        .route("/admin/invitation/{secret}", get(sign_in::invitation).post(sign_in::accept))
        .route("/admin/account", get(account::page))
        .route("/admin/account/password", post(account::password))
        .route("/admin/account/passkeys", post(passkeys::begin))
        .route("/admin/account/passkeys/new", post(passkeys::register))
        .route("/admin/account/passkeys/{id}/remove", get(passkeys::ask).post(passkeys::remove))
        .route("/admin/account/totp-on", post(account::totp_on))
        .route("/admin/account/totp-off", post(account::totp_off))
        .route("/admin/tenants", get(tenants::list).post(tenants::create))
        .route("/admin/administrators", get(administrators::list).post(administrators::create))
        .route("/admin/administrators/{name}/{step}", get(administrators::ask).post(administrators::change))
        .route("/admin/administrators/{name}/link", get(administrator_idps::link_page).post(administrator_idps::link))
        .route("/admin/administrator-idps", get(administrator_idps::list).post(administrator_idps::add))
        .route("/admin/administrator-idps/{name}/remove", get(administrator_idps::ask).post(administrator_idps::remove))
        .route("/admin/signing-keys", get(signing_keys::page))
        .route("/admin/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/admin/api-keys/{id}/revoke", get(api_keys::ask).post(api_keys::revoke))
        .merge(of_tenant())
}

fn of_tenant() -> Router<Arc<Portal>> {
    let at = |path: &str| format!("/admin/t/{{tenant}}{path}");
    Router::new()
        .route(&at(""), get(overview::page))
        .route(&at("/tokens"), get(tokens::list))
        .route(&at("/tokens/new"), get(tokens::form).post(tokens::create))
        .route(&at("/tokens/{id}"), get(tokens::one))
        .route(&at("/tokens/{id}/revoke"), get(tokens::ask_revoke).post(tokens::revoke))
        .route(&at("/tokens/{id}/rotate"), get(tokens::ask_rotate).post(tokens::rotate))
        .route(&at("/devices"), get(devices::list))
        .route(&at("/devices.csv"), get(devices::csv))
        .route(&at("/devices/move"), post(devices::move_many))
        .route(&at("/devices/{id}"), get(devices::one))
        .route(&at("/devices/{id}/{step}"), get(devices::ask).post(devices::step))
        .route(&at("/devices/{id}/support/diagnostics"), post(support::ask))
        .route(&at("/devices/{id}/support/code"), post(support::code))
        .route(&at("/devices/{id}/support/{request}"), get(support::read))
        .route(&at("/devices/{id}/support/{request}/delete"), post(support::delete))
        .route(&at("/users"), get(users::list).post(users::add))
        .route(&at("/users/{name}"), get(users::one))
        .route(&at("/users/{name}/{step}"), get(users::ask).post(users::step))
        .route(&at("/groups"), get(groups::list))
        .route(&at("/services"), get(services::list))
        .route(&at("/services/new"), get(services::form).post(services::add))
        .route(&at("/services/one"), get(services::one))
        .route(&at("/services/test"), get(services::test))
        .route(&at("/services/settings"), post(services::set))
        .route(&at("/services/metadata"), post(services::update))
        .route(&at("/services/remove"), get(services::ask).post(services::remove))
        .route(&at("/domains"), get(domains::list).post(domains::add))
        .route(&at("/domains/{name}/remove"), get(domains::ask).post(domains::remove))
        .route(&at("/idp"), get(idp::page))
        .route(&at("/idp/{step}"), post(idp::change))
        .route(&at("/policy"), get(sign_on::page).post(sign_on::save))
        .route(&at("/policy/{step}"), post(policy::change))
        .route(&at("/devices/clones"), get(devices::clones))
        .route(&at("/audit"), get(audit::page))
}

/// Why a page is not what was asked for.
pub(crate) enum PageError {
    /// The change or query could not be done.
    Admin(AdminError),
    /// Nobody is signed in; where to go on afterwards.
    SignInFirst(String),
    /// An invitation that can't be used.
    LinkGone,
    /// A form that is not ours, or that was open for longer than the session.
    Forged,
    /// A form that is larger than any of ours.
    TooLarge,
    /// A form that did not come in time.
    TooSlow,
}

impl From<AdminError> for PageError {
    fn from(error: AdminError) -> Self {
        Self::Admin(error)
    }
}

impl From<crate::store::StoreError> for PageError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Admin(error.into())
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    links: Links,
    title: &'static str,
    message: String,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, title, message) = match self {
            Self::SignInFirst(next) => {
                let next = form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
                return Redirect::to(&format!("/admin/sign-in?next={next}")).into_response();
            }
            Self::Forged => {
                let message = "The form was not sent from this session's own page. Go back, load the page again and \
                               send it once more.";
                (StatusCode::FORBIDDEN, "Not done", message.to_owned())
            }
            Self::LinkGone => {
                let message =
                    "This link was used, has expired, or was cut off. Ask an owner of this portal for a new one.";
                (StatusCode::NOT_FOUND, "The link does not work", message.to_owned())
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "Too large", "A form may have a mebibyte at most.".to_owned())
            }
            Self::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "Too slow", "The form did not come in ten seconds.".to_owned())
            }
            Self::Admin(error) => {
                let status = status_of(&error);
                if status.is_server_error() {
                    tracing::error!(error = &error as &dyn std::error::Error, "could not answer an administrator");
                }
                let title = match status {
                    StatusCode::NOT_FOUND => "Not there",
                    StatusCode::FORBIDDEN => "Not allowed",
                    _ if status.is_server_error() => "Something is wrong with the portal",
                    _ => "Not done",
                };
                (status, title, sentence(&error))
            }
        };
        html(status, &ErrorPage { links: Links, title, message })
    }
}

/// The status of HTTP that an error of administration is answered with.
pub(crate) fn status_of(error: &AdminError) -> StatusCode {
    match error {
        AdminError::NotFound { .. } => StatusCode::NOT_FOUND,
        AdminError::Forbidden(_) => StatusCode::FORBIDDEN,
        AdminError::Duplicate { .. } | AdminError::Unproven { .. } | AdminError::LastOwner(_) => StatusCode::CONFLICT,
        AdminError::Scim(fault) => fault.status,
        AdminError::Invalid { .. } | AdminError::Metadata(_) | AdminError::Rule(_) | AdminError::Passkey(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        AdminError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        AdminError::Store(_)
        | AdminError::File(_)
        | AdminError::Signing(_)
        | AdminError::Random(_)
        | AdminError::Hashing(_)
        | AdminError::Thread { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error as a sentence for people.
fn sentence(error: &AdminError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>() + ".").unwrap_or_default()
}

/// What a form's page says above the form; errors that no other input would correct are passed on.
fn told(error: AdminError) -> Result<String, PageError> {
    let status = status_of(&error);
    if status.is_server_error() || status == StatusCode::FORBIDDEN { Err(error.into()) } else { Ok(sentence(&error)) }
}

/// A page. Nothing that administrators see is kept by a browser or by anything between.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (status, headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not make a page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page whose form could not be taken, or a plain one.
fn page(problem: Option<&String>, page: &impl Template) -> Response {
    html(if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, page)
}

/// To another page, after a form.
fn go(to: &str) -> Response {
    Redirect::to(to).into_response()
}

#[derive(Template)]
#[template(path = "front_page.html")]
struct FrontPage {
    links: Links,
}

/// What somebody sees who opens the portal's address in a browser.
async fn front_page() -> Response {
    html(StatusCode::OK, &FrontPage { links: Links })
}
