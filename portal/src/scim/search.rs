//! What a list asks for (RFC 7644 §3.4.2, §3.9): which resources, how many, and what of them.

use saml::time::UtcTime;
use serde_json::Value;

use super::fault::{Fault, ScimType};
use super::filter::{self, Filter, Name, Operator};
use super::resource::member;
use super::schema::{Attribute, GROUPS, Kind, PERSON, Shape};
use crate::store::directory::Portion;
use crate::store::directory_filter::{Column, Condition, Element, Part, Side};

/// Resources in one answer at most, and where nobody says how many.
pub(super) const MOST: i64 = 200;
const USUAL: i64 = 100;

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    filter: Option<String>,
    pub(super) portion: Portion,
    pub(super) view: View,
}

impl Asked {
    /// Reads a query.
    pub(super) fn of_query(query: &str) -> Result<Self, Fault> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let value = |name: &str| {
            let found = pairs.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        Self::of(value)
    }

    /// Reads the body of `.search`.
    pub(super) fn of_body(body: &Value) -> Result<Self, Fault> {
        Self::of(|name| match member(body, name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Array(all)) => Some(all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            _ => None,
        })
    }

    fn of(value: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let number = |name: &str, usual: i64| match value(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| Fault::value(format!("`{name}` is a whole number"))),
        };
        let portion =
            Portion { skip: number("startIndex", 1)?.max(1) - 1, limit: number("count", USUAL)?.clamp(0, MOST) };
        let view = View::read(value("attributes"), value("excludedAttributes"))?;
        Ok(Self { filter: value("filter"), portion, view })
    }

    /// Whether only some are asked for.
    pub(super) fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// The people that are asked for.
    pub(super) fn people(&self) -> Result<Condition, Fault> {
        self.condition(person_condition)
    }

    /// The groups that are asked for.
    pub(super) fn groups(&self) -> Result<Condition, Fault> {
        self.condition(group_condition)
    }

    fn condition(&self, leaf: fn(&Filter) -> Result<Condition, Fault>) -> Result<Condition, Fault> {
        let Some(text) = &self.filter else { return Ok(Condition::Always) };
        let filter = filter::parse(text).map_err(|why| Fault::filter(&why))?;
        condition(&filter, leaf)
    }
}

fn condition(filter: &Filter, leaf: fn(&Filter) -> Result<Condition, Fault>) -> Result<Condition, Fault> {
    let both = |left: &Filter, right: &Filter| {
        Ok::<_, Fault>((Box::new(condition(left, leaf)?), Box::new(condition(right, leaf)?)))
    };
    match filter {
        Filter::And(left, right) => both(left, right).map(|(left, right)| Condition::And(left, right)),
        Filter::Or(left, right) => both(left, right).map(|(left, right)| Condition::Or(left, right)),
        Filter::Not(inner) => Ok(Condition::Not(Box::new(condition(inner, leaf)?))),
        // What is not equal is whatever does not equal it, also where there is nothing.
        Filter::Compare(name, Operator::Ne, value) => {
            let equal = leaf(&Filter::Compare(name.clone(), Operator::Eq, value.clone()))?;
            Ok(Condition::Not(Box::new(equal)))
        }
        Filter::Compare(name, Operator::Eq, Value::Null) => {
            Ok(Condition::Not(Box::new(leaf(&Filter::Present(name.clone()))?)))
        }
        Filter::Present(_) | Filter::Compare(..) | Filter::Element(..) => leaf(filter),
    }
}

fn unknown(name: &Name) -> Fault {
    let part = name.part.as_ref().map(|part| format!(".{part}")).unwrap_or_default();
    Fault::bad(
        ScimType::InvalidFilter,
        format!("`{}{part}` is nothing that can be filtered by: see `/Schemas`", name.attribute),
    )
}

/// What a name is compared with; nothing: it is asked whether it is there.
type Test<'f> = Option<(Operator, &'f Value)>;

fn test_of(filter: &Filter) -> Option<(&Name, Test<'_>)> {
    match filter {
        Filter::Present(name) => Some((name, None)),
        Filter::Compare(name, operator, value) => Some((name, Some((*operator, value)))),
        Filter::And(..) | Filter::Or(..) | Filter::Not(_) | Filter::Element(..) => None,
    }
}

