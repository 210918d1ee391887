//! PATCH of a person (RFC 7644 §3.5.2), on the attributes that may be set.

use serde_json::{Map, Value};

use super::fault::{Fault, ScimType};
use super::filter::{self, Filter, Operator, Path};
use super::resource::{elements, member};
use super::schema::{Attribute, Kind, Mutability, Shape};

/// Operations that one request may have.
const MOST: usize = 1000;

/// What an operation does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Add,
    Replace,
    Remove,
}

/// One operation of a request.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) verb: Verb,
    pub(super) path: Option<String>,
    pub(super) value: Value,
}

/// Reads a request's operations. Some directories write `op` with a capital.
pub(super) fn operations(request: &Value) -> Result<Vec<Operation>, Fault> {
    let syntax = |detail: &str| Fault::bad(ScimType::InvalidSyntax, detail);
    let given = member(request, "Operations").and_then(Value::as_array);
    let given = given.filter(|all| !all.is_empty()).ok_or_else(|| syntax("`Operations` is a list of operations"))?;
    if given.len() > MOST {
        return Err(syntax("a request may have 1000 operations: send more requests"));
    }
    let read = |operation: &Value| {
        let verb = member(operation, "op").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let verb = match verb.as_str() {
            "add" => Verb::Add,
            "replace" => Verb::Replace,
            "remove" => Verb::Remove,
            _ => return Err(syntax("`op` is `add`, `replace` or `remove`")),
        };
        let path = match member(operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.trim().is_empty() => None,
            Some(Value::String(path)) => Some(path.clone()),
            Some(_) => return Err(syntax("`path` is a text")),
        };
        if verb == Verb::Remove && path.is_none() {
            return Err(Fault::bad(ScimType::NoTarget, "`remove` needs a `path`"));
        }
        let value = member(operation, "value").cloned().unwrap_or(Value::Null);
        if verb == Verb::Add && value.is_null() {
            return Err(Fault::value("`add` needs a `value`"));
        }
        Ok(Operation { verb, path, value })
    };
    given.iter().map(read).collect()
}

