//! The strict reader: one pass over the octets into the arena, with its limits.

mod tag;

use super::document::{Attribute, Declaration, Document, Kind, Node, Span, Value};
use super::scan::{Scanned, Scanner};
use super::work::turns;
use crate::rejection::{Rejection, RejectionReason};

/// The largest document in octets.
pub(crate) const MAX_OCTETS: usize = 256 * 1024;
const MAX_DEPTH: usize = 48;
const MAX_NODES: usize = 16_384;

/// What is done with comments outside of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comments {
    /// Messages have none: CVE-2017-11427 and its kin.
    Refused,
    /// Metadata that people edit has them: they are no part of what is read, and split a value so that it is refused.
    Skipped,
}

impl Document {
    pub(crate) fn parse(octets: &[u8], comments: Comments) -> Result<Self, Rejection> {
        if octets.len() > MAX_OCTETS {
            return Err(RejectionReason::TooLarge.into());
        }
        let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
        let source =
            std::str::from_utf8(octets).map_err(|_| Rejection::from(RejectionReason::NotUtf8).with_hint(UTF8))?;
        let mut reader = Reader::new(source, comments);
        reader.document().map_err(|reason| with_hint(reader.scanner.rejection(reason), source))?;
        let Reader { scanner, nodes, attributes, declarations, .. } = reader;
        Ok(Self { spill: scanner.spill, source: source.to_owned(), nodes, attributes, declarations })
    }
}

const UTF8: &str = "save it as UTF-8";

/// What those who have pasted a document can do about it.
fn with_hint(rejection: Rejection, source: &str) -> Rejection {
    let reason = rejection.reason();
    if reason == RejectionReason::ProcessingInstruction && source.trim_start().starts_with("<?xml") {
        // A declaration elsewhere is no processing instruction either (XML 1.0, 2.6).
        return Rejection::from(RejectionReason::NotWellFormed).with_hint(
            "the XML declaration has to be the first thing in the file, without an empty line or blank before it",
        );
    }
    let is_encoded = reason == RejectionReason::ForbiddenCharacter && source.contains('\0');
    if is_encoded || reason == RejectionReason::EncodingDeclared { rejection.with_hint(UTF8) } else { rejection }
}

struct Reader<'s> {
    scanner: Scanner<'s>,
    comments: Comments,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    declarations: Vec<Declaration>,
    /// The declarations in scope, innermost last.
    scope: Vec<u32>,
    /// The open elements, each with the length of `scope` outside of it.
    open: Vec<(u32, usize)>,
    ids: Vec<Value>,
}

#[expect(clippy::cast_possible_truncation, reason = "the limits keep every count far below 4 GiB")]
const fn count(length: usize) -> u32 {
    length as u32
}

impl<'s> Reader<'s> {
    fn new(source: &'s str, comments: Comments) -> Self {
        // Typical messages have a node for 40 octets; a wrong guess costs a reallocation.
        let nodes = (source.len() / 40).min(MAX_NODES);
        Self {
            scanner: Scanner::new(source),
            comments,
            nodes: Vec::with_capacity(nodes),
            attributes: Vec::with_capacity(nodes),
            declarations: Vec::with_capacity(16),
            scope: Vec::with_capacity(16),
            open: Vec::with_capacity(16),
            ids: Vec::with_capacity(4),
        }
    }

    fn document(&mut self) -> Scanned<()> {
        self.declaration()?;
        self.misc()?;
        self.elements()?;
        self.misc()?;
        if self.scanner.peek().is_some() {
            return self.scanner.fail(RejectionReason::NotWellFormed);
        }
        self.check_ids()
    }

