//! `countersign installer`: what the installers of Windows have the new program do. For them alone, and therefore not shown.

use std::path::Path;

use clap::Subcommand;
use installer_options::{Delivered, Flavour, Layer, OptionName, Origin, Parsed, parse_values};
use platform::files;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::config::{self, ConfigError};
use crate::device_state::DeviceState;

/// The most that an installer sends, in octets.
const LARGEST_INPUT: usize = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Installer {
    /// Read `PROPERTY=value` lines from standard input and keep them as install options.
    Options,
}

impl Installer {
    pub(super) fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        match self {
            Self::Options => options(paths),
        }
    }
}

fn options(paths: &Paths) -> Result<Outcome, CommandError> {
    let bytes = files::read_stdin(LARGEST_INPUT)?;
    let fault = |text: &str| CommandError::Config(ConfigError::Faults(vec![text.to_owned()]));
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("the installer's properties are not text"))?;
    let mut given = parse_lines(text).ok_or_else(|| fault("the installer's properties are not `NAME=value` lines"))?;
    let mut report = String::new();
    if given.options.get(OptionName::DeviceToken).is_some() && is_enrolled(paths, &given) {
        // An upgrade comes with the command line of the first installation, whose token is used.
        given.options.remove(OptionName::DeviceToken);
        report.push_str("note: this device is enrolled already, so the device token is not kept\n");
    }
    if !given.options.is_empty() || !given.faults.is_empty() {
        let added = config::add(paths, given)?;
        report.extend(added.notes.iter().map(|note| format!("note: {note}\n")));
    }
    Ok(Outcome::success(report))
}

fn parse_lines(text: &str) -> Option<Parsed> {
    let entry = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let entries: Option<Vec<_>> = text.lines().map(entry).collect();
    let entries = entries?.into_iter().map(|(name, value)| (name, Delivered::Text(value)));
    Some(parse_values(entries, &Origin::new(Layer::Install, Flavour::Msi, "the installer")))
}

/// Whether the device's key is registered with the cloud that the options name, or that was configured before.
fn is_enrolled(paths: &Paths, given: &Parsed) -> bool {
    let asked = given.options.get(OptionName::CloudName).map(|cloud| format!("https://{}", cloud.value.expose()));
    let configured = || config::load(paths).ok().map(|config| config.cloud_url);
    let enrolled = |url: String| enrolled_at(&paths.state_dir, &url);
    asked.or_else(configured).is_some_and(enrolled)
}

fn enrolled_at(state_dir: &Path, cloud_url: &str) -> bool {
    // A state that can't be read is told of by the agent when it starts.
    let state = DeviceState::load(state_dir).ok();
    state.and_then(|state| state.portal(cloud_url)?.enrolled_by.clone()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(dir: &Path) -> Paths {
        Paths::below(dir)
    }

    #[test]
    fn lines_are_read_with_whatever_signs_their_values_have() {
        let parsed = parse_lines("CLOUDNAME=cloud.example.net\nEXTERNALDEVICEID=a-b=c+d/e f\n").unwrap();
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        assert_eq!(parsed.options.get(OptionName::ExternalDeviceId).unwrap().value.expose(), "a-b=c+d/e f");
        assert!(parse_lines("CLOUDNAME").is_none());
        assert_eq!(parse_lines("CLOUDNAMES=x\n").unwrap().faults.len(), 1);
    }

    #[test]
    fn a_device_without_state_is_not_enrolled() {
        let dir = tempfile::tempdir().unwrap();
        let given = parse_lines("CLOUDNAME=cloud.example.net\nDEVICETOKEN=x\n").unwrap();
        assert!(!is_enrolled(&paths(dir.path()), &given));
        assert!(!is_enrolled(&paths(dir.path()), &Parsed::default()));
    }

    #[test]
    fn an_enrolled_device_is_recognised_by_its_cloud() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        files::create_private_dir(&paths.state_dir).unwrap();
        let state = r#"{"version":1,"sequence":3,"portal":{"cloud_url":"https://cloud.example.net","entity_id":"urn:x",
            "soap_url":"https://cloud.example.net/saml/soap","signing_certificates":[],"enrolled_by":"abc"}}"#;
        files::write_atomically(&paths.state_dir.join("device.json"), state.as_bytes(), files::Access::Private)
            .unwrap();
        assert!(is_enrolled(&paths, &parse_lines("CLOUDNAME=cloud.example.net\n").unwrap()));
        assert!(!is_enrolled(&paths, &parse_lines("CLOUDNAME=other.example.net\n").unwrap()));
    }
}
