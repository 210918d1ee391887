//! Devices: the list with its filters, one page for each, and the moves.

use askama::Template;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};
use saml::time::UtcTime;

use super::access::{Posted, Visitor};
use super::fields::Fields;
use super::support::Support;
use super::view::{Confirm, Event, Frame, ROWS, When, base};
use super::{PageError, go, html};
use crate::admin::{AdminError, Right, device};
use crate::evidence::{AGENT_VERSION, DEVICE, HOSTNAME, KEY_PROTECTION, PLATFORM};
use crate::store::device::{Device, DeviceFilter, DeviceState, Move};
use crate::store::device_clone::CloneSign;
use crate::store::person::DeviceUse;

/// The moves, as addresses name them: address, button, question, consequence, whether something is taken away.
static STEPS: [(Move, &str, &str, &str, bool); 7] = [
    (Move::Approve, "approve", "Approve", "It signs people in from its next request on.", false),
    (Move::Deny, "deny", "Deny", "It is turned away and needs a device token to ask again.", true),
    (Move::Restore, "restore", "Restore", "It signs people in again from its next request on.", false),
    (
        Move::Remove,
        "remove",
        "Remove",
        "It signs nobody in from its next request on, and counts as removed when it has heard so. It needs a device token to come back.",
        true,
    ),
    (
        Move::Wipe,
        "wipe",
        "Wipe",
        "It is removed, and deletes its key, its state and its token when it hears so. It needs a new device token, and comes back as another device.",
        true,
    ),
    (
        Move::ForceRemove,
        "force-remove",
        "Force removal",
        "It counts as removed at once, whether it hears so or not. It needs a device token to come back.",
        true,
    ),
    (
        Move::Quarantine,
        "quarantine",
        "Quarantine",
        "The machine is shut out from its next request on, whatever token it brings, until somebody restores it.",
        true,
    ),
];

/// A device, as lists show it.
pub(super) struct DeviceRow {
    pub(super) id: String,
    pub(super) short: String,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) platform: String,
    pub(super) key_protection: String,
    pub(super) version: String,
    pub(super) last_seen: When,
    pub(super) enrolled: When,
}

impl DeviceRow {
    pub(super) fn new(device: &Device, now: UtcTime) -> Self {
        let id = device.id.to_string();
        let short: String = id.rsplit(':').next().unwrap_or_default().chars().take(12).collect();
        let host = device.fact(HOSTNAME);
        Self {
            name: if host.is_empty() { format!("Device {short}") } else { host.to_owned() },
            short,
            id,
            state: device.state.as_str(),
            platform: device.fact(PLATFORM).to_owned(),
            key_protection: device.fact(KEY_PROTECTION).to_owned(),
            version: device.fact(AGENT_VERSION).to_owned(),
            last_seen: When::new(device.last_seen_at, now),
            enrolled: When::new(device.enrolled_at, now),
        }
    }
}

struct Filter {
    name: &'static str,
    label: &'static str,
    options: Vec<String>,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct ListPage {
    frame: Frame,
    devices: Vec<DeviceRow>,
    next: Option<String>,
    csv: String,
    filters: Vec<Filter>,
    query: Fields,
    narrowed: bool,
    tick: bool,
    steps: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "clones.html")]
struct ClonesPage {
    frame: Frame,
    found: Vec<(DeviceRow, usize, Vec<[String; 3]>)>,
}

/// `GET …/devices/clones`: devices whose key is in two places, each beside the other.
pub(super) async fn clones(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(&tenant).await?;
    let both = |(device, signs): (Device, Vec<CloneSign>)| {
        let last = signs.first().filter(|_| device.tenant_id == tenant_id)?;
        Some((DeviceRow::new(&device, admin.now), signs.len(), device::side_by_side(&device, last)))
    };
    let found = device::clones(admin).await?.into_iter().filter_map(both).collect();
    Ok(html(
        StatusCode::OK,
        &ClonesPage { frame: Frame::new(&visitor, "Copied keys", Some(&tenant), "/devices"), found },
    ))
}

fn filter(query: &Fields) -> DeviceFilter {
    DeviceFilter {
        state: query.text("state").parse().ok(),
        platform: query.some("platform"),
        key_protection: query.some("key"),
        agent_version: query.some("version"),
        token_id: query.some("token"),
        search: query.some("q"),
    }
}

