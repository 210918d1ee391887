//! Canonicalisation as a stream: Exclusive XML Canonicalization 1.0 and Canonical XML 1.0, both without comments.
//!
//! Parts of the source that are canonical as they stand go to the sink in one piece, however many nodes they hold.

use super::document::{Attribute, Binding, Declaration, Document, Element, Kind, Span, Tag, Value};
use super::lanes::same_name;
use super::name::Namespace;
use super::work::turns;

/// Takes the canonical octets piece by piece.
pub(crate) trait Sink {
    fn put(&mut self, octets: &[u8]);
}

impl Sink for ring::digest::Context {
    fn put(&mut self, octets: &[u8]) {
        self.update(octets);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// Which namespaces are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method<'p> {
    /// Exclusive, with the `PrefixList` of `InclusiveNamespaces`, empty where there is none.
    Exclusive { inclusive_prefixes: &'p str },
    /// Inclusive: what is in scope, and `xml:` attributes of ancestors.
    Inclusive,
}

impl Method<'_> {
    fn is_inclusive_for(self, prefix: &str) -> bool {
        match self {
            Self::Inclusive => true,
            Self::Exclusive { inclusive_prefixes: "" } => false,
            Self::Exclusive { inclusive_prefixes } => {
                turns(inclusive_prefixes.len() / 16);
                inclusive_prefixes
                    .split([' ', '\t', '\n', '\r'])
                    .any(|listed| if prefix.is_empty() { listed == "#default" } else { listed == prefix })
            }
        }
    }
}

/// One canonicalisation: of the subtree at `apex`, without the subtree at `left_out`.
pub(crate) struct Canonical<'d, 'p> {
    pub(crate) apex: Element<'d>,
    /// What the enveloped-signature transform takes away (XML-DSig 6.6.4).
    pub(crate) left_out: Option<Element<'d>>,
    pub(crate) method: Method<'p>,
}

impl Canonical<'_, '_> {
    pub(crate) fn write<S: Sink>(&self, sink: &mut S) {
        let writer = Stream {
            document: self.apex.document,
            method: self.method,
            sink,
            pending: Span::default(),
            rendered: Vec::with_capacity(16),
            wanted: Vec::with_capacity(8),
        };
        writer.run(self.apex, self.left_out);
    }
}

/// A namespace as written: the default namespace has an empty prefix; an empty URI undeclares it.
#[derive(Clone, Copy)]
struct Rendered<'d> {
    prefix: &'d str,
    uri: &'d str,
    /// Which declaration brought it, so that most are told apart without looking at their text.
    binding: Binding,
}

impl PartialEq for Rendered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.uri == other.uri
    }
}

struct Stream<'d, 's, S> {
    document: &'d Document,
    method: Method<'s>,
    sink: &'s mut S,
    /// A part of the source that is to be put out before anything else.
    pending: Span,
    /// What the open elements have declared in the output, innermost last.
    rendered: Vec<Rendered<'d>>,
    wanted: Vec<Rendered<'d>>,
}

