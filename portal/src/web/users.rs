//! People.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::view::{Confirm, Event, Frame, ROWS, When, base};
use super::{PageError, go, html, page, told};
use crate::admin::{AdminError, Right, tenant as tenants, user};
use crate::store::person::{DeviceUse, PersonState};

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
    devices: Vec<UsedDevice>,
    history: Vec<Event>,
    may_change: bool,
}

struct UsedDevice {
    id: String,
    name: String,
    state: String,
    grade: String,
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
        first: When::new(used.first_at, admin.now),
        last: When::new(used.last_at, admin.now),
    };
    let page = OnePage {
        frame: Frame::new(&visitor, &detail.person.name_id, Some(&tenant), "/users"),
        name: detail.person.name_id.clone(),
        state: detail.person.state.to_string(),
        created: When::new(detail.person.created_at, admin.now),
        last: detail.person.last_sign_on_at.map(|at| When::new(at, admin.now)),
        devices: detail.devices.iter().map(used).collect(),
        history: Event::all(&detail.history, admin.now),
        may_change: admin.rights.contain(Right::Users),
    };
    Ok(html(StatusCode::OK, &page))
}

fn state_of(step: &str) -> Result<PersonState, AdminError> {
    match step {
        "suspend" => Ok(PersonState::Suspended),
        "resume" => Ok(PersonState::Active),
        _ => Err(AdminError::Invalid { field: "step", given: step.to_owned(), wanted: "`suspend` or `resume`" }),
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
    let suspends = state_of(&step)? == PersonState::Suspended;
    let person = user::by_name(visitor.admin(), &name).await?;
    let (label, consequence) = if suspends {
        (
            "Suspend",
            "They can't sign on from any of their devices, from the next request on. Sessions that services have given them already go on until those end.",
        )
    } else {
        ("Resume", "They can sign on from their devices again, from the next request on.")
    };
    let here = path_of(&tenant, &person.name_id);
    let frame = Frame::new(&visitor, label, Some(&tenant), "/users");
    let question = format!("{label} {}?", person.name_id);
    let mut confirm = Confirm::new(frame, question, label, format!("{here}/{step}"), here);
    confirm.consequences = vec![consequence.to_owned()];
    confirm.is_harsh = suspends;
    Ok(confirm.page())
}

/// `POST …/users/{name}/{step}`.
pub(super) async fn step(
    Path((tenant, name, step)): Path<(String, String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let state = state_of(&step)?;
    user::set_state(posted.visitor.admin(), &name, state).await?;
    let notice = if state == PersonState::Suspended { "user-suspended" } else { "user-resumed" };
    Ok(go(&format!("{}?notice={notice}", path_of(&tenant, &name))))
}
