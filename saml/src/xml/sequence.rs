//! Reading children in the order of their schema.

use super::document::{Document, Element, Kind};
use super::name::Namespace;
use crate::rejection::{Rejection, RejectionReason};

/// The children of an element, taken one after another; what nobody took is refused at the end.
pub(crate) struct Sequence<'d> {
    document: &'d Document,
    parent: Element<'d>,
    next: u32,
    end: u32,
}

impl<'d> Sequence<'d> {
    /// Refuses text between the children, white space apart.
    pub(crate) fn new(parent: Element<'d>) -> Result<Self, Rejection> {
        if !parent.has_element_content() {
            return Err(Rejection::about(RejectionReason::UnexpectedText, parent.local()));
        }
        Ok(Self { document: parent.document, parent, next: parent.index + 1, end: parent.node().end })
    }

    pub(crate) fn peek(&self) -> Option<Element<'d>> {
        let mut index = self.next;
        while index < self.end {
            let node = self.document.nodes.get(index as usize)?;
            if matches!(node.kind, Kind::Element(_)) {
                return Some(Element { document: self.document, index });
            }
            index = node.end;
        }
        None
    }

    pub(crate) fn any(&mut self) -> Option<Element<'d>> {
        let element = self.peek()?;
        self.next = element.node().end;
        Some(element)
    }

    pub(crate) fn optional(&mut self, namespace: Namespace, local: &str) -> Option<Element<'d>> {
        let element = self.peek().filter(|element| element.is(namespace, local))?;
        self.next = element.node().end;
        Some(element)
    }

    pub(crate) fn required(&mut self, namespace: Namespace, local: &str) -> Result<Element<'d>, Rejection> {
        self.optional(namespace, local).ok_or_else(|| match self.peek() {
            Some(other) => Rejection::about(RejectionReason::UnexpectedElement, &self.path(other.local())),
            None => Rejection::about(RejectionReason::MissingElement, &self.path(local)),
        })
    }

    /// All following children of this name.
    pub(crate) fn many(&mut self, namespace: Namespace, local: &str) -> impl Iterator<Item = Element<'d>> {
        std::iter::from_fn(move || self.optional(namespace, local))
    }

    /// Refuses a child that nobody took.
    pub(crate) fn finish(self) -> Result<(), Rejection> {
        match self.peek() {
            None => Ok(()),
            Some(element) => Err(Rejection::about(RejectionReason::UnexpectedElement, &self.path(element.local()))),
        }
    }

    fn path(&self, local: &str) -> String {
        format!("{}/{local}", self.parent.local())
    }
}