    /// The XML declaration (XML 1.0, 2.8), which may name UTF-8 and nothing else.
    fn declaration(&mut self) -> Scanned<()> {
        let scanner = &mut self.scanner;
        if !matches!(scanner.rest(), [b'<', b'?', b'x', b'm', b'l', b' ' | b'\t' | b'\r' | b'\n', ..]) {
            return Ok(());
        }
        scanner.position += 5;
        let mut expected = ["version", "encoding", "standalone"].iter();
        let mut first = true;
        while scanner.skip_space() > 0 && scanner.peek() != Some(b'?') {
            let start = scanner.position;
            let local = scanner.qualified_name()?;
            let name = scanner.qname(start, local);
            scanner.skip_space();
            scanner.expect(b"=")?;
            scanner.skip_space();
            let start = scanner.position + 1;
            scanner.attribute_value()?;
            let (name, value) = (scanner.slice(name.local), scanner.slice(scanner.span(start)));
            scanner.position += 1;
            if (first && name != "version") || !expected.any(|expected| *expected == name) {
                return scanner.fail(RejectionReason::NotWellFormed);
            }
            first = false;
            let accepted = match name {
                "version" => value == "1.0",
                "encoding" => value.eq_ignore_ascii_case("UTF-8"),
                _ => matches!(value, "yes" | "no"),
            };
            if !accepted {
                return Err(RejectionReason::EncodingDeclared);
            }
        }
        if first {
            return scanner.fail(RejectionReason::NotWellFormed);
        }
        scanner.expect(b"?>")
    }

