//! Identifiers and names that SAML messages carry (Core 1.3.4, 2.2, 2.7.3 and 8.3).

use std::fmt;
use std::str::FromStr;

/// The text is not what the named type holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct InvalidName {
    expected: &'static str,
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                if $valid(&text) { Ok(Self(text)) } else { Err(InvalidName { expected: $expected }) }
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if $valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName { expected: $expected }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// The `ID` of a message or assertion (Core 1.3.4): an `xs:NCName` of at most 256 characters.
    MessageId, "a message ID (an XML name without a colon, at most 256 characters)", valid_message_id
}

text_newtype! {
    /// The name of a SAML entity (Core 8.3.6): 1 to 1024 characters without white space or control characters.
    EntityId, "an entity ID (1 to 1024 characters without white space)", valid_entity_id
}

impl MessageId {
    /// The ID made from 160 random bits, which Core 1.3.4 asks for so that no two ever collide.
    pub fn from_random(random: [u8; 20]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(41);
        // An NCName can't begin with a digit.
        text.push('_');
        for byte in random {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        Self(text)
    }
}

fn valid_message_id(text: &str) -> bool {
    (text.len() <= 256 || text.chars().count() <= 256) && crate::xml::is_ncname(text)
}

fn valid_entity_id(text: &str) -> bool {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return (1..=1024).contains(&text.len());
    }
    !text.is_empty() && text.chars().count() <= 1024 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// A `saml:NameID` (Core 2.2.3) without qualifiers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameId {
    /// What kind of name it is.
    pub format: NameIdFormat,
    /// The name itself.
    pub value: String,
}

macro_rules! name_id_formats {
    ($($(#[$doc:meta])* $variant:ident = $uri:literal,)+) => {
        /// The format of a name identifier (Core 8.3).
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum NameIdFormat {
            $($(#[$doc])* $variant,)+
            /// Any other URI.
            Other(String),
        }

        impl NameIdFormat {
            /// The URI that stands for the format on the wire.
            pub fn uri(&self) -> &str {
                match self {
                    $(Self::$variant => $uri,)+
                    Self::Other(uri) => uri,
                }
            }

            /// The format that `uri` stands for.
            pub fn from_uri(uri: &str) -> Self {
                match uri {
                    $($uri => Self::$variant,)+
                    _ => Self::Other(uri.to_owned()),
                }
            }
        }
    };
}

name_id_formats! {
    /// `user@domain` (8.3.2).
    EmailAddress = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    /// An opaque name that stays the same for a pair of entities (8.3.7).
    Persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    /// A name for one session (8.3.8).
    Transient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    /// No format is claimed (8.3.1).
    Unspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    /// The name of a SAML entity (8.3.6).
    Entity = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity",
}

/// The name of a person: `user@domain`, in small letters.
///
/// The local part is an unquoted one of RFC 5321 in ASCII, without the signs that mean something to mail routers, shells and templates (`docs/identity.md`).
/// Nothing is replaced: what only looks like a name, by accents, other alphabets or signs without width, is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserName {
    local_part: String,
    domain: String,
}

impl UserName {
    /// What to write instead of what is no name.
    pub const FORM: &str = "a name of the form `user@example.com`: before the `@` at most 64 letters and digits of ASCII and `. _ - + ' # $ & = ^ ~`";

    /// Reads a name; capitals of ASCII become small letters, and no others do.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        let (local_part, domain) = name.split_once('@')?;
        let sound = is_local_part(local_part) && is_domain(domain);
        sound.then(|| Self { local_part: local_part.to_owned(), domain: domain.to_owned() })
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}", self.local_part, self.domain)
    }
}

fn is_local_part(text: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"._-+'#$&=^~".contains(&octet);
    let dots = text.starts_with('.') || text.ends_with('.') || text.contains("..");
    (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !dots
}

fn is_domain(text: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    (1..=253).contains(&text.len()) && text.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
}

/// A `saml:Attribute` (Core 2.7.3.1) whose values are text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// `Name`.
    pub name: String,
    /// `NameFormat`, a URI; absent means unspecified (Core 8.2.1).
    pub name_format: Option<String>,
    /// `FriendlyName`, for people only.
    pub friendly_name: Option<String>,
    /// The text of each `AttributeValue`; a value that holds elements is left out.
    pub values: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_is_a_valid_one() {
        let id = MessageId::from_random([0xAF; 20]);
        assert_eq!(id.as_str(), format!("_{}", "af".repeat(20)));
        assert_eq!(id.as_str().parse::<MessageId>().unwrap(), id);
    }

    #[test]
    fn refuses_ids_that_are_not_names() {
        for text in ["", "1a", "a b", "a:b", "-a", "a\n", &"a".repeat(257)] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_entity_ids_with_white_space() {
        for text in ["", "a b", "a\u{a0}b", "a\n", "a\0", &"a".repeat(1025)] {
            assert!(text.parse::<EntityId>().is_err(), "{text}");
        }
        assert!("https://sp.example/metadata".parse::<EntityId>().is_ok());
    }

    #[test]
    fn a_person_s_name_is_never_bent() {
        for (given, wanted) in [("Alice@Example.TEST", "alice@example.test"), ("o'brien+x@a.test", "o'brien+x@a.test")]
        {
            assert_eq!(UserName::parse(given).unwrap().to_string(), wanted);
        }
        let name = UserName::parse("alice@example.test").unwrap();
        assert_eq!((name.local_part(), name.domain()), ("alice", "example.test"));
        for none in [
            "",
            "alice",
            "@example.test",
            "alice@",
            "a@b@example.test",
            "ali\u{200b}ce@example.test",
            "\u{430}lice@example.test",
            "\u{212a}im@example.test",
            "j\u{fc}rgen@example.test",
            "ju\u{308}rgen@example.test",
            "alice @example.test",
            "a/b@example.test",
            "a%b@example.test",
            ".alice@example.test",
            "alice.@example.test",
            "a..b@example.test",
            "alice@exa mple.test",
            "alice@\u{435}xample.test",
            "alice@example..test",
            &format!("{}@example.test", "a".repeat(65)),
        ] {
            assert_eq!(UserName::parse(none), None, "{none}");
        }
    }

    #[test]
    fn formats_have_one_uri_each() {
        for format in [NameIdFormat::EmailAddress, NameIdFormat::Transient, NameIdFormat::Other("urn:x".into())] {
            assert_eq!(NameIdFormat::from_uri(format.uri()), format);
        }
    }
}
