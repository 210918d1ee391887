//! The attributes that are kept of people and groups, in one table: requests are read by it, and `/Schemas` is made from it
//! (RFC 7643 §4, §7).

use serde_json::{Value, json};

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What kind of value an attribute has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Text,
    Boolean,
    Integer,
    Reference,
    Complex,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

/// Who may set an attribute, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mutability {
    ReadWrite,
    ReadOnly,
    Immutable,
}

/// The characteristics of an attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_list: bool,
    pub(super) is_required: bool,
    pub(super) is_unique: bool,
    pub(super) mutability: Mutability,
    pub(super) parts: &'static [Self],
    pub(super) values: &'static [&'static str],
    pub(super) references: &'static [&'static str],
    pub(super) meaning: &'static str,
}

const fn text(name: &'static str, meaning: &'static str) -> Attribute {
    Attribute {
        name,
        kind: Kind::Text,
        is_list: false,
        is_required: false,
        is_unique: false,
        mutability: Mutability::ReadWrite,
        parts: &[],
        values: &[],
        references: &[],
        meaning,
    }
}

const fn of(kind: Kind, name: &'static str, meaning: &'static str) -> Attribute {
    Attribute { kind, ..text(name, meaning) }
}

const fn complex(name: &'static str, parts: &'static [Attribute], meaning: &'static str) -> Attribute {
    Attribute { kind: Kind::Complex, parts, ..text(name, meaning) }
}

const fn list(name: &'static str, parts: &'static [Attribute], meaning: &'static str) -> Attribute {
    Attribute { is_list: true, ..complex(name, parts, meaning) }
}

const fn read_only(attribute: Attribute) -> Attribute {
    Attribute { mutability: Mutability::ReadOnly, ..attribute }
}

const fn immutable(attribute: Attribute) -> Attribute {
    Attribute { mutability: Mutability::Immutable, ..attribute }
}

const fn required(attribute: Attribute) -> Attribute {
    Attribute { is_required: true, ..attribute }
}

const PLACES: &[&str] = &["work", "home", "other"];
const PRIMARY: Attribute = of(Kind::Boolean, "primary", "Whether it is the one to prefer");
const DISPLAY: Attribute = text("display", "How it is shown");
const TYPE: Attribute = Attribute { values: PLACES, ..text("type", "What it is for") };

/// The parts of an attribute that is one of several values.
const VALUES: &[Attribute] = &[text("value", "The value"), DISPLAY, TYPE, PRIMARY];

const EXTERNAL_ID: Attribute = text("externalId", "The directory's own id");

pub(super) const USER_ATTRIBUTES: &[Attribute] = &[
    Attribute {
        is_unique: true,
        ..required(text(
            "userName",
            "Who they are: `user@domain`, in a domain of the tenant; without `@` in its only one",
        ))
    },
    complex(
        "name",
        &[
            text("formatted", "The whole name"),
            text("familyName", "The family name"),
            text("givenName", "The given name"),
            text("middleName", "The middle name"),
            text("honorificPrefix", "The title before it"),
            text("honorificSuffix", "The title behind it"),
        ],
        "The name",
    ),
    text("displayName", "The name as it is shown"),
    text("nickName", "What they are called"),
    text("title", "The job title"),
    text("userType", "What they are to the organisation"),
    text("preferredLanguage", "The language that they prefer"),
    text("locale", "How they write dates and numbers"),
    text("timezone", "The time zone"),
    of(Kind::Boolean, "active", "Whether they may sign on; false: suspended"),
    list("emails", VALUES, "Addresses of electronic mail"),
    list("phoneNumbers", PHONES, "Telephone numbers"),
    list(
        "addresses",
        &[
            text("formatted", "The whole address"),
            text("streetAddress", "Street and number"),
            text("locality", "The town"),
            text("region", "The region"),
            text("postalCode", "The postal code"),
            text("country", "The country"),
            TYPE,
            PRIMARY,
        ],
        "Postal addresses",
    ),
    list("roles", &[text("value", "The role"), DISPLAY, text("type", "What it is for"), PRIMARY], "Roles"),
    read_only(list(
        "groups",
        &[
            read_only(text("value", "The group's id")),
            read_only(Attribute { references: &["Group"], ..of(Kind::Reference, "$ref", "The group's address") }),
            read_only(text("display", "The group's name")),
        ],
        "The groups that they are in",
    )),
];

const PHONES: &[Attribute] = &[
    text("value", "The number"),
    DISPLAY,
    Attribute { values: &["work", "home", "mobile", "fax", "pager", "other"], ..text("type", "What it is for") },
    PRIMARY,
];

pub(super) const ENTERPRISE_ATTRIBUTES: &[Attribute] = &[
    text("employeeNumber", "The number in the organisation"),
    text("costCenter", "The cost centre"),
    text("organization", "The organisation"),
    text("division", "The division"),
    text("department", "The department"),
    complex(
        "manager",
        &[
            text("value", "The manager's id"),
            Attribute { references: &["User"], ..of(Kind::Reference, "$ref", "The manager's address") },
            read_only(text("displayName", "The manager's name")),
        ],
        "The manager",
    ),
];

pub(super) const GROUP_ATTRIBUTES: &[Attribute] = &[
    Attribute { is_unique: true, ..required(text("displayName", "The group's name")) },
    list(
        "members",
        &[
            immutable(text("value", "The id of a user")),
            immutable(Attribute { references: &["User"], ..of(Kind::Reference, "$ref", "The user's address") }),
            immutable(Attribute { values: &["User"], ..text("type", "What the member is") }),
        ],
        "Who is in the group",
    ),
];

