//! Who is at the door of the pages: cookies, sessions, and the proof that a form is ours.
//!
//! Every page takes a [`Visitor`] and every change a [`Posted`], so no handler can forget to ask.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::PageError;
use super::fields::Fields;
use crate::admin::Admin;
use crate::admin::account::{self, SignedIn};
use crate::admin::password::same;
use crate::clock;
use crate::door::body::{self, NoBody};
use crate::sign_on::Portal;

/// The session's cookie. `__Host-` keeps browsers from taking it from another host or over plain HTTP.
pub(super) const SESSION_COOKIE: &str = "__Host-countersign";
/// The cookie that a form carries too before anybody is signed in.
pub(super) const FORM_COOKIE: &str = "__Host-countersign-form";
/// The field with the form's token.
pub(super) const FORM_TOKEN: &str = "form_token";
/// The largest form, in octets: a service's metadata pasted in.
const LARGEST_FORM: usize = 1024 * 1024;

/// Somebody who is signed in and asks for a page.
pub(super) struct Visitor {
    pub(super) portal: Arc<Portal>,
    pub(super) who: SignedIn,
    pub(super) query: Fields,
}

impl Visitor {
    pub(super) fn admin(&self) -> &Admin {
        &self.who.admin
    }
}

impl FromRequestParts<Arc<Portal>> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, PageError> {
        let signed_in = match cookie(&parts.headers, SESSION_COOKIE) {
            Some(secret) => account::signed_in(&portal.store, &secret, clock::now()).await?,
            None => None,
        };
        let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let Some(who) = signed_in else {
            // After a form the way back is its page: what was typed is not repeated by itself.
            let path = parts.uri.path_and_query().filter(|_| parts.method == axum::http::Method::GET);
            let next = path.map(ToString::to_string).unwrap_or_default();
            return Err(PageError::SignInFirst(next));
        };
        Ok(Self { portal: Arc::clone(portal), who, query })
    }
}

/// A form of ours, from somebody who is signed in.
pub(super) struct Posted {
    pub(super) visitor: Visitor,
    pub(super) fields: Fields,
}

impl FromRequest<Arc<Portal>> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, portal: &Arc<Portal>) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, portal).await?;
        let fields = read_form(Request::from_parts(parts, body)).await?;
        let token = fields.raw(FORM_TOKEN);
        if !same(token.as_bytes(), visitor.who.session.form_token.as_bytes()) {
            return Err(PageError::Forged);
        }
        Ok(Self { visitor, fields })
    }
}

/// A form from somebody who is not signed in: it carries what our cookie holds.
pub(super) struct PostedByStranger {
    pub(super) portal: Arc<Portal>,
    pub(super) fields: Fields,
    pub(super) headers: HeaderMap,
}

impl FromRequest<Arc<Portal>> for PostedByStranger {
    type Rejection = PageError;

    async fn from_request(request: Request, portal: &Arc<Portal>) -> Result<Self, PageError> {
        let headers = request.headers().clone();
        let fields = read_form(request).await?;
        let held = cookie(&headers, FORM_COOKIE).unwrap_or_default();
        if held.is_empty() || !same(fields.raw(FORM_TOKEN).as_bytes(), held.as_bytes()) {
            return Err(PageError::Forged);
        }
        Ok(Self { portal: Arc::clone(portal), fields, headers })
    }
}

/// Reads a form. Browsers say where a request comes from; another site's is refused before it is looked at.
pub(super) async fn read_form(request: Request) -> Result<Fields, PageError> {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(PageError::Forged);
    }
    let body = body::read(request.into_body(), LARGEST_FORM).await.map_err(|error| match error {
        NoBody::TooSlow => PageError::TooSlow,
        NoBody::TooLarge | NoBody::BrokeOff => PageError::TooLarge,
    })?;
    Ok(Fields::parse(&body))
}

/// The content of the cookie `name`.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// A `Set-Cookie` header for `name`: for this host over TLS only, out of reach of scripts, and with no end of its own,
/// because the portal ends sessions. An empty value takes the cookie away.
pub(super) fn set_cookie(name: &str, value: &str) -> HeaderValue {
    let end = if value.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{end}");
    // Our values are hexadecimal or base64url.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Has the browser keep the cookie `name` for so many `seconds`; 0 takes it away. For this host over TLS only, out of reach of scripts.
pub(super) fn keep_cookie(response: &mut Response, (name, value): (&str, &str), (same_site, seconds): (&str, i64)) {
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={seconds}");
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, text);
    }
}
