//! PATCH of a group, as changes of its name and of who is in it: a large group is never read to add one member.

use serde_json::Value;

use super::fault::{Fault, ScimType};
use super::filter::{Filter, Operator};
use super::patch::{Operation, Target, Verb};
use super::resource::{self, MOST_MEMBERS};
use super::schema::GROUPS;
use crate::admin::directory::GroupEdit;

/// The changes that the operations ask for, in their order.
pub(super) fn edits(operations: &[Operation]) -> Result<Vec<GroupEdit>, Fault> {
    let mut edits = Vec::new();
    for Operation { verb, path, value } in operations {
        match Target::find(path.as_deref(), &GROUPS)? {
            Target::Whole(_) => whole(*verb, value, &mut edits)?,
            Target::Attribute { attribute, part, filter, .. } => {
                edits.push(edit(*verb, (attribute.name, part.is_some(), filter.as_ref()), value)?);
            }
        }
    }
    let named: usize = edits.iter().map(members_in).sum();
    if named > MOST_MEMBERS {
        return Err(Fault::value(format!("the operations name more than {MOST_MEMBERS} members: send fewer at once")));
    }
    Ok(edits)
}

fn members_in(edit: &GroupEdit) -> usize {
    match edit {
        GroupEdit::Members(ids) | GroupEdit::Add(ids) | GroupEdit::Remove(ids) => ids.len(),
        GroupEdit::Name(_) | GroupEdit::ExternalId(_) => 0,
    }
}

fn whole(verb: Verb, value: &Value, edits: &mut Vec<GroupEdit>) -> Result<(), Fault> {
    let Value::Object(values) = value else { return Err(Fault::value("without `path`, `value` is an object")) };
    if verb == Verb::Remove {
        return Err(Fault::bad(ScimType::NoTarget, "a whole group is removed by DELETE"));
    }
    for (key, value) in values {
        // `schemas`, `id` and what nobody keeps may come along and change nothing.
        if let Ok(Target::Attribute { attribute, part, filter, .. }) = Target::find(Some(key), &GROUPS) {
            edits.push(edit(verb, (attribute.name, part.is_some(), filter.as_ref()), value)?);
        }
    }
    Ok(())
}

fn edit(
    verb: Verb,
    (name, has_part, filter): (&str, bool, Option<&Filter>),
    value: &Value,
) -> Result<GroupEdit, Fault> {
    if has_part {
        return Err(Fault::bad(ScimType::Mutability, "a part of a member can't be changed: remove it and add another"));
    }
    let text = || {
        let text = value.as_str().filter(|text| text.chars().count() <= 255);
        text.map(str::to_owned).ok_or_else(|| Fault::value(format!("`{name}` is a text of 255 characters at most")))
    };
    match (name, verb, filter) {
        ("displayName", Verb::Remove, _) => {
            Err(Fault::bad(ScimType::Mutability, "`displayName` can't be taken away: replace it"))
        }
        ("displayName", ..) => Ok(GroupEdit::Name(text()?)),
        ("externalId", Verb::Remove, _) => Ok(GroupEdit::ExternalId(String::new())),
        ("externalId", ..) => Ok(GroupEdit::ExternalId(text()?)),
        (_, Verb::Remove, Some(filter)) => Ok(GroupEdit::Remove(ids_in(filter)?)),
        (_, Verb::Add | Verb::Replace, Some(_)) => {
            Err(Fault::bad(ScimType::InvalidPath, "members are added and replaced by `members` without a filter"))
        }
        // Some directories name those who are to leave in the value, and an empty list of them is nobody.
        (_, Verb::Remove, None) if !value.is_null() => Ok(GroupEdit::Remove(resource::member_ids(value)?)),
        (_, Verb::Remove, None) => Ok(GroupEdit::Members(Vec::new())),
        (_, Verb::Add, None) => Ok(GroupEdit::Add(resource::member_ids(value)?)),
        (_, Verb::Replace, None) => Ok(GroupEdit::Members(resource::member_ids(value)?)),
    }
}

/// The ids in `value eq "…" or value eq "…"`.
fn ids_in(filter: &Filter) -> Result<Vec<String>, Fault> {
    match filter {
        Filter::Compare(name, Operator::Eq, Value::String(id)) if name.attribute == "value" => Ok(vec![id.clone()]),
        Filter::Or(left, right) => {
            let mut ids = ids_in(left)?;
            ids.extend(ids_in(right)?);
            Ok(ids)
        }
        Filter::And(..) | Filter::Not(_) | Filter::Present(_) | Filter::Compare(..) | Filter::Element(..) => {
            Err(Fault::bad(ScimType::InvalidFilter, "members are removed by their id: `members[value eq \"…\"]`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(operations: Value) -> Result<Vec<GroupEdit>, Fault> {
        edits(&super::super::patch::operations(&json!({ "Operations": operations }))?)
    }

    fn ids(all: &[&str]) -> Vec<String> {
        all.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn members_are_added_removed_and_replaced_in_every_directorys_way() {
        let edits = read(json!([
            { "op": "Add", "path": "members", "value": [{ "value": "a" }, { "value": "b" }] },
            { "op": "remove", "path": "members[value eq \"a\"]" },
            { "op": "Remove", "path": "members", "value": [{ "value": "b" }] },
            { "op": "remove", "path": "members[value eq \"a\" or value eq \"c\"]" },
            { "op": "replace", "value": { "id": "x", "displayName": "new", "members": [] } },
            { "op": "remove", "path": "members" },
            { "op": "remove", "path": "members", "value": [] },
        ]));
        let wanted = [
            GroupEdit::Add(ids(&["a", "b"])),
            GroupEdit::Remove(ids(&["a"])),
            GroupEdit::Remove(ids(&["b"])),
            GroupEdit::Remove(ids(&["a", "c"])),
            GroupEdit::Name("new".to_owned()),
            GroupEdit::Members(vec![]),
            GroupEdit::Members(vec![]),
            GroupEdit::Remove(vec![]),
        ];
        assert_eq!(edits.unwrap(), wanted);
    }

    #[test]
    fn what_can_not_be_done_to_a_group_is_refused_by_its_kind() {
        for (operation, kind) in [
            (json!({ "op": "remove", "path": "displayName" }), ScimType::Mutability),
            (json!({ "op": "replace", "path": "shoeSize", "value": 1 }), ScimType::InvalidPath),
            (json!({ "op": "replace", "path": "members[value eq \"a\"].value", "value": "b" }), ScimType::Mutability),
            (json!({ "op": "remove", "path": "members[type eq \"User\"]" }), ScimType::InvalidFilter),
            (json!({ "op": "replace", "path": "displayName", "value": 7 }), ScimType::InvalidValue),
            (json!({ "op": "move", "path": "members" }), ScimType::InvalidSyntax),
        ] {
            assert_eq!(read(json!([operation])).unwrap_err().scim_type, Some(kind), "{operation}");
        }
        let many: Vec<_> = (0..=MOST_MEMBERS).map(|n| json!({ "value": n.to_string() })).collect();
        assert!(read(json!([{ "op": "add", "path": "members", "value": many }])).is_err());
    }
}
