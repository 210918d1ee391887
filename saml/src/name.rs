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
    fn formats_have_one_uri_each() {
        for format in [NameIdFormat::EmailAddress, NameIdFormat::Transient, NameIdFormat::Other("urn:x".into())] {
            assert_eq!(NameIdFormat::from_uri(format.uri()), format);
        }
    }
}