/// What is common to all resources and in no schema (RFC 7643 §3.1).
pub(super) const COMMON: &[Attribute] = &[EXTERNAL_ID];

/// Attributes of a resource: those of its own schema with the common ones, and those of extensions by their schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) schema: &'static str,
    pub(super) own: &'static [Attribute],
    pub(super) extensions: &'static [(&'static str, &'static [Attribute])],
}

pub(super) const PERSON: Shape =
    Shape { schema: USER, own: USER_ATTRIBUTES, extensions: &[(ENTERPRISE, ENTERPRISE_ATTRIBUTES)] };
pub(super) const GROUPS: Shape = Shape { schema: GROUP, own: GROUP_ATTRIBUTES, extensions: &[] };

impl Shape {
    /// The attribute `name` of `schema`, with the extension that it is in; upper and lower case are the same.
    pub(super) fn find(&self, schema: Option<&str>, name: &str) -> Option<(Option<&'static str>, &'static Attribute)> {
        let schema = schema.filter(|schema| !schema.eq_ignore_ascii_case(self.schema));
        let (within, attributes) = match schema {
            None => (None, self.own),
            Some(schema) => {
                let extension = self.extensions.iter().find(|(known, _)| known.eq_ignore_ascii_case(schema))?;
                (Some(extension.0), extension.1)
            }
        };
        let common = if within.is_none() { COMMON } else { &[] };
        let all = attributes.iter().chain(common);
        all.into_iter().find(|one| one.name.eq_ignore_ascii_case(name)).map(|attribute| (within, attribute))
    }

    /// The extension that is meant by its whole schema.
    pub(super) fn extension(&self, schema: &str) -> Option<(&'static str, &'static [Attribute])> {
        self.extensions.iter().find(|(known, _)| known.eq_ignore_ascii_case(schema)).copied()
    }
}

impl Attribute {
    /// The part of that name; upper and lower case are the same.
    pub(super) fn part(&self, name: &str) -> Option<&'static Self> {
        self.parts.iter().find(|part| part.name.eq_ignore_ascii_case(name))
    }

    fn json(&self) -> Value {
        let mut described = json!({
            "name": self.name, "type": self.kind.name(), "multiValued": self.is_list, "required": self.is_required,
            "mutability": match self.mutability {
                Mutability::ReadWrite => "readWrite",
                Mutability::ReadOnly => "readOnly",
                Mutability::Immutable => "immutable",
            },
            "returned": "default", "description": self.meaning,
        });
        if matches!(self.kind, Kind::Text | Kind::Reference) {
            described["uniqueness"] = json!(if self.is_unique { "server" } else { "none" });
            described["caseExact"] = json!(self.kind == Kind::Reference);
        }
        if !self.values.is_empty() {
            described["canonicalValues"] = json!(self.values);
        }
        if !self.references.is_empty() {
            described["referenceTypes"] = json!(self.references);
        }
        if !self.parts.is_empty() {
            described["subAttributes"] = self.parts.iter().map(Self::json).collect();
        }
        described
    }
}

/// The schemas of people, groups, and of what describes the server.
pub(super) fn schemas(base: &str) -> Vec<Value> {
    let schema = |id: &str, name: &str, meaning: &str, attributes: &[Attribute]| {
        json!({
            "schemas": [super::discovery::SCHEMA], "id": id, "name": name, "description": meaning,
            "attributes": attributes.iter().map(Attribute::json).collect::<Vec<_>>(),
            "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{id}") },
        })
    };
    let mut all = vec![
        schema(USER, "User", "A person that the portal signs in", USER_ATTRIBUTES),
        schema(ENTERPRISE, "EnterpriseUser", "A person in an organisation", ENTERPRISE_ATTRIBUTES),
        schema(GROUP, "Group", "A group of people", GROUP_ATTRIBUTES),
    ];
    let own = super::discovery::DESCRIBING.iter();
    all.extend(own.map(|(id, name, meaning, attributes)| schema(id, name, meaning, attributes)));
    all
}

pub(super) mod describe {
    //! Shorthand for the schemas of the server's own description, which nobody but the server sets.

    use super::{Attribute, Kind};

    pub(in crate::scim) const fn text(name: &'static str, meaning: &'static str) -> Attribute {
        super::read_only(super::text(name, meaning))
    }

    pub(in crate::scim) const fn needed(name: &'static str, meaning: &'static str) -> Attribute {
        super::required(text(name, meaning))
    }

    pub(in crate::scim) const fn texts(name: &'static str, meaning: &'static str) -> Attribute {
        Attribute { is_list: true, ..text(name, meaning) }
    }

    pub(in crate::scim) const fn flag(name: &'static str, meaning: &'static str) -> Attribute {
        super::required(super::read_only(super::of(Kind::Boolean, name, meaning)))
    }

    pub(in crate::scim) const fn number(name: &'static str, meaning: &'static str) -> Attribute {
        super::required(super::read_only(super::of(Kind::Integer, name, meaning)))
    }

    pub(in crate::scim) const fn link(
        name: &'static str,
        references: &'static [&'static str],
        meaning: &'static str,
    ) -> Attribute {
        Attribute { references, ..super::read_only(super::of(Kind::Reference, name, meaning)) }
    }

    pub(in crate::scim) const fn complex(
        name: &'static str,
        parts: &'static [Attribute],
        meaning: &'static str,
    ) -> Attribute {
        super::required(super::read_only(super::complex(name, parts, meaning)))
    }

    pub(in crate::scim) const fn list(
        name: &'static str,
        parts: &'static [Attribute],
        meaning: &'static str,
    ) -> Attribute {
        super::read_only(super::list(name, parts, meaning))
    }
}
