//! People.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::ExposeSecret as _;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Confirm, Event, Frame, ROWS, When, base};
use super::{PageError, go, html, page, told};
use crate::admin::{AdminError, Right, tenant as tenants, user};
use crate::store::person::{DeviceUse, Origin, PersonState};

/// How long a one-time code is good that is made on a page.
const CODE_LIFE: std::time::Duration = std::time::Duration::from_hours(24);

#[derive(Template)]
#[template(path = "users.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<UserRow>,
    next: Option<String>,
    query: Fields,
    given: Fields,
    problem: Option<String>,
    may_change: bool,
    auto: bool,
}

struct UserRow {
    name: String,
    state: String,
    origin: String,
    created: When,
    last: Option<When>,
}

#[derive(Template)]
#[template(path = "user.html")]
struct OnePage {
    frame: Frame,
    name: String,
    state: String,
    created: When,
    last: Option<When>,
    /// What is known of them: names with their values.
    facts: Vec<(&'static str, String)>,
    devices: Vec<UsedDevice>,
    history: Vec<Event>,
    may_change: bool,
}

struct UsedDevice {
    id: String,
    name: String,
    state: String,
    grade: String,
    origin: String,
    first: When,
    last: When,
}

async fn list_page(
    visitor: &Visitor,
    tenant: &str,
    given: Fields,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let (admin, query) = (visitor.admin(), &visitor.query);
    let after = query.text("after").parse().ok();
    let found = user::page(admin, tenant, query.text("q"), after.as_ref(), ROWS).await?;
    let row = |person: &crate::store::person::Person| UserRow {
        name: person.name_id.clone(),
        state: person.state.to_string(),
        origin: person.origin.to_string(),
        created: When::new(person.created_at, admin.now),
        last: person.last_sign_on_at.map(|at| When::new(at, admin.now)),
    };
    let list = ListPage {
        frame: Frame::new(visitor, "Users", Some(tenant), "/users"),
        rows: found.rows.iter().map(row).collect(),
        next: found.next.map(|next| query.with("after", &next.to_string())),
        query: query.clone(),
        given,
        problem,
        may_change: admin.rights.contain(Right::Users),
        auto: tenants::named(admin, tenant).await?.auto_provisioning,
    };
    Ok(page(list.problem.as_ref(), &list))
}

/// `GET …/users`.
pub(super) async fn list(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    list_page(&visitor, &tenant, Fields::default(), None).await
}

/// `POST …/users`: provisions somebody.
pub(super) async fn add(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    match user::add(visitor.admin(), &tenant, fields.text("name")).await {
        Ok(_) => Ok(go(&format!("{}/users?notice=user-added", base(&tenant)))),
        Err(error) => list_page(&visitor, &tenant, fields, Some(told(error)?)).await,
    }
}

/// `GET …/users/{name}`.
pub(super) async fn one(visitor: Visitor, Path((tenant, name)): Path<(String, String)>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let detail = user::detail(admin, &name).await?;
    let used = |used: &DeviceUse| UsedDevice {
        id: used.device_id.clone(),
        name: if used.hostname.is_empty() { used.device_id.clone() } else { used.hostname.clone() },
        state: used.device_state.clone(),
        grade: used.grade.clone(),
        origin: used.origin.clone(),
        first: When::new(used.first_at, admin.now),
        last: When::new(used.last_at, admin.now),
    };
    let page = OnePage {
        frame: Frame::new(&visitor, &detail.person.name_id, Some(&tenant), "/users"),
        name: detail.person.name_id.clone(),
        state: detail.person.state.to_string(),
        created: When::new(detail.person.created_at, admin.now),
        last: detail.person.last_sign_on_at.map(|at| When::new(at, admin.now)),
        facts: facts(&detail),
        devices: detail.devices.iter().map(used).collect(),
        history: Event::all(&detail.history, admin.now),
        may_change: admin.rights.contain(Right::Users),
    };
    Ok(html(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "user_code.html")]
struct CodePage {
    frame: Frame,
    here: String,
    name: String,
    code: String,
    until: When,
}

/// `POST …/users/{name}/code`: the code is on this page and nowhere else.
async fn code(tenant: &str, name: &str, posted: &Posted) -> Result<Response, PageError> {
    let admin = posted.visitor.admin();
    let made = user::proof_code(admin, name, CODE_LIFE).await?;
    let page = CodePage {
        frame: Frame::new(&posted.visitor, "One-time code", Some(tenant), "/users"),
        here: path_of(tenant, name),
        name: name.to_owned(),
        code: made.code.expose_secret().to_owned(),
        until: When::new(made.until, admin.now),
    };
    Ok(html(StatusCode::OK, &page))
}

/// Where the person comes from, their groups, and what a directory says of them.
fn facts(detail: &user::UserDetail) -> Vec<(&'static str, String)> {
    let from = match detail.person.origin {
        Origin::SignOn => "signing on",
        Origin::Administrator => "an administrator",
        Origin::Directory => "a directory, by SCIM",
    };
    let mut facts = vec![("Comes from", from.to_owned())];
    if !detail.groups.is_empty() {
        facts.push(("Groups", detail.groups.join(", ")));
    }
    let Some(profile) = &detail.profile else { return facts };
    let said = |name: &str| profile.attributes[name].as_str().unwrap_or_default().to_owned();
    let directory = [
        ("Shown as", said("displayName")),
        ("Job title", said("title")),
        ("Directory's id", profile.external_id.clone()),
    ];
    facts.extend(directory.into_iter().filter(|(_, value)| !value.is_empty()));
    facts
}

/// What can be done to somebody.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Suspend,
    Resume,
    Delete,
    Code,
    AskAgain,
}

impl Step {
    fn parse(step: &str) -> Result<Self, AdminError> {
        match step {
            "suspend" => Ok(Self::Suspend),
            "resume" => Ok(Self::Resume),
            "delete" => Ok(Self::Delete),
            "code" => Ok(Self::Code),
            "ask-again" => Ok(Self::AskAgain),
            _ => {
                let wanted = "`suspend`, `resume`, `delete`, `code` or `ask-again`";
                Err(AdminError::Invalid { field: "step", given: step.to_owned(), wanted })
            }
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Suspend => (
                "Suspend",
                "They can't sign on from any of their devices, from the next request on. Services that take part in logout end the sessions they gave them; others go on until theirs end.",
            ),
            Self::Resume => ("Resume", "They can sign on from their devices again, from the next request on."),
            Self::Code => (
                "Make a one-time code",
                "They prove with it who they are, on one device, within 24 hours; codes that you have made for them before end. Who has the code can be them: give it to nobody else, and not by mail to an address that others read.",
            ),
            Self::AskAgain => (
                "Ask for a new proof",
                "Each of their devices asks once more who they are before it signs them in. Their passkeys and codes are removed.",
            ),
            Self::Delete => (
                "Delete",
                "They are forgotten, the devices that are theirs are removed, and their sessions end. Where people are provisioned by signing on, they come back as somebody new when they enrol a device again. This can't be undone.",
            ),
        }
    }
}

fn path_of(tenant: &str, name: &str) -> String {
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("{}/users/{}", base(tenant), name.replace('+', "%20"))
}

/// `GET …/users/{name}/{step}`.
pub(super) async fn ask(
    visitor: Visitor,
    Path((tenant, name, step)): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    let how = Step::parse(&step)?;
    let person = user::by_name(visitor.admin(), &name).await?;
    let (label, consequence) = how.words();
    let here = path_of(&tenant, &person.name_id);
    let frame = Frame::new(&visitor, label, Some(&tenant), "/users");
    let question = format!("{label} {}?", person.name_id);
    let mut confirm = Confirm::new(frame, question, label, format!("{here}/{step}"), here);
    confirm.consequences = vec![consequence.to_owned()];
    confirm.is_harsh = matches!(how, Step::Suspend | Step::Delete);
    Ok(confirm.page())
}

/// `POST …/users/{name}/{step}`.
pub(super) async fn step(
    Path((tenant, name, step)): Path<(String, String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let admin = posted.visitor.admin();
    let (state, notice) = match Step::parse(&step)? {
        Step::Suspend => (PersonState::Suspended, "user-suspended"),
        Step::Resume => (PersonState::Active, "user-resumed"),
        Step::Code => return code(&tenant, &name, &posted).await,
        Step::AskAgain => {
            user::ask_again(admin, &name).await?;
            return Ok(go(&format!("{}?notice=user-asked-again", path_of(&tenant, &name))));
        }
        Step::Delete => {
            user::delete(admin, &name).await?;
            return Ok(go(&format!("{}/users?notice=user-deleted", base(&tenant))));
        }
    };
    user::set_state(admin, &name, state).await?;
    Ok(go(&format!("{}?notice={notice}", path_of(&tenant, &name))))
}