/// What a path means.
pub(super) enum Target {
    /// The whole resource, or one extension of it.
    Whole(Option<&'static str>),
    /// An attribute, in an extension or not.
    Attribute {
        within: Option<&'static str>,
        attribute: &'static Attribute,
        part: Option<&'static Attribute>,
        filter: Option<Filter>,
    },
}

impl Target {
    /// Finds what `path` means.
    pub(super) fn find(path: Option<&str>, shape: &Shape) -> Result<Self, Fault> {
        let Some(text) = path.map(str::trim) else { return Ok(Self::Whole(None)) };
        if text.eq_ignore_ascii_case(shape.schema) {
            return Ok(Self::Whole(None));
        }
        if let Some((schema, _)) = shape.extension(text) {
            return Ok(Self::Whole(Some(schema)));
        }
        let wrong = |why: &str| Fault::bad(ScimType::InvalidPath, format!("the path `{}` {why}", short(text)));
        let Path { name, filter } =
            filter::parse_path(text).map_err(|why| wrong(&format!("can't be read: {}", why.0)))?;
        let found = shape.find(name.schema.as_deref(), &name.attribute);
        let (within, attribute) = found.ok_or_else(|| wrong("is nothing that is kept: see `/Schemas`"))?;
        let part = match &name.part {
            None => None,
            Some(part) => Some(attribute.part(part).ok_or_else(|| wrong("is nothing that is kept: see `/Schemas`"))?),
        };
        if filter.is_some() && !attribute.is_list {
            return Err(wrong("has a filter, but the attribute has one value only"));
        }
        let is_ours = part.unwrap_or(attribute).mutability == Mutability::ReadOnly;
        if is_ours || attribute.mutability == Mutability::ReadOnly {
            let detail = format!("`{}` is set by the portal alone", short(text));
            return Err(Fault::bad(ScimType::Mutability, detail));
        }
        let filter = filter.map(|filter| with_booleans(filter, attribute));
        Ok(Self::Attribute { within, attribute, part, filter })
    }
}

/// The filter with `true` and `false` where a boolean part is compared with their text, as Entra ID writes it: `roles[primary eq "True"]`.
fn with_booleans(filter: Filter, attribute: &'static Attribute) -> Filter {
    let inside = |filter: Box<Filter>| Box::new(with_booleans(*filter, attribute));
    match filter {
        Filter::And(left, right) => Filter::And(inside(left), inside(right)),
        Filter::Or(left, right) => Filter::Or(inside(left), inside(right)),
        Filter::Not(inner) => Filter::Not(inside(inner)),
        Filter::Compare(name, operator, Value::String(text)) => {
            let is_boolean = attribute.part(&name.attribute).is_some_and(|part| part.kind == Kind::Boolean);
            let value = match text.to_ascii_lowercase().as_str() {
                "true" if is_boolean => Value::Bool(true),
                "false" if is_boolean => Value::Bool(false),
                _ => Value::String(text),
            };
            Filter::Compare(name, operator, value)
        }
        other @ (Filter::Compare(..) | Filter::Present(_) | Filter::Element(..)) => other,
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Applies the operations to `known`, all of them or none.
pub(super) fn apply(
    known: &Map<String, Value>,
    operations: &[Operation],
    shape: &Shape,
) -> Result<Map<String, Value>, Fault> {
    apply_all(known, operations, shape).map_err(|fault| match operations.len() {
        0 | 1 => fault,
        several => Fault {
            detail: format!("{}; none of the {several} operations of this request was carried out", fault.detail),
            ..fault
        },
    })
}

fn apply_all(known: &Map<String, Value>, operations: &[Operation], shape: &Shape) -> Result<Map<String, Value>, Fault> {
    let mut changed = known.clone();
    for Operation { verb, path, value } in operations {
        match Target::find(path.as_deref(), shape)? {
            Target::Whole(Some(schema)) if *verb == Verb::Remove => drop(changed.remove(schema)),
            Target::Whole(within) => set_whole(&mut changed, (within, value), *verb, shape)?,
            Target::Attribute { within, attribute, part, filter } => {
                let object = container(&mut changed, within)?;
                let place = Place { attribute, part, filter: filter.as_ref() };
                if *verb == Verb::Remove { place.remove(object, value)? } else { place.set(object, value, *verb)? }
            }
        }
    }
    Ok(changed)
}

fn container<'o>(
    changed: &'o mut Map<String, Value>,
    within: Option<&'static str>,
) -> Result<&'o mut Map<String, Value>, Fault> {
    let Some(schema) = within else { return Ok(changed) };
    object(changed.entry(schema).or_insert_with(|| Value::Object(Map::new())))
}

fn set_whole(
    changed: &mut Map<String, Value>,
    (within, value): (Option<&'static str>, &Value),
    verb: Verb,
    shape: &Shape,
) -> Result<(), Fault> {
    let Value::Object(values) = value else {
        return Err(Fault::value("without an attribute in `path`, `value` is an object"));
    };
    if verb == Verb::Remove {
        return Err(Fault::bad(ScimType::NoTarget, "a whole resource is removed by DELETE"));
    }
    for (key, value) in values {
        let path = within.map_or_else(|| key.clone(), |schema| format!("{schema}:{key}"));
        // `schemas`, `id` and what nobody keeps may come along and change nothing.
        match Target::find(Some(&path), shape) {
            Ok(Target::Attribute { within, attribute, part, filter }) => {
                let place = Place { attribute, part, filter: filter.as_ref() };
                place.set(container(changed, within)?, value, verb)?;
            }
            Ok(Target::Whole(Some(schema))) => set_whole(changed, (Some(schema), value), verb, shape)?,
            Ok(Target::Whole(None)) | Err(_) => {}
        }
    }
    Ok(())
}

/// An attribute or some of its values or parts, in an object.
struct Place<'f> {
    attribute: &'static Attribute,
    part: Option<&'static Attribute>,
    filter: Option<&'f Filter>,
}

impl Place<'_> {
    fn set(&self, object: &mut Map<String, Value>, value: &Value, verb: Verb) -> Result<(), Fault> {
        let name = self.attribute.name;
        if self.attribute.is_list {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let list = list.as_array_mut().ok_or_else(|| Fault::value(format!("`{name}` is a list")))?;
            return match (self.filter, self.part) {
                (None, None) => set_list(list, value, verb),
                _ => self.set_elements(list, value, verb),
            };
        }
        match (self.part, value) {
            (Some(part), value) => {
                let whole = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
                self::object(whole)?.insert(part.name.to_owned(), value.clone());
            }
            (None, Value::Object(parts)) if self.attribute.kind == Kind::Complex => {
                let whole = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
                merge(self::object(whole)?, parts);
            }
            (None, value) => drop(object.insert(name.to_owned(), value.clone())),
        }
        Ok(())
    }

