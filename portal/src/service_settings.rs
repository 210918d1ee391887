//! What a tenant decides about one service: who may open it, and what it is told about them.

use std::fmt;
use std::str::FromStr;

use saml::name::{Attribute, EntityId, NameIdFormat};
use saml::request::ServiceAlgorithms;
use serde::{Deserialize, Serialize};

use crate::directory_detail::Detail;
use crate::grade::Assurance;
use crate::policy::fits;
use crate::service_name::{MAIL, mail};
use crate::store::directory::Profile;
use crate::store::person::Person;

/// Attributes, and names or groups, that one service may have.
const MOST: usize = 64;
/// The longest name, pattern or text, in octets.
const LONGEST: usize = 1024;

const URI_NAMES: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";
const BASIC_NAMES: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";

/// The settings of a service; the default ones let everybody of the tenant in and tell their address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// How people are named where the service's request demands nothing.
    pub name_id_format: NameFormat,
    /// Whether the service gets the attribute `mail`, whatever else it gets.
    pub mail: bool,
    /// Further attributes, in their order.
    pub attributes: Vec<AttributeRule>,
    /// Names of those who may open it, with `*` for any text.
    pub only_people: Vec<String>,
    /// Groups whose members may open it, with `*` for any text. Without people and groups everybody may.
    pub only_groups: Vec<String>,
    /// Classes of authentication context that it may be told where it asks for one of them, besides the portal's own.
    pub authn_contexts: Vec<String>,
    /// Whether its requests may be signed with RSA-SHA1.
    pub sha1_signatures: bool,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            name_id_format: NameFormat::default(),
            mail: true,
            attributes: Vec::new(),
            only_people: Vec::new(),
            only_groups: Vec::new(),
            authn_contexts: Vec::new(),
            sha1_signatures: false,
        }
    }
}

/// How a service names people (Core §8.3).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameFormat {
    /// `user@domain`.
    #[default]
    Email,
    /// A name that stays and that no other service gets.
    Persistent,
    /// Another name each time.
    Transient,
}

impl NameFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Email, Self::Persistent, Self::Transient];

    /// The format as SAML names it.
    #[must_use]
    pub fn format(self) -> NameIdFormat {
        match self {
            Self::Email => NameIdFormat::EmailAddress,
            Self::Persistent => NameIdFormat::Persistent,
            Self::Transient => NameIdFormat::Transient,
        }
    }
}

impl fmt::Display for NameFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Email => "email",
            Self::Persistent => "persistent",
            Self::Transient => "transient",
        })
    }
}

impl FromStr for NameFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|format| format.to_string() == text).ok_or(())
    }
}

/// One attribute: its name, and where its values come from. As text it is `NAME=SOURCE`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeRule {
    /// Its name; one with a colon is told as a URI, any other as a basic name (Core §8.2).
    pub name: String,
    /// Where its values come from.
    pub value: Source,
}

impl fmt::Display for AttributeRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.name, self.value)
    }
}

impl FromStr for AttributeRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form NAME=SOURCE"))?;
        Ok(Self { name: name.trim().to_owned(), value: value.trim().parse()? })
    }
}

/// Where an attribute's values come from: what the portal knows itself, and nothing that a device merely says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub enum Source {
    /// `user@domain`.
    User,
    /// What stands before the `@`.
    LocalPart,
    /// What stands behind the `@`.
    Domain,
    /// How far the portal has checked who the person is: `claimed`, `assigned`, `proved`, `verified`.
    Grade,
    /// How that grade came about, for example `claim:directory`, `passkey`, `idp:corp`.
    Origin,
    /// The device's entity ID; nothing where somebody signs in without one.
    DeviceId,
    /// The groups that fit a pattern, one value each.
    Groups(String),
    /// What a directory says of the person; nothing where none does.
    Directory(Detail),
    /// Always this text.
    Text(String),
}

