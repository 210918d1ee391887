//! The installer's command line, and the MSI properties that it becomes.

#![expect(
    clippy::disallowed_methods,
    reason = "an installer is outside the agent and its door to the operating system"
)]

use installer_options::{
    Flavour, Layer, OPTIONS, OptionName, Origin, Parsed, RawOption, domain_from_file_name, parse_arguments,
};
use platform::installer::Shown;
use std::{ffi::OsString, path::PathBuf};

/// What stands between domain and version in the installer's file name.
const PRODUCT: &str = "countersign";
/// The largest token file that is read, in octets.
const LARGEST_TOKEN: u64 = 4096;

/// What the command line asks for.
pub(crate) struct Wanted {
    /// `NAME="value"` for Windows Installer, with spaces between them.
    pub(crate) properties: String,
    pub(crate) shown: Shown,
}

/// Every argument that there is.
pub(crate) fn listed() -> Vec<String> {
    OPTIONS.iter().flat_map(|spec| spec.spellings(Flavour::Arguments)).collect()
}

/// Reads the command line of this process; gives what is wrong with it, fault by fault.
pub(crate) fn read() -> Result<Wanted, Vec<String>> {
    // The installer's own switches are no options.
    let is_own = |argument: &OsString| argument == "/S" || argument == "/NCRC";
    let (own, arguments): (Vec<_>, Vec<_>) = std::env::args_os().skip(1).partition(is_own);
    let mut parsed = parse_arguments(arguments, Layer::Install, "the installer's command line");
    let mut faults: Vec<_> = parsed.faults.iter().map(ToString::to_string).collect();
    if let Err(fault) = read_token_file(&mut parsed) {
        faults.push(fault);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    add_domain_of_file_name(&mut parsed);
    let shown = shown(&parsed, own.iter().any(|switch| switch == "/S"));
    Ok(Wanted { properties: property_list(&parsed), shown })
}

/// `NAME="value"`, with quotes in a value doubled, as Windows Installer reads them. Options without a property concern the installer alone.
fn property_list(parsed: &Parsed) -> String {
    let property = |option: &RawOption| {
        let name = option.option.spec().spellings(Flavour::Msi).into_iter().next()?;
        Some(format!("{name}=\"{}\"", option.value.expose().replace('"', "\"\"")))
    };
    parsed.options.iter().filter_map(property).collect::<Vec<_>>().join(" ")
}

fn shown(parsed: &Parsed, silent: bool) -> Shown {
    let is = |option, wanted| parsed.options.get(option).is_some_and(|raw| raw.value.expose() == wanted);
    let shows_progress =
        is(OptionName::UnattendedModeUi, "minimal") || is(OptionName::UnattendedModeUi, "minimalWithDialogs");
    let unattended = silent || is(OptionName::Mode, "unattended");
    if unattended && !shows_progress { Shown::Nothing } else { Shown::Progress }
}

/// `safemarch.com-countersign-windows-1.2.3-installer.exe` means `--userDomain safemarch.com`, unless that is given.
fn add_domain_of_file_name(parsed: &mut Parsed) {
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if parsed.options.get(OptionName::UserDomain).is_none()
        && let Some(domain) = domain_from_file_name(&name, PRODUCT)
    {
        let origin = Origin::new(Layer::Install, Flavour::Arguments, "the installer's file name");
        parsed.options.insert(RawOption::new(OptionName::UserDomain, domain.to_string(), origin));
    }
}

/// Keeps the token off the command line: it is read from the file that `--deviceTokenFile` names.
fn read_token_file(parsed: &mut Parsed) -> Result<(), String> {
    let Some(option) = parsed.options.get(OptionName::DeviceTokenFile) else { return Ok(()) };
    let path = PathBuf::from(option.value.expose());
    let length = std::fs::metadata(&path).map(|file| file.len());
    let text = match length {
        Ok(0..=LARGEST_TOKEN) => std::fs::read_to_string(&path).map_err(|error| error.to_string()),
        Ok(_) => Err("it is too large for a token".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let text = text.map_err(|why| format!("`--deviceTokenFile` can't be read: {why}"))?;
    parsed.options.replace_token_file(text.trim().into());
    Ok(())
}
