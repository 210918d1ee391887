//! From the options of every layer to the one immutable configuration that the rest of the agent sees.

mod layers;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use installer_options::{
    Fault, InstallOptions, Layer, LocalPart, Note, OptionName, Origin, Parsed, ProxySetting, RawOption, RawOptions,
    UserDomain,
};
use platform::files::{self, FileError};
use platform::managed::ManagedError;
use platform::paths::Paths;
use saml::token::{DeviceToken, TokenError};
use secrecy::ExposeSecret as _;

use crate::age_file::{Recipient, RecipientInvalid};
use crate::sealed_text::{self, OpenError};
use crate::written;

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
    /// The way to the cloud.
    pub proxy: ProxySetting,
    /// Whether the portal gets diagnostics when it asks.
    pub diagnostics_requests: DiagnosticsRequests,
    /// The recipient that diagnostics are encrypted to.
    pub support_key: Option<Recipient>,
    /// Names of facts that are not sent.
    pub disabled_facts: Vec<String>,
}

impl Config {
    /// The same for the cloud at `cloud_url`, without the token, which is for the configured one.
    #[must_use]
    pub fn for_cloud(&self, cloud_url: &str) -> Self {
        Self {
            cloud_url: cloud_url.to_owned(),
            cloud_host: cloud_url.strip_prefix("https://").unwrap_or(cloud_url).to_owned(),
            user_domain: self.user_domain.clone(),
            user_name: self.user_name.clone(),
            external_device_id: self.external_device_id.clone(),
            token: None,
            keep_token: self.keep_token,
            ca_pem: self.ca_pem.clone(),
            proxy: self.proxy.clone(),
            diagnostics_requests: self.diagnostics_requests,
            support_key: self.support_key.clone(),
            disabled_facts: self.disabled_facts.clone(),
        }
    }
}

/// What becomes of a request of the portal's for diagnostics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DiagnosticsRequests {
    /// It gets them.
    Always,
    /// Somebody at the device decides.
    Ask,
    /// It is refused.
    Never,
}

