//! The parsed document: one arena in document order, so that a subtree is a range.

use super::lanes::same_name;
use super::name::Namespace;
use crate::rejection::{Rejection, RejectionReason};

/// A half-open range of bytes; documents are far smaller than 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Decoded text: a part of the source where that is the same, else of the spill.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Value {
    pub(super) span: Span,
    pub(super) spilled: bool,
    /// The source, byte for byte, is also the canonical form.
    pub(super) verbatim: bool,
}

/// What a prefix is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    None,
    Xml,
    Declared(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Declaration {
    pub(super) prefix: Span,
    pub(super) uri: Value,
    pub(super) namespace: Namespace,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) prefix: Span,
    pub(super) local: Span,
    pub(super) binding: Binding,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) prefix: Span,
    pub(super) local: Span,
    pub(super) namespace: Namespace,
    pub(super) binding: Binding,
    /// In canonical order, in `Document::attributes` and `Document::declarations`.
    pub(super) attributes: Span,
    pub(super) declarations: Span,
    /// From `<` to `>`.
    pub(super) open: Span,
    /// From `</` to `>`; empty for an empty-element tag.
    pub(super) close: Span,
    /// The start tag is canonical as it stands, if exactly its own declarations are to be written.
    pub(super) tidy: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Element(Tag),
    Text(Value),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) parent: u32,
    /// The index after the last node of the subtree.
    pub(super) end: u32,
    pub(super) kind: Kind,
}

/// A document that the strict reader accepted.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(super) source: String,
    pub(super) spill: String,
    pub(super) nodes: Vec<Node>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) declarations: Vec<Declaration>,
}

const fn at(index: u32) -> usize {
    index as usize
}

impl Document {
    pub(crate) fn root(&self) -> Element<'_> {
        Element { document: self, index: 0 }
    }

    /// The element at an index that [`Element::index`] gave.
    pub(crate) fn element(&self, index: u32) -> Element<'_> {
        Element { document: self, index }
    }

    /// The source before and after an element.
    pub(crate) fn around(&self, element: Element<'_>) -> (&str, &str) {
        let span = element.source_span();
        let before = self.source.get(..at(span.start)).unwrap_or_default();
        (before, self.source.get(at(span.end)..).unwrap_or_default())
    }

    #[inline]
    pub(super) fn slice(&self, span: Span) -> &str {
        self.source.get(at(span.start)..at(span.end)).unwrap_or_default()
    }

    /// The octets of a name, to be compared.
    #[inline]
    pub(super) fn octets(&self, span: Span) -> &[u8] {
        self.source.as_bytes().get(at(span.start)..at(span.end)).unwrap_or_default()
    }

    #[inline]
    pub(super) fn value(&self, value: Value) -> &str {
        let text = if value.spilled { &self.spill } else { &self.source };
        text.get(at(value.span.start)..at(value.span.end)).unwrap_or_default()
    }

    pub(super) fn uri(&self, binding: Binding) -> &str {
        match binding {
            Binding::None => "",
            Binding::Xml => Namespace::Xml.uri(),
            Binding::Declared(index) => {
                self.declarations.get(at(index)).map_or("", |declaration| self.value(declaration.uri))
            }
        }
    }

    #[inline]
    pub(super) fn attributes_of(&self, tag: &Tag) -> &[Attribute] {
        self.attributes.get(at(tag.attributes.start)..at(tag.attributes.end)).unwrap_or_default()
    }

    #[inline]
    pub(super) fn declarations_of(&self, tag: &Tag) -> &[Declaration] {
        self.declarations.get(at(tag.declarations.start)..at(tag.declarations.end)).unwrap_or_default()
    }

    /// The declarations of a tag, each with the index that a [`Binding`] has.
    pub(super) fn numbered_declarations_of(&self, tag: &Tag) -> impl Iterator<Item = (u32, &Declaration)> {
        (tag.declarations.start..).zip(self.declarations_of(tag))
    }

    /// All elements in document order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        self.root().descendants()
    }
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(crate) struct Element<'d> {
    pub(super) document: &'d Document,
    pub(super) index: u32,
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.index == other.index
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "<{}>", self.local())
    }
}

