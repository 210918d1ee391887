//! Signing in and out, and the first password.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::access::{FORM_COOKIE, FORM_TOKEN, Posted, PostedByStranger, SESSION_COOKIE, cookie, set_cookie};
use super::assets::Links;
use super::fields::Fields;
use super::{PageError, go, html, told};
use crate::admin::AdminError;
use crate::admin::account::{self, Credentials};
use crate::sign_on::Portal;
use crate::store::administrator::Administrator;
use crate::store::administrator_idp::{self, AdministratorIdp, Kind};
use crate::store::tenant as tenants;
use crate::{clock, random};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    links: Links,
    cloud: String,
    problem: Option<String>,
    form_token: String,
    next: String,
    name: String,
    ways: Vec<Way>,
}

/// A way in without a password.
struct Way {
    label: String,
    href: String,
}

/// What a wrong name, password or code is answered with: which of them it was is not told.
const WRONG: &str = "That name, password or code is not right. After five wrong tries an account waits, up to a quarter of an hour. An owner can send you a new link.";

/// The identity providers that the page offers: those of the whole cloud, and those of the tenant that the address names. Where there is one tenant,
/// it need not.
async fn ways(portal: &Portal, tenant: &str, next: &str) -> Result<Vec<Way>, AdminError> {
    let mut connection = portal.store.read().await?;
    let tenants = tenants::list(&mut connection).await?;
    let chosen = tenants.iter().find(|row| row.name == tenant).or(tenants.first().filter(|_| tenants.len() == 1));
    let mut offered = administrator_idp::list(&mut connection).await?;
    let of_chosen = |row: &AdministratorIdp| {
        row.tenant_id.is_none() || chosen.is_some_and(|chosen| row.tenant_id.as_deref() == Some(&chosen.id))
    };
    offered.retain(of_chosen);
    let has_several = offered.iter().filter(|row| matches!(row.kind, Kind::Devices { .. })).count() > 1;
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let way = |row: AdministratorIdp| Way {
        href: format!("/admin/sign-in/with/{}?next={next}", row.id),
        label: match row.kind {
            Kind::Devices { .. } if !has_several => "Sign in with this device".to_owned(),
            Kind::Devices { .. } => format!("Sign in with this device: {}", row.name),
            Kind::External { .. } => format!("Sign in with {}", row.name),
        },
    };
    Ok(offered.into_iter().map(way).collect())
}

