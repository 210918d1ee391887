//! The cursor over the source: characters, names and references, each checked once.

use super::document::{Span, Value};
use super::lanes::{LANES, before_stop, is_ascii_name_start, name_length};
use super::name::{is_name_char, is_name_start};
use super::work::turns;
use crate::rejection::{Rejection, RejectionReason};

/// What the scanner and the reader fail with: one byte, so that the good path stays fast; the excerpt is added once, at the end.
pub(super) type Scanned<T> = Result<T, RejectionReason>;

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

/// How the text of a value stands in the source. What the hot functions give back fits into a register: a larger answer is written and at
/// once read again in other pieces, for which processors wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Byte for byte, and in its canonical form.
    Verbatim,
    /// Byte for byte.
    Plain,
    /// Otherwise: it is in the spill.
    Spilled,
}

pub(super) struct Scanner<'s> {
    source: &'s str,
    bytes: &'s [u8],
    pub(super) position: usize,
    pub(super) spill: String,
    /// Where the last value begins that went there.
    spilled_from: usize,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, bytes: source.as_bytes(), position: 0, spill: String::new(), spilled_from: 0 }
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

    #[inline]
    pub(super) fn span(&self, start: usize) -> Span {
        Span { start: to_u32(start), end: to_u32(self.position) }
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

    /// Goes behind a name.
    #[inline]
    fn ncname(&mut self) -> Scanned<()> {
        let rest = self.rest();
        let length = name_length(rest);
        let in_ascii = rest.get(length).is_none_or(u8::is_ascii);
        if in_ascii && rest.first().is_some_and(|&b| is_ascii_name_start(b)) {
            self.position += length;
            Ok(())
        } else {
            self.ncname_beyond_ascii()
        }
    }

    #[cold]
    fn ncname_beyond_ascii(&mut self) -> Scanned<()> {
        let rest = self.source.get(self.position..).unwrap_or_default();
        if !rest.starts_with(is_name_start) {
            return self.fail(RejectionReason::NotWellFormed);
        }
        self.position += rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        Ok(())
    }

    /// Goes behind a qualified name, and says where its local part begins.
    pub(super) fn qualified_name(&mut self) -> Scanned<u32> {
        let start = self.position;
        self.ncname()?;
        if self.peek() != Some(b':') {
            return Ok(to_u32(start));
        }
        self.position += 1;
        let local = self.position;
        self.ncname()?;
        Ok(to_u32(local))
    }

    /// The qualified name that begins at `start`, has its local part at `local` and ends here.
    #[inline]
    pub(super) fn qname(&self, start: usize, local: u32) -> QName {
        let start = to_u32(start);
        let prefix = Span { start, end: local.saturating_sub(1).max(start) };
        QName { prefix, local: Span { start: local, end: to_u32(self.position) } }
    }

    /// Goes over text, up to the next `<` or the end.
    #[inline]
    pub(super) fn text(&mut self) -> Scanned<Form> {
        self.form(Place::Text)
    }

    /// Goes over a quoted value, up to its closing quote.
    #[inline]
    pub(super) fn attribute_value(&mut self) -> Scanned<Form> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return self.fail(RejectionReason::NotWellFormed) };
        self.position += 1;
        self.form(Place::Attribute { quote })
    }

    /// The value that begins at `start` and ends here.
    #[inline]
    pub(super) fn value(&self, start: usize, form: Form) -> Value {
        let span = match form {
            Form::Verbatim | Form::Plain => self.span(start),
            Form::Spilled => Span { start: to_u32(self.spilled_from), end: to_u32(self.spill.len()) },
        };
        Value { span, spilled: form == Form::Spilled, verbatim: form == Form::Verbatim }
    }

    /// Goes to the end of a value, which hardly ever has a byte before it that needs a look.
    #[inline]
    fn form(&mut self, place: Place) -> Scanned<Form> {
        let start = self.position;
        self.skip_plain(place);
        let end = match place {
            Place::Text => b'<',
            Place::Attribute { quote } => quote,
        };
        if self.peek() == Some(end) { Ok(Form::Verbatim) } else { self.form_from(start, place) }
    }

    #[inline]
    fn skip_plain(&mut self, place: Place) {
        let plain = match place {
            // `>` is escaped there, and `]` may begin `]]>`.
            Place::Text => before_stop::<b'>', b']'>(self.rest()),
            Place::Attribute { .. } => before_stop::<b'"', b'\''>(self.rest()),
        };
        turns(1 + plain / LANES);
        self.position += plain;
    }

    /// The same for a value that begins at `start` and has something at the present position.
    fn form_from(&mut self, start: usize, place: Place) -> Scanned<Form> {
        let mut verbatim = true;
        // Where the part begins that is not in the spill yet, once there is a spill.
        let mut spilled: Option<(usize, usize)> = None;
        loop {
            let at = self.position;
            let Some(replacement) = self.stop(place, &mut verbatim)? else { break };
            if let Some(text) = replacement {
                let (spill_start, from) = spilled.unwrap_or((self.spill.len(), start));
                self.spill.push_str(self.source.get(from..at).unwrap_or_default());
                self.spill.push(text);
                spilled = Some((spill_start, self.position));
            }
            self.skip_plain(place);
        }
        let Some((spill_start, from)) = spilled else {
            return Ok(if verbatim { Form::Verbatim } else { Form::Plain });
        };
        self.spill.push_str(self.source.get(from..self.position).unwrap_or_default());
        self.spilled_from = spill_start;
        Ok(Form::Spilled)
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
    reason = "the reader refuses sources longer than its limit, which is far below 4 GiB, and the spill is never longer"
)]
fn to_u32(length: usize) -> u32 {
    length as u32
}
