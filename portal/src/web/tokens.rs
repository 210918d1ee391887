//! Device tokens.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use saml::time::UtcTime;
use saml::token::TokenId;
use secrecy::ExposeSecret as _;

use super::access::{Posted, Visitor};
use super::devices::DeviceRow;
use super::fields::Fields;
use super::snippets::{self, Snippet};
use super::view::{Confirm, Frame, ROWS, When, base};
use super::{PageError, go, html, page, told};
use crate::admin::token::{CreatedToken, DEFAULT_PER_HOUR, DEFAULT_USES, NewToken, PLATFORMS, parse_life, standing};
use crate::admin::token_binding::{self, Machines};
use crate::admin::{AdminError, Noun, Right, device, domain, token};
use crate::store::device::DeviceFilter;
use crate::store::token::{Approval, People, Token};

#[derive(Template)]
#[template(path = "tokens.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<TokenRow>,
    next: Option<String>,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "token_new.html")]
struct FormPage {
    frame: Frame,
    tenant: String,
    problem: Option<String>,
    given: Fields,
    expires: String,
    uses: String,
    per_hour: String,
    domains: Vec<String>,
    platforms: &'static [&'static str],
}

#[derive(Template)]
#[template(path = "token_created.html")]
struct CreatedPage {
    frame: Frame,
    id: String,
    token: String,
    domain: String,
    more_domains: Option<String>,
    snippets: Vec<Snippet>,
}

#[derive(Template)]
#[template(path = "token.html")]
struct OnePage {
    frame: Frame,
    row: TokenRow,
    devices: Vec<DeviceRow>,
    next: Option<String>,
    narrowed: bool,
    tick: bool,
    may_change: bool,
}

/// A token, as lists show it.
struct TokenRow {
    id: String,
    name: String,
    state: &'static str,
    uses: String,
    scope: String,
    expires: Option<When>,
    last_used: Option<When>,
    created: When,
    created_by: String,
}

