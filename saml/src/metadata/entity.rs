//! Which entity of a document is meant: the root, or one of those in an `EntitiesDescriptor` (Metadata 2.3.1).

use crate::rejection::{Rejection, RejectionReason};
use crate::time::UtcTime;
use crate::wire;
use crate::xml::{Canonical, Comments, Document, Element, Method, Namespace};

use super::{MD, PROTOCOL, children};

/// The half of an entity that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `IDPSSODescriptor`.
    IdentityProvider,
    /// `SPSSODescriptor`.
    ServiceProvider,
}

impl Role {
    pub(super) fn local(self) -> &'static str {
        match self {
            Self::IdentityProvider => "IDPSSODescriptor",
            Self::ServiceProvider => "SPSSODescriptor",
        }
    }

    fn people_say(self) -> &'static str {
        match self {
            Self::IdentityProvider => "identity provider",
            Self::ServiceProvider => "service provider",
        }
    }
}

/// Why no entity of a document was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The document can't be read, or nobody in it has the role.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Several have it: their entity IDs, at most [`ChoiceError::MOST`] of them, and how many there are.
    #[error("it describes {count} {role}s; say which one by its entity ID: {}{}", .ids.join(", "), if .count > &.ids.len() { " and others" } else { "" })]
    Several {
        /// What was looked for.
        role: &'static str,
        /// How many there are.
        count: usize,
        /// The first of them.
        ids: Vec<String>,
    },
    /// The one that was named is not there: the entity IDs that are.
    #[error("it describes no {role} `{wanted}`; those in it are: {}", .ids.join(", "))]
    NotThere {
        /// What was looked for.
        role: &'static str,
        /// The entity ID that was named.
        wanted: String,
        /// The first that are there.
        ids: Vec<String>,
    },
}

impl ChoiceError {
    /// As many entity IDs are listed at the most.
    pub const MOST: usize = 20;
}

/// The document of the one entity that `xml` describes in that role; where it describes several, of the one called `wanted`. A document whose root
/// is an entity stays as it is; one out of a collection becomes a document of its own, without the collection's signature, which the caller
/// has to have checked if it is to count.
///
/// # Errors
/// [`ChoiceError`].
pub fn entity_document(xml: &[u8], role: Role, wanted: Option<&str>) -> Result<Vec<u8>, ChoiceError> {
    let document = Document::parse(xml, Comments::Skipped)?;
    let entity = choose(document.root(), role, wanted)?;
    if entity == document.root() {
        return Ok(xml.to_owned());
    }
    let signature = children_of(entity, Namespace::Signature, "Signature").next();
    let mut out = Vec::with_capacity(entity.source().len());
    Canonical { apex: entity, left_out: signature, method: Method::Exclusive { inclusive_prefixes: "" } }
        .write(&mut out);
    Ok(with_end(out, entity)?)
}

