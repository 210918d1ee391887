//! Counts the turns of the inner loops, while the tests of this crate run and never else: what shows that the work is linear in the input,
//! on any machine.

#[cfg(test)]
thread_local! {
    static TURNS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts some turns of a loop whose length the document decides.
#[inline(always)]
pub(super) fn turns(_count: usize) {
    #[cfg(test)]
    TURNS.set(TURNS.get() + _count);
}

#[cfg(test)]
mod tests {
    use super::TURNS;
    use crate::xml::{Canonical, Comments, Document, Method};

    /// The turns for reading a document and canonicalising all of it, in every way.
    fn work(xml: &str, prefixes: &str) -> usize {
        TURNS.set(0);
        let document = Document::parse(xml.as_bytes(), Comments::Skipped).unwrap();
        for method in [Method::Exclusive { inclusive_prefixes: prefixes }, Method::Inclusive] {
            Canonical { apex: document.root(), left_out: None, method }.write(&mut Vec::new());
        }
        TURNS.get()
    }

    fn grown(unit: impl Fn(usize) -> String, count: usize) -> String {
        let units: String = (0..count).map(unit).collect();
        format!("<r xmlns:p0=\"urn:0\">{units}</r>")
    }

    /// Each unit is what some reader is slow at: the work for eight times as many is at most a little more than eight times as much, the
    /// little being the logarithm that sorting the IDs costs.
    #[test]
    fn work_grows_as_the_document() {
        let declarations: String = (1..40).map(|n| format!(" xmlns:p{n}=\"urn:{n}\"")).collect();
        let attributes: String = (0..40).map(|n| format!(" a{n}=\"&lt;\"")).collect();
        let deep = format!("{}{}", "<p0:a b=\"c\">".repeat(40), "</p0:a>".repeat(40));
        let prefixes = "p1 ".repeat(150);
        type Unit<'a> = Box<dyn Fn(usize) -> String + 'a>;
        let units: [(&str, Unit<'_>); 9] = [
            ("elements", Box::new(|_| "<a/>".into())),
            ("text with references", Box::new(|_| "<a>&amp;&#65;\r\n]]</a>".into())),
            ("IDs", Box::new(|n| format!("<a ID=\"i{n}\"/>"))),
            ("comments", Box::new(|_| "<!-- - - --><a>x</a>".into())),
            ("attributes", Box::new(|_| format!("<a{attributes}/>"))),
            ("declarations", Box::new(|_| format!("<a{declarations}><p39:b p1:c=\"\" p2:c=\"\"/></a>"))),
            ("depth", Box::new(|_| deep.clone())),
            ("redeclarations", Box::new(|n| format!("<a xmlns=\"urn:{}\"><b xmlns=\"\"/></a>", n % 7))),
            (
                "xml attributes",
                Box::new(|_| "<a xml:lang=\"de\"><b xml:lang=\"en\" xml:space=\"default\"/></a>".into()),
            ),
        ];
        for (name, unit) in &units {
            let (small, large) = (grown(unit, 8), grown(unit, 64));
            let (one, eight) = (work(&small, &prefixes), work(&large, &prefixes));
            assert!(one >= small.len() / 64, "{name}: {one} turns for {} octets: nothing is counted", small.len());
            assert!(eight <= 12 * one, "{name}: {one} turns grew to {eight}");
            assert!(eight <= 200 * large.len(), "{name}: {eight} turns for {} octets", large.len());
        }
    }
}