/// What `Source` is read from, as people are told.
pub const SOURCES: &str = "`user`, `local-part`, `domain`, `groups`, `groups:PATTERN`, `grade`, `origin`, `device-id`, `text:WHATEVER`, or what a directory \
    says by SCIM: `given-name`, `family-name`, `display-name`, `email`, `title`, `department`, `employee-number` and others that docs/services.md lists";

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => formatter.write_str("user"),
            Self::LocalPart => formatter.write_str("local-part"),
            Self::Domain => formatter.write_str("domain"),
            Self::Grade => formatter.write_str("grade"),
            Self::Origin => formatter.write_str("origin"),
            Self::DeviceId => formatter.write_str("device-id"),
            Self::Groups(pattern) if pattern == "*" => formatter.write_str("groups"),
            Self::Groups(pattern) => write!(formatter, "groups:{pattern}"),
            Self::Directory(detail) => write!(formatter, "{detail}"),
            Self::Text(text) => write!(formatter, "text:{text}"),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "user" => Self::User,
            "local-part" => Self::LocalPart,
            "domain" => Self::Domain,
            "grade" => Self::Grade,
            "origin" => Self::Origin,
            "device-id" => Self::DeviceId,
            "groups" => Self::Groups("*".to_owned()),
            _ => match text.split_once(':') {
                Some(("groups", pattern)) if !pattern.is_empty() => Self::Groups(pattern.to_owned()),
                Some(("text", value)) if !value.is_empty() => Self::Text(value.to_owned()),
                _ => {
                    let wrong = |()| format!("`{text}` is not a source of an attribute: {SOURCES}");
                    Self::Directory(text.parse().map_err(wrong)?)
                }
            },
        })
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What is known about somebody who signs in to a service.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Who.
    pub person: &'a Person,
    /// Their groups and their device's.
    pub groups: &'a [String],
    /// What they are signed in by.
    pub assurance: &'a Assurance,
    /// The device, where there is one.
    pub device: Option<&'a EntityId>,
    /// What a directory says of them, where one does.
    pub profile: Option<&'a Profile>,
}

impl ServiceSettings {
    /// Whether somebody of that name, in those groups, may open the service.
    #[must_use]
    pub fn admits(&self, name_id: &str, groups: &[String]) -> bool {
        let is_open = self.only_people.is_empty() && self.only_groups.is_empty();
        let is_named = || self.only_people.iter().any(|pattern| fits(pattern, name_id));
        let is_member = || self.only_groups.iter().any(|pattern| groups.iter().any(|group| fits(pattern, group)));
        is_open || is_named() || is_member()
    }

    /// Whether an attribute wants what a directory says.
    #[must_use]
    pub fn wants_directory(&self) -> bool {
        self.attributes.iter().any(|rule| matches!(rule.value, Source::Directory(_)))
    }

    /// The algorithms that its requests may be signed with.
    #[must_use]
    pub fn algorithms(&self) -> ServiceAlgorithms {
        if self.sha1_signatures { ServiceAlgorithms::CurrentAndRsaSha1 } else { ServiceAlgorithms::Current }
    }

    /// Whether the service is not to learn people's addresses: it gets other names and no `mail`.
    #[must_use]
    pub fn withholds_names(&self) -> bool {
        !self.mail && self.name_id_format != NameFormat::Email
    }

    /// What the service is told besides the name. An attribute without a value is left out.
    #[must_use]
    pub fn attributes(&self, about: &About<'_>) -> Vec<Attribute> {
        let own_mail = self.attributes.iter().any(|rule| rule.name == MAIL);
        let mail = (self.mail && !own_mail).then(|| mail(about.person));
        let rules = self.attributes.iter().map(|rule| Attribute {
            name: rule.name.clone(),
            name_format: Some(if rule.name.contains(':') { URI_NAMES } else { BASIC_NAMES }.to_owned()),
            friendly_name: None,
            values: values(&rule.value, about),
        });
        mail.into_iter().chain(rules.filter(|attribute| !attribute.values.is_empty())).collect()
    }