    /// Sets those elements of a list that the filter fits, or one of their parts.
    fn set_elements(&self, list: &mut Vec<Value>, value: &Value, verb: Verb) -> Result<(), Fault> {
        let fits = |one: &Value| self.filter.is_none_or(|filter| filter.holds(one));
        let mut touched: Vec<_> = list.iter().enumerate().filter(|(_, one)| fits(one)).map(|(at, _)| at).collect();
        if touched.is_empty() {
            // RFC 7644 §3.5.2.3 wants a replacement of nothing refused; what is added begins as the filter says.
            if verb == Verb::Replace && self.filter.is_some() {
                return Err(Fault::bad(
                    ScimType::NoTarget,
                    format!("no value of `{}` fits the filter: add one", self.attribute.name),
                ));
            }
            let mut parts = Map::new();
            self.filter.into_iter().try_for_each(|filter| demanded(filter, &mut parts))?;
            list.push(Value::Object(parts));
            touched.push(list.len() - 1);
        }
        for at in &touched {
            let element = object(&mut list[*at])?;
            match (self.part, value) {
                (Some(part), value) => drop(element.insert(part.name.to_owned(), value.clone())),
                (None, Value::Object(parts)) => merge(element, parts),
                (None, value) => drop(element.insert("value".to_owned(), value.clone())),
            }
        }
        one_primary(list, &touched);
        Ok(())
    }

    fn remove(&self, object: &mut Map<String, Value>, value: &Value) -> Result<(), Fault> {
        let name = self.attribute.name;
        if self.attribute.is_required {
            return Err(Fault::bad(ScimType::Mutability, format!("`{name}` can't be taken away: replace it")));
        }
        let Some(there) = object.get_mut(name) else { return Ok(()) };
        match (there, self.filter, self.part) {
            (Value::Array(list), None, None) if value.is_array() => {
                let gone = value.as_array().map(Vec::as_slice).unwrap_or_default();
                list.retain(|one| !gone.iter().any(|other| same(one, other)));
            }
            (_, None, None) => drop(object.remove(name)),
            (Value::Array(list), Some(filter), None) => list.retain(|one| !filter.holds(one)),
            (Value::Array(list), filter, Some(part)) => {
                let fits = |one: &&mut Value| filter.is_none_or(|filter| filter.holds(one));
                let elements = list.iter_mut().filter(fits).filter_map(Value::as_object_mut);
                elements.for_each(|one| drop(one.remove(part.name)));
            }
            (Value::Object(whole), None, Some(part)) => drop(whole.remove(part.name)),
            // What is not there is taken away already.
            _ => {}
        }
        Ok(())
    }
}

fn set_list(list: &mut Vec<Value>, value: &Value, verb: Verb) -> Result<(), Fault> {
    let values = elements(value);
    if verb == Verb::Replace {
        list.clear();
    }
    let mut touched = Vec::new();
    for value in values {
        if !list.iter().any(|there| same(there, value)) {
            list.push(value.clone());
            touched.push(list.len() - 1);
        }
    }
    if verb == Verb::Add {
        one_primary(list, &touched);
    }
    Ok(())
}