/// The entity's end is that of what it was taken from, where that is earlier (Metadata 2.3.1).
fn with_end(document: Vec<u8>, entity: Element<'_>) -> Result<Vec<u8>, Rejection> {
    let own = wire::optional_instant(entity, "validUntil")?;
    let Some(end) = valid_until(entity)?.filter(|end| own != Some(*end)) else { return Ok(document) };
    let text = String::from_utf8_lossy(&document).into_owned();
    let text = match entity.attribute("validUntil") {
        Some(written) => text.replacen(&format!(" validUntil=\"{written}\""), "", 1),
        None => text,
    };
    let name_end = text.find([' ', '>', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    Ok(format!("{name} validUntil=\"{end}\"{rest}").into_bytes())
}

/// The earliest `validUntil` of the element and of what is around it.
pub(super) fn valid_until(element: Element<'_>) -> Result<Option<UtcTime>, Rejection> {
    let mut earliest: Option<UtcTime> = None;
    for element in std::iter::successors(Some(element), |element| element.parent()) {
        let end = wire::optional_instant(element, "validUntil")?;
        earliest = earliest.into_iter().chain(end).min();
    }
    Ok(earliest)
}

/// The entity, by the rules of [`entity_document`].
pub(super) fn choose<'d>(root: Element<'d>, role: Role, wanted: Option<&str>) -> Result<Element<'d>, ChoiceError> {
    if root.is(MD, "EntityDescriptor") {
        // Its name is compared where it is read.
        return Ok(root);
    }
    if !root.is(MD, "EntitiesDescriptor") {
        return Err(unexpected_root(root).into());
    }
    let has_role = |entity: &Element<'_>| children(*entity, role.local()).any(speaks_saml2);
    let entities = root.descendants().filter(|element| element.is(MD, "EntityDescriptor"));
    let fitting: Vec<_> = entities.filter(has_role).collect();
    let id = |entity: &Element<'_>| wire::collapsed(entity.attribute("entityID").unwrap_or_default()).to_owned();
    let ids = || fitting.iter().take(ChoiceError::MOST).map(id).collect::<Vec<_>>();
    let people_say = role.people_say();
    match (wanted, fitting.as_slice()) {
        (_, []) => {
            Err(Rejection::about(RejectionReason::MissingElement, &format!("EntityDescriptor/{}", role.local()))
                .with_hint("nobody in this collection has that role for SAML 2.0; ask for other metadata")
                .into())
        }
        (None, [only]) => Ok(*only),
        (None, several) => Err(ChoiceError::Several { role: people_say, count: several.len(), ids: ids() }),
        (Some(wanted), some) => some
            .iter()
            .find(|entity| id(entity) == wanted)
            .copied()
            .ok_or_else(|| ChoiceError::NotThere { role: people_say, wanted: wanted.to_owned(), ids: ids() }),
    }
}

fn unexpected_root(root: Element<'_>) -> Rejection {
    let is_named_so = ["EntityDescriptor", "EntitiesDescriptor"].contains(&root.local());
    let rejection = Rejection::about(RejectionReason::UnexpectedRoot, root.local());
    if is_named_so {
        let excerpt = format!("{} in no SAML namespace", root.local());
        Rejection::about(RejectionReason::UnexpectedRoot, &excerpt).with_hint(
            "it needs `xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\"`, which metadata that the service itself gives out has",
        )
    } else if root.local().eq_ignore_ascii_case("html") {
        rejection.with_hint("it is a web page and no metadata; save what its address gives to a program, or ask the service for the file")
    } else {
        rejection.with_hint("metadata begins with `EntityDescriptor` or `EntitiesDescriptor`; ask the service for its SAML 2.0 metadata")
    }
}

pub(super) fn speaks_saml2(role: Element<'_>) -> bool {
    let list = role.attribute("protocolSupportEnumeration").unwrap_or_default();
    list.split_ascii_whitespace().any(|item| item == PROTOCOL)
}

fn children_of<'d>(
    parent: Element<'d>,
    namespace: Namespace,
    local: &'static str,
) -> impl Iterator<Item = Element<'d>> {
    parent.children().filter(move |child| child.is(namespace, local))
}