    /// Whether the settings can be kept.
    ///
    /// # Errors
    /// What is wrong: the field, what it holds, and what it should hold, in words that follow "is not".
    pub fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let lists = [
            ("attributes", self.attributes.len()),
            ("only_people", self.only_people.len()),
            ("only_groups", self.only_groups.len()),
            ("authn_contexts", self.authn_contexts.len()),
        ];
        if let Some((field, length)) = lists.into_iter().find(|(_, length)| *length > MOST) {
            return Err((field, length.to_string(), "a number of them: 64 at most"));
        }
        for (at, rule) in self.attributes.iter().enumerate() {
            if !is_sound(&rule.name) || !is_sound(&rule.value.to_string()) {
                return Err((
                    "attributes",
                    rule.to_string(),
                    "an attribute: it needs a name and a value without control characters",
                ));
            }
            if self.attributes.iter().take(at).any(|other| other.name == rule.name) {
                return Err(("attributes", rule.name.clone(), "an attribute that is there once"));
            }
        }
        let is_class = |text: &String| is_sound(text) && text.contains(':') && !text.contains(char::is_whitespace);
        if let Some(text) = self.authn_contexts.iter().find(|text| !is_class(text)) {
            return Err(("authn_contexts", text.clone(), "the URI of a class of authentication context"));
        }
        if let Some(text) = self.authn_contexts.iter().find(|text| text.starts_with("urn:countersign:")) {
            let wanted = "a class of others: the portal's own are told where they are true";
            return Err(("authn_contexts", text.clone(), wanted));
        }
        let patterns = self.only_people.iter().map(|text| ("only_people", text));
        let mut patterns = patterns.chain(self.only_groups.iter().map(|text| ("only_groups", text)));
        match patterns.find(|(_, text)| !is_sound(text)) {
            Some((field, text)) => Err((field, text.clone(), "a name or a pattern with `*`")),
            None => Ok(()),
        }
    }
}

