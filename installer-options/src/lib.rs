//! The install options: one table of names, and from it a parser for every way in which administrators deliver them.
//!
//! Pure: no file, registry or environment is read here. `RawOptions` are what was said and where; [`InstallOptions`] is the proof that all rules hold.

mod arguments;
mod check;
mod cloud;
mod fault;
mod file;
mod file_name;
mod names;
mod preferences;
mod proxy;
mod raw;
mod table;
mod unfilled;
mod values;

pub use arguments::parse_arguments;
pub use check::InstallOptions;
pub use cloud::{CloudFault, CloudHost, CloudName, UnknownCloud};
pub use fault::{Fault, Faults, Note, Problem};
pub use file::{parse_file, write_file};
pub use file_name::domain_from_file_name;
pub use names::{LocalPart, LocalPartFault, UserDomain, UserDomainFault};
pub use preferences::parse_managed_preferences;
pub use proxy::{ProxyFault, ProxySetting, ProxyUrl};
pub use raw::{Layer, Origin, Parsed, RawOption, RawOptions, RawValue};
pub use table::{Flavour, Kind, OPTIONS, OptionName, OptionSpec, RECOGNISED, RULES, Recognised, RecognisedIn, Rule};
pub use values::{Delivered, parse_values};
