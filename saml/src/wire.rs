//! Reading and writing what several messages share: names, attributes, typed values.

use crate::name::{Attribute, EntityId, MessageId, NameId, NameIdFormat};
use crate::rejection::{Rejection, RejectionReason};
use crate::time::UtcTime;
use crate::xml::{Element, Namespace, Sequence, Writer};

pub(crate) fn entity_id(text: &str) -> Result<EntityId, Rejection> {
    text.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, text))
}

pub(crate) fn message_id(text: &str) -> Result<MessageId, Rejection> {
    text.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, text))
}

pub(crate) fn instant(text: &str) -> Result<UtcTime, Rejection> {
    text.parse().map_err(|_| Rejection::about(RejectionReason::BadValue, text))
}

pub(crate) fn boolean(text: &str) -> Result<bool, Rejection> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Rejection::about(RejectionReason::BadValue, text)),
    }
}

pub(crate) fn optional_boolean(element: Element<'_>, local: &str) -> Result<bool, Rejection> {
    element.attribute(local).map_or(Ok(false), boolean)
}

/// An `xs:anyURI` that has to say something.
pub(crate) fn uri(text: &str) -> Result<String, Rejection> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || (!plain && text.chars().any(|c| c.is_whitespace() || c.is_control())) {
        return Err(Rejection::about(RejectionReason::BadValue, text));
    }
    Ok(text.to_owned())
}

pub(crate) fn optional_uri(element: Element<'_>, local: &str) -> Result<Option<String>, Rejection> {
    element.attribute(local).map(uri).transpose()
}

pub(crate) fn check_version(element: Element<'_>) -> Result<(), Rejection> {
    match element.required_attribute("Version")? {
        "2.0" => Ok(()),
        other => Err(Rejection::about(RejectionReason::Version, other)),
    }
}

/// `saml:Issuer` (Core 2.2.5), whose format may only be that of an entity.
pub(crate) fn issuer(element: Element<'_>) -> Result<EntityId, Rejection> {
    let format = element.attribute("Format").map(NameIdFormat::from_uri);
    if format.is_some_and(|format| format != NameIdFormat::Entity) {
        return Err(Rejection::about(RejectionReason::BadValue, "Issuer/@Format"));
    }
    entity_id(element.text()?)
}

pub(crate) fn write_issuer(writer: &mut Writer, issuer: &EntityId) {
    writer.leaf(Namespace::Assertion, "Issuer", issuer.as_str());
}

pub(crate) fn name_id(element: Element<'_>) -> Result<NameId, Rejection> {
    let format = element.attribute("Format").map_or(NameIdFormat::Unspecified, NameIdFormat::from_uri);
    let value = element.text()?;
    if value.is_empty() {
        return Err(Rejection::about(RejectionReason::BadValue, "NameID"));
    }
    Ok(NameId { format, value: value.to_owned() })
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
