//! People and groups as SCIM resources, in both directions.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::schema::{Attribute, GROUP, GROUPS, Kind, Mutability, PERSON, Shape, USER};
use crate::admin::directory::{Stated, WantedGroup, WantedPerson};
use crate::store::directory::{Group, Named, Profile, Value as Row};
use crate::store::person::PersonState;

/// The longest text, in characters.
const LONGEST: usize = 500;
/// The most values of one attribute.
const MOST: usize = 100;
/// The most that is kept of one person, in octets of JSON.
const LARGEST: usize = 32 * 1024;
/// The most members that one request may name.
pub(super) const MOST_MEMBERS: usize = 10_000;

/// A member of an object by its name in upper or lower case.
pub(super) fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The values of a list; one value alone is a list of it.
pub(super) fn elements(value: &Value) -> &[Value] {
    match value.as_array() {
        Some(all) => all,
        None if value.is_null() => &[],
        None => std::slice::from_ref(value),
    }
}

/// What a resource says of the attributes that may be set, each in its own spelling; what nobody keeps is left out.
pub(super) fn read(given: &Value, shape: &Shape) -> Result<Map<String, Value>, Fault> {
    let object = given.as_object().ok_or_else(|| Fault::value("a resource is a JSON object"))?;
    let mut known = Map::new();
    for (key, value) in object {
        if let Some((schema, attributes)) = shape.extension(key) {
            let parts = complex(value, attributes, schema)?;
            if !parts.is_empty() {
                known.insert(schema.to_owned(), Value::Object(parts));
            }
        } else if let Some((None, attribute)) = shape.find(None, key)
            && attribute.mutability != Mutability::ReadOnly
            && let Some(value) = value_of(attribute, value)?
        {
            known.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(known)
}

/// The value as the attribute takes it; none where it is empty.
fn value_of(attribute: &Attribute, given: &Value) -> Result<Option<Value>, Fault> {
    if !attribute.is_list {
        return single(attribute, given);
    }
    let all = elements(given);
    let most = if attribute.name == "members" { MOST_MEMBERS } else { MOST };
    if all.len() > most {
        return Err(Fault::value(format!("`{}` has more than {most} values: send fewer at once", attribute.name)));
    }
    let mut values = Vec::with_capacity(all.len());
    for one in all {
        values.extend(single(attribute, one)?);
    }
    if values.iter().filter(|value| value.get("primary") == Some(&Value::Bool(true))).count() > 1 {
        return Err(Fault::value(format!("`{}` has more than one primary value", attribute.name)));
    }
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

fn single(attribute: &Attribute, given: &Value) -> Result<Option<Value>, Fault> {
    let wrong = |wanted: &str| Err(Fault::value(format!("`{}` is {wanted}", attribute.name)));
    match (attribute.kind, given) {
        (_, Value::Null) => Ok(None),
        (Kind::Text | Kind::Reference, Value::String(text)) => {
            if text.chars().count() > LONGEST || text.contains('\0') {
                return wrong(&format!("a text of {LONGEST} characters at most"));
            }
            Ok((!text.is_empty()).then(|| given.clone()))
        }
        (Kind::Text, Value::Number(number)) => Ok(Some(Value::String(number.to_string()))),
        (Kind::Text | Kind::Reference, _) => wrong("a text"),
        (Kind::Boolean, Value::Bool(_)) => Ok(Some(given.clone())),
        // Some directories write it as a text.
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(Value::Bool(true))),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(Value::Bool(false))),
        (Kind::Boolean, _) => wrong("true or false"),
        (Kind::Integer, Value::Number(_)) => Ok(Some(given.clone())),
        (Kind::Integer, _) => wrong("a number"),
        (Kind::Complex, Value::Object(_)) => {
            let parts = complex(given, attribute.parts, attribute.name)?;
            Ok((!parts.is_empty()).then_some(Value::Object(parts)))
        }
        // A plain text is the `value` of what has one: some directories send a manager so.
        (Kind::Complex, Value::String(text)) if attribute.part("value").is_some() && !text.is_empty() => {
            single(attribute, &json!({ "value": text }))
        }
        (Kind::Complex, Value::String(text)) if text.is_empty() => Ok(None),
        (Kind::Complex, _) => wrong("an object"),
    }
}

fn complex(given: &Value, attributes: &'static [Attribute], name: &str) -> Result<Map<String, Value>, Fault> {
    let object = given.as_object().ok_or_else(|| Fault::value(format!("`{name}` is an object")))?;
    let mut parts = Map::new();
    for (key, value) in object {
        let known = attributes.iter().find(|one| one.name.eq_ignore_ascii_case(key));
        if let Some(attribute) = known.filter(|one| one.mutability != Mutability::ReadOnly)
            && let Some(value) = value_of(attribute, value)?
        {
            parts.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(parts)
}

/// A person as a resource.
pub(super) fn of_person(profile: &Profile, groups: &[Named], base: &str) -> Value {
    let person = &profile.person;
    let mut resource = Map::new();
    let mut schemas = vec![USER];
    resource.insert("id".to_owned(), json!(person.id));
    if !profile.external_id.is_empty() {
        resource.insert("externalId".to_owned(), json!(profile.external_id));
    }
    resource.insert("userName".to_owned(), json!(profile.user_name));
    resource.insert("active".to_owned(), json!(person.state == PersonState::Active));
    for (name, value) in profile.attributes.as_object().into_iter().flatten() {
        schemas.extend(PERSON.extension(name).map(|(schema, _)| schema));
        if !value.is_null() {
            resource.insert(name.clone(), value.clone());
        } else if person.state == PersonState::Active {
            // Nobody says whether they are active, so they are.
            resource.remove(name);
        }
    }
    if !groups.is_empty() {
        let one = |group: &Named| json!({ "value": group.id, "$ref": format!("{base}/Groups/{}", group.id), "display": group.name });
        resource.insert("groups".to_owned(), groups.iter().map(one).collect());
    }
    let mut meta = json!({
        "resourceType": "User", "created": person.created_at.to_string(), "lastModified": person.changed_at.to_string(),
        "location": format!("{base}/Users/{}", person.id),
    });
    meta["version"] = json!(version_of(profile));
    resource.insert("schemas".to_owned(), json!(schemas));
    resource.insert("meta".to_owned(), meta);
    Value::Object(resource)
}

/// A version for what a directory sets of a person; another one whenever that changes, no matter who changes it.
pub(super) fn version_of(profile: &Profile) -> String {
    let person = &profile.person;
    let all = json!([profile.user_name, profile.external_id, profile.attributes, person.state.to_string(), person.id]);
    let digest = ring::digest::digest(&ring::digest::SHA256, all.to_string().as_bytes());
    format!("W/\"{}\"", data_encoding::HEXLOWER.encode(&digest.as_ref()[..8]))
}

/// What a directory wants a person to be, from attributes that were [`read`].
pub(super) fn wanted_person(mut known: Map<String, Value>) -> Result<WantedPerson, Fault> {
    let user_name = text(known.remove("userName"));
    if user_name.is_empty() {
        return Err(Fault::value("`userName` is missing: send `user@domain`"));
    }
    let external_id = text(known.remove("externalId"));
    let active = match known.remove("active") {
        Some(Value::Bool(active)) => Stated::Is(active),
        _ => Stated::Nothing,
    };
    let attributes = Value::Object(known);
    if attributes.to_string().len() > LARGEST {
        return Err(Fault::value("what is said about one person has more than 32 KiB: send fewer attributes"));
    }
    let values = rows(&user_name, &external_id, &attributes);
    Ok(WantedPerson { user_name, external_id, active, attributes, values })
}

/// What lists are filtered by.
fn rows(user_name: &str, external_id: &str, attributes: &Value) -> Vec<Row> {
    let row = |attribute: &str, part: &str, element: usize, value: String| Row {
        attribute: attribute.to_lowercase(),
        part: part.to_lowercase(),
        element: i64::try_from(element).unwrap_or(i64::MAX),
        value,
    };
    let mut rows = vec![row("userName", "", 0, user_name.to_lowercase())];
    if !external_id.is_empty() {
        rows.push(row("externalId", "", 0, external_id.to_owned()));
    }
    for (name, value) in attributes.as_object().into_iter().flatten() {
        if let Some((schema, _)) = PERSON.extension(name) {
            for (name, value) in value.as_object().into_iter().flatten() {
                push_rows(&mut rows, &format!("{schema}:{name}"), value, row);
            }
        } else {
            push_rows(&mut rows, name, value, row);
        }
    }
    rows
}

fn push_rows(rows: &mut Vec<Row>, name: &str, value: &Value, row: impl Fn(&str, &str, usize, String) -> Row) {
    let plain = |value: &Value| {
        let text = value.as_str().map(str::to_lowercase);
        text.or_else(|| value.as_bool().map(|flag| flag.to_string()))
    };
    for (element, value) in elements(value).iter().enumerate() {
        if let Value::Object(parts) = value {
            let found = parts.iter().filter_map(|(part, value)| Some((part, plain(value)?)));
            rows.extend(found.map(|(part, value)| row(name, part, element, value)));
        } else if let Some(value) = plain(value) {
            rows.push(row(name, "", element, value));
        }
    }
}

/// A group as a resource; none: its members are not asked for.
pub(super) fn of_group(group: &Group, members: Option<&[Named]>, base: &str) -> Value {
    let mut resource = json!({
        "schemas": [GROUP],
        "id": group.id,
        "displayName": group.display_name,
        "meta": {
            "resourceType": "Group", "created": group.created_at.to_string(), "lastModified": group.changed_at.to_string(),
            "location": format!("{base}/Groups/{}", group.id), "version": group.version(),
        },
    });
    if !group.external_id.is_empty() {
        resource["externalId"] = json!(group.external_id);
    }
    if let Some(members) = members.filter(|members| !members.is_empty()) {
        let one = |member: &Named| {
            let id = &member.id;
            json!({ "value": id, "$ref": format!("{base}/Users/{id}"), "type": "User" })
        };
        resource["members"] = members.iter().map(one).collect();
    }
    resource
}

/// What a directory wants a group to be.
pub(super) fn wanted_group(given: &Value) -> Result<WantedGroup, Fault> {
    let mut known = read(given, &GROUPS)?;
    let display_name = text(known.remove("displayName"));
    if display_name.trim().is_empty() {
        return Err(Fault::value("`displayName` is missing: send the group's name"));
    }
    let members = known.remove("members").unwrap_or_else(|| json!([]));
    Ok(WantedGroup { display_name, external_id: text(known.remove("externalId")), members: member_ids(&members)? })
}

/// The ids of the users that `members` names, as SCIM writes members or as their plain ids.
pub(super) fn member_ids(members: &Value) -> Result<Vec<String>, Fault> {
    let all = elements(members);
    if all.len() > MOST_MEMBERS {
        return Err(Fault::value(format!("`members` has more than {MOST_MEMBERS} values: send fewer at once")));
    }
    let id = |one: &Value| {
        let kind = member(one, "type").and_then(Value::as_str).unwrap_or("User");
        if !kind.eq_ignore_ascii_case("user") {
            return Err(Fault::value("a member is a user: groups in groups are not kept, send their users"));
        }
        let id = one.as_str().or_else(|| member(one, "value").and_then(Value::as_str));
        let id = id.or_else(|| member(one, "$ref").and_then(Value::as_str).and_then(|url| url.rsplit('/').next()));
        let id = id.filter(|id| !id.is_empty() && id.len() <= 64);
        id.map(str::to_owned).ok_or_else(|| Fault::value("a member has the id of a user as its `value`"))
    };
    let mut ids = all.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn text(value: Option<Value>) -> String {
    if let Some(Value::String(text)) = value { text } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::ENTERPRISE;

    #[test]
    fn names_take_their_spelling_and_values_their_kind() {
        let given = json!({
            "USERNAME": "a@x.test", "Active": "False", "id": "mine", "password": "p", "nickName": null, "title": "",
            "emails": { "VALUE": "a@x.test", "primary": "True", "unheard": 1 }, "groups": [{ "value": "g" }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user": { "employeeNumber": 7, "manager": "m" },
        });
        let known = Value::Object(read(&given, &PERSON).unwrap());
        let wanted = json!({
            "userName": "a@x.test", "active": false, "emails": [{ "value": "a@x.test", "primary": true }],
            ENTERPRISE: { "employeeNumber": "7", "manager": { "value": "m" } },
        });
        assert_eq!(known, wanted);
    }

    #[test]
    fn values_of_another_kind_are_refused_by_name() {
        for (given, name) in [
            (json!({ "userName": ["a"] }), "userName"),
            (json!({ "active": "perhaps" }), "active"),
            (json!({ "name": [] }), "name"),
            (json!({ "emails": [{ "value": true }] }), "value"),
            (json!({ "title": "x".repeat(501) }), "title"),
            (json!({ "emails": vec![json!({ "value": "x" }); 101] }), "emails"),
            (json!({ "emails": [{ "value": "x", "primary": true }, { "value": "y", "primary": true }] }), "emails"),
        ] {
            let fault = read(&given, &PERSON).unwrap_err();
            assert!(fault.detail.contains(name), "{given}: {}", fault.detail);
        }
        assert!(read(&json!([]), &PERSON).is_err());
    }

    #[test]
    fn members_are_users_by_id_each_once() {
        let ids = member_ids(&json!([{ "value": "b" }, "a", { "$ref": "https://x/Users/b", "type": "User" }])).unwrap();
        assert_eq!(ids, ["a", "b"]);
        assert!(
            member_ids(&json!([{ "value": "g", "type": "Group" }])).unwrap_err().detail.contains("groups in groups")
        );
        assert!(member_ids(&json!([{ "display": "x" }])).is_err());
    }
}
