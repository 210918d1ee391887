//! `/me`: a person's own page.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Path, RawQuery, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use saml::refusal::RefusalCode;

use super::access::{FORM_TOKEN, cookie, keep_cookie, read_form, set_cookie};
use super::assets::Links;
use super::fields::Fields;
use super::passkeys::{AskPage, new_passkey};
use super::view::When;
use super::{PageError, go, html};
use crate::admin::password::same;
use crate::browser::NotBegun;
use crate::clock;
use crate::door::{About, client, not_begun, read, short, uncached};
use crate::me::{self, Ended, LIFE_SECONDS, Visitor};
use crate::proof::{Approved, Choice};
use crate::sign_on::{Arrival, Portal};
use crate::store::StoreError;

/// The session's cookie.
const SESSION_COOKIE: &str = "__Host-countersign-me";
/// The cookie by which a browser is known that comes back from its device. What another site's page posts brings no other kind along.
const RETURN_COOKIE: &str = "__Host-countersign-me-return";
/// The cookie with the tenant in which the browser was before. It says nothing about a person.
const TENANT_COOKIE: &str = "__Host-countersign-tenant";
/// For how long a browser keeps that, in seconds: half a year.
const TENANT_SECONDS: i64 = 15_552_000;

#[derive(Template)]
#[template(path = "me_start.html")]
struct StartPage {
    links: Links,
    address: String,
    is_unknown: bool,
}

#[derive(Template)]
#[template(path = "me.html")]
struct OwnPage {
    links: Links,
    form_token: String,
    notice: Option<&'static str>,
    problem: Option<String>,
    user: String,
    grade: &'static str,
    origin: String,
    open: Vec<Question>,
    devices: Vec<DeviceRow>,
    passkeys: Vec<PasskeyRow>,
}

/// A question on another device.
struct Question {
    id: String,
    about: About,
    at: When,
    choices: [String; 3],
}

struct DeviceRow {
    id: String,
    name: String,
    is_this: bool,
    last: When,
    proof_ends: Option<When>,
}

struct PasskeyRow {
    id: String,
    name: String,
    is_backed_up: bool,
    made: When,
    used: Option<When>,
}

#[derive(Template)]
#[template(path = "me_code.html")]
struct CodePage {
    links: Links,
    code: String,
    user: String,
}

#[derive(Template)]
#[template(path = "me_confirm.html")]
struct ConfirmPage {
    links: Links,
    form_token: String,
    question: String,
    consequence: &'static str,
    action: &'static str,
    button: &'static str,
    /// What the form carries: name and value.
    along: (&'static str, String),
}

/// Somebody at their own page who asks for more of it; others are sent to its beginning.
pub(super) struct Own {
    portal: Arc<Portal>,
    visitor: Visitor,
    query: Fields,
}

impl FromRequestParts<Arc<Portal>> for Own {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Response> {
        let visitor = visitor(portal, &parts.headers).await.map_err(|error| PageError::from(error).into_response())?;
        let visitor = visitor.ok_or_else(|| go("/me"))?;
        let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self { portal: Arc::clone(portal), visitor, query })
    }
}

/// A form of the page's own.
pub(super) struct OwnForm {
    own: Own,
    fields: Fields,
}

impl FromRequest<Arc<Portal>> for OwnForm {
    type Rejection = Response;

    async fn from_request(request: Request, portal: &Arc<Portal>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let own = Own::from_request_parts(&mut parts, portal).await?;
        let fields = read_form(Request::from_parts(parts, body)).await.map_err(IntoResponse::into_response)?;
        if !same(fields.raw(FORM_TOKEN).as_bytes(), own.visitor.session.form_token.as_bytes()) {
            return Err(PageError::Forged.into_response());
        }
        Ok(Self { own, fields })
    }
}

async fn visitor(portal: &Portal, headers: &HeaderMap) -> Result<Option<Visitor>, StoreError> {
    match cookie(headers, SESSION_COOKIE) {
        Some(secret) => me::visitor(portal, &secret, clock::now()).await,
        None => Ok(None),
    }
}

