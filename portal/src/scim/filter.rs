//! Filters and the paths of PATCH (RFC 7644 §3.4.2.2 and §3.5.2), as text: nothing here knows what attributes there are.
//!
//! This file needs nothing of the portal's, so that the fuzzer can run it alone.

use serde_json::Value;

/// The longest filter or path, in octets.
pub const LONGEST: usize = 2048;
/// How deep parentheses, brackets and negations may stand in each other.
pub const DEEPEST: usize = 8;
/// How many comparisons a filter may have.
pub const MOST: usize = 32;

/// Why a text is no filter or path; a sentence without a full stop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreadable(pub String);

/// The name of an attribute, in lower case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Name {
    /// The schema that it is of, where the text says so.
    pub schema: Option<String>,
    /// The attribute.
    pub attribute: String,
    /// Its part, behind the dot.
    pub part: Option<String>,
}

/// A comparison's operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

impl Operator {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Co, "co"),
        (Self::Sw, "sw"),
        (Self::Ew, "ew"),
        (Self::Gt, "gt"),
        (Self::Ge, "ge"),
        (Self::Lt, "lt"),
        (Self::Le, "le"),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(operator, _)| *operator == self).map_or("", |(_, name)| name)
    }

    /// Whether it holds between two texts.
    #[must_use]
    pub fn holds(self, there: &str, wanted: &str) -> bool {
        match self {
            Self::Eq => there == wanted,
            Self::Ne => there != wanted,
            Self::Co => there.contains(wanted),
            Self::Sw => there.starts_with(wanted),
            Self::Ew => there.ends_with(wanted),
            Self::Gt => there > wanted,
            Self::Ge => there >= wanted,
            Self::Lt => there < wanted,
            Self::Le => there <= wanted,
        }
    }
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// One of them holds.
    Or(Box<Self>, Box<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The attribute has a value.
    Present(Name),
    /// A value of the attribute compares so.
    Compare(Name, Operator, Value),
    /// The filter holds for one and the same of the attribute's values.
    Element(Name, Box<Self>),
}

/// What a PATCH operation is about: `attribute`, `attribute.part`, `attribute[filter]` or `attribute[filter].part`.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute, with its part.
    pub name: Name,
    /// Which of its values.
    pub filter: Option<Filter>,
}

/// Reads a filter.
///
/// # Errors
/// [`Unreadable`].
pub fn parse(text: &str) -> Result<Filter, Unreadable> {
    let mut reader = Reader::new(text)?;
    let filter = reader.either(0)?;
    reader.end()?;
    Ok(filter)
}