/// Where one of the touched elements is the primary one, none of the others is.
fn one_primary(list: &mut [Value], touched: &[usize]) {
    let is_primary = |one: &Value| {
        member(one, "primary").is_some_and(|flag| {
            flag == &Value::Bool(true) || flag.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
        })
    };
    if touched.iter().any(|at| list.get(*at).is_some_and(is_primary)) {
        let others = list.iter_mut().enumerate().filter(|(at, _)| !touched.contains(at));
        others.filter_map(|(_, one)| one.as_object_mut()).for_each(|one| drop(one.remove("primary")));
    }
}

/// What an element must say so that the filter holds for it, where that can be told.
fn demanded(filter: &Filter, parts: &mut Map<String, Value>) -> Result<(), Fault> {
    match filter {
        Filter::And(left, right) => {
            demanded(left, parts)?;
            demanded(right, parts)
        }
        Filter::Compare(name, Operator::Eq, value) => {
            parts.insert(name.attribute.clone(), value.clone());
            Ok(())
        }
        Filter::Or(..) | Filter::Not(_) | Filter::Present(_) | Filter::Compare(..) | Filter::Element(..) => {
            Err(Fault::bad(ScimType::NoTarget, "no value fits the filter, and one can be added only by `eq` and `and`"))
        }
    }
}

fn merge(object: &mut Map<String, Value>, parts: &Map<String, Value>) {
    for (key, value) in parts {
        // The part may stand there in another spelling.
        let there = object.keys().find(|known| known.eq_ignore_ascii_case(key)).cloned();
        object.insert(there.unwrap_or_else(|| key.clone()), value.clone());
    }
}

/// Two values of a list are the same if their `value` is, or all of them where they have none.
fn same(one: &Value, other: &Value) -> bool {
    match (member(one, "value"), member(other, "value")) {
        (Some(one), Some(other)) => one == other,
        (Some(one), None) => one == other,
        _ => one == other,
    }
}

