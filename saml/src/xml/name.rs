//! Namespaces that the messages use, and the characters of names.

macro_rules! namespaces {
    ($($variant:ident $prefix:literal $uri:literal;)+) => {
        /// A namespace that has a meaning here; all others are told apart by their URI only.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Namespace {
            /// No namespace at all.
            None,
            /// One without a meaning here.
            Other,
            $(#[doc = $uri] $variant,)+
        }

        impl Namespace {
            pub(crate) fn from_uri(uri: &str) -> Self {
                match uri {
                    "" => Self::None,
                    $($uri => Self::$variant,)+
                    _ => Self::Other,
                }
            }

            /// The prefix that the writer gives it.
            pub(crate) const fn prefix(self) -> &'static str {
                match self {
                    Self::None | Self::Other => "",
                    $(Self::$variant => $prefix,)+
                }
            }

            pub(crate) const fn uri(self) -> &'static str {
                match self {
                    Self::None | Self::Other => "",
                    $(Self::$variant => $uri,)+
                }
            }
        }
    };
}

namespaces! {
    Assertion "saml" "urn:oasis:names:tc:SAML:2.0:assertion";
    Protocol "samlp" "urn:oasis:names:tc:SAML:2.0:protocol";
    Signature "ds" "http://www.w3.org/2000/09/xmldsig#";
    Metadata "md" "urn:oasis:names:tc:SAML:2.0:metadata";
    Countersign "cs" "urn:countersign:1.0";
    ThirdParty "thrpty" "urn:oasis:names:tc:SAML:protocol:ext:third-party";
    Soap "S" "http://schemas.xmlsoap.org/soap/envelope/";
    Paos "paos" "urn:liberty:paos:2003-08";
    Ecp "ecp" "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp";
    RequestInitiation "init" "urn:oasis:names:tc:SAML:profiles:SSO:request-init";
    UserInterface "mdui" "urn:oasis:names:tc:SAML:metadata:ui";
    ExclusiveC14n "ec" "http://www.w3.org/2001/10/xml-exc-c14n#";
    SchemaInstance "xsi" "http://www.w3.org/2001/XMLSchema-instance";
    Xml "xml" "http://www.w3.org/XML/1998/namespace";
    Xmlns "xmlns" "http://www.w3.org/2000/xmlns/";
}

/// Whether `text` is an NCName of Namespaces in XML 1.0 (third edition), over XML 1.0 (fifth edition).
pub(crate) fn is_ncname(text: &str) -> bool {
    if super::lanes::name_length(text.as_bytes()) == text.len() {
        return text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    }
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

pub(crate) fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

pub(crate) fn is_name_char(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether `uri` may be a namespace name: absolute, and of no characters but those of RFC 3986.
///
/// Canonical XML 1.0 (1.3) has relative namespace URIs fail; libxml2 also fails on what is not a URI at all.
pub(crate) fn is_namespace_name(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let mut scheme_bytes = scheme.bytes();
    let scheme_ok = scheme_bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme_bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let mut bytes = rest.bytes();
    let mut fragments = 0;
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
                    && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
            }
            b'#' => {
                fragments += 1;
                fragments == 1
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    scheme_ok && !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_names_are_absolute() {
        for uri in ["urn:x", "http://a/b#", "a:%41", "http://a/?q=1"] {
            assert!(is_namespace_name(uri), "{uri}");
        }
        for uri in ["", "x", "/x", "#x", "1a:x", "urn:a b", "urn:a##", "urn:%4", "urn:é", "urn:<", "urn:"] {
            assert!(!is_namespace_name(uri), "{uri}");
        }
    }
}
