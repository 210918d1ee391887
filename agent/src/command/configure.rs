//! `countersign configure`: the install options, in every flavour's spelling.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use installer_options::{Flavour, Layer, OPTIONS, OptionName, Parsed, parse_arguments};
use platform::files;
use platform::paths::Paths;
use platform::service::{self, ServiceState};
use secrecy::SecretString;

use super::{CommandError, Outcome};
use crate::config::{self, ConfigError};
use crate::control::{self, Ask, ControlError, Problem, Reply};
use crate::golden_image::GoldenImage;
use crate::written;

/// The largest token file that is read, in octets.
pub(super) const LARGEST_TOKEN: usize = 4096;

/// Options that are kept for a later version and for whatever else reads them.
const NOT_ACTED_ON: &[OptionName] = &[
    OptionName::PolicyToken,
    OptionName::StrictEnforcement,
    OptionName::HideAppUiOnLaunch,
    OptionName::LaunchTray,
    OptionName::AutoEnroll,
    OptionName::Mode,
    OptionName::UnattendedModeUi,
    OptionName::Vdi,
    OptionName::ConfigTimeout,
    OptionName::UninstallPassword,
    OptionName::Ownership,
];

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Configure {
    /// `--name value` or `--name=value`; see the list that `countersign configure` prints.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

impl Configure {
    pub(super) async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        if is_for_the_machine(paths) {
            return Err(CommandError::BesideTheMachines);
        }
        if let Some(golden) = golden_image(&self.options) {
            return golden.run(paths).await;
        }
        let asks_for_help = self.options.iter().any(|option| option == "--help" || option == "-h");
        if self.options.is_empty() || asks_for_help {
            return Ok(Outcome::success(help()));
        }
        let mut given = parse_arguments(self.options, Layer::Install, "countersign configure");
        let on_command_line = given.options.get(OptionName::DeviceToken).is_some();
        let mut text = String::new();
        read_token_file(&mut given)?;
        let without_effect: Vec<_> =
            given.options.iter().map(|option| option.option).filter(|option| NOT_ACTED_ON.contains(option)).collect();
        for option in without_effect {
            let _ = writeln!(
                text,
                "note: `{}` is kept; this version of the agent does not act on it",
                option.spec().canonical
            );
        }
        let added = config::add(paths, given)?;
        for note in added.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for (option, origin) in added.overruled {
            let _ = writeln!(text, "note: `{option}` is kept, and overruled by {origin}");
        }
        if on_command_line {
            text.push_str("note: other accounts can see a command line; `--deviceTokenFile FILE` or `--deviceTokenFile -` keeps the token out of it\n");
        }
        text.push_str(match reload(paths).await? {
            true => "configured; the agent works with it now\n",
            false if *paths == Paths::system() && service::starts_when_configured() => {
                "configured; the service starts now\n"
            }
            false => "configured; the agent is not running\n",
        });
        Ok(Outcome::success(text))
    }
}

/// Whether the account has no rights for the machine's agent, which is here, and no agent of its own: what it would write, nothing would read.
fn is_for_the_machine(paths: &Paths) -> bool {
    let is_of_account = Paths::of_user().is_ok_and(|own| own == *paths) && !Paths::is_privileged();
    let has_own = paths.state_dir.exists() || paths.config_file.exists();
    is_of_account && !has_own && service::status().is_ok_and(|status| status.state != ServiceState::NotInstalled)
}

/// Sealing the machine as a template, which is no option: it says something about this machine that no copy of it may inherit.
enum SealAs {
    Template,
    Machine,
    Wrong,
}

/// What `options` say about golden images, if they do.
fn golden_image(options: &[OsString]) -> Option<SealAs> {
    let words: Vec<_> = options.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    match words[..] {
        ["--golden-image"] => Some(SealAs::Template),
        ["--golden-image=off"] | ["--golden-image", "off"] => Some(SealAs::Machine),
        _ if words.iter().any(|word| word.starts_with("--golden-image")) => Some(SealAs::Wrong),
        _ => None,
    }
}

impl SealAs {
    async fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let text = match self {
            Self::Template => {
                GoldenImage::seal(&paths.state_dir)?;
                config::store_again(paths)?;
                "sealed: nothing enrols here until a copy of this machine boots"
            }
            Self::Machine => match GoldenImage::unseal(&paths.state_dir)? {
                true => {
                    config::store_again(paths)?;
                    "no longer a golden image: this machine enrols itself"
                }
                false => "this machine was no golden image: nothing has changed",
            },
            Self::Wrong => {
                let fault = "`--golden-image` stands alone, or with `off`: give the options in a command before it";
                return Err(ConfigError::Faults(vec![fault.to_owned()]).into());
            }
        };
        let taken_up = if reload(paths).await? { "the agent works with that now" } else { "the agent is not running" };
        Ok(Outcome::success(format!("{text}; {taken_up}\n")))
    }
}

/// Puts the token that `deviceTokenFile` names in that option's place.
fn read_token_file(given: &mut Parsed) -> Result<(), CommandError> {
    let Some(option) = given.options.get(OptionName::DeviceTokenFile) else { return Ok(()) };
    let path = option.value.expose().to_owned();
    let bytes = match path.as_str() {
        "-" => Some(files::read_stdin(LARGEST_TOKEN)?),
        path => files::read(Path::new(path), LARGEST_TOKEN)?.map(Into::into),
    };
    let fault = |why: &str| CommandError::Config(ConfigError::Faults(vec![format!("`deviceTokenFile` {why}")]));
    let bytes = bytes.ok_or_else(|| fault(&format!("names `{path}`, which is not there")))?;
    let text = written::line(&bytes)
        .map_err(|why| fault(&format!("names `{path}`, which {why}; a file with the device token alone is wanted")))?;
    given.options.replace_token_file(SecretString::from(text.as_str()));
    Ok(())
}

/// Tells a daemon, if one runs; says whether one did.
pub(super) async fn reload(paths: &Paths) -> Result<bool, CommandError> {
    match control::ask(paths, &Ask::Reload).await {
        Ok(Reply::Done) => Ok(true),
        Ok(Reply::Failed(problem)) => Err(CommandError::Problem(problem)),
        Ok(Reply::Status(_) | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. }) => {
            Err(CommandError::Problem(Problem::failure(crate::failure::FailureCode::NotRunning)))
        }
        Err(ControlError::Channel(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn help() -> String {
    let mut text = "Usage: countersign configure --name value …\n\nOptions are added to those that were given before, checked together, and used at once:\n\n".to_owned();
    for spec in OPTIONS {
        let Some(spelling) = spec.spellings(Flavour::Arguments).into_iter().next() else { continue };
        let short = spec
            .spellings(Flavour::LinuxShortFlags)
            .into_iter()
            .next()
            .map_or_else(|| "    ".to_owned(), |short| format!("{short}, "));
        let _ = writeln!(text, "  {short}{spelling}\n        {}", spec.help);
    }
    text.push_str("\n  --golden-image\n        This machine is a template: nothing enrols here, and each copy of it enrols as a device of its own. `--golden-image off` takes it back.\n");
    text.push_str("\nFor example: countersign configure --userDomain example.com --cloudName cloud.example.net --deviceTokenFile -\n");
    text
}