impl TokenRow {
    fn new(token: &Token, now: UtcTime) -> Self {
        let id = token.id.to_string();
        let mut scope = Vec::new();
        for list in [&token.domains, &token.platforms] {
            if !list.is_empty() {
                scope.push(list.join(", "));
            }
        }
        if !token.networks.is_empty() {
            scope.push(token.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        }
        if token.is_bound {
            scope.push("listed machines only".to_owned());
        }
        if token.approval == Approval::Queue {
            scope.push("after approval".to_owned());
        }
        scope.push(match token.people {
            People::Proven => "people prove who they are".to_owned(),
            People::Listed => "listed people only".to_owned(),
            People::Any => "anybody by the device's word".to_owned(),
        });
        Self {
            name: if token.description.is_empty() {
                "without description".to_owned()
            } else {
                token.description.clone()
            },
            id,
            state: standing(token, now),
            uses: token.use_limit.map_or_else(|| token.uses.to_string(), |limit| format!("{} / {limit}", token.uses)),
            scope: if scope.is_empty() { "any device".to_owned() } else { scope.join("; ") },
            expires: token.expires_at.map(|at| When::new(at, now)),
            last_used: token.last_used_at.map(|at| When::new(at, now)),
            created: When::new(token.created_at, now),
            created_by: token.created_by.clone(),
        }
    }
}

fn id_of(text: &str) -> Result<TokenId, AdminError> {
    text.parse().map_err(|_| AdminError::missing(Noun::Token, text))
}

/// `GET …/tokens`.
pub(super) async fn list(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let after = visitor.query.text("after").parse().ok();
    let found = token::page(visitor.admin(), &tenant, after.as_ref(), ROWS).await?;
    let page = ListPage {
        frame: Frame::new(&visitor, "Device tokens", Some(&tenant), "/tokens"),
        rows: found.rows.iter().map(|token| TokenRow::new(token, visitor.admin().now)).collect(),
        next: found.next.map(|next| visitor.query.with("after", &next.to_string())),
        may_change: visitor.admin().rights.contain(Right::Tokens),
    };
    Ok(html(StatusCode::OK, &page))
}

async fn form_page(
    visitor: &Visitor,
    tenant: &str,
    given: Fields,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let domains = domain::of_tenant(visitor.admin(), tenant).await?;
    let is_fresh = given.some("expires").is_none();
    let form = FormPage {
        frame: Frame::new(visitor, "New device token", Some(tenant), "/tokens"),
        tenant: tenant.to_owned(),
        problem,
        expires: given.some("expires").unwrap_or_else(|| "30d".to_owned()),
        uses: if is_fresh { DEFAULT_USES.to_string() } else { given.text("uses").to_owned() },
        per_hour: if is_fresh { DEFAULT_PER_HOUR.to_string() } else { given.text("per_hour").to_owned() },
        given,
        domains: domains.into_iter().map(|domain| domain.name).collect(),
        platforms: &PLATFORMS,
    };
    Ok(page(form.problem.as_ref(), &form))
}

/// `GET …/tokens/new`.
pub(super) async fn form(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    visitor.admin().demand(Right::Tokens)?;
    form_page(&visitor, &tenant, Fields::default(), None).await
}

/// `POST …/tokens/new`: the one page that shows the token.
pub(super) async fn create(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let made = match new_token(&fields) {
        Ok(new) => token::create(visitor.admin(), &tenant, new).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => created_page(&visitor, &tenant, &made).await,
        Err(error) => form_page(&visitor, &tenant, fields, Some(told(error)?)).await,
    }
}

fn new_token(fields: &Fields) -> Result<NewToken, AdminError> {
    let invalid = |field, wanted| AdminError::Invalid { field, given: fields.text(field).to_owned(), wanted };
    let uses = fields.some("uses").map(|uses| uses.parse::<u32>()).transpose();
    let per_hour = fields.some("per_hour").map(|number| number.parse::<u32>()).transpose();
    let life = parse_life(fields.text("expires"));
    let list = |name: &str| -> Vec<String> {
        let parts = fields.text(name).split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let machines = fields.raw("machines");
    Ok(NewToken {
        description: fields.text("description").to_owned(),
        domains: fields.all("domain"),
        platforms: fields.all("platform"),
        networks: list("networks"),
        machines: if machines.trim().is_empty() { Machines::default() } else { Machines::from_csv(machines)? },
        approval: if fields.has("approval", "queue") { Approval::Queue } else { Approval::Auto },
        groups: list("groups"),
        people: match fields.text("people") {
            "" => People::Proven,
            given => given.parse().map_err(|()| invalid("people", "the people that devices may sign in"))?,
        },
        people_names: fields
            .raw("people_names")
            .lines()
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        people_groups: list("people_groups"),
        use_limit: uses.map_err(|_| invalid("uses", "a number of devices"))?,
        hourly_limit: per_hour.map_err(|_| invalid("per_hour", "a number of devices"))?,
        life: life.map_err(|_| invalid("expires", "how long a token enrols: write `12h`, `30d` or `never`"))?,
    })
}

async fn created_page(visitor: &Visitor, tenant: &str, made: &CreatedToken) -> Result<Response, PageError> {
    let mut domains = made.token.domains.clone();
    if domains.is_empty() {
        let all = domain::of_tenant(visitor.admin(), tenant).await?;
        domains = all.into_iter().map(|domain| domain.name).collect();
    }
    let domain = domains.first().cloned().unwrap_or_else(|| "YOUR-DOMAIN".to_owned());
    let text = made.secret.reveal();
    let base = visitor.portal.cloud.base();
    let cloud = base.strip_prefix("https://").unwrap_or(base);
    let options = snippets::Options { token: text.expose_secret(), domain: &domain, cloud };
    let page = CreatedPage {
        frame: Frame::new(visitor, "Your device token", Some(tenant), "/tokens"),
        id: made.token.id.to_string(),
        snippets: snippets::for_token(&options),
        token: text.expose_secret().to_owned(),
        more_domains: (domains.len() > 1).then(|| domains[1..].join(", ")),
        domain,
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET …/tokens/{id}`.
pub(super) async fn one(visitor: Visitor, Path((tenant, id)): Path<(String, String)>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let token = token::by_id(admin, &id_of(&id)?).await?;
    let filter = DeviceFilter { token_id: Some(id), ..DeviceFilter::default() };
    let after = visitor.query.text("after").parse().ok();
    let devices = device::page(admin, &tenant, &filter, after.as_ref(), ROWS).await?;
    let page = OnePage {
        frame: Frame::new(&visitor, "Device token", Some(&tenant), "/tokens"),
        row: TokenRow::new(&token, admin.now),
        devices: devices.rows.iter().map(|device| DeviceRow::new(device, admin.now)).collect(),
        next: devices.next.map(|next| visitor.query.with("after", &next.to_string())),
        narrowed: false,
        tick: false,
        may_change: admin.rights.contain(Right::Tokens),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET …/tokens/{id}/revoke`.
pub(super) async fn ask_revoke(
    visitor: Visitor,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let token = token::by_id(visitor.admin(), &id_of(&id)?).await?;
    let here = format!("{}/tokens/{id}", base(&tenant));
    let frame = Frame::new(&visitor, "Revoke a device token", Some(&tenant), "/tokens");
    let question = format!("Revoke “{}”?", TokenRow::new(&token, visitor.admin().now).name);
    let mut confirm = Confirm::new(frame, question, "Revoke", format!("{here}/revoke"), here);
    confirm.consequences = vec![
        "The token enrols no more devices. This can't be undone; make a new token to go on.".to_owned(),
        format!("It has enrolled {} so far. They stay, unless you tick the box.", token.uses),
    ];
    confirm.option = Some(("devices_too", "Remove the devices that it enrolled, too".to_owned()));
    Ok(confirm.page())
}

/// `POST …/tokens/{id}/revoke`.
pub(super) async fn revoke(Path((tenant, id)): Path<(String, String)>, posted: Posted) -> Result<Response, PageError> {
    token::revoke(posted.visitor.admin(), &id_of(&id)?, posted.fields.has("devices_too", "1")).await?;
    Ok(go(&format!("{}/tokens/{id}?notice=token-revoked", base(&tenant))))
}

/// `GET …/tokens/{id}/rotate`.
pub(super) async fn ask_rotate(
    visitor: Visitor,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let token = token::by_id(visitor.admin(), &id_of(&id)?).await?;
    let here = format!("{}/tokens/{id}", base(&tenant));
    let frame = Frame::new(&visitor, "Rotate a device token", Some(&tenant), "/tokens");
    let question = format!("Rotate “{}”?", TokenRow::new(&token, visitor.admin().now).name);
    let mut confirm = Confirm::new(frame, question, "Make the new token", format!("{here}/rotate"), here);
    confirm.is_harsh = false;
    confirm.consequences = vec![
        "You get a new token with the same limits. This one goes on enrolling for seven days, so that you can deploy the \
         new one, and then stops."
            .to_owned(),
        "Devices that are enrolled notice nothing.".to_owned(),
    ];
    Ok(confirm.page())
}

/// `POST …/tokens/{id}/rotate`.
pub(super) async fn rotate(Path((tenant, id)): Path<(String, String)>, posted: Posted) -> Result<Response, PageError> {
    let week = std::time::Duration::from_secs(7 * 86_400);
    let made = token_binding::rotate(posted.visitor.admin(), &id_of(&id)?, week).await?;
    created_page(&posted.visitor, &tenant, &made).await
}