/// `GET /me`: the page, or the way to it by the device.
pub(super) async fn page(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, PageError> {
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    if let Some(visitor) = visitor(&portal, &headers).await? {
        return show(&portal, &visitor, (notice(query.text("notice")), None)).await;
    }
    let address = query.text("address").to_owned();
    let tenant = if address.is_empty() {
        me::known_tenant(&portal, (query.text("tenant"), cookie(&headers, TENANT_COOKIE).as_deref())).await?
    } else {
        me::find_tenant(&portal, &address).await?
    };
    let Some(tenant) = tenant else {
        let is_unknown = !address.is_empty() || !query.text("tenant").is_empty();
        return Ok(html(StatusCode::OK, &StartPage { links: Links, address, is_unknown }));
    };
    let arrival = Arrival { address: client(&portal, &request), instant: Instant::now(), now: clock::now() };
    match me::begin(&portal, &tenant, arrival).await {
        Ok((to, secret)) => {
            let mut response = uncached(Redirect::to(&to).into_response());
            keep_cookie(&mut response, (RETURN_COOKIE, &secret), ("None", LIFE_SECONDS));
            Ok(response)
        }
        Err(NotBegun::Failed(error)) => Err(error.into()),
        Err(error) => Ok(not_begun(error)),
    }
}

/// `POST /me/acs`: what the device has brought (Bindings §3.5).
pub(super) async fn receive(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, PageError> {
    let body = read(request.into_body()).await.ok_or(PageError::TooLarge)?;
    let fields = Fields::parse(&body);
    let responses = fields.all("SAMLResponse");
    let [response] = responses.as_slice() else {
        let why = "the form has to have one SAMLResponse".to_owned();
        return Ok(not_begun(NotBegun::Refused(RefusalCode::Malformed, why)));
    };
    let (browser, earlier) = (cookie(&headers, RETURN_COOKIE), cookie(&headers, SESSION_COOKIE));
    match me::answer(&portal, response, (browser.as_deref(), earlier.as_deref()), clock::now()).await {
        Ok(signed_in) => {
            let mut response = uncached(go("/me"));
            response.headers_mut().append(header::SET_COOKIE, set_cookie(SESSION_COOKIE, &signed_in.secret));
            keep_cookie(&mut response, (RETURN_COOKIE, ""), ("None", 0));
            keep_cookie(&mut response, (TENANT_COOKIE, &signed_in.tenant_id), ("Lax", TENANT_SECONDS));
            Ok(response)
        }
        Err(NotBegun::Failed(error)) => Err(error.into()),
        Err(error) => Ok(not_begun(error)),
    }
}

/// What the page says after something was done; only these texts.
fn notice(code: &str) -> Option<&'static str> {
    Some(match code {
        "approved" => "Approved: the other device goes on by itself.",
        "ended" => "It is ended: nobody is let in there. If it was you, begin again on the other device.",
        "over" => "That was over before you answered. Begin again on the other device.",
        "signed-out" => "You are signed out there.",
        "passkey-added" => "From now on the passkey confirms that it is you, on every device.",
        "passkey-removed" => "The passkey confirms nothing any more.",
        _ => return None,
    })
}

/// How a grade came about, for people.
fn origin(origin: &str) -> String {
    match origin {
        "code" => "a one-time code".to_owned(),
        "passkey" => "your passkey".to_owned(),
        "approval" => "your approval on another device".to_owned(),
        other => other.strip_prefix("idp:").map_or_else(|| other.to_owned(), |name| format!("signing in with {name}")),
    }
}

async fn show(
    portal: &Portal,
    visitor: &Visitor,
    (notice, problem): (Option<&'static str>, Option<String>),
) -> Result<Response, PageError> {
    let now = clock::now();
    let view = me::view(portal, visitor, now).await?;
    let open = view.open.into_iter().map(|open| Question {
        about: About::of(portal, &open.request),
        at: When::new(open.request.created_at, now),
        id: open.request.id,
        choices: open.choices,
    });
    let devices = view.devices.into_iter().map(|device| DeviceRow {
        name: match device.hostname.as_str() {
            "" => short(&device.device_id),
            hostname => format!("{hostname} ({})", short(&device.device_id)),
        },
        is_this: device.device_id == visitor.device_id.as_str(),
        last: When::new(device.last_at, now),
        proof_ends: device.proof_ends_at.filter(|at| now < *at).map(|at| When::new(at, now)),
        id: device.device_id,
    });
    let passkeys = view.passkeys.into_iter().map(|passkey| PasskeyRow {
        made: When::new(passkey.created_at, now),
        used: passkey.last_used_at.map(|at| When::new(at, now)),
        id: passkey.id,
        name: passkey.name,
        is_backed_up: passkey.is_backed_up,
    });
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = OwnPage {
        links: Links,
        form_token: visitor.session.form_token.clone(),
        notice,
        problem,
        user: visitor.person.name_id.clone(),
        grade: visitor.session.grade.as_str(),
        origin: origin(&view.origin),
        open: open.collect(),
        devices: devices.collect(),
        passkeys: passkeys.collect(),
    };
    Ok(html(status, &page))
}

/// `POST /me/sign-out`: out of this page.
pub(super) async fn sign_out(OwnForm { own, .. }: OwnForm) -> Result<Response, PageError> {
    me::sign_out(&own.portal, &own.visitor).await?;
    let mut response = uncached(go("/"));
    response.headers_mut().append(header::SET_COOKIE, set_cookie(SESSION_COOKIE, ""));
    Ok(response)
}

/// `POST /me/code`: a one-time code, which is shown once.
pub(super) async fn code(OwnForm { own, .. }: OwnForm) -> Result<Response, PageError> {
    let code = me::make_code(&own.portal, &own.visitor, clock::now()).await?;
    Ok(html(StatusCode::OK, &CodePage { links: Links, code, user: own.visitor.person.name_id }))
}

/// `POST /me/approve/{id}`: the words that the person has picked, or that it was not them.
pub(super) async fn approve(Path(id): Path<String>, OwnForm { own, fields }: OwnForm) -> Result<Response, PageError> {
    let choice = match fields.text("words") {
        "" => Choice::NotMine,
        words => Choice::Words(words.to_owned()),
    };
    Ok(go(match me::approve(&own.portal, &own.visitor, (&id, choice), clock::now()).await? {
        Approved::Yes => "/me?notice=approved",
        Approved::No => "/me?notice=ended",
        Approved::Over => "/me?notice=over",
    }))
}

/// `GET /me/devices/sign-out`: asks before.
pub(super) async fn ask_sign_out_of(own: Own) -> Result<Response, PageError> {
    let view = me::view(&own.portal, &own.visitor, clock::now()).await?;
    let wanted = own.query.raw("device");
    let Some(device) = view.devices.into_iter().find(|device| device.device_id == wanted) else { return Ok(go("/me")) };
    let name = if device.hostname.is_empty() { short(&device.device_id) } else { device.hostname };
    let page = ConfirmPage {
        links: Links,
        form_token: own.visitor.session.form_token.clone(),
        question: format!("Sign out of {name}?"),
        consequence: "What you have confirmed there counts no more, and the sessions that it has opened for you end. Is it lost or stolen? Tell your organisation’s support, too: they remove it.",
        action: "/me/devices/sign-out",
        button: "Sign out there",
        along: ("device", device.device_id),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /me/devices/sign-out`.
pub(super) async fn sign_out_of(OwnForm { own, fields }: OwnForm) -> Result<Response, PageError> {
    let device = fields.raw("device");
    Ok(match me::end_at(&own.portal, &own.visitor, device, clock::now()).await? {
        // Nothing of this session is left to show.
        Ended::Yes if device == own.visitor.device_id.as_str() => go("/"),
        Ended::Yes => go("/me?notice=signed-out"),
        Ended::NotThere => go("/me"),
    })
}

/// `POST /me/passkeys`: the page that has the browser make one.
pub(super) async fn begin_passkey(OwnForm { own, fields }: OwnForm) -> Result<Response, PageError> {
    let options = me::begin_passkey(&own.portal, &own.visitor, clock::now()).await?;
    let page = AskPage {
        links: Links,
        is_new: true,
        options: options.to_string(),
        action: "/me/passkeys/new",
        back: "/me",
        form_token: own.visitor.session.form_token.clone(),
        along: ("name", fields.text("name").to_owned()),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /me/passkeys/new`: what the browser has made.
pub(super) async fn add_passkey(OwnForm { own, fields }: OwnForm) -> Result<Response, PageError> {
    match me::add_passkey(&own.portal, &own.visitor, new_passkey(&fields), clock::now()).await {
        Ok(()) => Ok(go("/me?notice=passkey-added")),
        Err(why) => show(&own.portal, &own.visitor, (None, Some(why.told()?))).await,
    }
}

/// `GET /me/passkeys/{id}/remove`: asks before.
pub(super) async fn ask_remove_passkey(Path(id): Path<String>, own: Own) -> Result<Response, PageError> {
    let view = me::view(&own.portal, &own.visitor, clock::now()).await?;
    let Some(passkey) = view.passkeys.into_iter().find(|passkey| passkey.id == id) else { return Ok(go("/me")) };
    let page = ConfirmPage {
        links: Links,
        form_token: own.visitor.session.form_token.clone(),
        question: format!("Remove {}?", passkey.name),
        consequence: "It confirms nothing any more. The authenticator keeps its half, which opens nothing then: delete it there, too.",
        action: "/me/passkeys/remove",
        button: "Remove it",
        along: ("passkey", passkey.id),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /me/passkeys/remove`.
pub(super) async fn remove_passkey(OwnForm { own, fields }: OwnForm) -> Result<Response, PageError> {
    Ok(match me::remove_passkey(&own.portal, &own.visitor, fields.raw("passkey"), clock::now()).await? {
        Ended::Yes => go("/me?notice=passkey-removed"),
        Ended::NotThere => go("/me"),
    })
}