    /// What may stand before and after the root.
    fn misc(&mut self) -> Scanned<()> {
        loop {
            self.scanner.skip_space();
            match self.scanner.rest() {
                [b'<', b'!', b'-', ..] => self.comment()?,
                [b'<', b'!', ..] => return self.scanner.fail(RejectionReason::Doctype),
                [b'<', b'?', ..] => return self.scanner.fail(RejectionReason::ProcessingInstruction),
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Scanned<()> {
        if self.comments == Comments::Refused {
            return self.scanner.fail(RejectionReason::Comment);
        }
        self.scanner.expect(b"<!--")?;
        let rest = self.scanner.rest();
        let end = rest.windows(2).position(|pair| pair == b"--");
        let Some(end) = end.filter(|&end| rest.get(end + 2) == Some(&b'>')) else {
            return self.scanner.fail(RejectionReason::NotWellFormed);
        };
        turns(end);
        let inside = rest.get(..end).unwrap_or_default();
        let forbidden = inside.iter().any(|b| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r'))
            || inside.windows(3).any(|w| matches!(w, [0xEF, 0xBF, 0xBE | 0xBF]));
        if forbidden {
            return self.scanner.fail(RejectionReason::ForbiddenCharacter);
        }
        self.scanner.position += end + 3;
        Ok(())
    }

    fn elements(&mut self) -> Scanned<()> {
        if self.scanner.peek() != Some(b'<') {
            return self.scanner.fail(RejectionReason::NotWellFormed);
        }
        loop {
            match self.scanner.rest() {
                [b'<', b'/', ..] => self.close_tag()?,
                [b'<', b'!', b'[', ..] => return self.scanner.fail(RejectionReason::CdataSection),
                [b'<', b'!', b'-', ..] => self.comment()?,
                [b'<', b'!', ..] => return self.scanner.fail(RejectionReason::Doctype),
                [b'<', b'?', ..] => return self.scanner.fail(RejectionReason::ProcessingInstruction),
                [b'<', ..] => self.open_tag()?,
                [] => return self.scanner.fail(RejectionReason::NotWellFormed),
                _ => self.text()?,
            }
            if self.open.is_empty() {
                return Ok(());
            }
        }
    }

    fn push(&mut self, kind: Kind) -> Scanned<u32> {
        if self.nodes.len() >= MAX_NODES {
            return Err(RejectionReason::TooManyNodes);
        }
        let index = count(self.nodes.len());
        let parent = self.open.last().map_or(0, |(parent, _)| *parent);
        self.nodes.push(Node { parent, end: index + 1, kind });
        Ok(index)
    }

    fn text(&mut self) -> Scanned<()> {
        let start = self.scanner.position;
        let form = self.scanner.text()?;
        self.push(Kind::Text(self.scanner.value(start, form)))?;
        Ok(())
    }

    fn close_tag(&mut self) -> Scanned<()> {
        let start = self.scanner.position;
        self.scanner.position += 2;
        let end = count(self.nodes.len());
        let Some((index, outer_scope)) = self.open.pop() else {
            return self.scanner.fail(RejectionReason::NotWellFormed);
        };
        let Some(Node { end: node_end, kind: Kind::Element(tag), .. }) = self.nodes.get_mut(index as usize) else {
            return self.scanner.fail(RejectionReason::NotWellFormed);
        };
        let name = self.scanner.octets(Span { start: tag.prefix.start, end: tag.local.end });
        self.scanner.expect(name)?;
        self.scanner.skip_space();
        self.scanner.expect(b">")?;
        tag.close = self.scanner.span(start);
        *node_end = end;
        self.scope.truncate(outer_scope);
        Ok(())
    }

    fn value(&self, value: Value) -> &str {
        if value.spilled {
            self.scanner.spill.get(value.span.start as usize..value.span.end as usize).unwrap_or_default()
        } else {
            self.scanner.slice(value.span)
        }
    }

    /// Refuses two attributes of the names `ID`, `Id`, `id` or `xml:id` with the same value: no reader can take one for the other.
    fn check_ids(&mut self) -> Scanned<()> {
        let mut ids = std::mem::take(&mut self.ids);
        ids.sort_unstable_by(|a, b| {
            turns(1);
            self.value(*a).cmp(self.value(*b))
        });
        if ids.array_windows::<2>().any(|[a, b]| self.value(*a) == self.value(*b)) {
            return Err(RejectionReason::DuplicateId);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::tag::{MAX_ATTRIBUTES_OF_ELEMENT, MAX_NAMESPACES_IN_SCOPE};
    use super::*;
    use crate::xml::Namespace;

    fn parse(text: &str) -> Result<Document, RejectionReason> {
        Document::parse(text.as_bytes(), Comments::Refused).map_err(|rejection| rejection.reason())
    }

    #[track_caller]
    fn refused(text: &str, reason: RejectionReason) {
        assert_eq!(parse(text).map(|_| ()), Err(reason), "{text}");
    }

    #[test]
    fn reads_text_and_attributes_decoded() {
        let document = parse("<a x='1&#10;\n\r\n2' y=\"&lt;&#x20AC;\">p&amp;q\r\nr\rs</a>").unwrap();
        let root = document.root();
        assert_eq!(root.attribute("x"), Some("1\n  2"));
        assert_eq!(root.attribute("y"), Some("<\u{20AC}"));
        assert_eq!(root.text().unwrap(), "p&q\nr\ns");
    }

    #[test]
    fn refuses_what_hides_content() {
        refused("<a>x<!-- c -->y</a>", RejectionReason::Comment);
        refused("<!-- c --><a/>", RejectionReason::Comment);
        refused("<a/><!-- c -->", RejectionReason::Comment);
        refused("<a><?p?></a>", RejectionReason::ProcessingInstruction);
        refused("<?p?><a/>", RejectionReason::ProcessingInstruction);
        refused("<a/><?xml version=\"1.0\"?>", RejectionReason::ProcessingInstruction);
        refused("<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", RejectionReason::Doctype);
        refused("<a>&e;</a>", RejectionReason::UnknownEntity);
        refused("<a><![CDATA[x]]></a>", RejectionReason::CdataSection);
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        for text in [
            "",
            " ",
            "a",
            "<",
            "<a",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<a b/>",
            "<a b=c/>",
            "<a b='1'c='2'/>",
            "<a b='<'/>",
            "</a>",
            "<a></a b>",
            "< a/>",
            "<a:b:c xmlns:a='urn:a'/>",
            "<a:/>",
            "<:a/>",
            "<1a/>",
            "<a>]]></a>",
            "<a b='1></a>",
            "<?xml encoding='UTF-8'?><a/>",
            "<?xml version='1.0' version='1.0'?><a/>",
            "<a / >",
            "<\u{d7}/>",
            "<a\u{d7}/>",
        ] {
            refused(text, RejectionReason::NotWellFormed);
        }
    }

    #[test]
    fn refuses_encodings_other_than_utf8() {
        refused("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", RejectionReason::EncodingDeclared);
        refused("<?xml version='1.1'?><a/>", RejectionReason::EncodingDeclared);
        assert!(parse("<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<a/>\n").is_ok());
        assert_eq!(Document::parse(b"<a>\xff</a>", Comments::Refused).unwrap_err().reason(), RejectionReason::NotUtf8);
        assert_eq!(Document::parse(b"\xfe\xff\0<", Comments::Refused).unwrap_err().reason(), RejectionReason::NotUtf8);
    }

    #[test]
    fn refuses_characters_that_xml_does_not_have() {
        for c in ['\0', '\u{1}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            refused(&format!("<a>x{c}</a>"), RejectionReason::ForbiddenCharacter);
            refused(&format!("<a b='x{c}'/>"), RejectionReason::ForbiddenCharacter);
            refused(&format!("<a>&#{};</a>", u32::from(c)), RejectionReason::CharacterReference);
        }
        for reference in ["&#;", "&#x;", "&#xD800;", "&#x110000;", "&#99999999999999999999;", "&#1", "&#X41;", "&#-1;"]
        {
            refused(&format!("<a>{reference}</a>"), RejectionReason::CharacterReference);
        }
        assert_eq!(
            parse("<a>\u{fffd}\u{f000}\u{10ffff}\u{7f}</a>").unwrap().root().text().unwrap(),
            "\u{fffd}\u{f000}\u{10ffff}\u{7f}"
        );
    }

    #[test]
    fn keeps_the_rules_of_namespaces() {
        refused("<p:a/>", RejectionReason::UndeclaredPrefix);
        refused("<a p:b=''/>", RejectionReason::UndeclaredPrefix);
        refused("<a><b xmlns:p='urn:p'/><p:c/></a>", RejectionReason::UndeclaredPrefix);
        refused("<a xmlns:p=''/>", RejectionReason::NamespaceName);
        refused("<a xmlns='relative'/>", RejectionReason::NamespaceName);
        refused("<a xmlns='urn:&#x61;'/>", RejectionReason::NamespaceName);
        refused("<a xmlns='urn:a?b&amp;c'/>", RejectionReason::NamespaceName);
        refused("<a xmlns:xml='urn:p'/>", RejectionReason::ReservedNamespace);
        refused("<a xmlns:xmlns='urn:p'/>", RejectionReason::ReservedNamespace);
        refused("<a xmlns='http://www.w3.org/XML/1998/namespace'/>", RejectionReason::ReservedNamespace);
        refused("<a b='' b=''/>", RejectionReason::DuplicateAttribute);
        refused("<a xmlns='urn:a' xmlns='urn:a'/>", RejectionReason::DuplicateAttribute);
        refused("<a xmlns:p='urn:p' xmlns:q='urn:p' p:b='' q:b=''/>", RejectionReason::DuplicateAttribute);
        let document = parse("<a xmlns='urn:a' xmlns:p='urn:p'><b xmlns='' p:c='1'/></a>").unwrap();
        let inner = document.root().children().next().unwrap();
        assert_eq!(inner.namespace(), Namespace::None);
        assert_eq!(inner.attribute("c"), None);
    }

    #[test]
    fn refuses_duplicate_ids_of_any_spelling() {
        refused("<a ID='x'><b ID='x'/></a>", RejectionReason::DuplicateId);
        refused("<a ID='x'><b Id='x'/></a>", RejectionReason::DuplicateId);
        refused("<a ID='x'><b xml:id='&#120;'/></a>", RejectionReason::DuplicateId);
        assert!(parse("<a ID='x'><b ID='y'/></a>").is_ok());
    }

    #[test]
    fn keeps_its_limits() {
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        refused(&deep(MAX_DEPTH + 1), RejectionReason::TooDeep);
        refused(&format!("<a>{}</a>", "<b/>".repeat(MAX_NODES)), RejectionReason::TooManyNodes);
        refused(&format!("<a>{}</a>", "x".repeat(MAX_OCTETS)), RejectionReason::TooLarge);
        let attributes: String = (0..=MAX_ATTRIBUTES_OF_ELEMENT).map(|i| format!(" a{i}=''")).collect();
        refused(&format!("<a{attributes}/>"), RejectionReason::TooManyAttributes);
        let declarations: String = (0..=MAX_NAMESPACES_IN_SCOPE).map(|i| format!(" xmlns:a{i}='urn:x'")).collect();
        refused(&format!("<a{declarations}/>"), RejectionReason::TooManyNamespaces);
    }

    #[test]
    fn skips_comments_where_people_write_them_and_still_refuses_split_values() {
        let document =
            Document::parse(b"<!-- x --><a>\n<!-- y --><b>v</b><c>v<!-- z -->w</c></a>", Comments::Skipped).unwrap();
        let values: Vec<_> = document.root().children().map(|child| child.text().map_err(|r| r.reason())).collect();
        assert_eq!(values, [Ok("v"), Err(RejectionReason::ValueNotPlain)]);
        assert!(Document::parse(b"<a><!-- x -- y --></a>", Comments::Skipped).is_err());
        assert!(Document::parse(b"<a><!-- x ---></a>", Comments::Skipped).is_err());
    }
}