fn is_sound(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

fn values(source: &Source, about: &About<'_>) -> Vec<String> {
    let name = about.person.name_id.as_str();
    let (local_part, domain) = name.split_once('@').unwrap_or((name, ""));
    match source {
        Source::User => vec![name.to_owned()],
        Source::LocalPart => vec![local_part.to_owned()],
        Source::Domain => vec![domain.to_owned()],
        Source::Grade => vec![about.assurance.grade.to_string()],
        Source::Origin => vec![about.assurance.origin.clone()],
        Source::DeviceId => about.device.iter().map(ToString::to_string).collect(),
        Source::Groups(pattern) => about.groups.iter().filter(|group| fits(pattern, group)).cloned().collect(),
        Source::Directory(detail) => about.profile.and_then(|profile| detail.of(profile)).into_iter().collect(),
        Source::Text(text) => vec![text.clone()],
    }
}

#[cfg(test)]
mod tests {
    use saml::time::UtcTime;

    use super::*;
    use crate::store::person::Origin;

    fn alice() -> Person {
        let name = "alice@example.test".to_owned();
        Person::new("p".to_owned(), "t".to_owned(), name, Origin::SignOn, UtcTime::from_unix_seconds(0))
    }

    fn told(rules: &[&str], device: Option<&EntityId>) -> Vec<(String, String)> {
        let attributes = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let settings = ServiceSettings { attributes, ..ServiceSettings::default() };
        let groups = ["admins".to_owned(), "vpn-users".to_owned()];
        let person = alice();
        let assurance = Assurance::proved("passkey");
        let about = About { person: &person, groups: &groups, assurance: &assurance, device, profile: None };
        settings.attributes(&about).into_iter().map(|one| (one.name, one.values.join(" "))).collect()
    }

    #[test]
    fn each_source_gives_what_the_portal_knows() {
        let device = "urn:countersign:device:x".parse().unwrap();
        let cases = [
            ("a=user", "alice@example.test"),
            ("a = local-part", "alice"),
            ("a=domain", "example.test"),
            ("a=grade", "proved"),
            ("a=origin", "passkey"),
            ("a=device-id", "urn:countersign:device:x"),
            ("a=groups", "admins vpn-users"),
            ("a=groups:VPN-*", "vpn-users"),
            ("a=text:one=two: three", "one=two: three"),
        ];
        for (rule, value) in cases {
            assert_eq!(told(&[rule], Some(&device))[1], ("a".to_owned(), value.to_owned()), "{rule}");
        }
    }

    #[test]
    fn what_a_directory_says_is_told_where_one_does() {
        let name = "alice@example.test".to_owned();
        let person =
            Person::new("p".to_owned(), "t".to_owned(), name, Origin::Directory, UtcTime::from_unix_seconds(0));
        let attributes = serde_json::json!({ "name": { "givenName": "Alice" } });
        let profile =
            Profile { person: person.clone(), user_name: String::new(), external_id: String::new(), attributes };
        let rules = ["given=name.givenName", "family=family-name"].map(|rule| rule.parse().unwrap());
        let settings = ServiceSettings { mail: false, attributes: rules.to_vec(), ..ServiceSettings::default() };
        assert!(settings.wants_directory() && !ServiceSettings::default().wants_directory());
        let assurance = Assurance::proved("code");
        let about =
            About { person: &person, groups: &[], assurance: &assurance, device: None, profile: Some(&profile) };
        let told = settings.attributes(&about);
        assert_eq!(
            told.iter().map(|one| (one.name.as_str(), one.values.concat())).collect::<Vec<_>>(),
            [("given", "Alice".to_owned())]
        );
        assert!(settings.attributes(&About { profile: None, ..about }).is_empty());
    }

    #[test]
    fn an_attribute_without_a_value_is_left_out_and_a_rule_for_mail_takes_its_place() {
        assert_eq!(told(&["d=device-id", "g=groups:none*"], None).len(), 1, "mail alone");
        let own = told(&[&format!("{MAIL}=text:nobody@example.test")], None);
        assert_eq!(own, [(MAIL.to_owned(), "nobody@example.test".to_owned())]);
    }

    #[test]
    fn people_and_groups_open_the_door_to_those_whom_either_names() {
        let open = ServiceSettings::default();
        assert!(open.admits("anybody@example.test", &[]));
        let narrow = ServiceSettings {
            only_people: vec!["al*@example.test".to_owned()],
            only_groups: vec!["vpn-*".to_owned()],
            ..ServiceSettings::default()
        };
        assert!(narrow.admits("alice@example.test", &[]));
        assert!(narrow.admits("bob@example.test", &["vpn-users".to_owned()]));
        assert!(!narrow.admits("bob@example.test", &["admins".to_owned()]));
    }

    #[test]
    fn settings_stay_what_they_are_as_json_and_wrong_ones_are_named() {
        let text =
            r#"{"name_id_format":"persistent","mail":false,"attributes":[{"name":"role","value":"groups:app-*"}]}"#;
        let read: ServiceSettings = serde_json::from_str(text).unwrap();
        assert_eq!(read.attributes[0].to_string(), "role=groups:app-*");
        assert_eq!(serde_json::from_str::<ServiceSettings>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
        assert!(
            serde_json::from_str::<ServiceSettings>(r#"{"attributes":[{"name":"a","value":"fact:serial"}]}"#).is_err()
        );
        let twice = ["a=user".parse().unwrap(), "a=domain".parse().unwrap()];
        let wrong = ServiceSettings { attributes: twice.to_vec(), ..ServiceSettings::default() };
        assert_eq!(wrong.check().unwrap_err().0, "attributes");
        let wrong = ServiceSettings { only_groups: vec!["\u{7}".to_owned()], ..ServiceSettings::default() };
        assert_eq!(wrong.check().unwrap_err().0, "only_groups");
        for class in ["PasswordProtectedTransport", "urn:countersign:1.0:ac:classes:directory", "urn:a b"] {
            let wrong = ServiceSettings { authn_contexts: vec![class.to_owned()], ..ServiceSettings::default() };
            assert_eq!(wrong.check().unwrap_err().0, "authn_contexts", "{class}");
        }
        assert!(read.check().is_ok());
    }
}
