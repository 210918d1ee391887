//! A start tag: its attributes in canonical order, its declarations, and what its prefixes are bound to.

use super::super::document::{Attribute, Binding, Declaration, Kind, Span, Tag, Value};
use super::super::lanes::same_name;
use super::super::name::{Namespace, is_namespace_name};
use super::super::scan::{QName, Scanned};
use super::super::work::turns;
use super::{MAX_DEPTH, Reader, count};
use crate::rejection::RejectionReason;

const MAX_ATTRIBUTES: usize = 16_384;
pub(super) const MAX_ATTRIBUTES_OF_ELEMENT: usize = 48;
pub(super) const MAX_NAMESPACES_IN_SCOPE: usize = 48;

struct TagContent {
    first_attribute: u32,
    first_declaration: u32,
    tidy: bool,
}

impl TagContent {
    fn new(first_attribute: u32, first_declaration: u32) -> Self {
        Self { first_attribute, first_declaration, tidy: true }
    }
}

impl Reader<'_> {
    pub(super) fn open_tag(&mut self) -> Scanned<()> {
        if self.open.len() >= MAX_DEPTH {
            return self.scanner.fail(RejectionReason::TooDeep);
        }
        let start = self.scanner.position;
        self.scanner.position += 1;
        let local = self.scanner.qualified_name()?;
        let name = self.scanner.qname(start + 1, local);
        let outer_scope = self.scope.len();
        let mut content = TagContent::new(count(self.attributes.len()), count(self.declarations.len()));
        let empty = self.tag_content(&mut content)?;
        self.bring_into_scope(&mut content)?;
        self.resolve_attributes(&mut content)?;
        let binding = self.resolve(name.prefix, true)?;
        let tag = Tag {
            prefix: name.prefix,
            local: name.local,
            namespace: self.namespace(binding),
            binding,
            attributes: Span { start: content.first_attribute, end: count(self.attributes.len()) },
            declarations: Span { start: content.first_declaration, end: count(self.declarations.len()) },
            open: self.scanner.span(start),
            close: Span::default(),
            tidy: content.tidy && !empty,
        };
        let index = self.push(Kind::Element(tag))?;
        if empty {
            self.scope.truncate(outer_scope);
            if self.open.is_empty() {
                return Ok(());
            }
        } else {
            self.open.push((index, outer_scope));
        }
        Ok(())
    }

    /// Attributes and declarations up to `>` or `/>`; says whether it was the latter.
    fn tag_content(&mut self, content: &mut TagContent) -> Scanned<bool> {
        loop {
            let space_at = self.scanner.position;
            let space = self.scanner.skip_space();
            match self.scanner.rest() {
                [b'>', ..] => {
                    content.tidy &= space == 0;
                    self.scanner.position += 1;
                    return Ok(false);
                }
                [b'/', b'>', ..] => {
                    self.scanner.position += 2;
                    return Ok(true);
                }
                _ if space == 0 => return self.scanner.fail(RejectionReason::NotWellFormed),
                _ => {}
            }
            content.tidy &= space == 1 && self.scanner.octets(self.scanner.span(space_at)) == b" ";
            let start = self.scanner.position;
            let local = self.scanner.qualified_name()?;
            let name = self.scanner.qname(start, local);
            content.tidy &= self.scanner.skip_space() == 0;
            self.scanner.expect(b"=")?;
            content.tidy &= self.scanner.skip_space() == 0 && self.scanner.peek() == Some(b'"');
            let start = self.scanner.position + 1;
            let form = self.scanner.attribute_value()?;
            let value = self.scanner.value(start, form);
            self.scanner.position += 1;
            content.tidy &= value.verbatim;
            self.add_attribute(content, name, value)?;
        }
    }

    fn add_attribute(&mut self, content: &mut TagContent, name: QName, value: Value) -> Scanned<()> {
        let (prefix, local) = (self.scanner.octets(name.prefix), self.scanner.octets(name.local));
        let declared = if prefix == b"xmlns" {
            Some(name.local)
        } else if prefix.is_empty() && local == b"xmlns" {
            Some(name.prefix)
        } else {
            None
        };
        if let Some(prefix) = declared {
            content.tidy &= count(self.attributes.len()) == content.first_attribute;
            return self.declare(content, prefix, value);
        }
        let of_element = self.attributes.len() - content.first_attribute as usize;
        if self.attributes.len() >= MAX_ATTRIBUTES || of_element >= MAX_ATTRIBUTES_OF_ELEMENT {
            return self.scanner.fail(RejectionReason::TooManyAttributes);
        }
        if local.len() == 2 && local.eq_ignore_ascii_case(b"id") {
            self.ids.push(value);
        }
        self.attributes.push(Attribute { prefix: name.prefix, local: name.local, binding: Binding::None, value });
        Ok(())
    }

    /// A namespace declaration, under the constraints of Namespaces in XML 1.0, section 3.
    fn declare(&mut self, content: &mut TagContent, prefix: Span, value: Value) -> Scanned<()> {
        let prefix_text = self.scanner.slice(prefix);
        let uri = self.value(value);
        let namespace = Namespace::from_uri(uri);
        if prefix_text == "xml" && namespace == Namespace::Xml {
            content.tidy = false;
            return Ok(());
        }
        if matches!(prefix_text, "xml" | "xmlns") || matches!(namespace, Namespace::Xml | Namespace::Xmlns) {
            return self.scanner.fail(RejectionReason::ReservedNamespace);
        }
        // Widespread readers differ on what a reference in a namespace name means.
        if value.spilled {
            return Err(RejectionReason::NamespaceName);
        }
        let undeclares_prefix = uri.is_empty() && !prefix_text.is_empty();
        if undeclares_prefix || (namespace == Namespace::Other && !is_namespace_name(uri)) {
            return Err(RejectionReason::NamespaceName);
        }
        let earlier = self.declarations.get(content.first_declaration as usize..).unwrap_or_default();
        turns(earlier.len());
        if earlier.iter().any(|other| self.scanner.slice(other.prefix) == prefix_text) {
            return Err(RejectionReason::DuplicateAttribute);
        }
        if self.scope.len() + earlier.len() >= MAX_NAMESPACES_IN_SCOPE {
            return self.scanner.fail(RejectionReason::TooManyNamespaces);
        }
        self.declarations.push(Declaration { prefix, uri: value, namespace });
        Ok(())
    }

    fn bring_into_scope(&mut self, content: &mut TagContent) -> Scanned<()> {
        let scanner = &self.scanner;
        let Some(own) = self.declarations.get_mut(content.first_declaration as usize..) else { return Ok(()) };
        if !own.is_sorted_by(|a, b| scanner.octets(a.prefix) < scanner.octets(b.prefix)) {
            content.tidy = false;
            own.sort_unstable_by(|a, b| {
                turns(1);
                scanner.octets(a.prefix).cmp(scanner.octets(b.prefix))
            });
        }
        self.scope.extend(content.first_declaration..count(self.declarations.len()));
        Ok(())
    }

    fn resolve(&self, prefix: Span, default_applies: bool) -> Scanned<Binding> {
        let wanted = self.scanner.octets(prefix);
        if wanted.is_empty() && !default_applies {
            return Ok(Binding::None);
        }
        for &index in self.scope.iter().rev() {
            turns(1);
            let Some(declaration) = self.declarations.get(index as usize) else { continue };
            if same_name(self.scanner.octets(declaration.prefix), wanted) {
                return Ok(if declaration.namespace == Namespace::None {
                    Binding::None
                } else {
                    Binding::Declared(index)
                });
            }
        }
        match wanted {
            b"" => Ok(Binding::None),
            b"xml" => Ok(Binding::Xml),
            _ => Err(RejectionReason::UndeclaredPrefix),
        }
    }

    fn namespace(&self, binding: Binding) -> Namespace {
        match binding {
            Binding::None => Namespace::None,
            Binding::Xml => Namespace::Xml,
            Binding::Declared(index) => self.declarations.get(index as usize).map_or(Namespace::Other, |d| d.namespace),
        }
    }

    fn uri(&self, binding: Binding) -> &str {
        match binding {
            Binding::None => "",
            Binding::Xml => Namespace::Xml.uri(),
            Binding::Declared(index) => self.declarations.get(index as usize).map_or("", |d| self.value(d.uri)),
        }
    }

    /// Binds prefixes, brings the attributes into canonical order and refuses two with the same expanded name.
    fn resolve_attributes(&mut self, content: &mut TagContent) -> Scanned<()> {
        let first = content.first_attribute as usize;
        for index in first..self.attributes.len() {
            let Some(prefix) = self.attributes.get(index).map(|a| a.prefix).filter(|p| p.start != p.end) else {
                continue;
            };
            let binding = self.resolve(prefix, false)?;
            if let Some(attribute) = self.attributes.get_mut(index) {
                attribute.binding = binding;
            }
        }
        let order = |a: &Attribute, b: &Attribute| {
            turns(1);
            let by_uri = if a.binding == b.binding {
                std::cmp::Ordering::Equal
            } else {
                self.uri(a.binding).cmp(self.uri(b.binding))
            };
            by_uri.then_with(|| self.scanner.octets(a.local).cmp(self.scanner.octets(b.local)))
        };
        let own = self.attributes.get(first..).unwrap_or_default();
        if own.is_sorted_by(|a, b| order(a, b).is_lt()) {
            return Ok(());
        }
        content.tidy = false;
        let mut sorted = own.to_vec();
        sorted.sort_unstable_by(order);
        if sorted.array_windows::<2>().any(|[a, b]| order(a, b).is_eq()) {
            return Err(RejectionReason::DuplicateAttribute);
        }
        self.attributes.truncate(first);
        self.attributes.extend(sorted);
        Ok(())
    }
}
