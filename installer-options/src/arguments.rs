//! Arguments: `--name value`, `--name=value`, and the short flags of the Linux configuration command (`-T token`, `-Ttoken`).

use crate::{
    fault::{Fault, Note, Problem, placeholder, written},
    raw::{Layer, Origin, Parsed, RawOption},
    table::{Flavour, OptionSpec, find, is_recognised, nearest},
};
use std::ffi::OsString;

/// The longest unknown name that is repeated to the user: a longer one may be a secret in the wrong place.
const LONGEST_NAME_SHOWN: usize = 40;

/// Parses arguments (without the program's name). Nothing that may be a misplaced secret is ever repeated: what is no option is named by its position.
pub fn parse_arguments<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>, layer: Layer, place: &str) -> Parsed {
    let arguments = arguments.into_iter().map(|argument| argument.into().into_string().ok()).collect();
    let mut reader = Reader { arguments, at: 0, layer, place, parsed: Parsed::default() };
    while reader.at < reader.arguments.len() {
        reader.step();
    }
    reader.parsed
}

struct Reader<'a> {
    /// `None` stands for an argument that is not Unicode.
    arguments: Vec<Option<String>>,
    at: usize,
    layer: Layer,
    place: &'a str,
    parsed: Parsed,
}

impl Reader<'_> {
    fn step(&mut self) {
        let Some(argument) = self.arguments[self.at].clone() else {
            return self.fault_here(Problem::NotUnicode);
        };
        let (spelling, attached) = split(&argument);
        match find_spec(&spelling) {
            Some((spec, flavour)) => self.option(spec, flavour, &spelling, attached),
            None if is_recognised(Flavour::Arguments, &spelling) && spelling.starts_with("--") => {
                self.skip_with_value(attached.is_some());
                let origin = self.origin(Flavour::Arguments);
                self.parsed.notes.push(Note { option: spelling, origin });
            }
            None if spelling.starts_with('-') && is_a_name(&spelling) => {
                self.skip_with_value(attached.is_some());
                let problem = Problem::Unknown { nearest: nearest(Flavour::Arguments, &spelling) };
                self.parsed.faults.push(Fault::new(spelling, &self.origin(Flavour::Arguments), problem));
            }
            None => self.fault_here(Problem::NotAnOption),
        }
    }

    fn option(&mut self, spec: &'static OptionSpec, flavour: Flavour, spelling: &str, attached: Option<String>) {
        let origin = self.origin(flavour);
        self.at += 1;
        let value = match attached {
            Some(value) => Some(Some(value)),
            // A value may begin with a hyphen, as tokens do; only another option's name is no value.
            None => self
                .arguments
                .get(self.at)
                .filter(|next| !next.as_deref().is_some_and(is_an_option))
                .cloned()
                .inspect(|_| self.at += 1),
        };
        match value {
            Some(Some(text)) => self.parsed.add(spelling, RawOption::new(spec.name, text, origin)),
            Some(None) => self.parsed.faults.push(Fault::new(spelling, &origin, Problem::NotUnicode)),
            None => {
                let example = written(spec.name, flavour, placeholder(spec.name));
                self.parsed.faults.push(Fault::new(spelling, &origin, Problem::MissingValue { example }));
            }
        }
    }

    /// Passes an option that is not ours and what looks like its value.
    fn skip_with_value(&mut self, attached: bool) {
        self.at += 1;
        if !attached
            && self
                .arguments
                .get(self.at)
                .is_some_and(|next| !next.as_deref().is_some_and(|next| next.starts_with('-')))
        {
            self.at += 1;
        }
    }

    fn fault_here(&mut self, problem: Problem) {
        self.at += 1;
        let fault = Fault::new(format!("argument {}", self.at), &self.origin(Flavour::Arguments), problem);
        self.parsed.faults.push(fault);
    }

    fn origin(&self, flavour: Flavour) -> Origin {
        Origin::new(self.layer, flavour, self.place)
    }
}

/// `--name=value` and `-xvalue` into their halves; anything else is all name.
fn split(argument: &str) -> (String, Option<String>) {
    if argument.starts_with("--") {
        return match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument.to_owned(), None),
        };
    }
    let mut signs = argument.char_indices().skip(2);
    match signs.next() {
        Some((at, _)) if argument.starts_with('-') && find(Flavour::LinuxShortFlags, &argument[..at]).is_some() => {
            (argument[..at].to_owned(), Some(argument[at..].to_owned()))
        }
        _ => (argument.to_owned(), None),
    }
}

fn find_spec(spelling: &str) -> Option<(&'static OptionSpec, Flavour)> {
    [Flavour::Arguments, Flavour::LinuxShortFlags]
        .into_iter()
        .find_map(|flavour| Some((find(flavour, spelling)?, flavour)))
}

fn is_an_option(argument: &str) -> bool {
    argument.starts_with("--") && find(Flavour::Arguments, &split(argument).0).is_some()
}

