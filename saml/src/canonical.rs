//! The canonical form of documents, as signatures see it; here so that it can be compared with what others make.

use crate::rejection::{Rejection, RejectionReason};
use crate::xml::{Canonical, Comments, Document, Method};

/// Which canonicalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonicalization<'a> {
    /// Exclusive XML Canonicalization 1.0 without comments, with the `PrefixList` of `InclusiveNamespaces`, which may be empty.
    Exclusive {
        /// Prefixes separated by white space; `#default` is the default namespace.
        inclusive_prefixes: &'a str,
    },
    /// Canonical XML 1.0 without comments.
    Inclusive,
}

/// The canonical form of a document, or of the element in it whose `ID` (`Id`, `id`) is `apex`.
///
/// Comments are left out; everything else that the profile refuses is refused here as well.
pub fn canonicalize(xml: &[u8], apex: Option<&str>, method: Canonicalization<'_>) -> Result<Vec<u8>, Rejection> {
    let document = Document::parse(xml, Comments::Skipped)?;
    let apex = match apex {
        None => document.root(),
        Some(id) => document
            .elements()
            .find(|element| ["ID", "Id", "id"].iter().any(|name| element.attribute(name) == Some(id)))
            .ok_or_else(|| Rejection::about(RejectionReason::ReferenceTarget, id))?,
    };
    let method = match method {
        Canonicalization::Exclusive { inclusive_prefixes } => Method::Exclusive { inclusive_prefixes },
        Canonicalization::Inclusive => Method::Inclusive,
    };
    let mut out = Vec::with_capacity(xml.len());
    Canonical { apex, left_out: None, method }.write(&mut out);
    Ok(out)
}
