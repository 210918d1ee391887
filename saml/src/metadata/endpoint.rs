//! Endpoints as metadata describes them, and how they are read: one that can't be used is passed over, and said.

use crate::rejection::{Rejection, RejectionReason};
use crate::wire;
use crate::xml::Element;

use super::children;

/// How messages get to an endpoint (Bindings 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// HTTP Redirect.
    Redirect,
    /// HTTP POST.
    Post,
    /// SOAP over HTTP.
    Soap,
    /// Reverse SOAP, as ECP uses it.
    Paos,
    /// HTTP Artifact.
    Artifact,
    /// Any other URI.
    Other(String),
}

impl Binding {
    const NAMED: [(Self, &'static str); 5] = [
        (Self::Redirect, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"),
        (Self::Post, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"),
        (Self::Soap, "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"),
        (Self::Paos, "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"),
        (Self::Artifact, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"),
    ];

    /// The URI that stands for the binding on the wire.
    pub fn uri(&self) -> &str {
        if let Self::Other(uri) = self {
            return uri;
        }
        Self::NAMED.iter().find(|(binding, _)| binding == self).map_or("", |(_, uri)| uri)
    }

    /// The binding that `uri` stands for.
    pub fn from_uri(uri: &str) -> Self {
        let named = Self::NAMED.iter().find(|(_, known)| *known == uri);
        named.map_or_else(|| Self::Other(uri.to_owned()), |(binding, _)| binding.clone())
    }
}

/// `md:EndpointType` (Metadata 2.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `Binding`.
    pub binding: Binding,
    /// `Location`: an `https:` or `http:` address.
    pub location: String,
}

/// `md:IndexedEndpointType` (Metadata 2.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedEndpoint {
    /// `Binding`.
    pub binding: Binding,
    /// `Location`: an `https:` or `http:` address.
    pub location: String,
    /// `index`.
    pub index: u16,
    /// `isDefault`, where it is there: `false` is more than nothing.
    pub is_default: Option<bool>,
}

/// The default of several (Metadata 2.2.3): the first that is marked, else the first that is not marked as none, else the first.
pub(super) fn default_of<'e>(
    endpoints: impl Iterator<Item = &'e IndexedEndpoint> + Clone,
) -> Option<&'e IndexedEndpoint> {
    let with = |mark| endpoints.clone().find(|endpoint| endpoint.is_default == mark);
    with(Some(true)).or_else(|| with(None)).or_else(|| with(Some(false)))
}

/// What was read, and for each element that can't be used why not.
pub(super) struct Usable<T> {
    pub(super) list: Vec<T>,
    pub(super) faults: Vec<Rejection>,
}

impl<T> Usable<T> {
    pub(super) fn read<'d>(
        elements: impl Iterator<Item = Element<'d>>,
        read: impl Fn(Element<'d>) -> Result<T, Rejection>,
    ) -> Self {
        let (mut list, mut faults) = (Vec::new(), Vec::new());
        for element in elements {
            match read(element) {
                Ok(good) => list.push(good),
                Err(fault) => faults.push(fault),
            }
        }
        Self { list, faults }
    }

    /// At least one of them; else what is wrong with the first, or that there is none.
    pub(super) fn some(self, role: Element<'_>, local: &'static str) -> Result<Vec<T>, Rejection> {
        if !self.list.is_empty() {
            return Ok(self.list);
        }
        let none = || Rejection::about(RejectionReason::MissingElement, &format!("{}/{local}", role.local()));
        Err(self.faults.into_iter().next().unwrap_or_else(none))
    }
}

/// The endpoints of that name under a role.
pub(super) fn endpoints(role: Element<'_>, local: &'static str) -> Usable<Endpoint> {
    Usable::read(children(role, local), |element| {
        Ok(Endpoint { binding: binding(element)?, location: location(element)? })
    })
}

/// The endpoints of that name that have an index.
pub(super) fn indexed_endpoints(role: Element<'_>, local: &'static str) -> Usable<IndexedEndpoint> {
    Usable::read(children(role, local), |element| {
        Ok(IndexedEndpoint {
            binding: binding(element)?,
            location: location(element)?,
            index: wire::required_index(element, "index")?,
            is_default: wire::stated_boolean(element, "isDefault")?,
        })
    })
}

fn binding(element: Element<'_>) -> Result<Binding, Rejection> {
    Ok(Binding::from_uri(&wire::required_uri(element, "Binding")?))
}

/// An address that a browser or an HTTP client may be sent to: `javascript:` and its kind are none. Schemes have no case (RFC 3986 3.1).
pub(super) fn location(element: Element<'_>) -> Result<String, Rejection> {
    let location = wire::required_uri(element, "Location")?;
    let has = |scheme: &str| location.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if has("https://") || has("http://") {
        Ok(location)
    } else {
        let wanted = "it has to be an address that begins with `https://`";
        Err(Rejection::value(&format!("{}/@Location", element.local()), &location, wanted))
    }
}
