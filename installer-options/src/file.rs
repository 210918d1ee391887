//! The configuration file: flat TOML with canonical names.

use crate::{
    fault::{Fault, Problem},
    raw::{Layer, Origin, Parsed, RawOptions},
    table::Flavour,
    values::{Delivered, parse_values},
};
use zeroize::Zeroizing;

/// Parses `canonicalName = "value"` (or a whole number, true, false, a list of texts). A syntax error names its line and nothing of its content, which
/// may be a secret.
pub fn parse_file(text: &str, layer: Layer, place: &str) -> Parsed {
    let origin = Origin::new(layer, Flavour::File, place);
    match text.parse::<toml::Table>() {
        Ok(table) => parse_values(table.into_iter().map(|(name, value)| (name, delivered(value))), &origin),
        Err(error) => {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let line = format!("line {}", 1 + before.matches('\n').count());
            Parsed { faults: vec![Fault::new(line, &origin, Problem::Syntax)], ..Parsed::default() }
        }
    }
}

fn delivered(value: toml::Value) -> Delivered {
    match value {
        toml::Value::String(text) => Delivered::Text(text),
        toml::Value::Integer(number) => Delivered::Number(number),
        toml::Value::Boolean(flag) => Delivered::Flag(flag),
        toml::Value::Array(words) => {
            let texts: Option<Vec<String>> = words.into_iter().map(|word| word.as_str().map(str::to_owned)).collect();
            texts.map_or(Delivered::Other("a list of other things than texts"), Delivered::List)
        }
        toml::Value::Float(_) => Delivered::Other("a number with a fraction"),
        toml::Value::Datetime(_) => Delivered::Other("a date"),
        toml::Value::Table(_) => Delivered::Other("a table"),
    }
}

/// Writes what holds for each option so that [`parse_file`] reads it back; options that no file may hold are left out. Contains secrets.
pub fn write_file(options: &RawOptions) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(4096));
    for raw in options.iter().filter(|raw| raw.option.spec().stored) {
        let value = Zeroizing::new(toml::Value::String(raw.value.expose().to_owned()).to_string());
        text.push_str(raw.option.spec().canonical);
        text.push_str(" = ");
        text.push_str(&value);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{raw::RawOption, table::OptionName};
    use proptest::prelude::*;

    fn parse(text: &str) -> Parsed {
        parse_file(text, Layer::File, "/etc/countersign/countersign.toml")
    }

    #[test]
    fn texts_numbers_flags_and_lists_are_read() {
        let parsed = parse(
            "cloudName = \"a.example\"\nstrictEnforcement = 1\nkeepToken = false\ndisabledFacts = [\"mac\", \"serial\"]\n",
        );
        let value = |option| parsed.options.get(option).unwrap().value.expose().to_owned();
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        assert_eq!(value(OptionName::CloudName), "a.example");
        assert_eq!(value(OptionName::StrictEnforcement), "1");
        assert_eq!(value(OptionName::KeepToken), "0");
        assert_eq!(value(OptionName::DisabledFacts), "mac,serial");
    }

    #[test]
    fn faults_name_place_and_line_and_never_the_content() {
        let parsed = parse("cloudName = \"a.example\"\ndeviceToken = c4n4ry-token\n");
        let text = parsed.faults[0].to_string();
        assert!(text.contains("`line 2`") && text.contains("/etc/countersign/countersign.toml"), "{text}");
        assert!(!text.contains("c4n4ry"), "{text}");
        let parsed = parse("cloudname = \"a\"\n[deviceToken]\nx = 1\nmode = \"unattended\"\n");
        assert_eq!(parsed.faults.len(), 2, "{:?}", parsed.faults);
        assert!(parsed.faults.iter().any(|fault| fault.to_string().contains("did you mean `cloudName`?")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(token in any::<String>(), cloud in any::<String>(), id in "[\u{0}-\u{7f}]{0,20}") {
            let mut options = RawOptions::default();
            let origin = Origin::new(Layer::Install, Flavour::Arguments, "test");
            for (name, text) in [(OptionName::DeviceToken, &token), (OptionName::CloudName, &cloud), (OptionName::ExternalDeviceId, &id)] {
                options.insert(RawOption::new(name, text.clone(), origin.clone()));
            }
            let written = write_file(&options);
            let parsed = parse(&written);
            prop_assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
            for raw in options.iter() {
                prop_assert_eq!(parsed.options.get(raw.option).unwrap().value.expose(), raw.value.expose());
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            parse(&text);
        }
    }
}