/// The options could not be read or don't make a configuration. Each fault says what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file of options could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the device's management has set could not be read. It is never taken for silence.
    #[error(transparent)]
    Managed(#[from] ManagedError),
    /// The device token could not be stored as it is to be, and is not stored in another way instead.
    #[error("could not seal the device token to this machine, or unseal it for copies of it")]
    Token(#[from] OpenError),
    /// The device's management holds the option.
    #[error("`{option}` is set by {origin}, which wins over everything that is said on this device: change it there")]
    Locked {
        /// Which.
        option: OptionName,
        /// Where it is set.
        origin: Origin,
    },
    /// Something is missing or contradicts something else.
    #[error("the install options are not usable: {}", .0.join("; "))]
    Faults(Vec<String>),
}

/// Reads what every layer says, checks it together and resolves it.
///
/// # Errors
/// [`ConfigError`], with all faults at once.
pub fn load(paths: &Paths) -> Result<Config, ConfigError> {
    resolve(&check(layers::read(paths)?)?)
}

/// The effective options, each with its origin.
///
/// # Errors
/// [`ConfigError`], with all faults at once.
pub fn effective(paths: &Paths) -> Result<InstallOptions, ConfigError> {
    check(layers::read(paths)?)
}

/// The files that options are read from, for a watch.
#[must_use]
pub fn files(paths: &Paths) -> Vec<PathBuf> {
    layers::files(paths)
}

/// A mark of the effective options and of the CA file: two marks of one process differ when any of it does.
#[must_use]
pub fn mark(paths: &Paths) -> u64 {
    let mut hasher = DefaultHasher::new();
    match layers::read(paths) {
        Ok(parsed) => {
            for raw in parsed.options.iter() {
                // The same token looks different when it is sealed anew.
                let opened = sealed_text::open(raw.value.expose()).ok();
                (raw.option, opened.as_ref().map_or(raw.value.expose(), |text| text.as_str())).hash(&mut hasher);
            }
            parsed.faults.iter().for_each(|fault| fault.to_string().hash(&mut hasher));
            let ca_file = parsed.options.get(OptionName::CaFile);
            let pem = ca_file.and_then(|raw| files::read(Path::new(raw.value.expose()), LARGEST_CA_FILE).ok());
            pem.flatten().hash(&mut hasher);
        }
        Err(error) => error.to_string().hash(&mut hasher),
    }
    hasher.finish()
}

/// What `countersign configure` has done.
#[derive(Debug)]
pub struct Added {
    /// What was accepted without effect.
    pub notes: Vec<Note>,
    /// What was stored and is overruled by a stronger layer, with where that is.
    pub overruled: Vec<(OptionName, Origin)>,
}

/// Adds `given` to what was given before, if that all together makes a configuration. What is given anew replaces what was
/// given before; where there is a fault, nothing is written.
///
/// # Errors
/// [`ConfigError`], with all faults at once.
pub fn add(paths: &Paths, given: Parsed) -> Result<Added, ConfigError> {
    let install = layers::install(paths)?;
    let mut options = install.options;
    for option in given.options.iter() {
        options.remove(option.option);
        options.insert(option.clone());
    }
    let mut all = layers::read_with(paths, Layer::Install, &options)?;
    all.faults.extend(given.faults.into_iter().chain(install.faults));
    let winners = all.options.clone();
    resolve(&check(all)?)?;
    layers::write_install(paths, &options)?;
    let stronger = |option: &RawOption| {
        let winner = winners.get(option.option)?;
        (winner.origin.layer < Layer::Install).then(|| (option.option, winner.origin.clone()))
    };
    Ok(Added { notes: given.notes, overruled: given.options.iter().filter_map(stronger).collect() })
}

/// Sets one option for this device, over whatever the installer and the configuration file say.
///
/// # Errors
/// [`ConfigError::Locked`] where the device's management holds it; [`ConfigError::Faults`] where the value doesn't fit, or not
/// together with the others: then nothing is written.
pub fn set(paths: &Paths, option: OptionName, value: &str) -> Result<(), ConfigError> {
    refuse_locked(paths, option)?;
    let name = option.spec().canonical;
    if !option.spec().stored {
        return Err(ConfigError::Faults(vec![format!("`{name}` is an option of installers and is not kept")]));
    }
    if option == OptionName::SupportKey {
        value.parse::<Recipient>().map_err(|error| ConfigError::Faults(vec![support_key_fault(error)]))?;
    }
    if option == OptionName::DeviceToken {
        DeviceToken::parse(value).map_err(|error| ConfigError::Faults(vec![token_fault(&error)]))?;
    }
    let mut options = layers::set(paths)?.options;
    options.remove(option);
    options.insert(RawOption::new(option, value, layers::set_origin(paths)));
    check(layers::read_with(paths, Layer::Set, &options)?)?;
    layers::write_set(paths, &options)
}

/// Takes back what [`set`] said about an option; says whether there was anything.
///
/// # Errors
/// [`ConfigError::Locked`], and [`ConfigError::Faults`] where the others don't stand without it.
pub fn unset(paths: &Paths, option: OptionName) -> Result<bool, ConfigError> {
    refuse_locked(paths, option)?;
    let mut options = layers::set(paths)?.options;
    if options.remove(option).is_empty() {
        return Ok(false);
    }
    check(layers::read_with(paths, Layer::Set, &options)?)?;
    layers::write_set(paths, &options)?;
    Ok(true)
}

fn refuse_locked(paths: &Paths, option: OptionName) -> Result<(), ConfigError> {
    match layers::policy(paths)?.options.get(option) {
        Some(raw) => Err(ConfigError::Locked { option, origin: raw.origin.clone() }),
        None => Ok(()),
    }
}

/// Writes what commands have stored once more, as it is to be kept from now on: a template's token is not sealed to the template.
///
/// # Errors
/// [`ConfigError`].
pub fn store_again(paths: &Paths) -> Result<(), ConfigError> {
    let (install, set) = (layers::install(paths)?.options, layers::set(paths)?.options);
    if install.get(OptionName::DeviceToken).is_some() {
        layers::write_install(paths, &install)?;
    }
    if set.get(OptionName::DeviceToken).is_some() {
        layers::write_set(paths, &set)?;
    }
    Ok(())
}

/// Takes the device token out of what commands have stored; returns where one still stands that this program does not
/// change: a credential, the configuration file, a policy.
///
/// # Errors
/// [`ConfigError`]; then the token is still there.
pub fn forget_token(paths: &Paths) -> Result<Option<Origin>, ConfigError> {
    let forget = |mut options: RawOptions| (!options.remove(OptionName::DeviceToken).is_empty()).then_some(options);
    if let Some(rest) = forget(layers::install(paths)?.options) {
        layers::write_install(paths, &rest)?;
    }
    if let Some(rest) = forget(layers::set(paths)?.options) {
        layers::write_set(paths, &rest)?;
    }
    Ok(layers::read(paths)?.options.get(OptionName::DeviceToken).map(|raw| raw.origin.clone()))
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
    let origin = options.origin(OptionName::DeviceToken);
    let token = options.device_token.as_ref().map(|kept| token_of(kept.expose_secret(), origin));
    let token = token.transpose().map_err(|fault| faults.push(fault)).unwrap_or_default();
    let support_key = options.support_key.as_ref().map(|text| text.parse::<Recipient>());
    let support_key =
        support_key.transpose().map_err(|error| faults.push(support_key_fault(error))).unwrap_or_default();
    let ca_pem = match &options.ca_file {
        Some(path) => {
            let pem = files::read(Path::new(path), LARGEST_CA_FILE)?;
            if pem.is_none() {
                faults.push(format!("`caFile` names `{path}`, which is not there"));
            }
            let read = pem.map(|octets| written::authorities(&octets)).transpose();
            read.map_err(|why| faults.push(format!("`caFile` names `{path}`, which {why}"))).unwrap_or_default()
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
            proxy: options.proxy.clone(),
            diagnostics_requests: match options.diagnostics_requests.as_str() {
                "always" => DiagnosticsRequests::Always,
                "never" => DiagnosticsRequests::Never,
                _ => DiagnosticsRequests::Ask,
            },
            support_key,
            disabled_facts: options.disabled_facts.clone(),
        }),
        _ => Err(ConfigError::Faults(faults)),
    }
}

