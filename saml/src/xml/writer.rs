//! The writer, whose output is its own exclusive canonical form: a namespace is declared where it is first used, attributes come in
//! canonical order, there is no white space between elements. So what is signed is what was written.

use super::name::Namespace;

/// Builds one element with everything in it.
pub(crate) struct Writer {
    out: String,
    /// The namespaces that the open elements have declared, innermost last.
    declared: Vec<Namespace>,
    /// The open elements, each with the length of `declared` outside of it.
    open: Vec<(Namespace, &'static str, usize)>,
    in_tag: bool,
    #[cfg(debug_assertions)]
    last_attribute: &'static str,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            out: String::with_capacity(4096),
            declared: Vec::with_capacity(8),
            open: Vec::with_capacity(16),
            in_tag: false,
            #[cfg(debug_assertions)]
            last_attribute: "",
        }
    }

    pub(crate) fn start(&mut self, namespace: Namespace, local: &'static str) -> &mut Self {
        self.end_tag();
        self.open.push((namespace, local, self.declared.len()));
        self.out.push('<');
        self.name(namespace, local);
        if namespace != Namespace::None && !self.declared.contains(&namespace) {
            self.declared.push(namespace);
            self.out.push_str(" xmlns:");
            self.out.push_str(namespace.prefix());
            self.out.push_str("=\"");
            self.out.push_str(namespace.uri());
            self.out.push('"');
        }
        self.in_tag = true;
        #[cfg(debug_assertions)]
        {
            self.last_attribute = "";
        }
        self
    }

    fn name(&mut self, namespace: Namespace, local: &str) {
        if namespace != Namespace::None {
            self.out.push_str(namespace.prefix());
            self.out.push(':');
        }
        self.out.push_str(local);
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }

    /// Adds an attribute without a namespace; the order of calls has to be that of the names.
    pub(crate) fn attribute(&mut self, local: &'static str, value: &str) -> &mut Self {
        debug_assert!(self.in_tag, "{local}");
        #[cfg(debug_assertions)]
        {
            assert!(self.last_attribute < local, "{local} after {}", self.last_attribute);
            self.last_attribute = local;
        }
        self.out.push(' ');
        self.out.push_str(local);
        self.out.push_str("=\"");
        for c in value.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#x9;"),
                '\n' => self.out.push_str("&#xA;"),
                '\r' => self.out.push_str("&#xD;"),
                _ => self.out.push(xml_character(c)),
            }
        }
        self.out.push('"');
        self
    }

    pub(crate) fn optional_attribute(&mut self, local: &'static str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attribute(local, value),
            None => self,
        }
    }

    /// Adds an attribute in a namespace that an open element declares; only for what is never signed, as its order is not checked.
    pub(crate) fn prefixed_attribute(
        &mut self,
        namespace: Namespace,
        local: &'static str,
        value: &'static str,
    ) -> &mut Self {
        // The prefix `xml` is declared in every document (Namespaces in XML 1.0 §3).
        debug_assert!(self.in_tag && (namespace == Namespace::Xml || self.declared.contains(&namespace)));
        self.out.push(' ');
        self.name(namespace, local);
        self.out.push_str("=\"");
        self.out.push_str(value);
        self.out.push('"');
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.end_tag();
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#xD;"),
                _ => self.out.push(xml_character(c)),
            }
        }
        self
    }

    /// Adds an element that is canonical by itself.
    pub(crate) fn canonical(&mut self, xml: &str) -> &mut Self {
        self.end_tag();
        self.out.push_str(xml);
        self
    }

    pub(crate) fn end(&mut self) -> &mut Self {
        self.end_tag();
        if let Some((namespace, local, outside)) = self.open.pop() {
            self.out.push_str("</");
            self.name(namespace, local);
            self.out.push('>');
            self.declared.truncate(outside);
        }
        self
    }

    /// An element with nothing but text.
    pub(crate) fn leaf(&mut self, namespace: Namespace, local: &'static str, text: &str) -> &mut Self {
        self.start(namespace, local).text(text).end()
    }

    /// Where the next child begins.
    pub(crate) fn position(&mut self) -> usize {
        self.end_tag();
        self.out.len()
    }

    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }
}

/// XML 1.0 cannot carry most control characters at all, not even escaped: they become U+FFFD, so that a document of ours is always
/// well-formed.
const fn xml_character(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'.. => c,
        _ => '\u{FFFD}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Canonical, Comments, Document, Method};

    #[test]
    fn writes_its_own_canonical_form() {
        let mut writer = Writer::new();
        writer
            .start(Namespace::Protocol, "Response")
            .attribute("Destination", "a\"<>&\t\n\r\u{1}")
            .attribute("ID", "_1");
        writer.leaf(Namespace::Assertion, "Issuer", "x<>&\"\r\n\u{fffe}]]>");
        writer.start(Namespace::Protocol, "Status").start(Namespace::Protocol, "StatusCode").end().end();
        writer.start(Namespace::Assertion, "Assertion").leaf(Namespace::Assertion, "Issuer", "").end();
        let written = writer.finish();
        let document = Document::parse(written.as_bytes(), Comments::Refused).unwrap();
        let mut canonical = Vec::new();
        Canonical { apex: document.root(), left_out: None, method: Method::Exclusive { inclusive_prefixes: "" } }
            .write(&mut canonical);
        assert_eq!(String::from_utf8(canonical).unwrap(), written);
        assert_eq!(document.root().attribute("Destination"), Some("a\"<>&\t\n\r\u{fffd}"));
    }
}