/// Reads the path of a PATCH operation.
///
/// # Errors
/// [`Unreadable`].
pub fn parse_path(text: &str) -> Result<Path, Unreadable> {
    let mut reader = Reader::new(text)?;
    let mut name = reader.name()?;
    let mut filter = None;
    if reader.take("[") {
        filter = Some(reader.either(1)?);
        reader.expect("]")?;
        if reader.take(".") {
            if name.part.is_some() {
                return Err(reader.wrong("one part of an attribute"));
            }
            let part = reader.name()?;
            if part.schema.is_some() || part.part.is_some() {
                return Err(reader.wrong("one part of an attribute"));
            }
            name.part = Some(part.attribute);
        }
    }
    reader.end()?;
    Ok(Path { name, filter })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    comparisons: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Result<Self, Unreadable> {
        if text.len() > LONGEST {
            return Err(Unreadable(format!("it is longer than {LONGEST} octets")));
        }
        let mut reader = Self { text, at: 0, comparisons: 0 };
        reader.skip_spaces();
        Ok(reader)
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    fn wrong(&self, wanted: &str) -> Unreadable {
        let rest: String = self.rest().chars().take(20).collect();
        let place = if rest.is_empty() { "its end".to_owned() } else { format!("`{rest}`") };
        Unreadable(format!("at {place} it should have {wanted}"))
    }

    /// Takes a mark and the spaces behind it.
    fn take(&mut self, mark: &str) -> bool {
        let there = self.rest().starts_with(mark);
        if there {
            self.at += mark.len();
            self.skip_spaces();
        }
        there
    }

    fn expect(&mut self, mark: &str) -> Result<(), Unreadable> {
        if self.take(mark) { Ok(()) } else { Err(self.wrong(&format!("`{mark}`"))) }
    }

    fn end(&self) -> Result<(), Unreadable> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.wrong("`and`, `or` or its end")) }
    }

    /// The letters that a word is made of, without taking them.
    fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        &rest[..end]
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let word = self.word();
        let there = word.eq_ignore_ascii_case(wanted);
        // `and(` is a word; `andy` and `and.x` are names.
        let ends = self.rest()[word.len()..].starts_with([' ', '\t', '(']);
        if there && ends {
            self.at += word.len();
            self.skip_spaces();
        }
        there && ends
    }

    fn either(&mut self, depth: usize) -> Result<Filter, Unreadable> {
        let mut left = self.both(depth)?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both(depth)?));
        }
        Ok(left)
    }

    fn both(&mut self, depth: usize) -> Result<Filter, Unreadable> {
        let mut left = self.single(depth)?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.single(depth)?));
        }
        Ok(left)
    }

    fn single(&mut self, depth: usize) -> Result<Filter, Unreadable> {
        if depth > DEEPEST {
            return Err(Unreadable(format!("it is nested deeper than {DEEPEST}")));
        }
        if self.take_word("not") {
            self.expect("(")?;
            let inner = self.either(depth + 1)?;
            self.expect(")")?;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if self.take("(") {
            let inner = self.either(depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.about_attribute(depth)
    }

    fn about_attribute(&mut self, depth: usize) -> Result<Filter, Unreadable> {
        let name = self.name()?;
        if self.take("[") {
            let inner = self.either(depth + 1)?;
            self.expect("]")?;
            return Ok(Filter::Element(name, Box::new(inner)));
        }
        self.comparisons += 1;
        if self.comparisons > MOST {
            return Err(Unreadable(format!("it has more than {MOST} comparisons")));
        }
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            self.at += word.len();
            self.skip_spaces();
            return Ok(Filter::Present(name));
        }
        let known = Operator::ALL.into_iter().find(|(_, operator)| word.eq_ignore_ascii_case(operator));
        let (operator, _) = known.ok_or_else(|| self.wrong("an operator: eq ne co sw ew gt ge lt le pr"))?;
        self.at += word.len();
        self.skip_spaces();
        Ok(Filter::Compare(name, operator, self.value()?))
    }

    /// `[schema:]attribute[.part]` and the spaces behind it.
    fn name(&mut self) -> Result<Name, Unreadable> {
        let rest = self.rest();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-$:.".contains(c);
        let whole = &rest[..rest.find(|c| !plain(c)).unwrap_or(rest.len())];
        let (schema, local) = match whole.rsplit_once(':') {
            Some((schema, local)) => (Some(schema.to_ascii_lowercase()), local),
            None => (None, whole),
        };
        let (attribute, part) = match local.split_once('.') {
            Some((attribute, part)) => (attribute, Some(part)),
            None => (local, None),
        };
        let sound = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$') && !name.contains('.') && name.len() <= 64
        };
        if !sound(attribute) || part.is_some_and(|part| !sound(part)) {
            return Err(self.wrong("the name of an attribute"));
        }
        self.at += whole.len();
        self.skip_spaces();
        Ok(Name { schema, attribute: attribute.to_ascii_lowercase(), part: part.map(str::to_ascii_lowercase) })
    }

    /// A text, number, `true`, `false` or `null` as JSON writes them, the words in capitals too, and the spaces behind it.
    fn value(&mut self) -> Result<Value, Unreadable> {
        let rest = self.rest();
        let length = match rest.strip_prefix('"') {
            Some(text) => text_length(text) + 1,
            None => rest.find([' ', '\t', ')', ']']).unwrap_or(rest.len()),
        };
        let (text, is_text) = (&rest[..length], rest.starts_with('"'));
        let value = if is_text { serde_json::from_str(text) } else { serde_json::from_str(&text.to_ascii_lowercase()) };
        let plain = value.ok().filter(|value: &Value| !value.is_array() && !value.is_object());
        let wrong = || self.wrong("a value: a text in double quotes, a number, `true`, `false` or `null`");
        let value = plain.ok_or_else(wrong)?;
        self.at += length;
        self.skip_spaces();
        Ok(value)
    }
}

/// The length of a text of JSON behind its first quote, with the last one; all there is where it has none.
fn text_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.find(|c: char| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |at| at + 1)
}

impl Filter {
    /// Whether it holds for an element of a list. Texts are compared without regard to case.
    #[must_use]
    pub fn holds(&self, element: &Value) -> bool {
        match self {
            Self::And(left, right) => left.holds(element) && right.holds(element),
            Self::Or(left, right) => left.holds(element) || right.holds(element),
            Self::Not(inner) => !inner.holds(element),
            Self::Present(name) => value_of(element, name).is_some_and(|there| !there.is_null()),
            Self::Compare(name, operator, wanted) => compares(value_of(element, name), *operator, wanted),
            // An element has no lists in it.
            Self::Element(..) => false,
        }
    }
}

/// The part of an element that a name means. Elements that are plain values answer to `value`.
fn value_of<'e>(element: &'e Value, name: &Name) -> Option<&'e Value> {
    let Value::Object(parts) = element else { return (name.attribute == "value").then_some(element) };
    parts.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name.attribute)).map(|(_, value)| value)
}