/// The only descriptor of a role that speaks SAML 2.0.
pub(super) fn role_of(entity: Element<'_>, role: Role) -> Result<Element<'_>, Rejection> {
    let local = role.local();
    let path = format!("EntityDescriptor/{local}");
    let mut roles = children(entity, local).filter(|role| speaks_saml2(*role));
    let Some(found) = roles.next() else {
        let missing = Rejection::about(RejectionReason::MissingElement, &path);
        return Err(if children(entity, local).next().is_some() {
            missing.with_hint(
                "its `protocolSupportEnumeration` does not name SAML 2.0, `urn:oasis:names:tc:SAML:2.0:protocol`",
            )
        } else if role == Role::ServiceProvider && children(entity, Role::IdentityProvider.local()).next().is_some() {
            missing.with_hint("this is the metadata of an identity provider; a service's is wanted")
        } else if role == Role::IdentityProvider && children(entity, Role::ServiceProvider.local()).next().is_some() {
            missing.with_hint("this is the metadata of a service; an identity provider's is wanted")
        } else {
            missing
        });
    };
    match roles.next() {
        None => Ok(found),
        Some(_) => Err(Rejection::about(RejectionReason::UnexpectedElement, &path)
            .with_hint("it is there twice; leave one of them out")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::SpMetadata;
    use super::*;

    fn entity(id: &str, more: &str) -> String {
        format!(
            "<md:EntityDescriptor entityID=\"{id}\"{more}><md:SPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">\
             <md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{id}/acs\" \
             index=\"0\"/></md:SPSSODescriptor></md:EntityDescriptor>"
        )
    }

    fn collection(content: &str, more: &str) -> String {
        format!(
            "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\"{more}>{content}</md:EntitiesDescriptor>"
        )
    }

    fn chosen(xml: &str, wanted: Option<&str>) -> Result<SpMetadata, ChoiceError> {
        let document = entity_document(xml.as_bytes(), Role::ServiceProvider, wanted)?;
        Ok(SpMetadata::parse(&document)?)
    }

    #[test]
    fn one_entity_in_a_collection_is_taken_and_of_several_the_one_that_is_named() {
        let one = collection(&entity("https://a", ""), "");
        assert_eq!(chosen(&one, None).unwrap().entity_id.as_str(), "https://a");
        let nested =
            collection(&format!("<md:EntitiesDescriptor>{}</md:EntitiesDescriptor>", entity("https://a", "")), "");
        assert_eq!(SpMetadata::parse(nested.as_bytes()).unwrap().entity_id.as_str(), "https://a");
        let idp = "<md:EntityDescriptor entityID=\"https://i\"><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"/></md:EntityDescriptor>";
        assert_eq!(
            chosen(&collection(&[idp, &entity("https://a", "")].concat(), ""), None).unwrap().entity_id.as_str(),
            "https://a"
        );
        let two = collection(&[entity("https://a", ""), entity("https://b", "")].concat(), "");
        let asked = chosen(&two, None).unwrap_err().to_string();
        assert!(asked.contains("2 service providers") && asked.contains("https://a, https://b"), "{asked}");
        assert_eq!(chosen(&two, Some("https://b")).unwrap().acs[0].location, "https://b/acs".to_owned());
        let wrong = chosen(&two, Some("https://c")).unwrap_err().to_string();
        assert!(wrong.contains("no service provider `https://c`") && wrong.contains("https://a"), "{wrong}");
        assert!(matches!(chosen(&collection(idp, ""), None), Err(ChoiceError::Rejected(_))));
    }

    #[test]
    fn the_end_of_the_collection_is_the_end_of_each_in_it() {
        let (early, late) = (" validUntil=\"2030-01-01T00:00:00Z\"", " validUntil=\"2040-01-01T00:00:00Z\"");
        let end = |outer: &str, inner: &str| {
            let xml = collection(&entity("https://a", inner), outer);
            let cut = chosen(&xml, None).unwrap().valid_until;
            assert_eq!(SpMetadata::parse(xml.as_bytes()).unwrap().valid_until, cut, "{outer}, {inner}");
            cut.map(|end| end.to_string())
        };
        assert_eq!(end("", ""), None);
        for (outer, inner) in [(early, ""), ("", early), (early, late), (late, early)] {
            assert!(end(outer, inner).unwrap().starts_with("2030-01-01"), "{outer}, {inner}");
        }
    }

    #[test]
    fn what_is_no_metadata_is_told_what_is_missing() {
        for (xml, told) in [
            ("<EntityDescriptor entityID=\"x\"/>", "in no SAML namespace"),
            ("<html/>", "web page"),
            ("<x/>", "EntitiesDescriptor"),
        ] {
            let refused = SpMetadata::parse(xml.as_bytes()).unwrap_err();
            assert_eq!(refused.reason(), RejectionReason::UnexpectedRoot);
            assert!(refused.to_string().contains(told), "{refused}");
        }
        let idp = "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"x\"><md:IDPSSODescriptor/></md:EntityDescriptor>";
        assert!(SpMetadata::parse(idp.as_bytes()).unwrap_err().to_string().contains("of an identity provider"));
    }
}