fn object(value: &mut Value) -> Result<&mut Map<String, Value>, Fault> {
    value.as_object_mut().ok_or_else(|| Fault::value("an object was expected"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::resource::read;
    use super::super::schema::{ENTERPRISE, PERSON};
    use super::*;

    fn patched(given: Value) -> Result<Value, Fault> {
        let resource = json!({
            "userName": "alice", "name": { "familyName": "A" }, "active": true,
            "emails": [{ "value": "a@x", "type": "work", "primary": true }, { "value": "b@x", "type": "home" }],
        });
        let Value::Object(known) = resource else { unreachable!("it is an object") };
        let changed = apply(&known, &operations(&json!({ "Operations": given }))?, &PERSON)?;
        read(&Value::Object(changed), &PERSON).map(Value::Object)
    }

    #[test]
    fn attributes_are_set_with_and_without_a_path_and_whatever_their_case() {
        let changed = patched(json!([
            { "op": "Replace", "path": "ACTIVE", "value": "False" },
            { "op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "value": "Al" },
            { "op": "replace", "value": { "userName": "bob", "schemas": ["x"], "name.formatted": "Al A" } },
            { "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "m" },
            { "op": "Add", "value": { format!("{ENTERPRISE}:department"): "d" } },
            { "op": "add", "path": ENTERPRISE, "value": { "division": "v" } },
        ]))
        .unwrap();
        assert_eq!(changed["active"], false);
        assert_eq!(changed["name"], json!({ "familyName": "A", "givenName": "Al", "formatted": "Al A" }));
        assert_eq!((&changed["userName"], changed.get("schemas")), (&json!("bob"), None));
        assert_eq!(changed[ENTERPRISE], json!({ "manager": { "value": "m" }, "department": "d", "division": "v" }));
    }

    #[test]
    fn several_values_are_added_once_replaced_filtered_and_removed() {
        let add = json!([{ "op": "add", "path": "emails", "value": [{ "value": "b@x" }, { "value": "c@x", "primary": true }] }]);
        let emails = patched(add).unwrap()["emails"].clone();
        assert_eq!(emails.as_array().unwrap().len(), 3);
        assert_eq!(emails[0].get("primary"), None, "there is one primary");
        let set = patched(json!([{ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "h@x" }]));
        assert_eq!(set.unwrap()["emails"][1]["value"], "h@x");
        let begun = patched(json!([{ "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1" }]));
        assert_eq!(begun.unwrap()["phoneNumbers"], json!([{ "type": "mobile", "value": "1" }]));
        for gone in [
            json!({ "op": "remove", "path": "emails[value eq \"a@x\"]" }),
            json!({ "op": "remove", "path": "emails", "value": [{ "value": "a@x" }] }),
        ] {
            assert_eq!(patched(json!([gone])).unwrap()["emails"].as_array().unwrap().len(), 1);
        }
        assert_eq!(patched(json!([{ "op": "remove", "path": "emails" }])).unwrap().get("emails"), None);
        assert_eq!(patched(json!([{ "op": "replace", "path": "emails", "value": [] }])).unwrap().get("emails"), None);
    }

    #[test]
    fn the_text_of_a_boolean_in_a_filter_is_the_boolean() {
        for (filter, verb) in [
            ("primary eq \"True\"", "replace"),
            ("primary eq \"TRUE\"", "add"),
            ("primary eq true", "add"),
            ("not (primary eq \"False\")", "replace"),
            ("type eq \"work\" and primary eq \"true\"", "add"),
        ] {
            let operation = json!([{ "op": verb, "path": format!("emails[{filter}].value"), "value": "n@x" }]);
            let emails = patched(operation).unwrap()["emails"].clone();
            assert_eq!((emails[0]["value"].as_str(), emails.as_array().unwrap().len()), (Some("n@x"), 2), "{filter}");
        }
        let other = json!([{ "op": "replace", "path": "emails[primary eq \"False\"].value", "value": "n@x" }]);
        assert_eq!(patched(other).unwrap()["emails"][1]["value"], "n@x");
        let begun = json!([{ "op": "add", "path": "roles[primary eq \"True\"].value", "value": "admin" }]);
        assert_eq!(patched(begun).unwrap()["roles"], json!([{ "primary": true, "value": "admin" }]));
    }

    #[test]
    fn a_request_that_fails_says_that_nothing_of_it_was_done() {
        let operations = json!([
            { "op": "replace", "path": "active", "value": "False" },
            { "op": "replace", "path": "emails[type eq \"none\"].value", "value": "x" },
        ]);
        assert!(
            patched(operations)
                .unwrap_err()
                .detail
                .ends_with("none of the 2 operations of this request was carried out")
        );
    }

    #[test]
    fn what_can_not_be_done_is_refused_by_its_kind() {
        for (operation, kind) in [
            (json!({ "op": "replace", "path": "id", "value": "x" }), ScimType::InvalidPath),
            (json!({ "op": "replace", "path": "emails[", "value": "x" }), ScimType::InvalidPath),
            (json!({ "op": "replace", "path": "title[value eq \"x\"]", "value": "x" }), ScimType::InvalidPath),
            (json!({ "op": "add", "path": "groups", "value": [{ "value": "g" }] }), ScimType::Mutability),
            (json!({ "op": "remove", "path": "userName" }), ScimType::Mutability),
            (json!({ "op": "remove" }), ScimType::NoTarget),
            (json!({ "op": "move", "path": "active" }), ScimType::InvalidSyntax),
            (json!({ "op": "replace", "path": "active", "value": "perhaps" }), ScimType::InvalidValue),
            (json!({ "op": "replace", "path": "emails[type eq \"none\"].value", "value": "x" }), ScimType::NoTarget),
            (json!({ "op": "add", "path": "addresses[type pr].country", "value": "x" }), ScimType::NoTarget),
        ] {
            assert_eq!(patched(json!([operation])).unwrap_err().scim_type, Some(kind), "{operation}");
        }
    }
}