fn compares(there: Option<&Value>, operator: Operator, wanted: &Value) -> bool {
    match (there, wanted) {
        (Some(Value::String(there)), Value::String(wanted)) => {
            operator.holds(&there.to_lowercase(), &wanted.to_lowercase())
        }
        // A value that is not there is not true.
        (None, Value::Bool(false)) => operator == Operator::Eq,
        (there, wanted) => {
            let same = there.unwrap_or(&Value::Null) == wanted;
            (same && operator == Operator::Eq) || (!same && operator == Operator::Ne)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(attribute: &str, part: Option<&str>) -> Name {
        Name { schema: None, attribute: attribute.to_owned(), part: part.map(str::to_owned) }
    }

    fn eq(attribute: &str, value: &str) -> Box<Filter> {
        Box::new(Filter::Compare(name(attribute, None), Operator::Eq, json!(value)))
    }

    #[test]
    fn and_binds_closer_than_or_and_not_takes_parentheses() {
        let parsed = parse(r#"a eq "1" or b EQ "2" AND not (c eq "3")"#).unwrap();
        let right = Filter::And(eq("b", "2"), Box::new(Filter::Not(eq("c", "3"))));
        assert_eq!(parsed, Filter::Or(eq("a", "1"), Box::new(right)));
        let grouped = parse(r#"(a eq "1" or b eq "2") and c eq "3""#).unwrap();
        assert_eq!(grouped, Filter::And(Box::new(Filter::Or(eq("a", "1"), eq("b", "2"))), eq("c", "3")));
    }

    #[test]
    fn names_have_schemas_and_parts_and_values_are_jsons() {
        let parsed = parse("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName sw \"O\\\"Ma\\u006c\"").unwrap();
        let schema = Some("urn:ietf:params:scim:schemas:core:2.0:user".to_owned());
        let wanted = Name { schema, ..name("name", Some("familyname")) };
        assert_eq!(parsed, Filter::Compare(wanted, Operator::Sw, json!("O\"Mal")));
        assert_eq!(parse("title pr").unwrap(), Filter::Present(name("title", None)));
        assert_eq!(parse("active eq True").unwrap(), Filter::Compare(name("active", None), Operator::Eq, json!(true)));
        for (text, value) in
            [("(a eq null)", json!(null)), ("a[a eq -1.5]", json!(-1.5)), ("not (a eq \"\\\\\")", json!("\\"))]
        {
            let compared = Filter::Compare(name("a", None), Operator::Eq, value);
            let found = match parse(text).unwrap() {
                Filter::Not(inner) | Filter::Element(_, inner) => *inner,
                other @ (Filter::And(..) | Filter::Or(..) | Filter::Present(_) | Filter::Compare(..)) => other,
            };
            assert_eq!(found, compared, "{text}");
        }
        let inner = Filter::And(eq("type", "work"), Box::new(Filter::Present(name("value", None))));
        assert_eq!(
            parse("emails[type eq \"work\" and value pr]").unwrap(),
            Filter::Element(name("emails", None), Box::new(inner))
        );
    }

    #[test]
    fn what_is_no_filter_is_told_by_its_place() {
        for text in [
            "",
            " ",
            "a",
            "a eq",
            "a eq b",
            "a is \"b\"",
            "a eq \"b",
            "(a pr",
            "a pr)",
            "a pr b pr",
            "not a pr",
            "a.b.c pr",
            "a eq {}",
            "a eq []",
            "1a pr",
            "and pr and",
            "a[b pr",
            "a pr and",
            "\u{e9} pr",
            "a eq \"1\" or",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("a eq b").unwrap_err().0.contains("`b`"));
    }

    #[test]
    fn long_deep_and_wide_ones_are_refused() {
        let deep = |n: usize| format!("{}a pr{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&deep(DEEPEST)).is_ok());
        assert!(parse(&deep(DEEPEST + 1)).is_err());
        assert!(parse(&format!("a eq \"{}\"", "x".repeat(LONGEST))).is_err());
        let wide = |n: usize| vec!["a pr"; n].join(" or ");
        assert!(parse(&wide(MOST)).is_ok());
        assert!(parse(&wide(MOST + 1)).is_err());
    }

    #[test]
    fn paths_have_a_filter_and_a_part_behind_it() {
        let path = parse_path("emails[type eq \"work\"].value").unwrap();
        assert_eq!(path, Path { name: name("emails", Some("value")), filter: Some(*eq("type", "work")) });
        assert_eq!(parse_path("name.givenName").unwrap().name, name("name", Some("givenname")));
        for text in [
            "",
            "emails[",
            "emails[]",
            "emails[type eq \"w\"]x",
            "emails.value[type eq \"w\"].type",
            "a b",
            "a.b.c",
            "emails[a pr].",
        ] {
            assert!(parse_path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn elements_are_compared_without_regard_to_case() {
        let work = json!({ "type": "Work", "value": "A@x.test", "primary": true });
        for (text, holds) in [
            ("type eq \"work\"", true),
            ("TYPE ne \"work\"", false),
            ("value co \"@X\"", true),
            ("value ew \".test\" and primary eq true", true),
            ("not (primary eq true) or type sw \"h\"", false),
            ("display pr", false),
            ("display eq null", true),
            ("value gt \"b\"", false),
        ] {
            assert_eq!(parse(text).unwrap().holds(&work), holds, "{text}");
        }
        assert!(parse("primary eq false").unwrap().holds(&json!({ "value": "x" })));
        assert!(parse("value eq \"x\"").unwrap().holds(&json!("X")));
    }
}