fn as_text(test: Test<'_>, exact: bool) -> Result<Option<(Operator, String)>, Fault> {
    let Some((operator, value)) = test else { return Ok(None) };
    if let Some(text) = value.as_str() {
        return Ok(Some((operator, if exact { text.to_owned() } else { text.to_lowercase() })));
    }
    match value.as_bool() {
        Some(flag) if operator == Operator::Eq => Ok(Some((operator, flag.to_string()))),
        _ => Err(Fault::bad(ScimType::InvalidFilter, "it is compared with a text in double quotes")),
    }
}

/// A column that always has a value.
fn column(column: Column, test: Test<'_>, exact: bool) -> Result<Condition, Fault> {
    Ok(match as_text(test, exact)? {
        Some((operator, value)) => Condition::Text(column, operator, value),
        None => Condition::Always,
    })
}

fn time(column: Column, test: Test<'_>) -> Result<Condition, Fault> {
    let wrong = |detail: &str| Fault::bad(ScimType::InvalidFilter, detail);
    let Some((operator, value)) = test else { return Ok(Condition::Always) };
    if matches!(operator, Operator::Co | Operator::Sw | Operator::Ew) {
        return Err(wrong("a time is compared by eq, ne, gt, ge, lt or le"));
    }
    let at = value.as_str().and_then(|text| text.parse::<UtcTime>().ok());
    let at = at.ok_or_else(|| wrong("a time is written as in \"2026-01-31T12:00:00Z\""))?;
    Ok(Condition::Time(column, operator, at.unix_millis()))
}

fn person_condition(filter: &Filter) -> Result<Condition, Fault> {
    if let Filter::Element(name, inner) = filter {
        return element(name, inner);
    }
    let Some((name, test)) = test_of(filter) else { return Ok(Condition::Always) };
    match (name.attribute.as_str(), name.part.as_deref()) {
        ("id", None) => column(Column::PersonId, test, true),
        ("meta", Some("created")) => time(Column::PersonCreated, test),
        ("meta", Some("lastmodified")) => time(Column::PersonChanged, test),
        ("active", None) => active(test),
        // A person that no directory has named yet has the portal's name.
        ("username", None) => match as_text(test, false)? {
            None => Ok(Condition::Always),
            Some((operator, value)) => {
                let part = Part { attribute: "username".to_owned(), part: String::new() };
                let named = Condition::Text(Column::PersonName, operator, value.clone());
                Ok(Condition::Or(Box::new(named), Box::new(Condition::Value(part, Some((operator, value))))))
            }
        },
        ("groups", None | Some("value")) => Ok(Condition::Membership(Side::OfPerson, as_text(test, true)?)),
        _ => {
            let part = kept(name, &PERSON)?;
            Ok(Condition::Value(part, as_text(test, name.attribute == "externalid")?))
        }
    }
}

fn active(test: Test<'_>) -> Result<Condition, Fault> {
    let wanted = match test {
        None => return Ok(Condition::Always),
        Some((Operator::Eq, Value::Bool(wanted))) => *wanted,
        Some((Operator::Eq, Value::String(text))) if text.eq_ignore_ascii_case("true") => true,
        Some((Operator::Eq, Value::String(text))) if text.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(Fault::bad(ScimType::InvalidFilter, "`active` equals true or false")),
    };
    Ok(if wanted { Condition::Active } else { Condition::Not(Box::new(Condition::Active)) })
}

/// Where lists find the attribute's values.
fn kept(name: &Name, shape: &Shape) -> Result<Part, Fault> {
    let (within, attribute) = shape.find(name.schema.as_deref(), &name.attribute).ok_or_else(|| unknown(name))?;
    let part = match &name.part {
        Some(part) => attribute.part(part).ok_or_else(|| unknown(name))?.name.to_lowercase(),
        None if attribute.kind == Kind::Complex && attribute.part("value").is_some() => "value".to_owned(),
        None if attribute.kind == Kind::Complex => return Err(unknown(name)),
        None => String::new(),
    };
    Ok(Part { attribute: key_of(within, attribute), part })
}

fn key_of(within: Option<&str>, attribute: &Attribute) -> String {
    let name = attribute.name;
    within.map_or_else(|| name.to_owned(), |schema| format!("{schema}:{name}")).to_lowercase()
}

fn element(name: &Name, inner: &Filter) -> Result<Condition, Fault> {
    let found = PERSON.find(name.schema.as_deref(), &name.attribute);
    let found = found.filter(|(_, attribute)| attribute.is_list && attribute.name != "groups" && name.part.is_none());
    let (within, attribute) = found.ok_or_else(|| unknown(name))?;
    Ok(Condition::Element(key_of(within, attribute), tests(inner, attribute)?))
}

