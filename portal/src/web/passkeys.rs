//! Passkeys: registering one on the own account, and signing in with one. The page that asks the browser is the same.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::access::{FORM_COOKIE, FORM_TOKEN, Posted, PostedByStranger, Visitor, cookie};
use super::account::wrong_password;
use super::assets::Links;
use super::fields::Fields;
use super::sign_in;
use super::view::{Confirm, Frame};
use super::{PageError, go, html, told};
use crate::admin::AdminError;
use crate::admin::passkey::{self, CHALLENGE_SECONDS, NewPasskey, Used};
use crate::clock;
use crate::sign_on::Portal;
use crate::webauthn::{ALGORITHMS, RelyingParty};

#[derive(Template)]
#[template(path = "passkey.html")]
pub(super) struct AskPage {
    pub(super) links: Links,
    pub(super) is_new: bool,
    /// What the script hands to the browser, as JSON.
    pub(super) options: String,
    pub(super) action: &'static str,
    pub(super) back: &'static str,
    pub(super) form_token: String,
    /// A hidden field that comes along: name and value.
    pub(super) along: (&'static str, String),
}

fn party(portal: &Portal) -> RelyingParty {
    RelyingParty::of(portal.cloud.base())
}

fn octets(fields: &Fields, name: &str) -> Vec<u8> {
    // What is not base64url is refused as an answer that says nothing.
    URL_SAFE_NO_PAD.decode(fields.raw(name)).unwrap_or_default()
}

/// What the page's script has put into the form after the browser has made a passkey.
pub(super) fn new_passkey(fields: &Fields) -> NewPasskey {
    NewPasskey {
        name: fields.text("name").to_owned(),
        client_data: octets(fields, "client_data"),
        attestation_object: octets(fields, "attestation_object"),
    }
}

/// What the page's script has put into the form after the browser has used a passkey.
pub(crate) fn used_passkey(fields: &Fields) -> Used {
    Used {
        credential_id: octets(fields, "credential"),
        user_handle: octets(fields, "user_handle"),
        client_data: octets(fields, "client_data"),
        authenticator_data: octets(fields, "authenticator_data"),
        signature: octets(fields, "signature"),
    }
}

/// `POST /admin/account/passkeys`: the page that has the browser make one, for a person who knows the password.
pub(super) async fn begin(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let Some(challenge) = passkey::begin(&visitor.who, fields.raw("password").to_owned()).await? else {
        return wrong_password(&visitor).await;
    };
    let account = &visitor.who.account;
    let known = passkey::own(&visitor.who).await?;
    let known: Vec<Value> = known.iter().map(|key| json!({ "type": "public-key", "id": key.id })).collect();
    let party = party(&visitor.portal);
    let algorithms: Vec<Value> = ALGORITHMS.iter().map(|alg| json!({ "type": "public-key", "alg": alg })).collect();
    let options = json!({
        "challenge": challenge,
        "rp": { "id": party.id, "name": format!("Countersign {}", party.id) },
        "user": {
            "id": URL_SAFE_NO_PAD.encode(account.id.as_bytes()), "name": account.name, "displayName": account.name,
        },
        "pubKeyCredParams": algorithms,
        "authenticatorSelection": {
            "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
        },
        "attestation": "none",
        "excludeCredentials": known,
        "timeout": CHALLENGE_SECONDS * 1000,
    });
    let page = AskPage {
        links: Links,
        is_new: true,
        options: options.to_string(),
        action: "/admin/account/passkeys/new",
        back: "/admin/account",
        form_token: visitor.who.session.form_token.clone(),
        along: ("name", fields.text("name").to_owned()),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /admin/account/passkeys/new`: what the browser has made.
pub(super) async fn register(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match passkey::register(&visitor.who, &party(&visitor.portal), new_passkey(&fields)).await {
        Ok(()) => Ok(go("/admin/account?notice=passkey-added")),
        Err(error) => super::account::with_problem(&visitor, told(error)?).await,
    }
}

/// `GET /admin/account/passkeys/{id}/remove`.
pub(super) async fn ask(visitor: Visitor, Path(id): Path<String>) -> Result<Response, PageError> {
    let known = passkey::own(&visitor.who).await?.into_iter().find(|known| known.id == id);
    let known = known.ok_or_else(|| AdminError::missing(crate::admin::Noun::Passkey, &id))?;
    let frame = Frame::new(&visitor, "Remove", None, "/account");
    let action = format!("/admin/account/passkeys/{id}/remove");
    let mut confirm =
        Confirm::new(frame, format!("Remove {}?", known.name), "Remove", action, "/admin/account".to_owned());
    confirm.wants_password = true;
    confirm.consequences = vec![
        "It signs you in no more. The authenticator keeps its half, which opens nothing then: delete it there, too."
            .to_owned(),
    ];
    Ok(confirm.page())
}

/// `POST /admin/account/passkeys/{id}/remove`.
pub(super) async fn remove(Path(id): Path<String>, posted: Posted) -> Result<Response, PageError> {
    if !passkey::remove(&posted.visitor.who, &id, posted.fields.raw("password").to_owned()).await? {
        return wrong_password(&posted.visitor).await;
    }
    Ok(go("/admin/account?notice=passkey-removed"))
}

/// `POST /admin/sign-in/passkey`: the page that has the browser use one.
pub(super) async fn ask_stranger(State(portal): State<Arc<Portal>>, request: Request) -> Result<Response, PageError> {
    use axum::extract::FromRequest as _;
    let address = crate::door::client(&portal, &request);
    let posted = PostedByStranger::from_request(request, &portal).await?;
    // Anybody can ask, and it leaves a row.
    if portal.rates.take_unsigned(address, portal.cloud.console_entity_id(), Instant::now()).is_err() {
        let text = "Too many sign-ins begin at your address: wait a minute, and try again.".to_owned();
        return sign_in::refused(&portal, &posted.headers, (StatusCode::SERVICE_UNAVAILABLE, text)).await;
    }
    let held = posted.fields.raw(FORM_TOKEN).to_owned();
    let challenge = passkey::challenge(&portal.store, &held, clock::now()).await?;
    let options = json!({
        "challenge": challenge,
        "rpId": party(&portal).id,
        "userVerification": "required",
        "allowCredentials": [],
        "timeout": CHALLENGE_SECONDS * 1000,
    });
    let page = AskPage {
        links: Links,
        is_new: false,
        options: options.to_string(),
        action: "/admin/sign-in/passkey/answer",
        back: "/admin/sign-in",
        form_token: held,
        along: ("next", posted.fields.text("next").to_owned()),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /admin/sign-in/passkey/answer`: what the browser's passkey has signed.
pub(super) async fn sign_in(posted: PostedByStranger) -> Result<Response, PageError> {
    let PostedByStranger { portal, fields, headers } = posted;
    let used = used_passkey(&fields);
    let held = cookie(&headers, FORM_COOKIE).unwrap_or_default();
    match passkey::sign_in(&portal.store, (&party(&portal), &held), used, clock::now()).await? {
        Some(secret) => sign_in::begun(&portal, &headers, &secret, fields.text("next")).await,
        None => {
            let text = "That passkey opens no account here. Was it removed, or is your account disabled? Sign in with your password, or ask an owner of this portal.";
            sign_in::refused(&portal, &headers, (StatusCode::FORBIDDEN, text.to_owned())).await
        }
    }
}
