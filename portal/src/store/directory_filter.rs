//! Which people or groups a list shows, as conditions of SQL that SQLite and PostgreSQL read alike.

use super::page::{Bound, Select};
use crate::scim::filter::Operator;

/// A condition on people, or on groups.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Always holds.
    Always,
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// One of them holds.
    Or(Box<Self>, Box<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A column compares so with a text.
    Text(Column, Operator, String),
    /// A column compares so with a time in milliseconds.
    Time(Column, Operator, i64),
    /// The person may sign on.
    Active,
    /// The person has a value that compares so, or any.
    Value(Part, Option<(Operator, String)>),
    /// One of the values of the person's attribute (in lower case) is as the tests say.
    Element(String, Element),
    /// The person is in a group whose id compares so, or in any; of groups: such a person is in it.
    Membership(Side, Option<(Operator, String)>),
}

/// A column of people or of groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Column {
    /// A person's id.
    PersonId,
    /// The portal's name for a person.
    PersonName,
    /// When a person was provisioned.
    PersonCreated,
    /// When a person was changed.
    PersonChanged,
    /// A group's id.
    GroupId,
    /// A group's name, in lower case.
    GroupName,
    /// The directory's id for a group.
    GroupExternalId,
    /// When a group was made.
    GroupCreated,
    /// When a group was changed.
    GroupChanged,
}

/// From which side a membership is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// A person's groups.
    OfPerson,
    /// A group's people.
    OfGroup,
}

/// A part of an attribute, in lower case; the part is empty where the attribute has none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// The attribute.
    pub attribute: String,
    /// Its part.
    pub part: String,
}

/// What is asked of one value of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// One of them holds.
    Or(Box<Self>, Box<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The part compares so, or is there.
    Part(String, Option<(Operator, String)>),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::PersonId => "person.id",
            Self::PersonName => "person.name_id",
            Self::PersonCreated => "person.created_at",
            Self::PersonChanged => "person.changed_at",
            Self::GroupId => "person_group.id",
            Self::GroupName => "person_group.name_key",
            Self::GroupExternalId => "person_group.external_id",
            Self::GroupCreated => "person_group.created_at",
            Self::GroupChanged => "person_group.changed_at",
        }
    }
}

impl Condition {
    /// The person with that id.
    #[must_use]
    pub fn id(id: &str) -> Self {
        Self::Text(Column::PersonId, Operator::Eq, id.to_owned())
    }

    /// The group with that id, where this asks for a person's.
    #[must_use]
    pub fn of_groups(self) -> Self {
        if let Self::Text(Column::PersonId, operator, id) = self {
            return Self::Text(Column::GroupId, operator, id);
        }
        self
    }

    pub(super) fn add_to(&self, select: &mut Select, tenant_id: &str) {
        if *self != Self::Always {
            select.add(" AND ", []);
            self.add(select, tenant_id);
        }
    }

    fn add(&self, select: &mut Select, tenant_id: &str) {
        match self {
            Self::Always => select.add("1 = 1", []),
            Self::And(left, right) => {
                both(select, " AND ", |select| left.add(select, tenant_id), |select| right.add(select, tenant_id));
            }
            Self::Or(left, right) => {
                both(select, " OR ", |select| left.add(select, tenant_id), |select| right.add(select, tenant_id));
            }
            Self::Not(inner) => {
                select.add("NOT (", []);
                inner.add(select, tenant_id);
                select.add(")", []);
            }
            Self::Text(column, operator, value) => compare(select, column.name(), *operator, value),
            Self::Time(column, operator, millis) => {
                select.add(column.name(), []);
                order(select, *operator, Bound::Number(*millis));
            }
            Self::Active => select.add("person.state = 'active'", []),
            Self::Value(Part { attribute, part }, wanted) => {
                select.add(
                    "person.id IN (SELECT v.person_id FROM person_value v WHERE v.tenant_id = ?",
                    [tenant_id.into()],
                );
                select.add(" AND v.attribute = ? AND v.part = ?", [attribute.as_str().into(), part.as_str().into()]);
                and_compare(select, "v.value", wanted.as_ref());
                select.add(")", []);
            }
            Self::Element(attribute, element) => {
                select.add(
                    "person.id IN (SELECT v.person_id FROM person_value v WHERE v.tenant_id = ?",
                    [tenant_id.into()],
                );
                select.add(" AND v.attribute = ? AND ", [attribute.as_str().into()]);
                element.add(select, attribute);
                select.add(")", []);
            }
            Self::Membership(side, wanted) => {
                let (start, other) = match side {
                    Side::OfPerson => {
                        ("person.id IN (SELECT m.person_id FROM person_group_member m WHERE 1 = 1", "m.group_id")
                    }
                    Side::OfGroup => {
                        ("person_group.id IN (SELECT m.group_id FROM person_group_member m WHERE 1 = 1", "m.person_id")
                    }
                };
                select.add(start, []);
                and_compare(select, other, wanted.as_ref());
                select.add(")", []);
            }
        }
    }
}