/// The token that was kept as `kept`, or what is wrong with it.
fn token_of(kept: &str, origin: &Origin) -> Result<DeviceToken, String> {
    let text = sealed_text::open(kept).map_err(|error| sealed_fault(&error, origin))?;
    DeviceToken::parse(&text).map_err(|error| token_fault(&error))
}

fn sealed_fault(error: &OpenError, origin: &Origin) -> String {
    let next = match origin.layer {
        Layer::Set => "take it back with `countersign params unset deviceToken`",
        Layer::Policy | Layer::Install | Layer::File | Layer::Default => {
            "give the device a token with `countersign configure --deviceTokenFile FILE`"
        }
    };
    format!("`deviceToken` of {origin} is sealed, and can't be unsealed on this machine ({error}): {next}")
}

fn support_key_fault(error: RecipientInvalid) -> String {
    format!("`supportKey`: {error}")
}

/// What is wrong with a token, in the words of the option that brought it.
#[must_use]
pub fn token_fault(error: &TokenError) -> String {
    format!("`deviceToken` is not a device token ({error}): copy the whole token again, from `cst1_` on")
}

#[cfg(test)]
mod tests {
    use installer_options::parse_arguments;
    use platform::files::Access;
    use saml::token::TokenId;

    use super::*;
    use crate::golden_image::GoldenImage;

    fn token() -> DeviceToken {
        DeviceToken::from_parts(TokenId::from_random([7; 10]), [9; 32])
    }

    fn configure(paths: &Paths, arguments: &[&str]) -> Result<Added, ConfigError> {
        add(paths, parse_arguments(arguments.iter().copied(), Layer::Install, "a test"))
    }

    fn configure_token(paths: &Paths) -> Result<Added, ConfigError> {
        let text = token().reveal();
        configure(paths, &["-c", "cloud.example.net", "-d", "example.test", "-T", text.expose_secret()])
    }

    fn kept(paths: &Paths) -> String {
        let bytes = files::read_private(&paths.state_dir.join("options.toml"), 65_536).unwrap().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn is_plain(paths: &Paths) -> bool {
        kept(paths).contains(token().reveal().expose_secret())
    }

    fn seals() -> bool {
        platform::sealed::seal(b"octets").is_ok()
    }

    /// As after another installation of Windows, or a damage.
    fn make_unreadable(paths: &Paths) {
        let text =
            "cloudName = \"cloud.example.net\"\nuserDomain = \"example.test\"\ndeviceToken = \"sealed:b2N0ZXRz\"\n";
        files::create_private_dir(&paths.state_dir).unwrap();
        files::write_atomically(&paths.state_dir.join("options.toml"), text.as_bytes(), Access::Private).unwrap();
    }

    #[test]
    fn a_token_that_waits_is_sealed_where_the_system_seals_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        configure_token(&paths).unwrap();
        let first = kept(&paths);
        assert_eq!((first.contains("\"sealed:"), is_plain(&paths)), (seals(), !seals()), "{first}");
        assert_eq!(load(&paths).unwrap().token.unwrap().id(), token().id());
        configure(&paths, &["--keepToken", "1"]).unwrap();
        let token_of = |text: &str| text.lines().find(|line| line.starts_with("deviceToken")).unwrap().to_owned();
        assert_eq!(token_of(&first), token_of(&kept(&paths)), "what is sealed stays as it is");
        let before = mark(&paths);
        configure_token(&paths).unwrap();
        assert_eq!(mark(&paths), before, "the same token again is no change");
        assert!(forget_token(&paths).unwrap().is_none());
        assert!(!kept(&paths).contains("deviceToken"));
    }

    #[test]
    fn a_token_that_can_not_be_unsealed_names_its_file_and_another_one_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        make_unreadable(&paths);
        let error = load(&paths).unwrap_err().to_string();
        assert!(error.contains("options.toml") && error.contains("can't be unsealed on this machine"), "{error}");
        assert!(error.contains("`countersign configure --deviceTokenFile FILE`"), "{error}");
        assert!(configure(&paths, &["--keepToken", "1"]).is_err(), "nothing is written over it by the way");
        configure_token(&paths).unwrap();
        assert_eq!(load(&paths).unwrap().token.unwrap().id(), token().id());
        make_unreadable(&paths);
        forget_token(&paths).unwrap();
        assert!(load(&paths).unwrap().token.is_none());
    }

    #[test]
    fn a_templates_token_is_not_sealed_so_that_copies_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        configure_token(&paths).unwrap();
        GoldenImage::seal(&paths.state_dir).unwrap();
        store_again(&paths).unwrap();
        assert!(is_plain(&paths));
        configure_token(&paths).unwrap();
        assert!(is_plain(&paths), "in whichever order");
        GoldenImage::unseal(&paths.state_dir).unwrap();
        store_again(&paths).unwrap();
        assert_eq!(is_plain(&paths), !seals());
        assert_eq!(load(&paths).unwrap().token.unwrap().id(), token().id());
    }
}