impl<'d, S: Sink> Stream<'d, '_, S> {
    fn run(mut self, apex: Element<'d>, left_out: Option<Element<'d>>) {
        let nodes = &self.document.nodes;
        let apex_end = apex.node().end;
        // The open elements: where each ends, its tag, and how much was rendered outside of it.
        let mut open: Vec<(u32, &Tag, usize)> = Vec::with_capacity(16);
        let mut index = apex.index;
        loop {
            while let Some((end, tag, outside)) = open.last().copied()
                && end == index
            {
                self.close(tag);
                self.rendered.truncate(outside);
                open.pop();
            }
            if index >= apex_end {
                break;
            }
            if left_out.is_some_and(|element| element.index == index) {
                index = nodes[index as usize].end;
                continue;
            }
            turns(1);
            let node = &nodes[index as usize];
            match &node.kind {
                Kind::Element(tag) => {
                    open.push((node.end, tag, self.rendered.len()));
                    self.open(Element { document: self.document, index }, tag, index == apex.index);
                }
                Kind::Text(value) => self.text(*value),
            }
            index += 1;
        }
        self.flush();
    }

    fn flush(&mut self) {
        if self.pending.start != self.pending.end {
            self.sink.put(self.document.slice(self.pending).as_bytes());
        }
        self.pending = Span::default();
    }

    fn source(&mut self, span: Span) {
        if span.start == self.pending.end && self.pending.start != self.pending.end {
            self.pending.end = span.end;
        } else {
            self.flush();
            self.pending = span;
        }
    }

    fn literal(&mut self, text: &str) {
        self.flush();
        self.sink.put(text.as_bytes());
    }

    fn open(&mut self, element: Element<'d>, tag: &'d Tag, is_apex: bool) {
        self.collect_wanted(element, tag, is_apex);
        let inherited =
            if is_apex && self.method == Method::Inclusive { inherited_xml_attributes(element) } else { Vec::new() };
        if tag.tidy && inherited.is_empty() && self.wants_exactly(tag) {
            self.source(tag.open);
        } else {
            self.source(Span { start: tag.open.start, end: tag.local.end });
            for place in 0..self.wanted.len() {
                let Some(namespace) = self.wanted.get(place).copied() else { break };
                self.namespace(namespace);
            }
            if inherited.is_empty() {
                for attribute in self.document.attributes_of(tag) {
                    self.attribute(attribute);
                }
            } else {
                self.merged_attributes(tag, inherited);
            }
            self.literal(">");
        }
        self.rendered.extend_from_slice(&self.wanted);
    }

    fn wants_exactly(&self, tag: &Tag) -> bool {
        let own = self.document.declarations_of(tag);
        own.len() == self.wanted.len()
            && own.iter().zip(&self.wanted).all(|(own, wanted)| {
                self.document.slice(own.prefix) == wanted.prefix && self.document.value(own.uri) == wanted.uri
            })
    }

    /// Fills `wanted`, in the order of prefixes, with what this element has to declare in the output.
    fn collect_wanted(&mut self, element: Element<'d>, tag: &'d Tag, is_apex: bool) {
        self.wanted.clear();
        if let Method::Exclusive { inclusive_prefixes } = self.method {
            self.want(tag.prefix, tag.binding);
            for attribute in self.document.attributes_of(tag) {
                if attribute.binding != Binding::None {
                    self.want(attribute.prefix, attribute.binding);
                }
            }
            if inclusive_prefixes.is_empty() {
                self.sort_wanted();
                return;
            }
        }
        if is_apex {
            self.want_all_in_scope(element);
        } else {
            for (index, declaration) in self.document.numbered_declarations_of(tag) {
                self.want_inclusive(index, declaration);
            }
        }
        self.sort_wanted();
    }

    fn sort_wanted(&mut self) {
        if self.wanted.len() > 1 {
            self.wanted.sort_unstable_by(|a, b| a.prefix.cmp(b.prefix));
        }
    }

    fn want_all_in_scope(&mut self, apex: Element<'d>) {
        let mut seen: Vec<&str> = Vec::new();
        let mut cursor = Some(apex);
        while let Some(element) = cursor {
            for (index, declaration) in self.document.numbered_declarations_of(element.tag()) {
                turns(seen.len());
                let prefix = self.document.slice(declaration.prefix);
                if !seen.contains(&prefix) {
                    seen.push(prefix);
                    self.want_inclusive(index, declaration);
                }
            }
            cursor = element.parent();
        }
    }

    fn want_inclusive(&mut self, index: u32, declaration: &'d Declaration) {
        let prefix = self.document.slice(declaration.prefix);
        if self.method.is_inclusive_for(prefix) {
            let uri = self.document.value(declaration.uri);
            self.want_rendered(Rendered { prefix, uri, binding: Binding::Declared(index) });
        }
    }

    /// Wants a visibly utilised prefix (Exclusive XML Canonicalization 1.0, section 3).
    fn want(&mut self, prefix: Span, binding: Binding) {
        // The innermost that is in force, and the same: nothing nearer can have taken the prefix.
        if binding != Binding::Xml && self.rendered.last().is_none_or(|innermost| innermost.binding != binding) {
            let (prefix, uri) = (self.document.slice(prefix), self.document.uri(binding));
            self.want_rendered(Rendered { prefix, uri, binding });
        }
    }

    fn want_rendered(&mut self, namespace: Rendered<'d>) {
        turns(self.rendered.len() + self.wanted.len());
        let same_prefix = |rendered: &&Rendered<'_>| {
            rendered.binding == namespace.binding || same_name(rendered.prefix.as_bytes(), namespace.prefix.as_bytes())
        };
        let nearest = self.rendered.iter().rev().find(same_prefix);
        let in_force = match nearest {
            Some(rendered) if rendered.binding == namespace.binding => return,
            Some(rendered) => rendered.uri,
            None => "",
        };
        if in_force != namespace.uri && !self.wanted.contains(&namespace) {
            self.wanted.push(namespace);
        }
    }

    fn namespace(&mut self, namespace: Rendered<'_>) {
        if namespace.prefix.is_empty() {
            self.literal(" xmlns=\"");
        } else {
            self.literal(" xmlns:");
            self.literal(namespace.prefix);
            self.literal("=\"");
        }
        self.escaped_attribute(namespace.uri);
        self.literal("\"");
    }

    fn attribute(&mut self, attribute: &Attribute) {
        self.literal(" ");
        self.source(Span { start: attribute.prefix.start, end: attribute.local.end });
        self.literal("=\"");
        if attribute.value.verbatim {
            self.source(attribute.value.span);
        } else {
            self.escaped_attribute(self.document.value(attribute.value));
        }
        self.literal("\"");
    }

    /// Own attributes together with inherited ones, which Canonical XML 1.0 (2.4) adds to the apex of a subset.
    fn merged_attributes(&mut self, tag: &'d Tag, mut all: Vec<&'d Attribute>) {
        all.extend(self.document.attributes_of(tag));
        let document = self.document;
        all.sort_by(|a, b| {
            (document.uri(a.binding), document.slice(a.local)).cmp(&(document.uri(b.binding), document.slice(b.local)))
        });
        for attribute in all {
            self.attribute(attribute);
        }
    }

    fn escaped_attribute(&mut self, text: &str) {
        self.escaped(text, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'"' => Some("&quot;"),
            b'\t' => Some("&#x9;"),
            b'\n' => Some("&#xA;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    fn text(&mut self, value: Value) {
        if value.verbatim {
            self.source(value.span);
            return;
        }
        self.escaped(self.document.value(value), |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    fn escaped(&mut self, text: &str, replacement: fn(u8) -> Option<&'static str>) {
        self.flush();
        turns(text.len());
        let octets = text.as_bytes();
        let mut from = 0;
        for (at, byte) in octets.iter().enumerate() {
            if let Some(replacement) = replacement(*byte) {
                self.sink.put(octets.get(from..at).unwrap_or_default());
                self.sink.put(replacement.as_bytes());
                from = at + 1;
            }
        }
        self.sink.put(octets.get(from..).unwrap_or_default());
    }

    fn close(&mut self, tag: &Tag) {
        let name_length = tag.local.end - tag.prefix.start;
        if tag.close.end - tag.close.start == name_length + 3 {
            self.source(tag.close);
        } else {
            self.literal("</");
            self.source(Span { start: tag.prefix.start, end: tag.local.end });
            self.literal(">");
        }
    }
}

/// The `xml:` attributes of ancestors that the apex does not have itself, the nearest of each name.
fn inherited_xml_attributes(apex: Element<'_>) -> Vec<&Attribute> {
    let document = apex.document;
    let is_xml = |attribute: &Attribute| document.uri(attribute.binding) == Namespace::Xml.uri();
    let mut seen: Vec<&str> =
        document.attributes_of(apex.tag()).iter().filter(|a| is_xml(a)).map(|a| document.slice(a.local)).collect();
    let mut inherited = Vec::new();
    let mut cursor = apex.parent();
    while let Some(element) = cursor {
        for attribute in document.attributes_of(element.tag()).iter().filter(|a| is_xml(a)) {
            let local = document.slice(attribute.local);
            if !seen.contains(&local) {
                seen.push(local);
                inherited.push(attribute);
            }
        }
        cursor = element.parent();
    }
    inherited
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Comments;

    fn canonical(text: &str, path: &[usize], method: Method<'_>) -> String {
        let document = Document::parse(text.as_bytes(), Comments::Skipped).unwrap();
        let apex = path.iter().fold(document.root(), |element, place| element.children().nth(*place).unwrap());
        let mut out = Vec::new();
        Canonical { apex, left_out: None, method }.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    const EXCLUSIVE: Method<'static> = Method::Exclusive { inclusive_prefixes: "" };

    #[test]
    fn normalises_tags_and_escapes() {
        assert_eq!(
            canonical("<a  y = '1\"&#9;'  x='&gt;'  ><b/>&gt;\"&#13;<c ></c ></a >", &[], EXCLUSIVE),
            "<a x=\">\" y=\"1&quot;&#x9;\"><b></b>&gt;\"&#xD;<c></c></a>"
        );
        assert_eq!(canonical("<a><!-- c -->x</a>", &[], EXCLUSIVE), "<a>x</a>");
    }

    #[test]
    fn sorts_attributes_by_namespace_and_then_name() {
        let text = "<a xmlns:b='urn:z' xmlns:c='urn:y' b:a='1' c:b='2' z='3' xml:lang='de' a='4'/>";
        let expected =
            "<a xmlns:b=\"urn:z\" xmlns:c=\"urn:y\" a=\"4\" z=\"3\" xml:lang=\"de\" c:b=\"2\" b:a=\"1\"></a>";
        assert_eq!(canonical(text, &[], EXCLUSIVE), expected);
    }

    #[test]
    fn exclusive_writes_a_namespace_where_it_is_used() {
        let text =
            "<a:r xmlns:a='urn:a' xmlns:b='urn:b' xmlns='urn:d'><b:x><b:y a:z=''/></b:x><n xmlns=''><m/></n></a:r>";
        assert_eq!(
            canonical(text, &[], EXCLUSIVE),
            "<a:r xmlns:a=\"urn:a\"><b:x xmlns:b=\"urn:b\"><b:y a:z=\"\"></b:y></b:x><n><m></m></n></a:r>"
        );
        assert_eq!(
            canonical(text, &[0], EXCLUSIVE),
            "<b:x xmlns:b=\"urn:b\"><b:y xmlns:a=\"urn:a\" a:z=\"\"></b:y></b:x>"
        );
    }

    #[test]
    fn exclusive_undeclares_the_default_namespace() {
        let text = "<r xmlns='urn:d'><n xmlns=''><m xmlns='urn:d'/></n></r>";
        assert_eq!(canonical(text, &[], EXCLUSIVE), "<r xmlns=\"urn:d\"><n xmlns=\"\"><m xmlns=\"urn:d\"></m></n></r>");
        assert_eq!(canonical(text, &[0], EXCLUSIVE), "<n><m xmlns=\"urn:d\"></m></n>");
    }

    #[test]
    fn listed_prefixes_are_treated_inclusively() {
        let text = "<r xmlns='urn:d' xmlns:a='urn:a' xmlns:b='urn:b'><b:x><b:y xmlns:a='urn:c'/></b:x></r>";
        assert_eq!(
            canonical(text, &[0], Method::Exclusive { inclusive_prefixes: "a #default" }),
            "<b:x xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\"><b:y xmlns:a=\"urn:c\"></b:y></b:x>"
        );
    }

    #[test]
    fn inclusive_brings_scope_and_xml_attributes_along() {
        let text = "<r xmlns='urn:d' xmlns:a='urn:a' xml:lang='de' xml:space='default'><x xml:lang='en' b=''><y xmlns:a='urn:a'/></x></r>";
        assert_eq!(
            canonical(text, &[0], Method::Inclusive),
            "<x xmlns=\"urn:d\" xmlns:a=\"urn:a\" b=\"\" xml:lang=\"en\" xml:space=\"default\"><y></y></x>"
        );
    }

    #[test]
    fn leaves_out_the_enveloped_signature() {
        let document = Document::parse(b"<a> <s><t/></s> <u></u></a>", Comments::Refused).unwrap();
        let left_out = document.root().children().next();
        let mut out = Vec::new();
        Canonical { apex: document.root(), left_out, method: EXCLUSIVE }.write(&mut out);
        assert_eq!(out, b"<a>  <u></u></a>");
    }

    #[test]
    fn canonical_source_reaches_the_sink_in_one_piece() {
        struct Counter(usize);
        impl Sink for Counter {
            fn put(&mut self, _: &[u8]) {
                self.0 += 1;
            }
        }
        let document =
            Document::parse(b"<a x=\"1\" y=\"2\"><p:b xmlns:p=\"urn:p\">t</p:b><c></c></a>", Comments::Refused)
                .unwrap();
        let mut counter = Counter(0);
        Canonical { apex: document.root(), left_out: None, method: EXCLUSIVE }.write(&mut counter);
        assert_eq!(counter.0, 1);
    }
}
