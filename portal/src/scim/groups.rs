//! `/Groups`.

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;

use super::fault::{Fault, ScimType};
use super::search::Asked;
use super::{Answered, Call, group_patch, list, patch, resource, with_version, wrong_method};
use crate::admin::AdminError;
use crate::admin::directory::{self, EditGroup, GroupEdit, WantedGroup};
use crate::store::directory::{Group, Named};

/// Members that one answer shows at most.
const MOST_SHOWN: usize = 50_000;

/// `GET` and `POST /Groups`.
pub(super) async fn collection(call: Call) -> Answered {
    match call.method {
        Method::GET => {
            let asked = call.asked()?;
            found(&call, &asked).await
        }
        Method::POST => {
            let asked = call.asked()?;
            let group = directory::add_group(&call.admin, resource::wanted_group(&call.json()?)?).await?;
            shown(&call, StatusCode::CREATED, &group, &asked).await
        }
        _ => Err(wrong_method()),
    }
}

/// `POST /Groups/.search`.
pub(super) async fn search(call: Call) -> Answered {
    if call.method != Method::POST {
        return Err(wrong_method());
    }
    let asked = Asked::of_body(&call.json()?)?;
    found(&call, &asked).await
}

async fn found(call: &Call, asked: &Asked) -> Answered {
    let (groups, all) = directory::groups(&call.admin, &asked.groups()?, asked.portion).await?;
    let mut room = MOST_SHOWN;
    let mut resources = Vec::with_capacity(groups.len());
    for group in &groups {
        let members = members(call, group, asked, &mut room).await?;
        resources.push(asked.view.of(resource::of_group(group, members.as_deref(), &call.base)));
    }
    Ok(list(resources, asked.portion.skip + 1, all))
}

/// The group's members where they are asked for, as long as there is room for them.
async fn members(call: &Call, group: &Group, asked: &Asked, room: &mut usize) -> Result<Option<Vec<Named>>, Fault> {
    if !asked.view.shows("members") {
        return Ok(None);
    }
    let limit = i64::try_from(*room + 1).unwrap_or(i64::MAX);
    let members = directory::members(&call.admin, group, limit).await?;
    *room = room.checked_sub(members.len()).ok_or_else(|| {
        let detail = "there are more than 50000 members: leave them out with `excludedAttributes=members`, and ask \
                      who is in a group with a filter of users, `groups.value eq \"…\"`";
        Fault::bad(ScimType::TooMany, detail)
    })?;
    Ok(Some(members))
}

async fn shown(call: &Call, status: StatusCode, group: &Group, asked: &Asked) -> Answered {
    let members = members(call, group, asked, &mut { MOST_SHOWN }).await?;
    Ok(call.resource(status, resource::of_group(group, members.as_deref(), &call.base), asked))
}

/// `GET`, `PUT`, `PATCH` and `DELETE /Groups/{id}`.
pub(super) async fn one(call: Call, id: &str) -> Answered {
    let asked = call.asked()?;
    match call.method {
        Method::GET => {
            let group = directory::group(&call.admin, id).await?;
            shown(&call, StatusCode::OK, &group, &asked).await
        }
        Method::PUT => {
            let WantedGroup { display_name, external_id, members } = resource::wanted_group(&call.json()?)?;
            let edits =
                vec![GroupEdit::Name(display_name), GroupEdit::ExternalId(external_id), GroupEdit::Members(members)];
            let group = edit(&call, id, edits).await?;
            shown(&call, StatusCode::OK, &group, &asked).await
        }
        Method::PATCH => {
            let edits = group_patch::edits(&patch::operations(&call.json()?)?)?;
            let group = edit(&call, id, edits).await?;
            // A client that adds one member to a large group does not want to read all of them.
            let mut response = StatusCode::NO_CONTENT.into_response();
            with_version(&mut response, &group.version());
            Ok(response)
        }
        Method::DELETE => {
            let may = call.precondition();
            let check = move |there: &Group| may(&there.version()).map_err(told);
            directory::delete_group(&call.admin, id, check).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(wrong_method()),
    }
}

fn told(fault: Fault) -> AdminError {
    AdminError::Scim(Box::new(fault))
}

async fn edit(call: &Call, id: &str, edits: Vec<GroupEdit>) -> Result<Group, Fault> {
    let may = call.precondition();
    let edit: EditGroup = Box::new(move |there| {
        may(&there.version()).map_err(told)?;
        Ok(edits)
    });
    Ok(directory::edit_group(&call.admin, id, edit).await?)
}
