//! Named values, as Windows Installer, Windows policy and mobile device management hand them over.

use crate::{
    fault::{Fault, Note, Problem},
    raw::{Origin, Parsed, RawOption},
    table::{Flavour, find, is_recognised, nearest},
};
use std::fmt;

/// A value as its system types it. Its content may be a secret, so `Debug` shows the type alone.
#[derive(Clone, PartialEq)]
pub enum Delivered {
    /// Text (`REG_SZ`, `<string>`, Bundle string).
    Text(String),
    /// A whole number (`REG_DWORD`, `<integer>`).
    Number(i64),
    /// True or false (`<true/>`, Bundle boolean).
    Flag(bool),
    /// Several texts (`REG_MULTI_SZ`, `<array>`, Bundle string array).
    List(Vec<String>),
    /// Anything else, named in words.
    Other(&'static str),
}

impl fmt::Debug for Delivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text(_) => "Text",
            Self::Number(_) => "Number",
            Self::Flag(_) => "Flag",
            Self::List(_) => "List",
            Self::Other(_) => "Other",
        })
    }
}

/// Takes named values in the spelling of `origin.flavour`. An empty text counts as not given, since Windows Installer and MDM forms cannot leave a
/// field out.
pub fn parse_values(entries: impl IntoIterator<Item = (String, Delivered)>, origin: &Origin) -> Parsed {
    let mut parsed = Parsed::default();
    for (name, value) in entries {
        let Some(spec) = find(origin.flavour, &name) else {
            match is_recognised(origin.flavour, &name) {
                true => parsed.notes.push(Note { option: name, origin: origin.clone() }),
                false => parsed.faults.push(unknown(name, origin)),
            }
            continue;
        };
        match text_of(value) {
            Ok(text) if text.is_empty() && origin.flavour != Flavour::File => {}
            Ok(text) => parsed.add(&name, RawOption::new(spec.name, text, origin.clone())),
            Err(found) => parsed.faults.push(Fault::new(name, origin, Problem::Type { found })),
        }
    }
    parsed
}

fn unknown(name: String, origin: &Origin) -> Fault {
    let nearest = nearest(origin.flavour, &name);
    Fault::new(name, origin, Problem::Unknown { nearest })
}

fn text_of(value: Delivered) -> Result<String, &'static str> {
    match value {
        Delivered::Text(text) => Ok(text),
        Delivered::Number(number) => Ok(number.to_string()),
        Delivered::Flag(flag) => Ok(if flag { "1" } else { "0" }.to_owned()),
        Delivered::List(words) => Ok(words.join(",")),
        Delivered::Other(found) => Err(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        raw::Layer,
        table::{OPTIONS, OptionName},
    };

    fn parse(flavour: Flavour, entries: &[(&str, Delivered)]) -> Parsed {
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        parse_values(entries, &Origin::new(Layer::Policy, flavour, "test"))
    }

    fn text(text: &str) -> Delivered {
        Delivered::Text(text.to_owned())
    }

    #[test]
    fn msi_properties_are_read_and_empty_ones_are_not_given() {
        let parsed = parse(
            Flavour::Msi,
            &[
                ("CLOUDNAME", text("a.example")),
                ("UNAME", text("")),
                ("INSTALLLWFDRIVER", text("1")),
                ("VDI", text("1")),
            ],
        );
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        assert_eq!(parsed.notes.len(), 1);
        assert!(parsed.options.get(OptionName::UserName).is_none());
        assert_eq!(parsed.options.get(OptionName::Vdi).unwrap().value.expose(), "1");
    }

    #[test]
    fn typed_values_become_the_texts_of_the_table() {
        let words = Delivered::List(vec!["mac".to_owned(), "serial".to_owned()]);
        let parsed = parse(
            Flavour::WindowsPolicy,
            &[
                ("strictEnforcement", Delivered::Number(1)),
                ("keepToken", Delivered::Flag(false)),
                ("disabledFacts", words),
            ],
        );
        let value = |option| parsed.options.get(option).unwrap().value.expose().to_owned();
        assert_eq!(value(OptionName::StrictEnforcement), "1");
        assert_eq!(value(OptionName::KeepToken), "0");
        assert_eq!(value(OptionName::DisabledFacts), "mac,serial");
    }

    #[test]
    fn mobile_spellings_are_their_own() {
        let parsed = parse(
            Flavour::Android,
            &[("autoEnrollWithMDM", text("1")), ("Ownership", text("BYOD")), ("customDNS", text("1.1.1.1"))],
        );
        assert!(parsed.faults.is_empty());
        assert_eq!(parsed.notes.len(), 1);
        let parsed = parse(Flavour::Ios, &[("cloudName", text("x")), ("customDNS", text("1.1.1.1"))]);
        let texts: Vec<_> = parsed.faults.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("did you mean `cloudname`?"), "{}", texts[0]);
    }

    #[test]
    fn every_spelling_of_every_flavour_reaches_its_option() {
        for flavour in Flavour::ALL {
            for spec in OPTIONS {
                for spelling in spec.spellings(flavour) {
                    let parsed = parse(flavour, &[(&spelling, text("v"))]);
                    assert_eq!(parsed.options.get(spec.name).unwrap().value.expose(), "v", "{flavour:?} {spelling}");
                }
            }
        }
    }

    #[test]
    fn a_nested_value_is_a_fault_that_names_the_option() {
        let parsed = parse(Flavour::Android, &[("deviceToken", Delivered::Other("a bundle"))]);
        assert!(parsed.faults[0].to_string().contains("`deviceToken`"), "{}", parsed.faults[0]);
    }
}
