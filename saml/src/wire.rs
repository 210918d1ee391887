//! Reading and writing what several messages share: names, attributes, typed values.

use crate::authn_request::SubjectDetails;
use crate::name::{Attribute, EntityId, MessageId, NameId, NameIdFormat};
use crate::rejection::{Rejection, RejectionReason};
use crate::time::UtcTime;
use crate::xml::{Element, Namespace, Sequence, Writer};

const BOOLEAN: &str = "it has to be `true`, `false`, `1` or `0`";
const INSTANT: &str = "it has to be a time in UTC that ends with `Z`, such as `2030-01-31T12:00:00Z` (Core 1.3.3)";
const URI: &str = "it has to be an address or another URI, without white space in it";
const ENTITY_ID: &str = "it has to be an entity ID of 1 to 1024 characters, without white space in it";
const MESSAGE_ID: &str = "it has to be an XML name without a colon, of at most 256 characters";
const INDEX: &str = "it has to be a whole number from 0 to 65535";

/// The value without the white space at its ends, which the types of XML Schema that are read here drop (`whiteSpace` is `collapse`: XML Schema 2,
/// 4.3.6). White space inside is a fault in each of them.
pub(crate) fn collapsed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// An attribute of a type whose white space collapses.
fn typed<T>(
    element: Element<'_>,
    local: &str,
    wanted: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Rejection> {
    let Some(text) = element.attribute(local) else { return Ok(None) };
    let bad = || Rejection::value(&format!("{}/@{local}", element.local()), text, wanted);
    read(collapsed(text)).ok_or_else(bad).map(Some)
}

/// The text of an element of such a type.
fn typed_text<T>(
    element: Element<'_>,
    wanted: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Rejection> {
    let text = element.text()?;
    read(collapsed(text)).ok_or_else(|| Rejection::value(element.local(), text, wanted))
}

fn required<T>(element: Element<'_>, local: &str, found: Option<T>) -> Result<T, Rejection> {
    found.ok_or_else(|| missing(element, local))
}

fn missing(element: Element<'_>, local: &str) -> Rejection {
    Rejection::about(RejectionReason::MissingAttribute, &format!("{}/@{local}", element.local()))
}

pub(crate) fn optional_message_id(element: Element<'_>, local: &str) -> Result<Option<MessageId>, Rejection> {
    typed(element, local, MESSAGE_ID, |text| text.parse().ok())
}

pub(crate) fn required_message_id(element: Element<'_>, local: &str) -> Result<MessageId, Rejection> {
    required(element, local, optional_message_id(element, local)?)
}

pub(crate) fn required_entity_id(element: Element<'_>, local: &str) -> Result<EntityId, Rejection> {
    required(element, local, typed(element, local, ENTITY_ID, |text| text.parse().ok())?)
}

/// An element that names an entity by its ID.
pub(crate) fn entity_id_in(element: Element<'_>) -> Result<EntityId, Rejection> {
    typed_text(element, ENTITY_ID, |text| text.parse().ok())
}

pub(crate) fn optional_instant(element: Element<'_>, local: &str) -> Result<Option<UtcTime>, Rejection> {
    typed(element, local, INSTANT, |text| text.parse().ok())
}

pub(crate) fn required_instant(element: Element<'_>, local: &str) -> Result<UtcTime, Rejection> {
    required(element, local, optional_instant(element, local)?)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// An `xs:boolean` that is not always there.
pub(crate) fn stated_boolean(element: Element<'_>, local: &str) -> Result<Option<bool>, Rejection> {
    typed(element, local, BOOLEAN, boolean)
}

pub(crate) fn optional_boolean(element: Element<'_>, local: &str) -> Result<bool, Rejection> {
    Ok(stated_boolean(element, local)?.unwrap_or_default())
}

/// An `xs:unsignedShort`.
pub(crate) fn optional_index(element: Element<'_>, local: &str) -> Result<Option<u16>, Rejection> {
    typed(element, local, INDEX, |text| text.parse().ok())
}

pub(crate) fn required_index(element: Element<'_>, local: &str) -> Result<u16, Rejection> {
    required(element, local, optional_index(element, local)?)
}

/// An `xs:nonNegativeInteger`, which has no end: a number that is too large to be counted is the largest one.
pub(crate) fn optional_count(element: Element<'_>, local: &str) -> Result<Option<u32>, Rejection> {
    typed(element, local, "it has to be a whole number, 0 or more", |text| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().unwrap_or(u32::MAX))
    })
}

/// An `xs:anyURI` that has to say something.
fn uri(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_good = !text.is_empty() && (plain || !text.chars().any(|c| c.is_whitespace() || c.is_control()));
    is_good.then(|| text.to_owned())
}

pub(crate) fn optional_uri(element: Element<'_>, local: &str) -> Result<Option<String>, Rejection> {
    typed(element, local, URI, uri)
}

pub(crate) fn required_uri(element: Element<'_>, local: &str) -> Result<String, Rejection> {
    required(element, local, optional_uri(element, local)?)
}

/// An element that holds a URI.
pub(crate) fn uri_in(element: Element<'_>) -> Result<String, Rejection> {
    typed_text(element, URI, uri)
}

/// Whether two addresses are the same but for the case of scheme and host and a port that needs no name (RFC 3986 6.2.2.1, 6.2.3).
pub(crate) fn is_same_address(one: &str, other: &str) -> bool {
    one == other || plain_address(one).is_some_and(|plain| plain_address(other) == Some(plain))
}

/// Scheme and host in lower case, the port where it is not that of `https:`, and the rest as it is.
fn plain_address(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_at_checked("https://".len())?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let is_https = scheme.eq_ignore_ascii_case("https://") && !authority.contains('@');
    is_https.then(|| (authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase(), path))
}

/// The `Format` of a name (Core 2.2.2); an empty one is none.
pub(crate) fn optional_format(element: Element<'_>, local: &str) -> Option<NameIdFormat> {
    element.attribute(local).map(collapsed).filter(|uri| !uri.is_empty()).map(NameIdFormat::from_uri)
}

pub(crate) fn check_version(element: Element<'_>) -> Result<(), Rejection> {
    match element.required_attribute("Version")? {
        "2.0" => Ok(()),
        other => Err(Rejection::about(RejectionReason::Version, other)),
    }
}

/// `saml:Issuer` (Core 2.2.5), whose format may only be that of an entity.
pub(crate) fn issuer(element: Element<'_>) -> Result<EntityId, Rejection> {
    if let Some(format) = optional_format(element, "Format").filter(|format| *format != NameIdFormat::Entity) {
        let wanted = "it has to be `urn:oasis:names:tc:SAML:2.0:nameid-format:entity`, or left out (Core 2.2.5)";
        return Err(Rejection::value("Issuer/@Format", format.uri(), wanted));
    }
    entity_id_in(element)
}

pub(crate) fn write_issuer(writer: &mut Writer, issuer: &EntityId) {
    writer.leaf(Namespace::Assertion, "Issuer", issuer.as_str());
}

pub(crate) fn name_id(element: Element<'_>) -> Result<NameId, Rejection> {
    let format = optional_format(element, "Format").unwrap_or(NameIdFormat::Unspecified);
    let value = element.text()?;
    if value.is_empty() {
        return Err(Rejection::value("NameID", value, "it has to name somebody"));
    }
    Ok(NameId { format, value: value.to_owned() })
}

/// As [`write_name_id`], with the qualifiers that a request's subject may have.
pub(crate) fn write_qualified_name_id(writer: &mut Writer, name_id: &NameId, details: &SubjectDetails) {
    writer
        .start(Namespace::Assertion, "NameID")
        .attribute("Format", name_id.format.uri())
        .optional_attribute("NameQualifier", details.name_qualifier.as_deref())
        .optional_attribute("SPNameQualifier", details.sp_name_qualifier.as_deref())
        .text(&name_id.value)
        .end();
}

pub(crate) fn write_name_id(writer: &mut Writer, name_id: &NameId) {
    writer.start(Namespace::Assertion, "NameID").attribute("Format", name_id.format.uri()).text(&name_id.value).end();
}

/// `saml:Attribute` (Core 2.7.3.1); a value that holds elements is left out.
pub(crate) fn attribute(element: Element<'_>) -> Result<Attribute, Rejection> {
    let mut children = Sequence::new(element)?;
    // Hardly any attribute has more than one value.
    let mut values = Vec::with_capacity(1);
    for value in children.many(Namespace::Assertion, "AttributeValue") {
        if value.children().next().is_none() {
            values.push(value.text()?.to_owned());
        }
    }
    children.finish()?;
    Ok(Attribute {
        name: element.required_attribute("Name")?.to_owned(),
        name_format: element.attribute("NameFormat").map(str::to_owned),
        friendly_name: element.attribute("FriendlyName").map(str::to_owned),
        values,
    })
}

/// All children of an element, each of which is a `saml:Attribute`.
pub(crate) fn attributes(parent: Element<'_>) -> Result<Vec<Attribute>, Rejection> {
    let mut children = Sequence::new(parent)?;
    let mut attributes = Vec::with_capacity(parent.children().count());
    for child in children.many(Namespace::Assertion, "Attribute") {
        attributes.push(attribute(child)?);
    }
    children.finish()?;
    Ok(attributes)
}

pub(crate) fn write_attribute(writer: &mut Writer, attribute: &Attribute) {
    writer
        .start(Namespace::Assertion, "Attribute")
        .optional_attribute("FriendlyName", attribute.friendly_name.as_deref())
        .attribute("Name", &attribute.name)
        .optional_attribute("NameFormat", attribute.name_format.as_deref());
    for value in &attribute.values {
        writer.leaf(Namespace::Assertion, "AttributeValue", value);
    }
    writer.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_with_the_port_that_needs_no_name() {
        let own = "https://portal.example/saml/sso";
        for same in [own, "https://portal.example:443/saml/sso", "HTTPS://Portal.Example/saml/sso"] {
            assert!(is_same_address(own, same), "{same}");
        }
        for other in [
            "https://portal.example:8443/saml/sso",
            "http://portal.example/saml/sso",
            "https://portal.example/saml/SSO",
            "https://portal.example/saml/sso/",
            "https://portal.example:443@other.example/saml/sso",
            "https://portal.example",
        ] {
            assert!(!is_same_address(own, other), "{other}");
        }
    }
}
