//! The cursor over the source: characters, names and references, each checked once.

use super::document::{Span, Value};
use super::name::{is_name_char, is_name_start};
use super::work::turns;
use crate::rejection::{Rejection, RejectionReason};

/// What the scanner and the reader fail with: one byte, so that the good path stays fast; the excerpt is added once, at the end.
pub(super) type Scanned<T> = Result<T, RejectionReason>;

/// The bytes of ASCII names.
const NAME: u8 = 1;
/// Those that a name may begin with.
const NAME_START: u8 = 3;

static NAME_CLASS: [u8; 256] = name_classes();

const fn name_classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => NAME_START,
            b'0'..=b'9' | b'-' | b'.' => NAME,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Whether an ASCII byte is one that names are made of.
pub(super) fn is_ascii_name_byte(byte: u8) -> bool {
    NAME_CLASS[usize::from(byte)] != 0
}

/// How many bytes are looked at together where nothing is expected.
const CHUNK: usize = 16;

/// Whether a byte means something in a value: control characters, `<`, `&`, the first byte of U+F000 to U+FFFF (among which are U+FFFE
/// and U+FFFF), and two bytes that depend on the place.
const fn stops<const A: u8, const B: u8>(b: u8) -> bool {
    (b < 0x20) | (b == b'<') | (b == b'&') | (b == 0xEF) | (b == A) | (b == B)
}

/// Whether one of these bytes may stop, whatever the place; written so that it becomes a few vector instructions.
fn may_stop(chunk: &[u8; CHUNK]) -> bool {
    let mut found = [0_u8; CHUNK];
    for (found, &b) in found.iter_mut().zip(chunk) {
        *found = u8::from(b < 0x20)
            | u8::from(b == b'<')
            | u8::from(b == b'>')
            | u8::from(b == b'&')
            | u8::from(b == b']')
            | u8::from(b == b'"')
            | u8::from(b == b'\'')
            | u8::from(b == 0xEF);
    }
    u128::from_ne_bytes(found) != 0
}

/// Eight times the same byte.
const fn eight(b: u8) -> u64 {
    u64::from_le_bytes([b; 8])
}

/// The place of the first of eight bytes that stops, or 8. A borrow may mark bytes that don't, but only behind one that does.
fn first_stop<const A: u8, const B: u8>(bytes: [u8; 8]) -> usize {
    let word = u64::from_le_bytes(bytes);
    let less = |word: u64, than: u8| word.wrapping_sub(eight(than)) & !word;
    let equal = |b: u8| less(word ^ eight(b), 1);
    let marks = less(word, 0x20) | equal(b'<') | equal(b'&') | equal(0xEF) | equal(A) | equal(B);
    ((marks & eight(0x80)).trailing_zeros() / 8) as usize
}

/// Both parts of a qualified name; the prefix is empty where there is none.
#[derive(Clone, Copy)]
pub(super) struct QName {
    pub(super) prefix: Span,
    pub(super) local: Span,
}

/// Where a value is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute { quote: u8 },
}

