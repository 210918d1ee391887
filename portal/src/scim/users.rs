//! `/Users`.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::fault::Fault;
use super::resource::{self, version_of};
use super::schema::PERSON;
use super::search::Asked;
use super::{Answered, Call, list, patch, wrong_method};
use crate::admin::AdminError;
use crate::admin::directory::{self, EditPerson, Stated, WantedPerson};
use crate::store::directory::{Named, Profile};

/// `GET` and `POST /Users`.
pub(super) async fn collection(call: Call) -> Answered {
    match call.method {
        Method::GET => {
            let asked = call.asked()?;
            found(&call, &asked).await
        }
        Method::POST => create(call).await,
        _ => Err(wrong_method()),
    }
}

/// `POST /Users/.search`.
pub(super) async fn search(call: Call) -> Answered {
    if call.method != Method::POST {
        return Err(wrong_method());
    }
    let asked = Asked::of_body(&call.json()?)?;
    found(&call, &asked).await
}

async fn found(call: &Call, asked: &Asked) -> Answered {
    let (people, all) = directory::people(&call.admin, &asked.people()?, asked.portion).await?;
    let mut groups = Vec::new();
    if asked.view.shows("groups") {
        let ids: Vec<_> = people.iter().map(|profile| profile.person.id.clone()).collect();
        groups = directory::groups_of(&call.admin, &ids).await?;
    }
    let shown = people.iter().map(|profile| {
        let own = groups.iter().filter(|(id, _)| *id == profile.person.id).map(|(_, group)| group.clone());
        asked.view.of(resource::of_person(profile, &own.collect::<Vec<_>>(), &call.base))
    });
    Ok(list(shown.collect(), asked.portion.skip + 1, all))
}

async fn create(call: Call) -> Answered {
    let (asked, body) = (call.asked()?, call.json()?);
    let wanted = resource::wanted_person(resource::read(&body, &PERSON)?)?;
    let profile = directory::add_person(&call.admin, wanted).await?;
    Ok(call.resource(StatusCode::CREATED, resource::of_person(&profile, &[], &call.base), &asked))
}

/// `GET`, `PUT`, `PATCH` and `DELETE /Users/{id}`.
pub(super) async fn one(call: Call, id: &str) -> Answered {
    match call.method {
        Method::GET => {
            let profile = directory::person(&call.admin, id).await?;
            shown(&call, &profile).await
        }
        Method::PUT => {
            let wanted = resource::wanted_person(resource::read(&call.json()?, &PERSON)?)?;
            edit(call, id, |_| Ok(wanted)).await
        }
        Method::PATCH => {
            let operations = patch::operations(&call.json()?)?;
            edit(call, id, move |there| patched(there, &operations)).await
        }
        Method::DELETE => {
            let may = call.precondition();
            let check = move |there: &Profile| may(&version_of(there)).map_err(told);
            directory::delete_person(&call.admin, id, check).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(wrong_method()),
    }
}

fn told(fault: Fault) -> AdminError {
    AdminError::Scim(Box::new(fault))
}

async fn edit(
    call: Call,
    id: &str,
    wanted: impl FnOnce(&Profile) -> Result<WantedPerson, Fault> + Send + 'static,
) -> Answered {
    call.asked()?;
    let may = call.precondition();
    let edit: EditPerson = Box::new(move |there| {
        may(&version_of(there)).map_err(told)?;
        wanted(there).map_err(told)
    });
    let profile = directory::edit_person(&call.admin, id, edit).await?;
    shown(&call, &profile).await
}

fn patched(there: &Profile, operations: &[patch::Operation]) -> Result<WantedPerson, Fault> {
    let known = resource::read(&resource::of_person(there, &[], ""), &PERSON)?;
    let changed = patch::apply(&known, operations, &PERSON)?;
    let wanted = resource::wanted_person(resource::read(&Value::Object(changed), &PERSON)?)?;
    let active = if wanted.active == Stated::Nothing { Stated::TakenBack } else { wanted.active };
    Ok(WantedPerson { active, ..wanted })
}

async fn shown(call: &Call, profile: &Profile) -> Result<Response, Fault> {
    let asked = call.asked()?;
    let mut groups: Vec<Named> = Vec::new();
    if asked.view.shows("groups") {
        let found = directory::groups_of(&call.admin, std::slice::from_ref(&profile.person.id)).await?;
        groups = found.into_iter().map(|(_, group)| group).collect();
    }
    Ok(call.resource(StatusCode::OK, resource::of_person(profile, &groups, &call.base), &asked))
}
