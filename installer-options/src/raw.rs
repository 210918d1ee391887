//! Options as they were said: a value, who said it and where.

use crate::{
    fault::{Fault, Note},
    table::{Flavour, OPTIONS, OptionName},
};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// Who said it, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The device management: locked for everybody else.
    Policy,
    /// `countersign params set`.
    Set,
    /// The install options.
    Install,
    /// The configuration file.
    File,
    /// Nobody: what the table says.
    Default,
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Policy => "policy",
            Self::Set => "params set",
            Self::Install => "install options",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who said it.
    pub layer: Layer,
    /// In which spelling.
    pub flavour: Flavour,
    /// Where, in words: a path, a registry key, `command line`.
    pub place: String,
}

impl Origin {
    /// Names an origin.
    pub fn new(layer: Layer, flavour: Flavour, place: impl Into<String>) -> Self {
        Self { layer, flavour, place: place.into() }
    }

    pub(crate) fn of_default() -> Self {
        Self::new(Layer::Default, Flavour::File, "built in")
    }

    /// Whether the device management holds the value, so that nobody else may change it.
    pub fn is_locked(&self) -> bool {
        self.layer == Layer::Policy
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.layer, self.place)
    }
}

/// A value that is not checked yet; a secret one is redacted from its first moment.
#[derive(Clone)]
pub enum RawValue {
    /// May be shown.
    Plain(String),
    /// Must not be shown.
    Secret(SecretString),
}

impl RawValue {
    pub(crate) fn of(option: OptionName, text: String) -> Self {
        if option.spec().secret { Self::Secret(SecretString::from(text)) } else { Self::Plain(text) }
    }

    /// The value itself; only its consumer may call this on a secret.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose_secret(),
        }
    }

    /// The value for people: a secret shows as `[secret]`.
    pub fn shown(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(_) => "[secret]",
        }
    }
}

impl fmt::Debug for RawValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.shown(), formatter)
    }
}

/// One option as somebody said it.
#[derive(Clone, Debug)]
pub struct RawOption {
    /// Which option.
    pub option: OptionName,
    /// What was said.
    pub value: RawValue,
    /// Who said it, and where.
    pub origin: Origin,
}

impl RawOption {
    /// Takes `text` as the value of `option`, redacted from here on if the option is a secret.
    pub fn new(option: OptionName, text: impl Into<String>, origin: Origin) -> Self {
        Self { option, value: RawValue::of(option, text.into()), origin }
    }
}

/// All that was said, strongest first for each option.
#[derive(Clone, Debug, Default)]
pub struct RawOptions(Vec<RawOption>);

impl RawOptions {
    /// Adds one; it stands behind what is as strong already.
    pub fn insert(&mut self, option: RawOption) {
        let rank = |option: &RawOption| (option.option, option.origin.layer);
        let at = self.0.partition_point(|other| rank(other) <= rank(&option));
        self.0.insert(at, option);
    }

    /// Puts several sources together: the stronger layer wins, in the same layer the earlier source; losers are remembered.
    pub fn merge(sources: impl IntoIterator<Item = Self>) -> Self {
        let mut merged = Self::default();
        sources.into_iter().flat_map(|source| source.0).for_each(|option| merged.insert(option));
        merged
    }

    /// What holds for an option, if anybody said anything.
    pub fn get(&self, option: OptionName) -> Option<&RawOption> {
        self.0.iter().find(|raw| raw.option == option)
    }

    /// What was said for an option and lost, strongest first.
    pub fn overridden(&self, option: OptionName) -> impl Iterator<Item = &RawOption> {
        self.0.iter().filter(move |raw| raw.option == option).skip(1)
    }

    /// Takes out all that was said for an option.
    pub fn remove(&mut self, option: OptionName) -> Vec<RawOption> {
        self.0.extract_if(.., |raw| raw.option == option).collect()
    }

    /// What holds for each option, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &RawOption> {
        OPTIONS.iter().filter_map(|spec| self.get(spec.name))
    }

    /// Whether nobody said anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the token that was read from the file of `deviceTokenFile` in that option's place, with its origin.
    pub fn replace_token_file(&mut self, token: SecretString) {
        for file in self.remove(OptionName::DeviceTokenFile) {
            let origin = file.origin;
            self.insert(RawOption { option: OptionName::DeviceToken, value: RawValue::Secret(token.clone()), origin });
        }
    }
}

/// What a parser made of its input. Faults do not stop it: everything that could be read is there.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The options.
    pub options: RawOptions,
    /// What was accepted without effect.
    pub notes: Vec<Note>,
    /// What was refused.
    pub faults: Vec<Fault>,
}

impl Parsed {
    /// Puts several results together, as for the options of a file, of arguments and of policy.
    pub fn merge(sources: impl IntoIterator<Item = Self>) -> Self {
        let mut merged = Self::default();
        for source in sources {
            source.options.0.into_iter().for_each(|option| merged.options.insert(option));
            merged.notes.extend(source.notes);
            merged.faults.extend(source.faults);
        }
        merged
    }

    /// Adds an option; a second value from the same source is a fault, unless it is the same value again.
    pub(crate) fn add(&mut self, spelling: &str, option: RawOption) {
        let earlier = self.options.get(option.option);
        match earlier {
            None => self.options.insert(option),
            Some(earlier) if earlier.value.expose() == option.value.expose() => {}
            Some(_) => self.faults.push(Fault::new(spelling, &option.origin, crate::fault::Problem::GivenTwice)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(option: OptionName, text: &str, layer: Layer) -> RawOptions {
        let mut options = RawOptions::default();
        options.insert(RawOption::new(option, text, Origin::new(layer, Flavour::File, "test")));
        options
    }

    #[test]
    fn the_strongest_layer_wins_and_losers_are_remembered() {
        let layers = [Layer::File, Layer::Policy, Layer::Install, Layer::Set];
        let merged = RawOptions::merge(layers.map(|layer| raw(OptionName::CloudName, &layer.to_string(), layer)));
        assert_eq!(merged.get(OptionName::CloudName).unwrap().value.expose(), "policy");
        assert!(merged.get(OptionName::CloudName).unwrap().origin.is_locked());
        let losers: Vec<_> = merged.overridden(OptionName::CloudName).map(|raw| raw.value.expose()).collect();
        assert_eq!(losers, ["params set", "install options", "file"]);
    }

    #[test]
    fn a_secret_never_shows() {
        let options = raw(OptionName::DeviceToken, "s3cr3t-canary", Layer::Install);
        let debug = format!("{options:?}");
        assert!(!debug.contains("canary") && debug.contains("[secret]"), "{debug}");
        assert_eq!(options.get(OptionName::DeviceToken).unwrap().value.expose(), "s3cr3t-canary");
    }

    #[test]
    fn the_token_of_a_file_takes_the_place_of_its_option() {
        let mut options = raw(OptionName::DeviceTokenFile, "-", Layer::Install);
        options.replace_token_file(SecretString::from("token"));
        assert!(options.get(OptionName::DeviceTokenFile).is_none());
        assert_eq!(options.get(OptionName::DeviceToken).unwrap().value.expose(), "token");
    }
}
