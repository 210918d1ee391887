//! What is wrong with the options, in words that say what to write instead. A secret's value never appears.

use crate::{
    raw::Origin,
    table::{Flavour, OptionName},
};
use std::fmt;

/// Something that was accepted without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The option as it was spelled.
    pub option: String,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` from {}: recognised, no effect here", self.option, self.origin)
    }
}

/// What is wrong with one option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No option has that name.
    #[error("unknown option{}", nearest.as_ref().map_or_else(|| ": remove it".to_owned(), |name| format!(": did you mean `{name}`?")))]
    Unknown {
        /// The nearest known spelling.
        nearest: Option<String>,
    },
    /// An argument that is no option.
    #[error(
        "no option begins here: write `--name value` or `--name=value`, with quotes around a value that holds spaces"
    )]
    NotAnOption,
    /// The value is missing.
    #[error("its value is missing: write `{example}`")]
    MissingValue {
        /// What to write.
        example: String,
    },
    /// Two different values from one source.
    #[error("given twice with different values: keep one")]
    GivenTwice,
    /// Octets that are no text.
    #[error("not text in UTF-8: write it in letters of Unicode")]
    NotUnicode,
    /// The file is not of our syntax.
    #[error("not flat TOML here: write lines like `cloudName = \"cloud.example.net\"`")]
    Syntax,
    /// A property list that cannot be read.
    #[error(
        "not a property list with a dictionary `installation-parameters`: deliver the options in such a dictionary"
    )]
    PropertyList,
    /// A value of a type that the option cannot have.
    #[error("the value is {found}: write it as text, a whole number, or true or false")]
    Type {
        /// What it is.
        found: &'static str,
    },
    /// The value does not fit.
    #[error("{found}: write {expected}")]
    Value {
        /// What is wrong with it.
        found: String,
        /// What to write instead.
        expected: String,
    },
    /// Another option is missing or must have another value.
    #[error("also needs {needed}")]
    Requires {
        /// What to write, in the spelling of the flavour.
        needed: String,
    },
    /// Two options that exclude each other.
    #[error("`{other}` is given too: keep one of the two")]
    Excludes {
        /// The other option.
        other: OptionName,
    },
    /// This build cannot do it.
    #[error("{why}")]
    Unavailable {
        /// Why not and what to do.
        why: &'static str,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The option as it was spelled, or `argument 3` or `line 7` where there is no name.
    pub option: String,
    /// Where it came from.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Problem,
}

impl Fault {
    pub(crate) fn new(option: impl Into<String>, origin: &Origin, problem: Problem) -> Self {
        Self { option: option.into(), origin: origin.clone(), problem }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` from {}: {}", self.option, self.origin, self.problem)
    }
}

/// All that is wrong, at once; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// How an administrator of this flavour writes an option and its value.
pub(crate) fn written(option: OptionName, flavour: Flavour, value: &str) -> String {
    let spec = option.spec();
    let spelling = spec.spellings(flavour).into_iter().next();
    match (flavour, spelling) {
        (Flavour::Msi, Some(name)) => format!("{name}={value}"),
        (Flavour::Arguments | Flavour::LinuxShortFlags, Some(name)) => format!("{name} {value}"),
        (Flavour::File, Some(name)) => format!("{name} = \"{value}\""),
        (Flavour::MacManaged | Flavour::WindowsPolicy | Flavour::Android | Flavour::Ios, Some(name)) => {
            format!("{name}: {value}")
        }
        (_, None) => format!("{}={value}", spec.canonical),
    }
}

/// A word that stands for the value of an option in what we tell people to write.
pub(crate) fn placeholder(option: OptionName) -> &'static str {
    match option {
        OptionName::DeviceToken | OptionName::PolicyToken => "TOKEN",
        OptionName::UserDomain => "example.com",
        OptionName::CloudName => "cloud.example.net",
        OptionName::UserName => "alice",
        OptionName::StrictEnforcement
        | OptionName::HideAppUiOnLaunch
        | OptionName::LaunchTray
        | OptionName::EnableFips
        | OptionName::AutoEnroll
        | OptionName::Vdi
        | OptionName::KeepToken => "1",
        OptionName::Mode => "unattended",
        OptionName::CaFile | OptionName::DeviceTokenFile => "FILE",
        OptionName::ExternalDeviceId
        | OptionName::UnattendedModeUi
        | OptionName::ConfigTimeout
        | OptionName::UninstallPassword
        | OptionName::Ownership
        | OptionName::DisabledFacts
        | OptionName::DiagnosticsRequests
        | OptionName::SupportKey
        | OptionName::Clouds
        | OptionName::Proxy => "VALUE",
    }
}
