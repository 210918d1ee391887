//! The two halves of `user@domain`.

use crate::unfilled::is_macro;
use std::fmt;

/// The longest name in DNS (RFC 1035 section 2.3.4), without the closing dot.
const LONGEST_DOMAIN: usize = 253;

/// The longest local part of a mail address (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL_PART: usize = 64;

/// A DNS domain: lower case, A-labels of letters, digits and hyphens, two or more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserDomain(String);

/// Why a text is no user domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserDomainFault {
    /// It holds an `@`.
    #[error("`{0}` holds an `@`")]
    At(String),
    /// It is an address of the web.
    #[error("`{0}` is an address, not a domain")]
    Url(String),
    /// It has one label only.
    #[error("`{0}` has no dot")]
    OneLabel(String),
    /// It is an IP address.
    #[error("`{0}` is an IP address")]
    Address(String),
    /// It is no domain name (RFC 5890).
    #[error("`{0}` is not a DNS domain")]
    Syntax(String),
}

impl UserDomain {
    /// Reads a domain; Unicode is turned into A-labels (UTS #46), capitals into small letters.
    ///
    /// # Errors
    ///
    /// When it is not a DNS domain of two labels or more.
    pub fn parse(text: &str) -> Result<Self, UserDomainFault> {
        let text = text.trim();
        if text.contains('@') {
            return Err(UserDomainFault::At(shown(text)));
        }
        if text.contains("://") || text.contains('/') {
            return Err(UserDomainFault::Url(shown(text)));
        }
        let domain = dns_name(text).ok_or_else(|| UserDomainFault::Syntax(shown(text)))?;
        match domain.rsplit_once('.') {
            None => Err(UserDomainFault::OneLabel(domain)),
            Some((_, last)) if last.bytes().all(|octet| octet.is_ascii_digit()) => {
                Err(UserDomainFault::Address(domain))
            }
            Some(_) => Ok(Self(domain)),
        }
    }

    /// The domain as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A name of the DNS as lower-case A-labels, without a closing dot.
pub(crate) fn dns_name(text: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::STD3).ok()?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    let is_label = |label: &str| {
        let ldh = label.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-');
        (1..=63).contains(&label.len()) && ldh && !label.starts_with('-') && !label.ends_with('-')
    };
    (name.len() <= LONGEST_DOMAIN && name.split('.').all(is_label)).then(|| name.to_owned())
}

/// A text in a fault: short, and on one line.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String =
        text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).take(60).collect();
    if text.chars().count() > 60 {
        short.push('…');
    }
    short
}

/// The part of a mail address before the `@`, as an administrator gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(String);

/// Why a text is no local part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalPartFault {
    /// It holds an `@`.
    #[error("`{given}` holds an `@`")]
    At {
        /// What was given.
        given: String,
        /// The part before the `@`.
        before: String,
    },
    /// It is longer than a mail address's local part may be.
    #[error("the name is longer than 64 characters")]
    TooLong,
    /// A macro of the device management that nothing was put in for.
    #[error("`{0}` is a macro that the device management did not fill")]
    Macro(String),
    /// A character that no unquoted mail address holds.
    #[error("`{given}` holds {character:?}, which a mail address cannot hold")]
    Character {
        /// What was given.
        given: String,
        /// The first such character.
        character: char,
    },
    /// Empty, or dots where none may be (RFC 5321 section 4.1.2, Dot-string).
    #[error("`{0}` is empty, begins or ends with a dot, or has two in a row")]
    Dots(String),
}

impl LocalPart {
    /// Reads a local part; capitals become small letters.
    ///
    /// # Errors
    ///
    /// When it holds an `@`, or anything that an unquoted mail address cannot.
    pub fn parse(text: &str) -> Result<Self, LocalPartFault> {
        let name = text.trim().to_ascii_lowercase();
        let given = || shown(text.trim());
        if let Some((before, _)) = name.split_once('@') {
            return Err(LocalPartFault::At { given: given(), before: shown(before) });
        }
        if is_macro(&name) {
            return Err(LocalPartFault::Macro(given()));
        }
        if name.chars().count() > LONGEST_LOCAL_PART {
            return Err(LocalPartFault::TooLong);
        }
        if let Some(character) =
            name.chars().find(|sign| !(sign.is_ascii_alphanumeric() || "._-+'#$&=^~".contains(*sign)))
        {
            return Err(LocalPartFault::Character { given: given(), character });
        }
        if name.is_empty() || name.starts_with('.') || name.ends_with('.') || name.contains("..") {
            return Err(LocalPartFault::Dots(given()));
        }
        Ok(Self(name))
    }

    /// The name as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn domains_are_lowered_and_turned_into_a_labels() {
        for (given, wanted) in [
            ("Example.COM", "example.com"),
            (" example.com. ", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(UserDomain::parse(given).unwrap().as_str(), wanted);
        }
    }

    #[test]
    fn what_is_no_domain_says_why() {
        assert!(matches!(UserDomain::parse("alice@example.com"), Err(UserDomainFault::At(_))));
        assert!(matches!(UserDomain::parse("https://example.com"), Err(UserDomainFault::Url(_))));
        assert!(matches!(UserDomain::parse("corp"), Err(UserDomainFault::OneLabel(_))));
        assert!(matches!(UserDomain::parse("192.0.2.1"), Err(UserDomainFault::Address(_))));
        for wrong in [
            "",
            ".",
            "a..b",
            "-a.example",
            "a-.example",
            "a_b.example",
            "a b.example",
            &format!("{}.example", "a".repeat(64)),
        ] {
            assert!(matches!(UserDomain::parse(wrong), Err(UserDomainFault::Syntax(_))), "{wrong}");
        }
    }

    #[test]
    fn local_parts_are_lowered_and_checked() {
        assert_eq!(LocalPart::parse("Alice.Smith").unwrap().as_str(), "alice.smith");
        assert_eq!(
            LocalPart::parse("alice@example.com"),
            Err(LocalPartFault::At { given: "alice@example.com".to_owned(), before: "alice".to_owned() })
        );
        for unfilled in ["{{username}}", "${USER}", "$(user)", "%UserName%", "$USERNAME"] {
            assert!(matches!(LocalPart::parse(unfilled), Err(LocalPartFault::Macro(_))), "{unfilled}");
        }
        assert!(matches!(LocalPart::parse("a b"), Err(LocalPartFault::Character { character: ' ', .. })));
        assert!(matches!(LocalPart::parse(""), Err(LocalPartFault::Dots(_))));
    }

    proptest! {
        #[test]
        fn a_domain_once_read_reads_the_same_again(text in any::<String>()) {
            if let Ok(domain) = UserDomain::parse(&text) {
                prop_assert_eq!(UserDomain::parse(domain.as_str()), Ok(domain));
            }
        }
    }
}