fn tests(filter: &Filter, attribute: &'static Attribute) -> Result<Element, Fault> {
    let both = |left: &Filter, right: &Filter| {
        Ok::<_, Fault>((Box::new(tests(left, attribute)?), Box::new(tests(right, attribute)?)))
    };
    match filter {
        Filter::And(left, right) => both(left, right).map(|(left, right)| Element::And(left, right)),
        Filter::Or(left, right) => both(left, right).map(|(left, right)| Element::Or(left, right)),
        Filter::Not(inner) => Ok(Element::Not(Box::new(tests(inner, attribute)?))),
        Filter::Compare(name, Operator::Ne, value) => {
            let equal = tests(&Filter::Compare(name.clone(), Operator::Eq, value.clone()), attribute)?;
            Ok(Element::Not(Box::new(equal)))
        }
        Filter::Element(name, _) => Err(unknown(name)),
        Filter::Present(name) | Filter::Compare(name, ..) => {
            let part = attribute.part(&name.attribute).filter(|_| name.part.is_none());
            let part = part.ok_or_else(|| unknown(name))?;
            let test = test_of(filter).and_then(|(_, test)| test);
            Ok(Element::Part(part.name.to_lowercase(), as_text(test, false)?))
        }
    }
}

fn group_condition(filter: &Filter) -> Result<Condition, Fault> {
    let (name, test) = match filter {
        // `members[value eq "…"]` is `members.value eq "…"`.
        Filter::Element(name, inner) if name.attribute == "members" && name.part.is_none() => match test_of(inner) {
            Some((part, test)) if part.attribute == "value" => (name, test),
            _ => return Err(unknown(name)),
        },
        Filter::Element(name, _) => return Err(unknown(name)),
        Filter::And(..) | Filter::Or(..) | Filter::Not(_) | Filter::Present(_) | Filter::Compare(..) => {
            let Some(found) = test_of(filter) else { return Ok(Condition::Always) };
            found
        }
    };
    if GROUPS.find(name.schema.as_deref(), "displayName").is_none() {
        return Err(unknown(name));
    }
    match (name.attribute.as_str(), name.part.as_deref()) {
        ("id", None) => column(Column::GroupId, test, true),
        ("displayname", None) => column(Column::GroupName, test, false),
        ("externalid", None) => match as_text(test, true)? {
            Some((operator, value)) => Ok(Condition::Text(Column::GroupExternalId, operator, value)),
            None => Ok(Condition::Text(Column::GroupExternalId, Operator::Gt, String::new())),
        },
        ("members", None | Some("value")) => Ok(Condition::Membership(Side::OfGroup, as_text(test, true)?)),
        ("meta", Some("created")) => time(Column::GroupCreated, test),
        ("meta", Some("lastmodified")) => time(Column::GroupChanged, test),
        _ => Err(unknown(name)),
    }
}

/// What of a resource is shown (RFC 7644 §3.9).
#[derive(Debug, Default)]
pub(super) struct View {
    /// Paths of names in lower case; empty: all.
    only: Vec<Vec<String>>,
    without: Vec<Vec<String>>,
}

/// What is always shown.
const ALWAYS: [&str; 2] = ["id", "schemas"];
/// The most names in one list of attributes.
const MOST_NAMES: usize = 100;

impl View {
    fn read(only: Option<String>, without: Option<String>) -> Result<Self, Fault> {
        let paths = |text: Option<String>| {
            let text = text.unwrap_or_default();
            let names: Vec<_> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            if names.len() > MOST_NAMES {
                return Err(Fault::value("a list of attributes has 100 names at most"));
            }
            Ok(names.into_iter().map(path).collect())
        };
        Ok(Self { only: paths(only)?, without: paths(without)? })
    }

    /// Whether the attribute `name` (in lower case) is shown at all.
    pub(super) fn shows(&self, name: &str) -> bool {
        let is_named = self.only.is_empty() || self.only.iter().any(|path| path.first().is_some_and(|key| key == name));
        is_named && !self.without.iter().any(|path| path.len() == 1 && path[0] == name)
    }

