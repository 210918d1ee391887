//! macOS managed preferences: a property list with the dictionary `installation-parameters`.

use crate::{
    fault::{Fault, Problem},
    raw::{Layer, Origin, Parsed},
    table::Flavour,
    values::{Delivered, parse_values},
};
use plist::Value;
use std::io::Cursor;

const KEY: &str = "installation-parameters";

/// Parses a property list, XML or binary. Device management delivers flags and numbers as text or typed; both are read.
pub fn parse_managed_preferences(octets: &[u8], layer: Layer, place: &str) -> Parsed {
    let origin = Origin::new(layer, Flavour::MacManaged, place);
    let read = Value::from_reader(Cursor::new(octets)).ok().and_then(Value::into_dictionary);
    let Some(Value::Dictionary(parameters)) = read.and_then(|mut whole| whole.remove(KEY)) else {
        return Parsed { faults: vec![Fault::new(KEY, &origin, Problem::PropertyList)], ..Parsed::default() };
    };
    parse_values(parameters.into_iter().map(|(name, value)| (name, delivered(value))), &origin)
}

fn delivered(value: Value) -> Delivered {
    match value {
        Value::String(text) => Delivered::Text(text),
        Value::Boolean(flag) => Delivered::Flag(flag),
        Value::Integer(number) => {
            number.as_signed().map_or(Delivered::Other("a number that is too large"), Delivered::Number)
        }
        Value::Array(words) => {
            let texts: Option<Vec<String>> = words.into_iter().map(Value::into_string).collect();
            texts.map_or(Delivered::Other("a list of other things than texts"), Delivered::List)
        }
        Value::Dictionary(_) => Delivered::Other("a dictionary"),
        Value::Data(_) | Value::Date(_) | Value::Real(_) | Value::Uid(_) | _ => {
            Delivered::Other("data, a date or a fraction")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::OptionName;
    use proptest::prelude::*;

    const PROFILE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>installation-parameters</key>
  <dict>
    <key>cloudName</key><string>cloud.example.net</string>
    <key>userDomain</key><string>example.com</string>
    <key>strictEnforcement</key><string>1</string>
    <key>policyToken</key><string>12345</string>
    <key>hideAppUIOnLaunch</key><true/>
    <key>launchTray</key><integer>0</integer>
    <key>enableSSO</key><string>1</string>
    <key>disabledFacts</key><array><string>mac</string><string>serial</string></array>
  </dict>
</dict></plist>"#;

    fn parse(octets: &[u8]) -> Parsed {
        parse_managed_preferences(octets, Layer::Policy, "managed preferences")
    }

    #[test]
    fn xml_and_binary_lists_say_the_same() {
        let mut binary = Vec::new();
        Value::from_reader(Cursor::new(PROFILE)).unwrap().to_writer_binary(&mut binary).unwrap();
        for octets in [PROFILE.as_bytes(), &binary] {
            let parsed = parse(octets);
            assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
            assert_eq!(parsed.notes.len(), 1);
            let value = |option| parsed.options.get(option).unwrap().value.expose().to_owned();
            assert_eq!(value(OptionName::StrictEnforcement), "1");
            assert_eq!(value(OptionName::HideAppUiOnLaunch), "1");
            assert_eq!(value(OptionName::LaunchTray), "0");
            assert_eq!(value(OptionName::DisabledFacts), "mac,serial");
            assert!(parsed.options.get(OptionName::CloudName).unwrap().origin.is_locked());
        }
    }

    #[test]
    fn what_is_no_such_list_is_one_fault() {
        for octets in [&b""[..], b"rubbish", b"<plist version=\"1.0\"><dict/></plist>", b"bplist00rubbish"] {
            assert_eq!(parse(octets).faults.len(), 1);
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in any::<Vec<u8>>()) {
            parse(&octets);
            parse(&[b"bplist00", &octets[..]].concat());
        }
    }
}