impl Element {
    fn add(&self, select: &mut Select, attribute: &str) {
        match self {
            Self::And(left, right) => {
                both(select, " AND ", |select| left.add(select, attribute), |select| right.add(select, attribute));
            }
            Self::Or(left, right) => {
                both(select, " OR ", |select| left.add(select, attribute), |select| right.add(select, attribute));
            }
            Self::Not(inner) => {
                select.add("NOT (", []);
                inner.add(select, attribute);
                select.add(")", []);
            }
            Self::Part(part, wanted) => {
                select.add(
                    "EXISTS (SELECT 1 FROM person_value w WHERE w.person_id = v.person_id AND w.element = v.element
                         AND w.attribute = ? AND w.part = ?",
                    [attribute.into(), part.as_str().into()],
                );
                and_compare(select, "w.value", wanted.as_ref());
                select.add(")", []);
            }
        }
    }
}

fn both(select: &mut Select, word: &'static str, left: impl FnOnce(&mut Select), right: impl FnOnce(&mut Select)) {
    select.add("(", []);
    left(select);
    select.add(word, []);
    right(select);
    select.add(")", []);
}

fn and_compare(select: &mut Select, column: &'static str, wanted: Option<&(Operator, String)>) {
    if let Some((operator, value)) = wanted {
        select.add(" AND ", []);
        compare(select, column, *operator, value);
    }
}

/// Compares texts without `LIKE`, whose case and wildcards differ from database to database.
fn compare(select: &mut Select, column: &'static str, operator: Operator, value: &str) {
    let length = || Bound::Number(i64::try_from(value.chars().count()).unwrap_or(i64::MAX));
    match operator {
        Operator::Co | Operator::Sw | Operator::Ew if value.is_empty() => select.add("1 = 1", []),
        Operator::Co => {
            select.add("replace(", []);
            select.add(column, []);
            select.add(", ?, '') <> ", [value.into()]);
            select.add(column, []);
        }
        Operator::Sw => {
            select.add("(1 = 1", []);
            select.begins_with(column, value);
            select.add(")", []);
        }
        Operator::Ew => {
            select.add("(length(", []);
            select.add(column, []);
            select.add(") >= CAST(? AS INTEGER) AND substr(", [length()]);
            select.add(column, []);
            select.add(", length(", []);
            select.add(column, []);
            select.add(") - CAST(? AS INTEGER) + 1) = ?)", [length(), value.into()]);
        }
        Operator::Eq | Operator::Ne | Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => {
            select.add(column, []);
            order(select, operator, value.into());
        }
    }
}

fn order(select: &mut Select, operator: Operator, value: Bound) {
    let part = match operator {
        Operator::Ne => " <> ?",
        Operator::Gt => " > ?",
        Operator::Ge => " >= ?",
        Operator::Lt => " < ?",
        Operator::Le => " <= ?",
        Operator::Eq | Operator::Co | Operator::Sw | Operator::Ew => " = ?",
    };
    select.add(part, [value]);
}