    /// The resource as it is shown.
    pub(super) fn of(&self, mut resource: Value) -> Value {
        if !self.only.is_empty() {
            let always = ALWAYS.iter().map(|name| vec![(*name).to_owned()]);
            let paths: Vec<_> = self.only.iter().cloned().chain(always).collect();
            keep(&mut resource, &paths.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        let without = self.without.iter().map(Vec::as_slice);
        let without: Vec<_> = without.filter(|path| !ALWAYS.contains(&path[0].as_str())).collect();
        if !without.is_empty() {
            remove(&mut resource, &without);
        }
        resource
    }
}

/// `[schema:]attribute[.part]` as the names under which the value stands in a resource.
fn path(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    if PERSON.extension(&text).is_some() {
        return vec![text];
    }
    let (schema, local) = match text.rsplit_once(':') {
        Some((schema, local)) => (Some(schema), local),
        None => (None, text.as_str()),
    };
    let extension = schema.filter(|schema| PERSON.extension(schema).is_some()).map(str::to_owned);
    extension.into_iter().chain(local.split('.').map(str::to_owned)).collect()
}

fn keep(value: &mut Value, paths: &[&[String]]) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| keep(one, paths)),
        Value::Object(parts) => parts.retain(|name, value| {
            let inner: Vec<_> = below(name, paths);
            if !inner.is_empty() && inner.iter().all(|path| !path.is_empty()) {
                keep(value, &inner);
            }
            !inner.is_empty()
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn remove(value: &mut Value, paths: &[&[String]]) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| remove(one, paths)),
        Value::Object(parts) => parts.retain(|name, value| {
            let inner: Vec<_> = below(name, paths);
            if inner.iter().any(|path| path.is_empty()) {
                return false;
            }
            if !inner.is_empty() {
                remove(value, &inner);
            }
            true
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is left of those paths that begin with `name`.
fn below<'p>(name: &str, paths: &[&'p [String]]) -> Vec<&'p [String]> {
    let split = paths.iter().filter_map(|path| path.split_first());
    split.filter(|(first, _)| first.eq_ignore_ascii_case(name)).map(|(_, rest)| rest).collect()
}

#[cfg(test)]
mod tests_of_views {
    use serde_json::json;

    use super::*;

    fn seen(query: &str) -> Value {
        let resource = json!({
            "schemas": ["s"], "id": "1", "userName": "a", "name": { "givenName": "A", "familyName": "B" },
            "emails": [{ "value": "a@x", "type": "work" }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "d", "division": "v" },
        });
        Asked::of_query(query).unwrap().view.of(resource)
    }

    #[test]
    fn attributes_are_chosen_and_left_out_with_their_parts() {
        let some = seen("attributes=userName,NAME.givenname,emails.value");
        let wanted = json!({ "schemas": ["s"], "id": "1", "userName": "a", "name": { "givenName": "A" }, "emails": [{ "value": "a@x" }] });
        assert_eq!(some, wanted);
        let rest = seen(
            "excludedAttributes=id,emails,name,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division",
        );
        let schema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(rest, json!({ "schemas": ["s"], "id": "1", "userName": "a", schema: { "department": "d" } }));
    }

    #[test]
    fn portions_have_limits() {
        let portion = |query| Asked::of_query(query).map(|asked| (asked.portion.skip, asked.portion.limit));
        assert_eq!(portion("").unwrap(), (0, 100));
        assert_eq!(portion("startIndex=-3&count=-1").unwrap(), (0, 0));
        assert_eq!(portion("startIndex=21&count=5000").unwrap(), (20, 200));
        assert!(portion("count=all").is_err());
    }

    #[test]
    fn what_can_not_be_filtered_by_is_told_by_name() {
        for (query, name) in [
            ("filter=shoeSize+eq+%221%22", "shoesize"),
            ("filter=name+pr", "name"),
            ("filter=emails.shoe+pr", "emails.shoe"),
            ("filter=userName[value+pr]", "username"),
            ("filter=active+gt+true", "active"),
            ("filter=meta.created+gt+%22yesterday%22", "a time"),
            ("filter=title+eq+7", "double quotes"),
        ] {
            let fault = Asked::of_query(query).unwrap().people().unwrap_err();
            assert_eq!(fault.scim_type, Some(ScimType::InvalidFilter), "{query}");
            assert!(fault.detail.contains(name), "{query}: {}", fault.detail);
        }
        assert!(Asked::of_query("filter=userName+pr").unwrap().groups().is_err());
    }
}
