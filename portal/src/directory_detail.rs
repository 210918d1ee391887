//! What a directory says of a person, as the source of a service's attributes: one table of short names and where SCIM keeps each (RFC 7643 §4).

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::store::directory::Profile;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

macro_rules! details {
    ($($variant:ident $short:literal $path:literal $meaning:literal;)+) => {
        /// One of the things that a directory says of a person.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Detail {
            $(#[doc = $meaning] $variant,)+
        }

        impl Detail {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name by which it is chosen.
            #[must_use]
            pub const fn short(self) -> &'static str {
                match self { $(Self::$variant => $short,)+ }
            }

            /// Where SCIM keeps it: an attribute, or a part of one behind a dot; of the enterprise extension where the core has none.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)+ }
            }

            /// What it is.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }

        /// The short names, as people are told.
        pub const SHORT_NAMES: &str = concat!($("`", $short, "` ",)+);
    };
}

details! {
    GivenName "given-name" "name.givenName" "the first name";
    FamilyName "family-name" "name.familyName" "the last name";
    FormattedName "formatted-name" "name.formatted" "the whole name, as it is written";
    DisplayName "display-name" "displayName" "the name to be shown";
    NickName "nick-name" "nickName" "the name that people use";
    Email "email" "emails.value" "the e-mail address that is marked as primary, else the first";
    Phone "phone" "phoneNumbers.value" "the telephone number that is marked as primary, else the first";
    Title "title" "title" "the job title";
    UserType "user-type" "userType" "what kind of employment";
    Language "language" "preferredLanguage" "the language that the person prefers";
    Department "department" "department" "the department";
    Division "division" "division" "the division";
    Organization "organization" "organization" "the organisation";
    CostCenter "cost-center" "costCenter" "the cost centre";
    EmployeeNumber "employee-number" "employeeNumber" "the number in the organisation";
    UserName "directory-name" "userName" "the person's name as the directory spells it";
    ExternalId "external-id" "externalId" "the directory's own id for the person";
}

impl fmt::Display for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.short())
    }
}

impl FromStr for Detail {
    type Err = ();

    /// The short name; or SCIM's, with or without `scim:`, the attribute around a part, and the extension's schema.
    fn from_str(text: &str) -> Result<Self, ()> {
        let scim = text.strip_prefix("scim:").unwrap_or(text);
        let scim = scim.strip_prefix(ENTERPRISE).and_then(|rest| rest.strip_prefix(':')).unwrap_or(scim);
        let names = |detail: &Self| {
            let path = detail.path();
            let part = path.strip_prefix("name.").filter(|part| *part != "formatted");
            text == detail.short()
                || scim.eq_ignore_ascii_case(path)
                || part.is_some_and(|part| scim.eq_ignore_ascii_case(part))
        };
        Self::ALL.iter().copied().find(names).ok_or(())
    }
}

impl Detail {
    /// What the directory says; nothing where it does not.
    #[must_use]
    pub fn of(self, profile: &Profile) -> Option<String> {
        let text = match self {
            Self::UserName => Some(profile.user_name.clone()),
            Self::ExternalId => Some(profile.external_id.clone()),
            Self::GivenName
            | Self::FamilyName
            | Self::FormattedName
            | Self::DisplayName
            | Self::NickName
            | Self::Email
            | Self::Phone
            | Self::Title
            | Self::UserType
            | Self::Language
            | Self::Department
            | Self::Division
            | Self::Organization
            | Self::CostCenter
            | Self::EmployeeNumber => self.value(&profile.attributes).and_then(text),
        };
        text.filter(|text| !text.trim().is_empty())
    }

    fn value(self, attributes: &Value) -> Option<&Value> {
        let (attribute, part) = self.path().split_once('.').unwrap_or((self.path(), ""));
        let found = attributes.get(attribute).or_else(|| attributes.get(ENTERPRISE)?.get(attribute))?;
        let is_primary = |value: &&Value| value.get("primary") == Some(&Value::Bool(true));
        let one = match found.as_array() {
            Some(all) => all.iter().find(is_primary).or_else(|| all.first())?,
            None => found,
        };
        if part.is_empty() { Some(one) } else { one.get(part) }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use saml::time::UtcTime;
    use serde_json::json;

    use super::*;
    use crate::store::person::{Origin, Person};

    fn profile() -> Profile {
        let name = "alice@example.test".to_owned();
        Profile {
            person: Person::new("p".to_owned(), "t".to_owned(), name, Origin::Directory, UtcTime::from_unix_seconds(0)),
            user_name: "Alice@Example.test".to_owned(),
            external_id: "e-1".to_owned(),
            attributes: json!({
                "name": { "givenName": "Alice", "familyName": "Álvarez", "formatted": "Alice Álvarez" },
                "displayName": "Alice A.", "nickName": " ", "title": "Engineer", "userType": "Employee",
                "emails": [{ "value": "old@example.test" }, { "value": "a@example.test", "primary": true }],
                "phoneNumbers": [{ "value": "+1 555" }],
                (ENTERPRISE): { "department": "R&D", "employeeNumber": "0042" },
            }),
        }
    }

    #[test]
    fn each_detail_is_what_the_directory_says() {
        for (name, value) in [
            ("given-name", Some("Alice")),
            ("family-name", Some("Álvarez")),
            ("formatted-name", Some("Alice Álvarez")),
            ("display-name", Some("Alice A.")),
            ("nick-name", None),
            ("email", Some("a@example.test")),
            ("phone", Some("+1 555")),
            ("title", Some("Engineer")),
            ("user-type", Some("Employee")),
            ("department", Some("R&D")),
            ("employee-number", Some("0042")),
            ("cost-center", None),
            ("directory-name", Some("Alice@Example.test")),
            ("external-id", Some("e-1")),
        ] {
            let detail: Detail = name.parse().unwrap();
            assert_eq!(detail.of(&profile()).as_deref(), value, "{name}");
            assert_eq!(detail.to_string(), name);
        }
    }

    #[test]
    fn scims_own_names_are_understood() {
        for (name, detail) in [
            ("name.givenName", Detail::GivenName),
            ("givenName", Detail::GivenName),
            ("scim:name.familyname", Detail::FamilyName),
            ("displayName", Detail::DisplayName),
            ("emails.value", Detail::Email),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", Detail::Department),
        ] {
            assert_eq!(name.parse(), Ok(detail), "{name}");
        }
        for wrong in ["", "given", "name", "formatted", "scim:", "password"] {
            assert!(wrong.parse::<Detail>().is_err(), "{wrong}");
        }
    }
}
