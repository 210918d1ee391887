//! What has to hold of every text that somebody sends as a filter or a path: run by the fuzzer for hours and by a test for seconds.

use serde_json::json;

use super::filter::{DEEPEST, Filter, LONGEST, Name, parse, parse_path};

/// Reading ends without a panic, within the limits, and what was read means the same when it is written out and read again.
pub(super) fn reads(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(filter) = parse(text) {
        assert!(text.len() <= LONGEST && depth(&filter) <= text.len());
        for element in [json!({ "type": "work", "value": "a@x", "primary": true }), json!("a@x"), json!(null)] {
            let negated = Filter::Not(Box::new(filter.clone()));
            assert!(filter.holds(&element) != negated.holds(&element), "not is the other one: {text}");
        }
        again(&written(&filter), |text| parse(text).ok(), &filter);
    }
    if let Ok(path) = parse_path(text) {
        let filter = path.filter.as_ref().map(|filter| format!("[{}]", written(filter))).unwrap_or_default();
        let part = path.name.part.as_ref().map(|part| format!(".{part}")).unwrap_or_default();
        let name = Name { part: None, ..path.name.clone() };
        again(&format!("{}{filter}{part}", name_of(&name)), |text| parse_path(text).ok(), &path);
    }
}

fn again<T: PartialEq + std::fmt::Debug>(text: &str, read: impl Fn(&str) -> Option<T>, wanted: &T) {
    // Parentheses are written where none were needed: what is near a limit may come out above it.
    if text.len() > LONGEST || text.matches(['(', '[']).count() > DEEPEST {
        return;
    }
    assert_eq!(read(text).as_ref(), Some(wanted), "written out as {text}");
}

fn depth(filter: &Filter) -> usize {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => 1 + depth(left).max(depth(right)),
        Filter::Not(inner) | Filter::Element(_, inner) => 1 + depth(inner),
        Filter::Present(_) | Filter::Compare(..) => 1,
    }
}

fn written(filter: &Filter) -> String {
    match filter {
        Filter::And(left, right) => format!("({}) and ({})", written(left), written(right)),
        Filter::Or(left, right) => format!("({}) or ({})", written(left), written(right)),
        Filter::Not(inner) => format!("not ({})", written(inner)),
        Filter::Element(name, inner) => format!("{}[{}]", name_of(name), written(inner)),
        Filter::Present(name) => format!("{} pr", name_of(name)),
        Filter::Compare(name, operator, value) => format!("{} {} {value}", name_of(name), operator.name()),
    }
}

fn name_of(name: &Name) -> String {
    let schema = name.schema.as_ref().map(|schema| format!("{schema}:")).unwrap_or_default();
    let part = name.part.as_ref().map(|part| format!(".{part}")).unwrap_or_default();
    format!("{schema}{}{part}", name.attribute)
}