pub(super) struct Scanner<'s> {
    source: &'s str,
    bytes: &'s [u8],
    pub(super) position: usize,
    pub(super) spill: String,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, bytes: source.as_bytes(), position: 0, spill: String::new() }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    #[inline]
    pub(super) fn rest(&self) -> &'s [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The octets of a name, to be compared.
    #[inline]
    pub(super) fn octets(&self, span: Span) -> &'s [u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn slice(&self, span: Span) -> &'s str {
        self.source.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the reader refuses sources longer than its limit, which is far below 4 GiB"
    )]
    #[inline]
    pub(super) fn span(&self, start: usize) -> Span {
        Span { start: start as u32, end: self.position as u32 }
    }

    #[expect(clippy::unused_self, reason = "failing is something that happens at the scanner's position")]
    #[inline]
    pub(super) fn fail<T>(&self, reason: RejectionReason) -> Scanned<T> {
        Err(reason)
    }

    /// The rejection for a failure that has just happened: its excerpt begins where the scanner stopped.
    #[cold]
    pub(super) fn rejection(&self, reason: RejectionReason) -> Rejection {
        let mut start = self.position.min(self.source.len());
        while !self.source.is_char_boundary(start) {
            start -= 1;
        }
        Rejection::about(reason, self.source.get(start..).unwrap_or_default())
    }

    #[inline]
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.position += text.len();
        }
        found
    }

    #[inline]
    pub(super) fn expect(&mut self, text: &[u8]) -> Scanned<()> {
        if self.take(text) { Ok(()) } else { self.fail(RejectionReason::NotWellFormed) }
    }

    /// Skips white space, and says how many bytes of it there were.
    #[inline]
    pub(super) fn skip_space(&mut self) -> usize {
        let start = self.position;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
        self.position - start
    }

    fn ncname(&mut self) -> Scanned<Span> {
        let start = self.position;
        let rest = self.rest();
        let length = rest.iter().position(|&b| !is_ascii_name_byte(b)).unwrap_or(rest.len());
        self.position += length;
        if rest.get(length).is_some_and(|&b| b >= 0x80) {
            self.rest_of_name();
        }
        let starts_well = match rest.first() {
            Some(&b) if b < 0x80 => NAME_CLASS[usize::from(b)] == NAME_START,
            _ => self.source.get(start..self.position).and_then(|name| name.chars().next()).is_some_and(is_name_start),
        };
        if starts_well { Ok(self.span(start)) } else { self.fail(RejectionReason::NotWellFormed) }
    }

    /// Goes on behind the first character of a name that is not ASCII.
    #[cold]
    fn rest_of_name(&mut self) {
        for c in self.source.get(self.position..).unwrap_or_default().chars() {
            if !is_name_char(c) {
                break;
            }
            self.position += c.len_utf8();
        }
    }

    #[inline]
    pub(super) fn qname(&mut self) -> Scanned<QName> {
        let first = self.ncname()?;
        if self.peek() != Some(b':') {
            return Ok(QName { prefix: Span { start: first.start, end: first.start }, local: first });
        }
        self.position += 1;
        Ok(QName { prefix: first, local: self.ncname()? })
    }

    /// Text up to the next `<` or the end.
    #[inline]
    pub(super) fn text(&mut self) -> Scanned<Value> {
        self.value(Place::Text)
    }

    /// A quoted value, without its quotes, with its closing quote consumed.
    #[inline]
    pub(super) fn attribute_value(&mut self) -> Scanned<Value> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return self.fail(RejectionReason::NotWellFormed) };
        self.position += 1;
        let value = self.value(Place::Attribute { quote })?;
        self.position += 1;
        Ok(value)
    }

    fn value(&mut self, place: Place) -> Scanned<Value> {
        let start = self.position;
        let mut verbatim = true;
        // Where the part begins that is not in the spill yet, once there is a spill.
        let mut spilled: Option<(usize, usize)> = None;
        loop {
            let from = self.position;
            if place == Place::Text {
                // `>` is escaped there, and `]` may begin `]]>`.
                self.skip_plain::<b'>', b']'>();
            } else {
                self.skip_plain::<b'"', b'\''>();
            }
            let at = self.position;
            turns(1 + (at - from) / CHUNK);
            let Some(replacement) = self.stop(place, &mut verbatim)? else { break };
            if let Some(text) = replacement {
                let (spill_start, from) = spilled.unwrap_or((self.spill.len(), start));
                self.spill.push_str(self.source.get(from..at).unwrap_or_default());
                self.spill.push(text);
                spilled = Some((spill_start, self.position));
            }
        }
        let Some((spill_start, from)) = spilled else {
            return Ok(Value { span: self.span(start), spilled: false, verbatim });
        };
        self.spill.push_str(self.source.get(from..self.position).unwrap_or_default());
        let span = Span { start: to_u32(spill_start), end: to_u32(self.spill.len()) };
        Ok(Value { span, spilled: true, verbatim: false })
    }

    /// Goes to the next byte that may mean something.
    #[inline]
    fn skip_plain<const A: u8, const B: u8>(&mut self) {
        loop {
            let rest = self.rest();
            let plain = rest.as_chunks().0.iter().take_while(|chunk| !may_stop(chunk)).count();
            self.position += plain * CHUNK;
            let near = self.rest().as_chunks().0;
            for bytes in near.get(..2).unwrap_or(near) {
                let plain = first_stop::<A, B>(*bytes);
                self.position += plain;
                if plain < 8 {
                    return;
                }
            }
            if near.len() < 2 {
                break;
            }
        }
        while self.peek().is_some_and(|b| !stops::<A, B>(b)) {
            self.position += 1;
        }
    }

    /// Deals with the byte that stopped the scan: `None` at the end of the value, else the character that stands for what was
    /// consumed, if it is another than the source's.
    fn stop(&mut self, place: Place, verbatim: &mut bool) -> Scanned<Option<Option<char>>> {
        let in_text = place == Place::Text;
        let Some(byte) = self.peek() else {
            return if in_text { Ok(None) } else { self.fail(RejectionReason::NotWellFormed) };
        };
        let replacement = match byte {
            b'<' if in_text => return Ok(None),
            b'<' => return self.fail(RejectionReason::NotWellFormed),
            b'&' => return self.reference().map(|c| Some(Some(c))),
            b'\r' => {
                self.position += if self.rest().starts_with(b"\r\n") { 2 } else { 1 };
                return Ok(Some(Some(if in_text { '\n' } else { ' ' })));
            }
            b'\t' | b'\n' => (!in_text).then_some(' '),
            b'"' | b'\'' if place == (Place::Attribute { quote: byte }) => return Ok(None),
            b'"' => {
                *verbatim = false;
                None
            }
            b'\'' => None,
            b'>' => {
                *verbatim = false;
                None
            }
            b']' if self.rest().starts_with(b"]]>") => return self.fail(RejectionReason::NotWellFormed),
            b']' => None,
            0xEF if !matches!(self.rest(), [_, 0xBF, 0xBE | 0xBF, ..]) => None,
            _ => return self.fail(RejectionReason::ForbiddenCharacter),
        };
        self.position += 1;
        Ok(Some(replacement))
    }

    /// A character reference or one of the five predefined entities (XML 1.0, 4.1 and 4.6).
    fn reference(&mut self) -> Scanned<char> {
        for (text, c) in [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\'')] {
            if self.take(text.as_bytes()) {
                return Ok(c);
            }
        }
        if !self.rest().starts_with(b"&#") {
            return self.fail(RejectionReason::UnknownEntity);
        }
        let mut cursor = self.position + 2;
        let radix = if self.bytes.get(cursor) == Some(&b'x') { 16 } else { 10 };
        cursor += usize::from(radix == 16);
        let digits = cursor;
        let mut code: u32 = 0;
        while let Some(digit) = self.bytes.get(cursor).and_then(|b| char::from(*b).to_digit(radix)) {
            code = code.saturating_mul(radix).saturating_add(digit).min(0x11_0000);
            cursor += 1;
        }
        let character =
            char::from_u32(code).filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..));
        match character {
            Some(c) if cursor > digits && self.bytes.get(cursor) == Some(&b';') => {
                self.position = cursor + 1;
                Ok(c)
            }
            _ => self.fail(RejectionReason::CharacterReference),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the spill is never longer than the source, which has a limit far below 4 GiB"
)]
fn to_u32(length: usize) -> u32 {
    length as u32
}
