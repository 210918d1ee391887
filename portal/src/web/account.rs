//! The own account: password, authenticator, sessions.

use askama::Template;
use axum::response::Response;

use super::access::{Posted, Visitor};
use super::view::{Frame, When};
use super::{PageError, go, page as answer, told};
use crate::admin::{AdminError, account, passkey, totp};
use crate::store::passkey::Passkey;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    problem: Option<String>,
    meaning: &'static str,
    has_totp: bool,
    has_password: bool,
    passkeys: Vec<PasskeyRow>,
    secret: String,
    qr: String,
}

struct PasskeyRow {
    id: String,
    name: String,
    is_backed_up: bool,
    made: When,
    used: Option<When>,
}

async fn account_page(visitor: &Visitor, problem: Option<String>, secret: String) -> Result<Response, PageError> {
    let (account, base) = (&visitor.who.account, visitor.portal.cloud.base());
    let cloud = base.strip_prefix("https://").unwrap_or(base);
    let address = totp::address(&secret, &account.name, cloud);
    let (passkeys, now) = (passkey::own(&visitor.who).await?, visitor.admin().now);
    let row = |row: Passkey| PasskeyRow {
        id: row.id,
        name: row.name,
        is_backed_up: row.is_backed_up,
        made: When::new(row.created_at, now),
        used: row.last_used_at.map(|at| When::new(at, now)),
    };
    let page = AccountPage {
        frame: Frame::new(visitor, "Your account", None, "/account"),
        problem,
        meaning: account.role.meaning(),
        has_totp: account.totp_secret.is_some(),
        has_password: account.password.is_some(),
        passkeys: passkeys.into_iter().map(row).collect(),
        qr: qr(&address),
        secret,
    };
    Ok(answer(page.problem.as_ref(), &page))
}

/// The page with what could not be done.
pub(super) async fn with_problem(visitor: &Visitor, problem: String) -> Result<Response, PageError> {
    account_page(visitor, Some(problem), totp::new_secret().map_err(AdminError::from)?).await
}

/// `text` as a QR code in SVG; nothing where it is too long for one, and then the secret can be typed in.
fn qr(text: &str) -> String {
    let code = qrcode::QrCode::new(text)
        .map(|code| code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(160, 160).quiet_zone(true).build());
    let svg = code.unwrap_or_default();
    svg.find("<svg").map(|start| svg[start..].to_owned()).unwrap_or_default()
}

/// `GET /admin/account`.
pub(super) async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let secret = totp::new_secret().map_err(AdminError::from)?;
    account_page(&visitor, None, secret).await
}

pub(super) async fn wrong_password(visitor: &Visitor) -> Result<Response, PageError> {
    with_problem(visitor, "That is not your password.".to_owned()).await
}

/// `POST /admin/account/password`.
pub(super) async fn password(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let (current, new) = (fields.raw("current").to_owned(), fields.raw("password").to_owned());
    match account::change_password(&visitor.who, current, new).await {
        Ok(true) => Ok(go("/admin/account?notice=password-changed")),
        Ok(false) => wrong_password(&visitor).await,
        Err(error) => with_problem(&visitor, told(error)?).await,
    }
}

/// `POST /admin/account/totp-on`.
pub(super) async fn totp_on(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let secret = fields.text("secret").to_owned();
    let password = fields.raw("password").to_owned();
    let problem = match account::switch_totp_on(&visitor.who, password, secret.clone(), fields.text("code")).await? {
        Some(true) => return Ok(go("/admin/account?notice=totp-on")),
        Some(false) => "That is not the code that belongs to this secret now. Is the clock of your phone right?",
        None => "That is not your password.",
    };
    account_page(&visitor, Some(problem.to_owned()), secret).await
}

/// `POST /admin/account/totp-off`.
pub(super) async fn totp_off(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    if account::switch_totp_off(&visitor.who, fields.raw("password").to_owned()).await? {
        return Ok(go("/admin/account?notice=totp-off"));
    }
    wrong_password(&visitor).await
}