impl<'d> Element<'d> {
    #[inline]
    pub(super) fn node(self) -> &'d Node {
        &self.document.nodes[at(self.index)]
    }

    #[expect(clippy::unreachable, reason = "an `Element` is made only from the index of an element node")]
    pub(super) fn tag(self) -> &'d Tag {
        match &self.node().kind {
            Kind::Element(tag) => tag,
            Kind::Text(_) => unreachable!(),
        }
    }

    /// Its place in the document, for those who keep the document.
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    #[inline]
    pub(crate) fn is(self, namespace: Namespace, local: &str) -> bool {
        let tag = self.tag();
        tag.namespace == namespace && same_name(self.document.octets(tag.local), local.as_bytes())
    }

    #[inline]
    pub(crate) fn namespace(self) -> Namespace {
        self.tag().namespace
    }

    #[inline]
    pub(crate) fn local(self) -> &'d str {
        self.document.slice(self.tag().local)
    }

    fn source_span(self) -> Span {
        let tag = self.tag();
        let end = if tag.close.end == 0 { tag.open.end } else { tag.close.end };
        Span { start: tag.open.start, end }
    }

    /// The octets of the element as they were received.
    pub(crate) fn source(self) -> &'d str {
        self.document.slice(self.source_span())
    }

    /// The value of an attribute without a namespace.
    pub(crate) fn attribute(self, local: &str) -> Option<&'d str> {
        let attributes = self.document.attributes_of(self.tag());
        let (document, local) = (self.document, local.as_bytes());
        let found =
            attributes.iter().find(|a| a.binding == Binding::None && same_name(document.octets(a.local), local));
        found.map(|a| self.document.value(a.value))
    }

    /// The value of an attribute in a namespace.
    pub(crate) fn attribute_in(self, namespace: Namespace, local: &str) -> Option<&'d str> {
        let mut attributes = self.document.attributes_of(self.tag()).iter();
        let found = attributes
            .find(|a| self.document.slice(a.local) == local && self.document.uri(a.binding) == namespace.uri());
        found.map(|a| self.document.value(a.value))
    }

    pub(crate) fn required_attribute(self, local: &str) -> Result<&'d str, Rejection> {
        let missing = || Rejection::about(RejectionReason::MissingAttribute, &format!("{}/@{local}", self.local()));
        self.attribute(local).ok_or_else(missing)
    }

    /// Refuses attributes without a namespace whose names are not among `known`.
    pub(crate) fn only_attributes(self, known: &[&str]) -> Result<(), Rejection> {
        for attribute in self.document.attributes_of(self.tag()) {
            let local = self.document.slice(attribute.local);
            if attribute.binding == Binding::None && !known.contains(&local) {
                let place = format!("{}/@{local}", self.local());
                return Err(Rejection::about(RejectionReason::UnexpectedAttribute, &place));
            }
        }
        Ok(())
    }

    pub(crate) fn parent(self) -> Option<Self> {
        (self.index != 0).then(|| Self { document: self.document, index: self.node().parent })
    }

    /// The child elements, without regard to text between them.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        let (mut next, end, document) = (self.index + 1, self.node().end, self.document);
        std::iter::from_fn(move || {
            while next < end {
                let index = next;
                let node = &document.nodes[at(index)];
                next = node.end;
                if matches!(node.kind, Kind::Element(_)) {
                    return Some(Self { document, index });
                }
            }
            None
        })
    }

    /// The element itself and the elements below it, in document order.
    pub(crate) fn descendants(self) -> impl Iterator<Item = Self> {
        let document = self.document;
        (self.index..self.node().end)
            .filter(move |&index| matches!(document.nodes[at(index)].kind, Kind::Element(_)))
            .map(move |index| Self { document, index })
    }

    /// Whether nothing but white space and elements is directly inside.
    pub(super) fn has_element_content(self) -> bool {
        let mut next = self.index + 1;
        while next < self.node().end {
            let node = &self.document.nodes[at(next)];
            if let Kind::Text(value) = node.kind
                && !self.document.value(value).bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
            {
                return false;
            }
            next = node.end;
        }
        true
    }

    /// The value of a leaf: nothing, or one uninterrupted text.
    pub(crate) fn text(self) -> Result<&'d str, Rejection> {
        let first = self.index + 1;
        match self.node().end - first {
            0 => Ok(""),
            1 => match &self.document.nodes[at(first)].kind {
                Kind::Text(value) => Ok(self.document.value(*value)),
                Kind::Element(_) => Err(Rejection::about(RejectionReason::ValueNotPlain, self.local())),
            },
            _ => Err(Rejection::about(RejectionReason::ValueNotPlain, self.local())),
        }
    }

    /// Refuses any content, white space included.
    pub(crate) fn is_empty(self) -> bool {
        self.node().end == self.index + 1
    }
}