/// `GET …/devices`.
pub(super) async fn list(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let (admin, query) = (visitor.admin(), &visitor.query);
    let after = query.text("after").parse().ok();
    let found = device::page(admin, &tenant, &filter(query), after.as_ref(), ROWS).await?;
    let [platforms, keys, versions] = device::kinds(admin, &tenant).await?;
    let states = DeviceState::ALL.iter().map(ToString::to_string).collect();
    let page = ListPage {
        frame: Frame::new(&visitor, "Devices", Some(&tenant), "/devices"),
        devices: found.rows.iter().map(|device| DeviceRow::new(device, admin.now)).collect(),
        next: found.next.map(|next| query.with("after", &next.to_string())),
        csv: query.with("after", ""),
        filters: vec![
            Filter { name: "state", label: "State", options: states },
            Filter { name: "platform", label: "Platform", options: platforms },
            Filter { name: "key", label: "Key", options: keys },
            Filter { name: "version", label: "Agent", options: versions },
        ],
        narrowed: ["q", "state", "platform", "key", "version", "token"].iter().any(|name| query.some(name).is_some()),
        query: query.clone(),
        tick: admin.rights.contain(Right::Devices),
        steps: STEPS.iter().map(|(_, name, label, ..)| (*name, *label)).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET …/devices.csv`: all that the filters let through, a portion at a time.
pub(super) async fn csv(visitor: Visitor, Path(tenant): Path<String>) -> Result<Response, PageError> {
    let mut text = "device,state,hostname,platform,key protection,agent,enrolled,last heard,token\r\n".to_owned();
    let (admin, filter) = (visitor.admin(), filter(&visitor.query));
    let mut after = None;
    loop {
        let portion = device::page(admin, &tenant, &filter, after.as_ref(), 1000).await?;
        portion.rows.iter().for_each(|device| text.push_str(&csv_line(device)));
        after = portion.next;
        if after.is_none() {
            break;
        }
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"devices.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from(text)).into_response())
}

fn csv_line(device: &Device) -> String {
    let cells = [
        device.id.as_str(),
        device.state.as_str(),
        device.fact(HOSTNAME),
        device.fact(PLATFORM),
        device.fact(KEY_PROTECTION),
        device.fact(AGENT_VERSION),
        &device.enrolled_at.to_string(),
        &device.last_seen_at.to_string(),
        device.token_id.as_str(),
    ]
    .map(csv_cell);
    cells.join(",") + "\r\n"
}

/// A cell in quotes (RFC 4180). A device chooses its own name: a spreadsheet must not take it for a formula.
fn csv_cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[derive(Template)]
#[template(path = "device.html")]
struct OnePage {
    frame: Frame,
    device: DeviceRow,
    standing: String,
    token: String,
    sequence: i64,
    key_hash: String,
    steps: Vec<(&'static str, &'static str, bool)>,
    people: Vec<PersonRow>,
    facts: Vec<(String, String)>,
    history: Vec<Event>,
    changes: Vec<Event>,
    support: Support,
}

struct PersonRow {
    name: String,
    grade: String,
    origin: String,
    first: When,
    last: When,
}

/// `GET …/devices/{id}`.
pub(super) async fn one(visitor: Visitor, Path((tenant, id)): Path<(String, String)>) -> Result<Response, PageError> {
    let admin = visitor.admin();
    let detail = device::detail(admin, &id).await?;
    let row = &detail.device;
    let may_change = admin.rights.contain(Right::Devices);
    let possible =
        STEPS.iter().filter(|(step, ..)| may_change && row.state.after(*step).is_some_and(|after| after != row.state));
    let person = |used: &DeviceUse| PersonRow {
        name: used.name_id.clone(),
        grade: used.grade.clone(),
        origin: used.origin.clone(),
        first: When::new(used.first_at, admin.now),
        last: When::new(used.last_at, admin.now),
    };
    let fact = |(name, values): (&String, &Vec<String>)| {
        (name.strip_prefix(DEVICE).unwrap_or(name).to_owned(), values.join(", "))
    };
    let device = DeviceRow::new(row, admin.now);
    let page = OnePage {
        frame: Frame::new(&visitor, &device.name, Some(&tenant), "/devices"),
        standing: standing(row),
        token: row.token_id.to_string(),
        sequence: row.sequence,
        key_hash: data_encoding::HEXLOWER.encode(digest(&SHA256, &row.public_key).as_ref()),
        steps: possible.map(|(_, name, label, _, harsh)| (*name, *label, *harsh)).collect(),
        people: detail.people.iter().map(person).collect(),
        facts: row.facts.iter().map(fact).collect(),
        history: Event::all(&detail.history, admin.now),
        changes: Event::all(&detail.changes, admin.now),
        support: Support::of(&visitor, &id, row.state).await?,
        device,
    };
    Ok(html(StatusCode::OK, &page))
}

fn standing(device: &Device) -> String {
    let meaning = match device.state {
        DeviceState::Registered => return String::new(),
        DeviceState::Pending => "It waits for approval: its people can't sign on yet.",
        DeviceState::Unregistered => "It has signed itself off. A device token brings it back.",
        DeviceState::RemovalPending => "It was removed, and has not heard so yet.",
        DeviceState::Removed => "It was removed. Only a new enrolment or a restoration brings it back.",
        DeviceState::Quarantined => "It is shut out, whatever token it brings.",
    };
    if device.state_note.is_empty() { meaning.to_owned() } else { format!("{meaning} ({})", device.state_note) }
}

type Step = &'static (Move, &'static str, &'static str, &'static str, bool);

fn step_of(name: &str) -> Result<Step, AdminError> {
    let wanted = "a move of a device";
    let step = STEPS.iter().find(|step| step.1 == name);
    step.ok_or_else(|| AdminError::Invalid { field: "step", given: name.to_owned(), wanted })
}

/// `GET …/devices/{id}/{step}`.
pub(super) async fn ask(
    visitor: Visitor,
    Path((tenant, id, step)): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    let (_, name, label, consequence, harsh) = *step_of(&step)?;
    let device = DeviceRow::new(&device::named(visitor.admin(), &id).await?, visitor.admin().now);
    let here = format!("{}/devices/{id}", base(&tenant));
    let frame = Frame::new(&visitor, label, Some(&tenant), "/devices");
    let question = format!("{label}: {}?", device.name);
    let mut confirm = Confirm::new(frame, question, label, format!("{here}/{name}"), here);
    confirm.consequences = vec![consequence.to_owned()];
    confirm.things = vec![device.id];
    confirm.is_harsh = harsh;
    Ok(confirm.page())
}

/// `POST …/devices/{id}/{step}`.
pub(super) async fn step(
    Path((tenant, id, step)): Path<(String, String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    device::step(posted.visitor.admin(), &id, step_of(&step)?.0).await?;
    Ok(go(&format!("{}/devices/{id}?notice=device-moved", base(&tenant))))
}

/// `POST …/devices/move`: first the question, then, confirmed, the moves.
pub(super) async fn move_many(Path(tenant): Path<String>, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let (step, name, label, consequence, harsh) = *step_of(fields.text("step"))?;
    let ids = fields.all("id");
    let list = format!("{}/devices", base(&tenant));
    if ids.is_empty() {
        return Ok(go(&list));
    }
    if fields.has("confirmed", "1") {
        let results = device::step_each(visitor.admin(), &ids, step).await;
        let all = results.iter().all(|(_, result)| result.is_ok());
        return Ok(go(&format!("{list}?notice={}", if all { "devices-moved" } else { "some-not-moved" })));
    }
    let frame = Frame::new(&visitor, label, Some(&tenant), "/devices");
    let question = format!("{label}: {} devices?", ids.len());
    let mut confirm = Confirm::new(frame, question, label, format!("{list}/move"), list);
    confirm.consequences = vec![consequence.replacen("It ", "Each of them ", 1)];
    confirm.is_harsh = harsh;
    confirm.hidden = ids.iter().map(|id| ("id".to_owned(), id.clone())).collect();
    confirm.hidden.push(("step".to_owned(), name.to_owned()));
    confirm.things = ids;
    Ok(confirm.page())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_no_formula() {
        assert_eq!(csv_cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(csv_cell("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
    }
}