fn is_a_name(spelling: &str) -> bool {
    let name = spelling.trim_start_matches('-');
    !name.is_empty()
        && name.len() <= LONGEST_NAME_SHOWN
        && name.chars().all(|sign| sign.is_ascii_alphabetic() || "-_".contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{OPTIONS, OptionName};
    use proptest::prelude::*;

    fn parse(line: &[&str]) -> Parsed {
        parse_arguments(line.iter().copied(), Layer::Install, "command line")
    }

    fn value(parsed: &Parsed, option: OptionName) -> Option<String> {
        parsed.options.get(option).map(|raw| raw.value.expose().to_owned())
    }

    #[test]
    fn both_spellings_and_hostile_values_are_read_whole() {
        let token = "-a=b+c/d -- ==";
        for line in [
            vec!["--deviceToken", token],
            vec![&format!("--deviceToken={token}")],
            vec!["-T", token],
            vec![&format!("-T{token}")],
        ] {
            let parsed = parse(&line);
            assert_eq!(value(&parsed, OptionName::DeviceToken).as_deref(), Some(token));
            assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        }
        assert_eq!(value(&parse(&["--externalDeviceId="]), OptionName::ExternalDeviceId).as_deref(), Some(""));
    }

    #[test]
    fn the_vendors_linux_command_is_read() {
        let parsed = parse(&[
            "-s",
            "1",
            "-t",
            "POLICY",
            "-T",
            "TOKEN",
            "-u",
            "alice",
            "-c",
            "example",
            "-d",
            "example.com",
            "-f",
            "0",
            "-l",
            "1",
        ]);
        assert!(parsed.faults.is_empty());
        assert_eq!(value(&parsed, OptionName::PolicyToken).as_deref(), Some("POLICY"));
        assert_eq!(value(&parsed, OptionName::DeviceToken).as_deref(), Some("TOKEN"));
        assert_eq!(value(&parsed, OptionName::HideAppUiOnLaunch).as_deref(), Some("1"));
    }

    #[test]
    fn unknown_and_unfinished_options_are_all_reported() {
        let parsed = parse(&[
            "--devicetoken",
            "s3cr3t",
            "--strictEnforcement",
            "--cloudName",
            "a.example",
            "--userDomain",
            "-x",
        ]);
        let texts: Vec<_> = parsed.faults.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("did you mean `--deviceToken`?"), "{}", texts[0]);
        assert!(texts[1].contains("write `--strictEnforcement 1`"), "{}", texts[1]);
        assert_eq!(value(&parsed, OptionName::CloudName).as_deref(), Some("a.example"));
        assert_eq!(value(&parsed, OptionName::UserDomain).as_deref(), Some("-x"));
    }

    #[test]
    fn a_misplaced_secret_is_never_repeated() {
        for line in [
            vec!["c4n4ry-token"],
            vec!["--deviceToken", "=", "c4n4ry-token"],
            vec!["--devicetoken=c4n4ry-token"],
            vec!["--devicetoken", "c4n4ry-token"],
            vec!["DEVICETOKEN=c4n4ry-token"],
            vec!["--c4n4ry-token"],
            vec!["--deviceToken", "c4n4ry-one", "--deviceToken", "c4n4ry-two"],
        ] {
            let parsed = parse(&line);
            let text = format!("{:?} {}", parsed, parsed.faults.iter().map(ToString::to_string).collect::<String>());
            assert!(!parsed.faults.is_empty() && !text.contains("c4n4ry"), "{text}");
        }
    }

    #[test]
    fn carried_over_options_without_effect_are_noted() {
        let parsed = parse(&[
            "--mode",
            "unattended",
            "--reinstallDriver",
            "1",
            "--installer-language=en",
            "--cloudName",
            "a.example",
        ]);
        let notes: Vec<_> = parsed.notes.iter().map(ToString::to_string).collect();
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("recognised, no effect here"), "{}", notes[0]);
        assert_eq!(value(&parsed, OptionName::CloudName).as_deref(), Some("a.example"));
    }

    proptest! {
        #[test]
        fn any_value_of_any_option_is_read_back_in_both_spellings(row in 0..OPTIONS.len(), value in any::<String>(), joined in any::<bool>()) {
            let spec = &OPTIONS[row];
            for spelling in spec.spellings(Flavour::Arguments) {
                let line = if joined { vec![format!("{spelling}={value}")] } else { vec![spelling, value.clone()] };
                if !joined && is_an_option(&value) {
                    continue;
                }
                let parsed = parse_arguments(line, Layer::Install, "command line");
                prop_assert!(parsed.faults.is_empty());
                prop_assert_eq!(parsed.options.get(spec.name).unwrap().value.expose(), &value);
            }
        }

        #[test]
        fn no_arguments_panic_or_leak(line in proptest::collection::vec("-{0,2}[a-zA-Z=]{0,8}c4n4ry[a-z=]{0,4}", 0..5)) {
            let parsed = parse_arguments(line, Layer::Install, "command line");
            let told: String = parsed.faults.iter().map(ToString::to_string).chain(parsed.notes.iter().map(ToString::to_string)).collect();
            prop_assert!(!told.contains("c4n4ry"), "{}", told);
        }
    }
}