/// The page again, with what went wrong on the way through an identity provider.
pub(super) async fn refused(
    portal: &Portal,
    headers: &HeaderMap,
    (status, problem): (StatusCode, String),
) -> Result<Response, PageError> {
    let form_token = form_token(headers)?;
    let page = SignInPage {
        links: Links,
        cloud: portal.cloud.base().to_owned(),
        problem: Some(problem),
        form_token: form_token.clone(),
        next: String::new(),
        name: String::new(),
        ways: ways(portal, "", "").await?,
    };
    Ok(with_form_cookie(&form_token, html(status, &page)))
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage {
    links: Links,
    name: String,
    role: String,
    meaning: &'static str,
    problem: Option<String>,
    form_token: String,
}

/// The token of a stranger's form, which their cookie holds too.
fn form_token(headers: &HeaderMap) -> Result<String, AdminError> {
    match cookie(headers, FORM_COOKIE).filter(|held| held.len() == 32) {
        Some(held) => Ok(held),
        None => Ok(random::row_id()?),
    }
}

fn with_form_cookie(token: &str, mut response: Response) -> Response {
    response.headers_mut().append(header::SET_COOKIE, set_cookie(FORM_COOKIE, token));
    response
}

/// `GET /admin/sign-in`.
pub(super) async fn page(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let form_token = form_token(&headers)?;
    let page = SignInPage {
        links: Links,
        cloud: portal.cloud.base().to_owned(),
        problem: None,
        form_token: form_token.clone(),
        next: query.text("next").to_owned(),
        name: String::new(),
        ways: ways(&portal, query.text("tenant"), query.text("next")).await?,
    };
    Ok(with_form_cookie(&form_token, html(StatusCode::OK, &page)))
}

/// `POST /admin/sign-in`: a new session each time, whatever cookie came with the form.
pub(super) async fn sign_in(posted: PostedByStranger) -> Result<Response, PageError> {
    let PostedByStranger { portal, fields, headers } = posted;
    let given = Credentials {
        name: fields.text("name").to_owned(),
        password: fields.raw("password").to_owned(),
        code: fields.text("code").to_owned(),
    };
    let now = clock::now();
    if let Some(secret) = account::sign_in(&portal.store, given, now).await? {
        return begun(&portal, &headers, &secret, fields.text("next")).await;
    }
    let page = SignInPage {
        links: Links,
        cloud: portal.cloud.base().to_owned(),
        problem: Some(WRONG.to_owned()),
        form_token: fields.raw(FORM_TOKEN).to_owned(),
        next: fields.text("next").to_owned(),
        name: fields.text("name").to_owned(),
        ways: ways(&portal, "", fields.text("next")).await?,
    };
    Ok(html(StatusCode::FORBIDDEN, &page))
}

/// Ends the session that the browser had before.
async fn end_earlier(portal: &Portal, headers: &HeaderMap) -> Result<(), AdminError> {
    let Some(secret) = cookie(headers, SESSION_COOKIE) else { return Ok(()) };
    match account::signed_in(&portal.store, &secret, clock::now()).await? {
        Some(earlier) => account::sign_out(&earlier, false).await,
        None => Ok(()),
    }
}

/// Begins the session that `secret` opens, in place of the browser's earlier one.
pub(super) async fn begun(
    portal: &Portal,
    headers: &HeaderMap,
    secret: &str,
    next: &str,
) -> Result<Response, PageError> {
    end_earlier(portal, headers).await?;
    Ok(begin(secret, inside(next)))
}

fn begin(secret: &str, next: &str) -> Response {
    let mut response = go(next);
    response.headers_mut().append(header::SET_COOKIE, set_cookie(SESSION_COOKIE, secret));
    response.headers_mut().append(header::SET_COOKIE, set_cookie(FORM_COOKIE, ""));
    response
}

/// `next`, if it is one of our pages: an address elsewhere is not followed.
pub(super) fn inside(next: &str) -> &str {
    let ours = next == "/admin" || next.starts_with("/admin/");
    if ours && !next.contains(['\\', '\r', '\n']) { next } else { "/admin" }
}

/// `POST /admin/sign-out`.
pub(super) async fn sign_out(posted: Posted) -> Result<Response, PageError> {
    account::sign_out(&posted.visitor.who, posted.fields.has("everywhere", "1")).await?;
    let mut response = go("/admin/sign-in");
    response.headers_mut().append(header::SET_COOKIE, set_cookie(SESSION_COOKIE, ""));
    Ok(response)
}

/// `GET /admin/invitation/{secret}`: the form for the first password.
pub(super) async fn invitation(
    State(portal): State<Arc<Portal>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let account = invited(&portal, &secret).await?;
    let token = form_token(&headers)?;
    Ok(with_form_cookie(&token, html(StatusCode::OK, &invitation_page(&account, None, token.clone()))))
}

/// `POST /admin/invitation/{secret}`: sets the password, and signs in with it.
pub(super) async fn accept(Path(secret): Path<String>, posted: PostedByStranger) -> Result<Response, PageError> {
    let PostedByStranger { portal, fields, headers } = posted;
    let account = invited(&portal, &secret).await?;
    let again = |problem: String| {
        let page = invitation_page(&account, Some(problem), fields.raw(FORM_TOKEN).to_owned());
        Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page))
    };
    let password = fields.raw("password").to_owned();
    if password != fields.raw("again") {
        return again("The two passwords differ: type the same one twice.".to_owned());
    }
    let now = clock::now();
    match account::accept_invitation(&portal.store, &secret, password.clone(), now).await {
        Err(error) => again(told(error)?),
        Ok(false) => Err(PageError::LinkGone),
        Ok(true) => {
            let given = Credentials { name: account.name.clone(), password, code: String::new() };
            end_earlier(&portal, &headers).await?;
            let session = account::sign_in(&portal.store, given, now).await?;
            Ok(session.map_or_else(|| go("/admin/sign-in"), |secret| begin(&secret, "/admin")))
        }
    }
}

async fn invited(portal: &Portal, secret: &str) -> Result<Administrator, PageError> {
    account::invited(&portal.store, secret, clock::now()).await?.ok_or(PageError::LinkGone)
}

fn invitation_page(account: &Administrator, problem: Option<String>, form_token: String) -> InvitationPage {
    InvitationPage {
        links: Links,
        name: account.name.clone(),
        role: account.role.to_string(),
        meaning: account.role.meaning(),
        problem,
        form_token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_are_gone_to() {
        assert_eq!(inside("/admin/t/acme/devices?q=x"), "/admin/t/acme/devices?q=x");
        for elsewhere in ["", "//evil.example", "https://evil.example", "/administrator", "/admin/\\evil", "/saml/soap"]
        {
            assert_eq!(inside(elsewhere), "/admin", "{elsewhere}");
        }
    }
}
