//! The layers of options: where each is read, and the two that commands write.

use std::path::{Path, PathBuf};

use installer_options::{
    Delivered, Flavour, Layer, OptionName, Origin, Parsed, RawOption, RawOptions, parse_file,
    parse_managed_preferences, parse_values, write_file,
};
use platform::files::{self, Access};
use platform::managed::{self, Managed, ManagedValue};
use platform::paths::Paths;
use zeroize::Zeroizing;

use super::ConfigError;
use crate::golden_image::GoldenImage;
use crate::sealed_text::{self, OpenError};

/// File in the state directory with what `countersign configure` was given.
const INSTALL_FILE: &str = "options.toml";
/// File in the state directory with what `countersign params set` was given.
const SET_FILE: &str = "params.toml";
/// The largest configuration that is read, in octets.
const LARGEST_FILE: usize = 64 * 1024;
/// The largest credential that is read, in octets.
const LARGEST_CREDENTIAL: usize = 4096;

/// The files of every layer, for a watch.
pub(super) fn files(paths: &Paths) -> Vec<PathBuf> {
    let own = [install_file(paths), set_file(paths), paths.config_file.clone()];
    own.into_iter().chain(paths.policy_file.clone()).collect()
}

/// What every layer says; the strongest first.
pub(super) fn read(paths: &Paths) -> Result<Parsed, ConfigError> {
    let layers = [policy(paths)?, set(paths)?, credential()?, install(paths)?, file(paths)?];
    Ok(Parsed::merge(layers))
}

/// The same with `given` in the place of what `layer` says on the disk.
pub(super) fn read_with(paths: &Paths, layer: Layer, given: &RawOptions) -> Result<Parsed, ConfigError> {
    let given = || Parsed { options: given.clone(), ..Parsed::default() };
    let set = if layer == Layer::Set { given() } else { set(paths)? };
    let install = if layer == Layer::Install { given() } else { install(paths)? };
    Ok(Parsed::merge([policy(paths)?, set, credential()?, install, file(paths)?]))
}

/// What the device's management has set.
pub(super) fn policy(paths: &Paths) -> Result<Parsed, ConfigError> {
    let place = managed::place(paths);
    Ok(match managed::read(paths)? {
        Managed::Nothing => Parsed::default(),
        Managed::File(text) => parse_file(&String::from_utf8_lossy(&text), Layer::Policy, &place),
        Managed::PropertyList(list) => parse_managed_preferences(&list, Layer::Policy, &place),
        Managed::Values(values) => {
            let origin = Origin::new(Layer::Policy, Flavour::WindowsPolicy, place);
            parse_values(values.into_iter().map(|(name, value)| (name, delivered(value))), &origin)
        }
    })
}

fn delivered(value: ManagedValue) -> Delivered {
    match value {
        ManagedValue::Text(text) => Delivered::Text(text),
        ManagedValue::Number(number) => {
            i64::try_from(number).map_or(Delivered::Other("too large a number"), Delivered::Number)
        }
        ManagedValue::List(words) => Delivered::List(words),
        ManagedValue::Other => Delivered::Other("of another type"),
    }
}

/// What `countersign params set` stored.
pub(super) fn set(paths: &Paths) -> Result<Parsed, ConfigError> {
    private(&set_file(paths), Layer::Set)
}

/// What `countersign configure` stored. It may hold the token, so nobody else may read it.
pub(super) fn install(paths: &Paths) -> Result<Parsed, ConfigError> {
    private(&install_file(paths), Layer::Install)
}

/// The device token that the service manager hands over (`LoadCredential=deviceToken:…`): it stands beside the install options.
fn credential() -> Result<Parsed, ConfigError> {
    let name = OptionName::DeviceToken.spec().canonical;
    let mut parsed = Parsed::default();
    if let Some(bytes) = files::read_credential(name, LARGEST_CREDENTIAL)? {
        let origin = Origin::new(Layer::Install, Flavour::File, format!("the service's credential `{name}`"));
        let text = String::from_utf8_lossy(&bytes);
        parsed.options.insert(RawOption::new(OptionName::DeviceToken, text.trim(), origin));
    }
    Ok(parsed)
}

/// What the administrator wrote into the configuration file.
fn file(paths: &Paths) -> Result<Parsed, ConfigError> {
    let bytes = files::read(&paths.config_file, LARGEST_FILE)?;
    Ok(bytes.map_or_else(Parsed::default, |bytes| parse(&bytes, Layer::File, &paths.config_file)))
}

fn private(path: &Path, layer: Layer) -> Result<Parsed, ConfigError> {
    let bytes = files::read_private(path, LARGEST_FILE)?;
    Ok(bytes.map_or_else(Parsed::default, |bytes| parse(&bytes, layer, path)))
}

fn parse(bytes: &[u8], layer: Layer, path: &Path) -> Parsed {
    parse_file(&String::from_utf8_lossy(bytes), layer, &path.display().to_string())
}

/// Where a value of `params set` stands from now on.
pub(super) fn set_origin(paths: &Paths) -> Origin {
    Origin::new(Layer::Set, Flavour::File, set_file(paths).display().to_string())
}

/// Stores what `countersign params set` is to say; with nothing to say the file goes.
pub(super) fn write_set(paths: &Paths, options: &RawOptions) -> Result<(), ConfigError> {
    if options.is_empty() {
        files::remove(&set_file(paths))?;
        return Ok(());
    }
    write(paths, &set_file(paths), options)
}

/// Stores what `countersign configure` is to say.
pub(super) fn write_install(paths: &Paths, options: &RawOptions) -> Result<(), ConfigError> {
    write(paths, &install_file(paths), options)
}

fn write(paths: &Paths, file: &Path, options: &RawOptions) -> Result<(), ConfigError> {
    files::create_private_dir(&paths.state_dir)?;
    let mut options = options.clone();
    // Who can't tell whether this is a template takes it for one.
    let is_template = !matches!(GoldenImage::load(&paths.state_dir), Ok(None));
    for token in options.remove(OptionName::DeviceToken) {
        let kept = kept_token(token.value.expose(), is_template)?;
        options.insert(RawOption::new(token.option, kept.as_str(), token.origin));
    }
    files::write_atomically(file, write_file(&options).as_bytes(), Access::Private)?;
    Ok(())
}

/// The token as a file has it: sealed to this machine, unless copies of the machine are to read it, which the system makes others.
fn kept_token(token: &str, is_template: bool) -> Result<Zeroizing<String>, OpenError> {
    match (is_template, sealed_text::is_sealed(token)) {
        (false, false) => Ok(sealed_text::seal(token)?),
        (true, true) => sealed_text::open(token),
        (true, false) | (false, true) => Ok(Zeroizing::new(token.to_owned())),
    }
}

fn set_file(paths: &Paths) -> PathBuf {
    paths.state_dir.join(SET_FILE)
}

fn install_file(paths: &Paths) -> PathBuf {
    paths.state_dir.join(INSTALL_FILE)
}
