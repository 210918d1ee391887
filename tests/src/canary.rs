//! A secret and every form in which it could stand somewhere.

use base64::Engine as _;

/// A secret that is looked for.
#[derive(Debug)]
pub struct Canary {
    name: &'static str,
    forms: Vec<(String, Vec<u8>)>,
}

impl Canary {
    /// `secret`, called `name` where it is found.
    #[must_use]
    pub fn new(name: &'static str, secret: &[u8]) -> Self {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![
            ("plain".to_owned(), secret.to_vec()),
            ("UTF-16".to_owned(), secret.iter().flat_map(|byte| [*byte, 0]).collect()),
            ("hexadecimal".to_owned(), hex.clone().into_bytes()),
            ("upper-case hexadecimal".to_owned(), hex.to_uppercase().into_bytes()),
        ];
        // Within a longer text base64 depends on where the secret begins; the first and last characters depend on neighbours.
        for offset in 0..3_usize {
            let padded = [vec![0; offset], secret.to_vec()].concat();
            let whole = base64::engine::general_purpose::STANDARD.encode(&padded);
            let inner = whole.trim_end_matches('=');
            forms.push((format!("base64 at {offset}"), inner.as_bytes()[4..inner.len() - 4].to_vec()));
        }
        Self { name, forms }
    }

    /// The forms of it that stand in `haystack`.
    #[must_use]
    pub fn found_in(&self, haystack: &[u8]) -> Vec<&str> {
        let there = |needle: &[u8]| memchr::memmem::find(haystack, needle).is_some();
        self.forms.iter().filter(|(_, form)| there(form)).map(|(form, _)| form.as_str()).collect()
    }

    /// Asserts that it stands in `haystack` in no form.
    ///
    /// # Panics
    /// Where it does, with `place`.
    pub fn assert_not_in(&self, haystack: &[u8], place: &str) {
        let found = self.found_in(haystack);
        assert!(found.is_empty(), "{} stands in {place} as {found:?}", self.name);
    }
}
