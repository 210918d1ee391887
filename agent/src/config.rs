//! From the options of every layer to the one immutable configuration that the rest of the agent sees.

use std::path::Path;

use installer_options::{
    Fault, InstallOptions, Layer, LocalPart, Note, OptionName, Parsed, RawOptions, UserDomain, parse_file, write_file,
};
use platform::files::{self, Access, FileError};
use platform::paths::Paths;
use saml::token::{DeviceToken, TokenError};
use secrecy::ExposeSecret as _;

/// File in the state directory with what `countersign configure` was given.
const OPTIONS_FILE: &str = "options.toml";
/// The largest configuration that is read, in octets.
const LARGEST_FILE: usize = 64 * 1024;
/// The largest CA file that is read, in octets.
const LARGEST_CA_FILE: usize = 1024 * 1024;

/// What the agent works with. Made once from checked options; a change makes a new one.
#[derive(Debug)]
pub struct Config {
    /// `https://host[:port]`.
    pub cloud_url: String,
    /// The cloud's host, with its port where it isn't 443, for messages.
    pub cloud_host: String,
    /// The domain of the users' names.
    pub user_domain: UserDomain,
    /// The user's name where management has given it.
    pub user_name: Option<LocalPart>,
    /// The MDM's id for the device.
    pub external_device_id: Option<String>,
    /// The right to enrol, until it has been used.
    pub token: Option<DeviceToken>,
    /// Whether the token stays after enrolment.
    pub keep_token: bool,
    /// Certificates to trust beside the operating system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Names of facts that are not sent.
    pub disabled_facts: Vec<String>,
}

/// The options could not be read or don't make a configuration. Each fault says what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file of options could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something is missing or contradicts something else.
    #[error("the install options are not usable: {}", .0.join("; "))]
    Faults(Vec<String>),
}

/// Reads what every layer says, checks it together and resolves it.
///
/// # Errors
/// [`ConfigError`], with all faults at once.
pub fn load(paths: &Paths) -> Result<Config, ConfigError> {
    resolve(&check(read(paths)?)?)
}

/// The effective options, each with its origin.
///
/// # Errors
/// [`ConfigError`], with all faults at once.
pub fn effective(paths: &Paths) -> Result<InstallOptions, ConfigError> {
    check(read(paths)?)
}

/// Adds `given` to what was given before, if that all together makes a configuration, and returns the notes on it. What is
/// given anew replaces what was given before; where there is a fault, nothing is written.
///
/// # Errors
/// [`ConfigError`], with all faults at once.
pub fn add(paths: &Paths, given: Parsed) -> Result<Vec<Note>, ConfigError> {
    let install = install_layer(paths)?;
    let mut options = install.options;
    for option in given.options.iter() {
        options.remove(option.option);
        options.insert(option.clone());
    }
    let file = file_layer(paths)?;
    let faults = [given.faults, install.faults, file.faults].concat();
    let merged = RawOptions::merge([options.clone(), file.options]);
    resolve(&check(Parsed { options: merged, notes: Vec::new(), faults })?)?;
    write_install_layer(paths, &options)?;
    Ok(given.notes)
}

/// Takes the device token out of what `countersign configure` stored; says whether one was there.
///
/// # Errors
/// [`ConfigError::File`]; then the token is still there.
pub fn forget_token(paths: &Paths) -> Result<bool, ConfigError> {
    let mut options = install_layer(paths)?.options;
    if options.remove(OptionName::DeviceToken).is_empty() {
        return Ok(false);
    }
    write_install_layer(paths, &options)?;
    Ok(true)
}

fn read(paths: &Paths) -> Result<Parsed, ConfigError> {
    Ok(Parsed::merge([install_layer(paths)?, file_layer(paths)?]))
}

/// What `countersign configure` stored. It may hold the token, so nobody else may read it.
fn install_layer(paths: &Paths) -> Result<Parsed, ConfigError> {
    let path = paths.state_dir.join(OPTIONS_FILE);
    let bytes = files::read_private(&path, LARGEST_FILE)?;
    Ok(bytes.map_or_else(Parsed::default, |bytes| parse(&bytes, Layer::Install, &path)))
}

/// What the administrator wrote into the configuration file.
fn file_layer(paths: &Paths) -> Result<Parsed, ConfigError> {
    let bytes = files::read(&paths.config_file, LARGEST_FILE)?;
    Ok(bytes.map_or_else(Parsed::default, |bytes| parse(&bytes, Layer::File, &paths.config_file)))
}

fn parse(bytes: &[u8], layer: Layer, path: &Path) -> Parsed {
    parse_file(&String::from_utf8_lossy(bytes), layer, &path.display().to_string())
}

fn write_install_layer(paths: &Paths, options: &RawOptions) -> Result<(), ConfigError> {
    files::create_private_dir(&paths.state_dir)?;
    let text = write_file(options);
    files::write_atomically(&paths.state_dir.join(OPTIONS_FILE), text.as_bytes(), Access::Private)?;
    Ok(())
}

fn check(parsed: Parsed) -> Result<InstallOptions, ConfigError> {
    let mut faults: Vec<Fault> = parsed.faults;
    match InstallOptions::check(&parsed.options) {
        Ok(options) if faults.is_empty() => return Ok(options),
        Ok(_) => {}
        Err(found) => faults.extend(found.0),
    }
    Err(ConfigError::Faults(faults.iter().map(ToString::to_string).collect()))
}

/// Resolves names and reads what the options point at.
fn resolve(options: &InstallOptions) -> Result<Config, ConfigError> {
    let mut faults = Vec::new();
    if options.cloud_name.is_none() {
        faults.push("`cloudName` is not set: give it the portal's host name".to_owned());
    }
    if options.user_domain.is_none() {
        faults.push("`userDomain` is not set: give it the part behind the `@` of your users' names".to_owned());
    }
    let token = options.device_token.as_ref().map(|token| DeviceToken::parse(token.expose_secret()));
    let token = token.transpose().map_err(|error| faults.push(token_fault(&error))).unwrap_or_default();
    let ca_pem = match &options.ca_file {
        Some(path) => {
            let pem = files::read(Path::new(path), LARGEST_CA_FILE)?;
            if pem.is_none() {
                faults.push(format!("`caFile` names `{path}`, which is not there"));
            }
            pem
        }
        None => None,
    };
    match (options.cloud_host(), &options.user_domain) {
        (Some(cloud), Some(user_domain)) if faults.is_empty() => Ok(Config {
            cloud_url: cloud.base_url(),
            cloud_host: cloud.to_string(),
            user_domain: user_domain.clone(),
            user_name: options.user_name.clone(),
            external_device_id: options.external_device_id.clone(),
            token,
            keep_token: options.keep_token,
            ca_pem,
            disabled_facts: options.disabled_facts.clone(),
        }),
        _ => Err(ConfigError::Faults(faults)),
    }
}

/// What is wrong with a token, in the words of the option that brought it.
#[must_use]
pub fn token_fault(error: &TokenError) -> String {
    format!("`deviceToken` is not a device token ({error}): copy the whole token again, from `cst1_` on")
}
