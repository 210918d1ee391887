//! What the device is.

use platform::device::{self, FactValue, NAMES};

/// The same names on every system, each with what is known or why it is not.
pub(crate) fn hold() {
    let facts = device::facts();
    let told: Vec<_> = facts.iter().map(|fact| (fact.name, fact.sensitivity)).collect();
    assert_eq!(told, NAMES, "all of them, in their order");
    for fact in &facts {
        assert!(!fact.source.is_empty(), "{fact:?}");
        match &fact.value {
            FactValue::Known(values) => {
                assert!(!values.is_empty(), "{fact:?}");
                assert!(values.iter().all(|value| value.trim() == value && !value.is_empty()), "{fact:?}");
                let filler =
                    |value: &String| value.to_lowercase().contains("o.e.m") || value.chars().all(|sign| sign == '0');
                assert!(!values.iter().any(filler), "what vendors leave in unfilled fields: {fact:?}");
            }
            FactValue::Unknown(reason) => assert!(!reason.is_empty(), "{fact:?}"),
        }
    }
    let known = |name: &str| facts.iter().any(|fact| fact.name == name && matches!(fact.value, FactValue::Known(_)));
    for name in ["hostname", "os.name", "kernel", "architecture"] {
        assert!(known(name), "every system tells its {name}");
    }
    assert_eq!(device::facts(), facts, "asking changes nothing");

    assert_eq!(device::fingerprint(), device::fingerprint());
    match device::fingerprint() {
        Ok(text) => {
            let parts: Vec<_> = text.split(':').collect();
            assert!(
                matches!(parts.as_slice(), ["hw1", letters, digest] if !letters.is_empty() && digest.len() == 64),
                "{text}"
            );
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
    assert_eq!(device::machine_hash(), device::machine_hash());
    assert_eq!(device::machine(), device::machine());
}
